//! What was sent one way and what arrived, message by message, and what follows from it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use units::Instant;

use super::distribution::Distribution;

/// A message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub sequence: u32,
    /// When.
    pub at: Instant,
}

/// One way of a stream of messages.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// When each message was due to be sent; its number is its place.
    sent: Vec<Instant>,
    /// First copies, in order of arrival.
    first: Vec<Arrival>,
    /// Which numbers those are, with their place in `first`.
    place: HashMap<u32, usize>,
    duplicates: u64,
}

/// A time in which nothing new arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last arrival before it, or the beginning of what was looked at.
    pub from: Instant,
    /// The first arrival after it, or the end of what was looked at.
    pub to: Instant,
    /// Nothing arrived any more: the gap is at least this long.
    pub open: bool,
}

impl Gap {
    /// How long it is.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.to.saturating_since(self.from)
    }

    fn or_longer(self, other: Self) -> Self {
        if other.length() > self.length() { other } else { self }
    }
}

/// Messages that never arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages sent.
    pub sent: u64,
    /// Of those, lost.
    pub lost: u64,
}

impl Journal {
    /// Messages kept at most: 200 each second for an hour and a half.
    pub const MAX_MESSAGES: usize = 200 * 5_400;

    /// From the moments at which messages were due, and every arrival, copies included, in order.
    /// Arrivals of numbers that were never sent are left out.
    #[must_use]
    pub fn new(sent: Vec<Instant>, arrivals: &[Arrival]) -> Self {
        let mut journal = Self { sent, ..Self::default() };
        for arrival in arrivals {
            if journal.sent_at(arrival.sequence).is_none() {
                continue;
            }
            if journal.place.contains_key(&arrival.sequence) {
                journal.duplicates += 1;
            } else {
                journal.place.insert(arrival.sequence, journal.first.len());
                journal.first.push(*arrival);
            }
        }
        journal
    }

    /// The longest time without a first arrival that reaches into `range`, from the arrival before
    /// it to the one after it. If nothing comes any more, it ends with `range` and is open.
    #[must_use]
    pub fn longest_gap(&self, range: &Range<Instant>) -> Gap {
        let after = self.first.partition_point(|arrival| arrival.at < range.start);
        let mut from = after.checked_sub(1).map_or(range.start, |before| self.first[before].at);
        let mut longest = Gap { from, to: from, open: false };
        for to in self.first[after..].iter().map(|arrival| arrival.at) {
            longest = longest.or_longer(Gap { from, to, open: false });
            from = to;
            if to >= range.end {
                return longest;
            }
        }
        longest.or_longer(Gap { from, to: range.end, open: true })
    }

    /// What became of the messages sent in `range`.
    #[must_use]
    pub fn losses(&self, range: &Range<Instant>) -> Losses {
        let mut losses = Losses::default();
        for (sequence, at) in (0_u32..).zip(&self.sent) {
            if range.contains(at) {
                losses.sent += 1;
                losses.lost += u64::from(!self.place.contains_key(&sequence));
            }
        }
        losses
    }

    /// One-way delays in milliseconds of the messages sent in `range` that arrived.
    #[must_use]
    pub fn delays_ms(&self, range: &Range<Instant>) -> Distribution {
        Distribution::of(self.delays().filter(|(sent, _)| range.contains(sent)).map(|(_, ms)| ms))
    }

