//! What has arrived on one path, as its far end wants to hear it.

use core::time::Duration;
use std::collections::VecDeque;

use units::Instant;

use super::extend;
use crate::wire::{Gap, MOST_GAPS, Stamp};

/// A gap that has not closed by then is told no more.
const GAP_LIFE: Duration = Duration::from_millis(500);
/// Gaps remembered. More than are told, because the newest matter most.
const MOST_REMEMBERED: usize = 4 * MOST_GAPS;
/// The least delay is looked for over one to two of these.
const LEAST_DELAY_SPAN: Duration = Duration::from_secs(5);
/// A number this far from the highest is not a datagram of this connection.
const FARTHEST: u64 = 1 << 20;

/// Datagrams that have not come although later ones have.
#[derive(Clone, Copy, Debug)]
struct Missing {
    from: u64,
    /// One past the last.
    end: u64,
    since: Instant,
}

/// The newest datagram.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    /// Its number.
    pub sequence: u64,
    /// When it says it was sent.
    pub sent: Stamp,
    /// When it arrived.
    pub at: Instant,
}

/// What was seen of a path's rhythm since somebody last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// When the most delayed datagram arrived.
    pub at: Instant,
    /// Its delay above the least seen lately.
    pub delay: Duration,
    /// The longest time in which nothing arrived: from when, until when.
    pub hole: Option<(Instant, Instant)>,
}

/// Pauses shorter than this are none.
const SHORTEST_HOLE: Duration = Duration::from_millis(40);

/// What has arrived on one path.
#[derive(Debug, Default)]
pub struct Arrivals {
    newest: Option<Newest>,
    missing: VecDeque<Missing>,
    received: u32,
    bytes: u32,
    last_delay: Option<i32>,
    least: LeastDelay,
    queue_micros: u32,
    jitter_micros: u32,
    rhythm: Option<Rhythm>,
    /// Whether something is promised to come all the time.
    paced: bool,
}

impl Arrivals {
    /// Whether something is promised to come all the time: only then is a pause a hole.
    pub fn expect_pace(&mut self, paced: bool) {
        self.paced = paced;
    }

    /// A datagram has arrived. Whether it can belong to this path at all.
    pub fn record(&mut self, sequence: u32, sent: Stamp, bytes: usize, now: Instant) -> bool {
        let before = self.newest.map(|newest| newest.at);
        let reference = self.newest.map_or(u64::from(sequence), |newest| newest.sequence);
        let sequence = extend(sequence, reference);
        if sequence.abs_diff(reference) > FARTHEST {
            return false;
        }
        self.received = self.received.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(u32::try_from(bytes).unwrap_or(0));
        match self.newest {
            Some(newest) if sequence <= newest.sequence => self.fill(sequence),
            before => {
                let expected = before.map_or(sequence, |newest| newest.sequence + 1);
                if expected < sequence {
                    self.remember(Missing { from: expected, end: sequence, since: now });
                }
                self.newest = Some(Newest { sequence, sent, at: now });
            }
        }
        let above = self.measure(sent, now);
        self.note_rhythm(before, above, now);
        true
    }

    /// The newest datagram, if any has arrived.
    #[must_use]
    pub const fn newest(&self) -> Option<Newest> {
        self.newest
    }

    /// Datagrams and bytes so far, modulo 2^32.
    #[must_use]
    pub const fn totals(&self) -> (u32, u32) {
        (self.received, self.bytes)
    }

    /// Delay above the least seen lately, in microseconds, smoothed.
    #[must_use]
    pub const fn queue_micros(&self) -> u32 {
        self.queue_micros
    }

    /// How much the delay varies from one datagram to the next (RFC 3550, section 6.4.1).
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        Duration::from_micros(self.jitter_micros as u64)
    }

    /// The least delay is measured anew: the path has changed.
    pub fn forget_least_delay(&mut self) {
        self.least = LeastDelay::default();
    }

    /// What is missing, newest first; at most [`MOST_GAPS`].
    pub fn gaps(&mut self, now: Instant) -> Vec<Gap> {
        let Some(newest) = self.newest else { return Vec::new() };
        self.missing.retain(|gap| now.saturating_since(gap.since) < GAP_LIFE);
        let gap = |missing: &Missing| {
            let back = u32::try_from(newest.sequence - (missing.end - 1)).ok()?;
            let count = missing.end - missing.from;
            Some(Gap { back, count: u16::try_from(count).unwrap_or(u16::MAX) })
        };
        self.missing.iter().rev().take(MOST_GAPS).map_while(gap).collect()
    }

    fn remember(&mut self, missing: Missing) {
        if self.missing.len() >= MOST_REMEMBERED {
            self.missing.pop_front();
        }
        self.missing.push_back(missing);
    }

    fn fill(&mut self, sequence: u64) {
        let holds = |gap: &Missing| gap.from <= sequence && sequence < gap.end;
        let Some(index) = self.missing.iter().position(holds) else { return };
        let gap = self.missing[index];
        let parts = [Missing { end: sequence, ..gap }, Missing { from: sequence + 1, ..gap }];
        self.missing.remove(index);
        for part in parts.into_iter().rev().filter(|part| part.from < part.end) {
            self.missing.insert(index, part);
        }
        if self.missing.len() > MOST_REMEMBERED {
            self.missing.pop_front();
        }
    }

    /// How far the delay is above the least, in microseconds.
    fn measure(&mut self, sent: Stamp, now: Instant) -> u32 {
        let delay = Stamp::at(now).micros_since(sent);
        let above = self.least.above(delay, now);
        self.queue_micros = smooth(self.queue_micros, above, 8);
        if let Some(last) = self.last_delay {
            self.jitter_micros =
                smooth(self.jitter_micros, delay.wrapping_sub(last).unsigned_abs(), 16);
        }
        self.last_delay = Some(delay);
        above
    }

    fn note_rhythm(&mut self, before: Option<Instant>, above: u32, now: Instant) {
        let delay = Duration::from_micros(above.into());
        let fresh = Rhythm { at: now, delay, hole: None };
        let rhythm = self.rhythm.get_or_insert(fresh);
        if delay > rhythm.delay {
            (rhythm.at, rhythm.delay) = (now, delay);
        }
        if let Some(begin) = before
            && self.paced
            && now.saturating_since(begin) >= SHORTEST_HOLE
        {
            rhythm.hole = Some((begin, now));
        }
    }

    /// What was seen of its rhythm since the last call.
    pub fn take_rhythm(&mut self) -> Option<Rhythm> {
        self.rhythm.take()
    }
}

