//! What the uplinks carry over time, counted by the emulated links: seen from outside, so that it
//! holds for every contender.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use units::Instant;

use crate::world::{Uplink, World};

/// How often is counted.
const EVERY: Duration = Duration::from_millis(50);
/// Counts kept at most: an hour and a half of them.
const MAX_SAMPLES: usize = 20 * 5_400;

/// Packet bytes put on each uplink so far, up and down, whether or not they arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    at: Instant,
    bytes: [[u64; 2]; 2],
}

/// What has been counted.
#[derive(Clone, Debug, Default)]
pub(super) struct WireRecord(Vec<Sample>);

impl WireRecord {
    /// The share of one uplink above which traffic is on it.
    const MOST: f64 = 0.8;
    /// How long it must be there to count.
    const LASTING: Duration = Duration::from_millis(500);

    /// Bytes put on both uplinks in `range`, both ways.
    pub(super) fn bytes(&self, range: &Range<Instant>) -> u64 {
        let [from, to] = [self.before(range.start), self.before(range.end)];
        let sum = |sample: Sample| sample.bytes.iter().flatten().sum::<u64>();
        sum(to).saturating_sub(sum(from))
    }

    /// How long after `from` nearly everything both ways goes by `uplink` again; nothing, if it
    /// does not within the record.
    pub(super) fn returned(&self, uplink: Uplink, from: Instant) -> Option<Duration> {
        let last = self.0.last()?.at;
        let begin = self.0.iter().map(|sample| sample.at).filter(|at| *at >= from);
        let there = begin
            .take_while(|at| *at + Self::LASTING <= last)
            .find(|at| self.is_on(uplink, &(*at..*at + Self::LASTING)))?;
        Some(there.saturating_since(from))
    }

    /// How often traffic moved from one uplink to the other and stayed there for half a second.
    pub(super) fn moves(&self) -> u64 {
        let mut on = None;
        let mut moves = 0;
        for at in self.0.iter().map(|sample| sample.at) {
            let window = at..at + Self::LASTING;
            let now = Uplink::ALL.into_iter().find(|uplink| self.is_on(*uplink, &window));
            if let Some(now) = now {
                moves += u64::from(on.is_some_and(|on| on != now));
                on = Some(now);
            }
        }
        moves
    }

    /// Whether nearly everything, both ways, goes by `uplink` in `range`.
    pub(super) fn is_on(&self, uplink: Uplink, range: &Range<Instant>) -> bool {
        let [from, to] = [self.before(range.start), self.before(range.end)];
        (0..2).all(|side| {
            let [own, all] = [
                to.bytes[uplink as usize][side] - from.bytes[uplink as usize][side],
                (0..2).map(|each| to.bytes[each][side] - from.bytes[each][side]).sum(),
            ];
            #[expect(clippy::cast_precision_loss, reason = "half a second of bytes fit a double")]
            let most = own as f64 >= all as f64 * Self::MOST;
            all > 0 && most
        })
    }

    fn before(&self, at: Instant) -> Sample {
        let after = self.0.partition_point(|sample| sample.at <= at);
        after.checked_sub(1).map_or_else(Sample::default, |index| self.0[index])
    }
}

/// Counts until it is dropped. One thread.
pub(super) struct WireSampler {
    record: Arc<Mutex<WireRecord>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WireSampler {
    /// Starts counting.
    ///
    /// # Errors
    /// When there is no thread left.
    pub(super) fn start(world: &World) -> std::io::Result<Self> {
        let record = Arc::<Mutex<WireRecord>>::default();
        let over = Arc::<AtomicBool>::default();
        let uplinks = Uplink::ALL.map(|uplink| world.uplink(uplink).clone());
        let (clock, kept, said) = (world.clock(), Arc::clone(&record), Arc::clone(&over));
        let count = move || {
            while !said.load(Ordering::Acquire) {
                let bytes = uplinks.each_ref().map(|uplink| {
                    let status = uplink.status();
                    [status.up.counters.received_bytes, status.down.counters.received_bytes]
                });
                let mut record = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if record.0.len() < MAX_SAMPLES {
                    record.0.push(Sample { at: clock.now(), bytes });
                }
                drop(record);
                std::thread::sleep(EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("wire".to_owned()).spawn(count)?;
        Ok(Self { record, over, thread: Some(thread) })
    }

    /// What has been counted so far.
    pub(super) fn record(&self) -> WireRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for WireSampler {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic, if any, is on standard error already
        }
    }
}

/// That long before, or the beginning of time.
pub(super) fn earlier(at: Instant, by: Duration) -> Instant {
    Instant::BOOT + at.saturating_since(Instant::BOOT).saturating_sub(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    /// A second on broadband, a second on Starlink, a second on both, then broadband again.
    fn record() -> WireRecord {
        let mut bytes = [[0; 2]; 2];
        let samples = (0..100_u64).map(|step| {
            let sample = Sample { at: ms(step * 50), bytes };
            bytes[0] = bytes[0].map(|sum| sum + if (20..40).contains(&step) { 1 } else { 1_000 });
            bytes[1] = bytes[1].map(|sum| sum + if (20..60).contains(&step) { 1_000 } else { 1 });
            sample
        });
        WireRecord(samples.collect())
    }

    #[test]
    fn a_return_is_seen_when_it_lasts() {
        let record = record();
        assert!(record.is_on(Uplink::Broadband, &(ms(0)..ms(500))));
        assert!(record.is_on(Uplink::Starlink, &(ms(1_100)..ms(1_600))));
        assert!(!record.is_on(Uplink::Broadband, &(ms(2_100)..ms(2_600))), "both carry it");
        let returned = record.returned(Uplink::Broadband, ms(1_500)).unwrap();
        assert!((1_350..=1_500).contains(&returned.as_millis()), "{returned:?}");
        assert_eq!(record.returned(Uplink::Starlink, ms(3_500)), None);
        assert_eq!(record.moves(), 2);
    }
}
