//! How a connection gets on: the bytes that have come out of its far end over time.

use std::ops::Range;
use std::time::Duration;

use units::Instant;

/// Whether a connection outlived something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// It goes on.
    Alive,
    /// It is still there, but nothing comes any more.
    Stalled,
    /// It was closed or reset.
    Ended,
}

/// Bytes received on one connection so far, noted now and then.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    notes: Vec<(Instant, u64)>,
    ended: Option<Instant>,
}

impl Progress {
    /// How often a note is worth keeping: 20 each second.
    pub const EVERY: Duration = Duration::from_millis(50);
    /// Notes kept at most: an hour and a half of them.
    const MAX_NOTES: usize = 20 * 5_400;

    /// `total` bytes have come out by `now`.
    pub fn note(&mut self, now: Instant, total: u64) {
        let due = self.notes.last().is_none_or(|last| now >= last.0 + Self::EVERY);
        if due && self.notes.len() < Self::MAX_NOTES {
            self.notes.push((now, total));
        }
    }

    /// The connection is over.
    pub fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    /// Bytes that came out in `range`, as far as the notes tell.
    #[must_use]
    pub fn bytes_in(&self, range: &Range<Instant>) -> u64 {
        self.total_at(range.end).saturating_sub(self.total_at(range.start))
    }

    /// Whether it still made progress of at least `bytes` in `range`.
    #[must_use]
    pub fn survival(&self, range: &Range<Instant>, bytes: u64) -> Survival {
        if self.ended.is_some_and(|ended| ended < range.end) {
            Survival::Ended
        } else if self.bytes_in(range) >= bytes {
            Survival::Alive
        } else {
            Survival::Stalled
        }
    }

    fn total_at(&self, at: Instant) -> u64 {
        let after = self.notes.partition_point(|(noted, _)| *noted <= at);
        after.checked_sub(1).map_or(0, |last| self.notes[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn alive_stalled_and_ended_are_told_apart() {
        let mut progress = Progress::default();
        for step in 0..20 {
            progress.note(ms(step * 100), step * 1_000);
        }
        assert_eq!(progress.bytes_in(&(ms(500)..ms(1_000))), 5_000);
        assert_eq!(progress.survival(&(ms(500)..ms(1_000)), 5_000), Survival::Alive);
        assert_eq!(progress.survival(&(ms(2_000)..ms(3_000)), 1), Survival::Stalled);
        progress.end(ms(2_500));
        assert_eq!(progress.survival(&(ms(2_000)..ms(3_000)), 1), Survival::Ended);
        assert_eq!(progress.survival(&(ms(500)..ms(1_000)), 5_000), Survival::Alive);
    }

    #[test]
    fn notes_are_kept_now_and_then() {
        let mut progress = Progress::default();
        for step in 0..1_000 {
            progress.note(ms(step), step);
        }
        assert_eq!(progress.notes.len(), 20);
    }
}