/// Moves one part in `parts` of the way from `old` to `new`.
fn smooth(old: u32, new: u32, parts: i64) -> u32 {
    let step = (i64::from(new) - i64::from(old)) / parts;
    u32::try_from(i64::from(old) + step).unwrap_or(old)
}

/// The least of a delay whose zero is unknown and which drifts: over one to two spans.
#[derive(Debug, Default)]
struct LeastDelay {
    this: Option<i32>,
    before: Option<i32>,
    since: Instant,
}

impl LeastDelay {
    /// How far `delay` is above the least.
    fn above(&mut self, delay: i32, now: Instant) -> u32 {
        if now.saturating_since(self.since) > LEAST_DELAY_SPAN {
            (self.before, self.this, self.since) = (self.this, None, now);
        }
        let less = |than: Option<i32>| than.is_none_or(|than| delay.wrapping_sub(than) < 0);
        if less(self.this) {
            self.this = Some(delay);
        }
        let least = match (self.this, self.before) {
            (Some(this), Some(before)) if this.wrapping_sub(before) > 0 => before,
            (Some(this), _) => this,
            (None, _) => delay,
        };
        u32::try_from(delay.wrapping_sub(least)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(10_000_000 + micros)
    }

    #[test]
    fn gaps_open_split_and_close() {
        let mut arrivals = Arrivals::default();
        for sequence in [0, 1, 5, 6, 9] {
            arrivals.record(sequence, Stamp(0), 100, at(0));
        }
        let gap = |back, count| Gap { back, count };
        assert_eq!(arrivals.gaps(at(0)), [gap(1, 2), gap(5, 3)]);
        arrivals.record(3, Stamp(0), 100, at(0));
        assert_eq!(arrivals.gaps(at(0)), [gap(1, 2), gap(5, 1), gap(7, 1)]);
        for sequence in [7, 8, 4, 2] {
            arrivals.record(sequence, Stamp(0), 100, at(0));
        }
        assert!(arrivals.gaps(at(0)).is_empty());
        assert_eq!(arrivals.totals(), (10, 1_000));
    }

    #[test]
    fn a_gap_is_told_for_half_a_second() {
        let mut arrivals = Arrivals::default();
        arrivals.record(0, Stamp(0), 1, at(0));
        arrivals.record(2, Stamp(0), 1, at(0));
        assert_eq!(arrivals.gaps(at(499 * MS)).len(), 1);
        assert_eq!(arrivals.gaps(at(500 * MS)).len(), 0);
    }

    #[test]
    fn numbers_go_on_beyond_32_bits() {
        let mut arrivals = Arrivals::default();
        arrivals.record(u32::MAX, Stamp(0), 1, at(0));
        arrivals.record(1, Stamp(0), 1, at(0));
        assert_eq!(arrivals.newest().unwrap().sequence, (1 << 32) + 1);
        assert_eq!(arrivals.gaps(at(0)), [Gap { back: 1, count: 1 }]);
        assert!(!arrivals.record(1 << 30, Stamp(0), 1, at(0)), "far from everything");
    }

    #[test]
    fn delay_is_told_above_the_least_whatever_the_clocks() {
        let mut arrivals = Arrivals::default();
        let offset = 4_000_000_000_u64;
        for n in 0..200_u32 {
            let delay = if n < 100 { 20 * MS } else { 70 * MS };
            let now = at(u64::from(n) * 20 * MS);
            let sent = Stamp::at(Instant::from_micros(now.as_micros() - delay + offset));
            arrivals.record(n, sent, 1, now);
        }
        let queue = arrivals.queue_micros();
        assert!((45_000..=50_000).contains(&queue), "{queue}");
        arrivals.forget_least_delay();
        for n in 200..300_u32 {
            let now = at(u64::from(n) * 20 * MS);
            let sent = Stamp::at(Instant::from_micros(now.as_micros() - 70 * MS + offset));
            arrivals.record(n, sent, 1, now);
        }
        assert!(arrivals.queue_micros() < 100);
    }
}
