//! The bottleneck: when the frame in service has left.

use std::time::Duration;

use units::Instant;

use super::specification::{Capacity, ReplayPhase};
use super::trace::{DeliveryTrace, OPPORTUNITY_BYTES};

/// A millionth of a byte: fine enough that a scaled opportunity is a whole number of them.
const MILLIONTHS: u64 = 1_000_000;

/// Serves one frame at a time. The caller names each moment at which something changes, in order:
/// a frame starts, the share of the capacity changes, the frame has left.
#[derive(Debug)]
pub(super) struct Bottleneck {
    kind: Kind,
    /// How much of the capacity there is, in parts per million; never zero.
    share: u32,
    in_service: Option<Service>,
    /// What the last opportunity had left when its frame was done, for the frame behind it.
    left_over: u64,
}

#[derive(Debug)]
enum Kind {
    Unlimited,
    Constant { bits_per_second: u64 },
    Trace { trace: DeliveryTrace, phase: Duration, next: u64 },
}

impl Kind {
    fn replay(trace: DeliveryTrace, phase: ReplayPhase) -> Self {
        let next = trace.first_at_or_after(phase.position());
        Self::Trace { trace, phase: phase.position(), next }
    }
}

#[derive(Clone, Copy, Debug)]
struct Service {
    /// Millionths of a byte still to leave at `since`.
    remaining: u64,
    since: Instant,
    /// When the frame has left if nothing changes.
    finish: Instant,
}

impl Bottleneck {
    pub(super) fn new(capacity: Capacity, phase: ReplayPhase) -> Self {
        let kind = match capacity {
            Capacity::Unlimited => Kind::Unlimited,
            Capacity::Rate(rate) => Kind::Constant { bits_per_second: rate.bits_per_second() },
            Capacity::Trace(recorded) => Kind::replay(recorded.delivery(), phase),
            Capacity::Brought(trace) => Kind::replay(trace, phase),
        };
        Self { kind, share: 1_000_000, in_service: None, left_over: 0 }
    }

    /// When the frame in service has left, if there is one.
    pub(super) fn finish(&self) -> Option<Instant> {
        self.in_service.map(|service| service.finish)
    }

    /// A frame comes to the front of an idle link.
    pub(super) fn start(&mut self, bytes: u32, now: Instant) {
        if let Kind::Trace { trace, phase, next } = &mut self.kind {
            let position = *phase + now.saturating_since(Instant::BOOT);
            let first = trace.first_at_or_after(position);
            // An opportunity in this very moment may have been used already.
            if first > *next {
                *next = first;
                self.left_over = 0;
            }
        }
        self.serve(bytes, now);
    }

    /// The frame in service left at its finish; the next one, already waiting, follows it.
    pub(super) fn follow(&mut self, bytes: u32) {
        if let Some(now) = self.finish() {
            self.serve(bytes, now);
        }
    }

    /// The frame in service left, and nothing waits: what an opportunity had left is lost.
    pub(super) fn rest(&mut self) {
        self.in_service = None;
        self.left_over = 0;
    }

    /// The share of the capacity becomes another at `now`, which is not after the finish.
    pub(super) fn set_share(&mut self, parts_per_million: u32, now: Instant) {
        let remaining = self.in_service.map(|service| self.work_until(service, now));
        self.share = parts_per_million;
        if let Some(remaining) = remaining {
            self.commit(remaining, now);
        }
    }

    fn serve(&mut self, bytes: u32, now: Instant) {
        let wanted = u64::from(bytes) * MILLIONTHS;
        let used = wanted.min(self.left_over);
        self.left_over -= used;
        self.commit(wanted - used, now);
    }

    /// Sets the frame in service, with that much still to leave from `since` on, and takes the
    /// opportunities up to its finish; `work_until` gives them back if the share changes before.
    fn commit(&mut self, remaining: u64, since: Instant) {
        let finish = match &mut self.kind {
            _ if remaining == 0 => since,
            Kind::Unlimited => since,
            Kind::Constant { bits_per_second } => {
                let work = u128::from(remaining) * 8 * 1_000_000_000;
                let speed = u128::from(*bits_per_second) * u128::from(self.share);
                since + Duration::from_nanos(narrow(work.div_ceil(speed)))
            }
            Kind::Trace { trace, phase, next } => {
                let each = each_opportunity(self.share);
                let count = remaining.div_ceil(each);
                self.left_over = count * each - remaining;
                *next += count;
                moment_of(trace, *phase, *next - 1).max(since)
            }
        };
        self.in_service = Some(Service { remaining, since, finish });
    }