    /// When each message that arrived was sent, and its one-way delay in milliseconds.
    pub fn delays(&self) -> impl Iterator<Item = (Instant, f64)> + '_ {
        self.first.iter().filter_map(|arrival| {
            let sent = self.sent_at(arrival.sequence)?;
            Some((sent, arrival.at.saturating_since(sent).as_secs_f64() * 1e3))
        })
    }

    /// Copies beyond the first.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Messages that arrived after one that was sent later (RFC 4737's reordered packets).
    #[must_use]
    pub fn reordered(&self) -> usize {
        let mut highest = 0;
        let late = |arrival: &&Arrival| {
            let late = arrival.sequence < highest;
            highest = highest.max(arrival.sequence);
            late
        };
        self.first.iter().filter(late).count()
    }

    /// From the first message sent to a moment after the last.
    #[must_use]
    pub fn whole(&self) -> Range<Instant> {
        let first = self.sent.first().copied().unwrap_or_default();
        let last = self.sent.last().copied().unwrap_or_default();
        first..last + Duration::from_nanos(1)
    }

    /// A line for each message: number, when it was sent, its delay in milliseconds or `lost`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        (0_u32..).zip(&self.sent).map(|(sequence, sent)| {
            let nanos = sent.as_nanos();
            let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let arrived = self.place.get(&sequence).map(|place| self.first[*place].at);
            let fate = arrived.map_or_else(
                || "lost".to_owned(),
                |at| format!("{:.3}", at.saturating_since(*sent).as_secs_f64() * 1e3),
            );
            format!("{sequence} {seconds}.{nanos:09} {fate}")
        })
    }

    fn sent_at(&self, sequence: u32) -> Option<Instant> {
        self.sent.get(usize::try_from(sequence).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    /// A message each 5 ms for a second, each 10 ms on the way, but for those that `fate` changes.
    fn journal(fate: impl Fn(u32) -> Option<u64>) -> Journal {
        let sent = (0..200).map(|sequence| ms(5 * sequence)).collect();
        let mut arrivals: Vec<_> = (0..200_u32)
            .filter_map(|sequence| {
                let at = ms(5 * u64::from(sequence) + fate(sequence)?);
                Some(Arrival { sequence, at })
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.at);
        Journal::new(sent, &arrivals)
    }

    const WHOLE: Range<Instant> = Instant::BOOT..Instant::from_secs(1);

    #[test]
    fn an_even_stream_has_no_gap_and_no_loss() {
        let journal = journal(|_| Some(10));
        let gap = journal.longest_gap(&(ms(100)..ms(900)));
        assert_eq!((gap.length(), gap.open), (Duration::from_millis(5), false));
        assert_eq!(journal.losses(&WHOLE), Losses { sent: 200, lost: 0 });
        assert_eq!((journal.reordered(), journal.duplicates()), (0, 0));
        assert_eq!(journal.delays_ms(&WHOLE).percentile(99), Some(10.0));
    }

    #[test]
    fn a_hole_is_a_gap_and_what_was_in_it_is_lost() {
        // Messages 100 to 119 are lost: the last arrival is at 505 ms, the next at 610 ms.
        let journal = journal(|sequence| (!(100..120).contains(&sequence)).then_some(10));
        let gap = journal.longest_gap(&(ms(500)..ms(900)));
        assert_eq!((gap.from, gap.to), (ms(505), ms(610)));
        assert_eq!(journal.losses(&(ms(400)..ms(700))), Losses { sent: 60, lost: 20 });
        // Looked at from within, it is as long; looked at before or after, it is not there.
        assert_eq!(journal.longest_gap(&(ms(550)..ms(900))), gap);
        assert_eq!(journal.longest_gap(&(ms(620)..ms(900))).length(), Duration::from_millis(5));
    }

    #[test]
    fn held_back_and_sent_again_is_a_gap_without_loss() {
        // What was sent in the hole arrives with the first message after it.
        let late = |sequence: u32| match sequence {
            100..120 => Some(110 - 5 * u64::from(sequence - 100)),
            _ => Some(10),
        };
        let journal = journal(late);
        let gap = journal.longest_gap(&(ms(500)..ms(900)));
        assert_eq!(gap.length(), Duration::from_millis(105));
        assert_eq!(journal.losses(&WHOLE).lost, 0);
        assert_eq!(journal.delays_ms(&WHOLE).max(), Some(110.0));
    }

    #[test]
    fn a_stream_that_never_comes_back_is_an_open_gap() {
        let journal = journal(|sequence| (sequence < 100).then_some(10));
        let gap = journal.longest_gap(&(ms(400)..ms(5_000)));
        assert!(gap.open);
        assert_eq!((gap.from, gap.to), (ms(505), ms(5_000)));
        let none = Journal::new(vec![ms(1)], &[]);
        assert_eq!(none.longest_gap(&(ms(1)..ms(3))).length(), Duration::from_millis(2));
    }

    #[test]
    fn copies_and_overtaking_are_counted_and_strangers_are_not() {
        let sent = vec![ms(0), ms(5), ms(10)];
        let arrivals = [(1, 20), (0, 21), (1, 22), (2, 23), (9, 24)];
        let arrivals = arrivals.map(|(sequence, at)| Arrival { sequence, at: ms(at) });
        let journal = Journal::new(sent, &arrivals);
        assert_eq!((journal.duplicates(), journal.reordered()), (1, 1));
        assert_eq!(journal.losses(&journal.whole()), Losses { sent: 3, lost: 0 });
        assert_eq!(journal.lines().next().unwrap(), "0 0.000000000 21.000");
    }

    proptest! {
        /// Counting by hand agrees, whatever is lost.
        #[test]
        fn losses_are_what_is_missing(lost in proptest::collection::vec(any::<bool>(), 200)) {
            let of = |sequence: u32| lost[usize::try_from(sequence).unwrap()];
            let journal = journal(|sequence| (!of(sequence)).then_some(10));
            let expected = lost.iter().filter(|lost| **lost).count() as u64;
            prop_assert_eq!(journal.losses(&WHOLE), Losses { sent: 200, lost: expected });
            // The longest run of losses fits into the longest gap.
            let run = lost[20..180].split(|lost| !lost).map(<[bool]>::len).max().unwrap();
            let gap = journal.longest_gap(&(ms(110)..ms(905)));
            prop_assert!(gap.length() >= Duration::from_millis(5 * run as u64));
        }
    }
}