    /// How much of the frame in service is left at `now`.
    fn work_until(&mut self, service: Service, now: Instant) -> u64 {
        let done = match &mut self.kind {
            Kind::Unlimited => service.remaining,
            Kind::Constant { bits_per_second } => {
                let nanos = now.saturating_since(service.since).as_nanos();
                let speed = u128::from(*bits_per_second) * u128::from(self.share);
                narrow(nanos.saturating_mul(speed) / (8 * 1_000_000_000))
            }
            Kind::Trace { trace, phase, next } => {
                let each = each_opportunity(self.share);
                let taken = *next - service.remaining.div_ceil(each)..*next;
                let passed =
                    taken.clone().take_while(|number| moment_of(trace, *phase, *number) < now);
                let passed = passed.count() as u64;
                *next = taken.start + passed;
                self.left_over = 0;
                passed * each
            }
        };
        service.remaining.saturating_sub(done)
    }
}

/// Millionths of a byte that one opportunity carries at that share.
fn each_opportunity(share: u32) -> u64 {
    u64::from(OPPORTUNITY_BYTES) * u64::from(share)
}

/// When an opportunity comes on the emulator's clock, whose start is at `phase` in the recording.
fn moment_of(trace: &DeliveryTrace, phase: Duration, number: u64) -> Instant {
    Instant::BOOT + trace.time_of(number).saturating_sub(phase)
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::{Rate, RecordedTrace};

    fn millis(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn at_megabits(megabits: u32) -> Bottleneck {
        let capacity = Capacity::Rate(Rate::from_megabits(megabits));
        Bottleneck::new(capacity, ReplayPhase::default())
    }

    #[test]
    fn a_frame_takes_its_length_over_the_rate() {
        let mut link = at_megabits(12);
        link.start(1_500, millis(5));
        assert_eq!(link.finish(), Some(millis(6)), "1500 bytes at 12 Mbit/s are 1 ms");
        link.follow(3_000);
        assert_eq!(link.finish(), Some(millis(8)));
        link.rest();
        assert_eq!(link.finish(), None);
    }

    #[test]
    fn half_the_share_doubles_what_is_left() {
        let mut link = at_megabits(12);
        link.start(15_000, millis(0));
        link.set_share(500_000, millis(4));
        assert_eq!(link.finish(), Some(millis(16)), "6 of 10 ms were left");
    }

    #[test]
    fn a_trace_is_followed_opportunity_by_opportunity() {
        let trace = RecordedTrace::Leocc.delivery();
        let mut link =
            Bottleneck::new(Capacity::Trace(RecordedTrace::Leocc), ReplayPhase::default());
        link.start(1_500, Instant::BOOT);
        for number in 0..2_000 {
            assert_eq!(link.finish(), Some(Instant::BOOT + trace.time_of(number)));
            link.follow(1_500);
        }
        // Three short frames share one opportunity; the fourth needs the next one.
        let mut link =
            Bottleneck::new(Capacity::Trace(RecordedTrace::Leocc), ReplayPhase::default());
        link.start(500, Instant::BOOT);
        let first = link.finish();
        link.follow(500);
        link.follow(500);
        assert_eq!(link.finish(), first);
        link.follow(500);
        assert_eq!(link.finish(), Some(Instant::BOOT + trace.time_of(1)));
    }

    #[test]
    fn what_an_opportunity_had_left_is_lost_while_nothing_waits() {
        let trace = RecordedTrace::Leocc.delivery();
        let last = (0..).find(|number| trace.time_of(*number) < trace.time_of(number + 1)).unwrap();
        let mut link =
            Bottleneck::new(Capacity::Trace(RecordedTrace::Leocc), ReplayPhase::default());
        link.start(1_500 * u32::try_from(last).unwrap() + 500, Instant::BOOT);
        let left = link.finish().unwrap();
        assert_eq!(left, Instant::BOOT + trace.time_of(last));
        link.rest();
        link.start(500, left + Duration::from_nanos(1));
        assert_eq!(link.finish(), Some(Instant::BOOT + trace.time_of(last + 1)));
    }

    #[test]
    fn half_the_share_needs_twice_the_opportunities() {
        let trace = RecordedTrace::Leocc.delivery();
        let mut link =
            Bottleneck::new(Capacity::Trace(RecordedTrace::Leocc), ReplayPhase::default());
        link.start(15_000, Instant::BOOT);
        assert_eq!(link.finish(), Some(Instant::BOOT + trace.time_of(9)));
        link.set_share(500_000, Instant::BOOT);
        assert_eq!(link.finish(), Some(Instant::BOOT + trace.time_of(19)));
    }
}
