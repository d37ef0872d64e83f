//! What was sent on one path and has not been reported yet.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use units::Instant;

use crate::class::Class;
use crate::wire::{Gap, Kind};

/// How long a datagram is kept: until silence has ended its path (250 ms), and what it takes to
/// find out. Where the other path's bytes are dear nothing has been copied there before.
pub(super) const RING_TIME: Duration = Duration::from_millis(400);
/// Bytes kept: 250 ms at 1 Gbit/s.
const MOST_BYTES: usize = 32 << 20;
/// Datagrams kept.
const MOST_DATAGRAMS: usize = 1 << 16;
/// A datagram that others have overtaken for so long is lost, not late.
const REORDERING: Duration = Duration::from_millis(10);

/// An inner packet as it went out: the datagram, header included.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Number of the inner packet.
    pub session: u64,
    /// Its class.
    pub class: Class,
    /// Its flow.
    pub flow: u64,
    /// How often the packet had been sent before.
    pub tries: u8,
    /// What the datagram holds.
    pub kind: Kind,
    /// The whole datagram.
    pub datagram: Bytes,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    bytes: usize,
    /// What to send again; nothing for reports and for what has been reported.
    packet: Option<Sent>,
    missing_since: Option<Instant>,
}

/// What a report taught.
#[derive(Debug, Default)]
pub struct Lesson {
    /// Whether anything new has arrived there.
    pub progress: bool,
    /// What is lost.
    pub lost: Vec<Sent>,
    /// Datagrams known to be lost, these and others that need not be sent again.
    pub losses: u32,
    /// Datagrams newly known to have arrived.
    pub arrived: u32,
}

/// The ring.
#[derive(Debug, Default)]
pub struct SentRing {
    entries: VecDeque<Entry>,
    /// Number of the first entry.
    first: u64,
    bytes: usize,
    /// One past the highest number reported.
    reported: u64,
    /// When the first datagram after that went out, although it may be kept no longer.
    waiting_since: Instant,
    /// When a report last told of something new.
    progressed_at: Option<Instant>,
    /// What is urgent before this number went another way as well.
    copied: u64,
    /// Urgent packets after the highest reported that are kept no longer and went no other way.
    slipped: u32,
}

impl SentRing {
    /// Number of the next datagram.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// A datagram goes out. `packet` is what it carries, `bytes` its length.
    pub fn push(&mut self, packet: Option<Sent>, bytes: usize, now: Instant) {
        if self.next_sequence() == self.reported {
            self.waiting_since = now;
        }
        self.entries.push_back(Entry { at: now, bytes, packet, missing_since: None });
        self.bytes += bytes;
        while let Some(oldest) = self.entries.front() {
            let full = self.bytes > MOST_BYTES || self.entries.len() > MOST_DATAGRAMS;
            let old = now.saturating_since(oldest.at) > RING_TIME;
            // Reported ones at the front are done with.
            let done = oldest.packet.is_none() && self.first < self.reported;
            if !(full || done || (old && self.entries.len() > 1)) {
                break;
            }
            let alone = self.first >= self.copied.max(self.reported);
            self.slipped = self.slipped.saturating_add((alone && oldest.is_urgent()).into());
            self.pop_front();
        }
    }

    /// When a report last told that something had arrived.
    #[must_use]
    pub const fn progressed_at(&self) -> Option<Instant> {
        self.progressed_at
    }

    /// Everything urgent that went out so far has gone another way as well.
    pub fn note_copied(&mut self) {
        self.copied = self.next_sequence();
    }

    /// Urgent packets that can be sent again no more, because they are kept no longer.
    #[must_use]
    pub const fn slipped(&self) -> u32 {
        self.slipped
    }

    /// Urgent packets without a report that went no other way, whether they are kept or not.
    #[must_use]
    pub fn alone(&self) -> u32 {
        let numbered = (self.first..).zip(&self.entries);
        let kept = numbered.filter(|(number, entry)| *number >= self.copied && entry.is_urgent());
        self.slipped.saturating_add(u32::try_from(kept.count()).unwrap_or(u32::MAX))
    }

    /// The ring of the next connection. What was on its way on this one can be sent again no more.
    #[must_use]
    pub fn next_connection(&self) -> Self {
        Self { slipped: self.alone(), ..Self::default() }
    }

    /// When the oldest datagram that no report has reached yet was sent.
    #[must_use]
    pub fn unreported_since(&self) -> Option<Instant> {
        (self.next_sequence() > self.reported).then_some(self.waiting_since)
    }

    /// What is kept and has not been reported, oldest first. It is not kept any more.
    pub fn take_unreported(&mut self) -> Vec<Sent> {
        self.slipped = 0;
        self.entries.iter_mut().filter_map(|entry| entry.packet.take()).collect()
    }

    /// The same without taking it.
    pub fn unreported(&self) -> impl Iterator<Item = &Sent> {
        self.entries.iter().filter_map(|entry| entry.packet.as_ref())
    }

    /// The far end told that `highest` has arrived and all before it but `gaps` (newest first).
    /// `complete` if every gap is told. A number that was never sent is ignored.
    pub fn handle_report(
        &mut self,
        highest: u64,
        gaps: &[Gap],
        complete: bool,
        now: Instant,
    ) -> Lesson {
        let mut lesson = Lesson::default();
        if highest >= self.next_sequence() {
            return lesson;
        }
        lesson.progress = highest >= self.reported;
        if lesson.progress {
            self.reported = highest + 1;
            self.progressed_at = Some(now);
            // Of those kept no longer nobody knows which had been urgent.
            let beyond = self.first.saturating_sub(self.reported);
            self.slipped = self.slipped.min(u32::try_from(beyond).unwrap_or(u32::MAX));
            let next = usize::try_from(self.reported.saturating_sub(self.first)).unwrap_or(0);
            self.waiting_since = self.entries.get(next).map_or(now, |entry| entry.at);
        }
        let mut holes = gaps.iter().rev().filter_map(|gap| {
            let last = highest.checked_sub(u64::from(gap.back))?;
            Some((last + 1 - u64::from(gap.count).min(last + 1), last))
        });
        let mut hole = holes.next();
        let told_from = match (complete, hole) {
            (false, Some((from, _))) => from,
            _ => 0,
        };
        let end = usize::try_from(highest + 1 - self.first.min(highest + 1)).unwrap_or(0);
        for (sequence, entry) in (self.first..).zip(self.entries.iter_mut().take(end)) {
            while hole.is_some_and(|(_, last)| last < sequence) {
                hole = holes.next();
            }
            let missing = hole.is_some_and(|(from, _)| from <= sequence) && sequence >= told_from;
            entry.learn(missing, now, &mut lesson);
        }
        while self.first < self.reported
            && self.entries.front().is_some_and(|entry| entry.packet.is_none())
        {
            self.pop_front();
        }
        lesson
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.first += 1;
            self.bytes -= entry.bytes;
        }
    }
}

impl Entry {
    fn is_urgent(&self) -> bool {
        self.packet.as_ref().is_some_and(|packet| packet.class.is_urgent())
    }

    fn learn(&mut self, missing: bool, now: Instant, lesson: &mut Lesson) {
        if !missing {
            lesson.arrived += u32::from(self.packet.take().is_some());
            return;
        }
        let since = *self.missing_since.get_or_insert(now);
        if now.saturating_since(since) >= REORDERING
            && let Some(packet) = self.packet.take()
        {
            lesson.losses += 1;
            lesson.lost.push(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    fn ring(datagrams: u64) -> SentRing {
        let mut ring = SentRing::default();
        for session in 0..datagrams {
            let datagram = Bytes::from_static(b"datagram");
            let class = Class::Realtime;
            let sent = Sent { session, class, flow: 0, tries: 0, kind: Kind::Packet, datagram };
            ring.push(Some(sent), 8, at(session));
        }
        ring
    }

    fn kept(ring: &SentRing) -> Vec<u64> {
        ring.unreported().map(|sent| sent.session).collect()
    }

    #[test]
    fn how_long_nothing_was_reported_is_known_beyond_what_is_kept() {
        let mut ring = ring(3);
        ring.handle_report(0, &[], true, at(50));
        for number in 3..1_000 {
            ring.push(None, 100, at(number));
        }
        assert_eq!(ring.unreported_since(), Some(at(1)), "kept for 400 ms only");
        ring.handle_report(999, &[], true, at(1_000));
        assert_eq!(ring.unreported_since(), None);
    }

    #[test]
    fn what_is_reported_is_let_go() {
        let mut ring = ring(10);
        let gaps = [Gap { back: 2, count: 2 }];
        let lesson = ring.handle_report(6, &gaps, true, at(20));
        assert!(lesson.progress && lesson.lost.is_empty());
        assert_eq!(lesson.arrived, 5);
        assert_eq!(kept(&ring), [3, 4, 7, 8, 9]);
        assert_eq!(ring.unreported_since(), Some(at(7)));
    }

    #[test]
    fn what_stays_missing_is_lost_once() {
        let mut ring = ring(10);
        let gaps = [Gap { back: 2, count: 2 }];
        ring.handle_report(6, &gaps, true, at(20));
        let late = [Gap { back: 2, count: 1 }];
        assert!(ring.handle_report(6, &late, true, at(25)).lost.is_empty());
        let lesson = ring.handle_report(6, &late, true, at(40));
        assert!(!lesson.progress);
        assert_eq!(lesson.lost.iter().map(|sent| sent.session).collect::<Vec<_>>(), [4]);
        assert_eq!(ring.handle_report(6, &late, true, at(60)).losses, 0);
    }

    #[test]
    fn reports_of_what_was_never_sent_change_nothing() {
        let mut ring = ring(10);
        let lesson = ring.handle_report(10, &[], true, at(20));
        assert!(!lesson.progress);
        assert_eq!(kept(&ring).len(), 10);
    }

    #[test]
    fn an_incomplete_list_of_gaps_says_nothing_of_what_is_before_it() {
        let mut ring = ring(10);
        let gaps = [Gap { back: 1, count: 1 }, Gap { back: 3, count: 1 }];
        ring.handle_report(9, &gaps, false, at(20));
        assert_eq!(kept(&ring), [6, 8]);
    }

    #[test]
    fn what_is_kept_no_longer_is_counted_unless_it_went_another_way_or_arrived() {
        let mut lost = ring(1_000);
        assert_eq!((lost.slipped(), lost.alone()), (599, 1_000));
        assert_eq!(lost.next_connection().slipped(), 1_000);
        lost.handle_report(499, &[], true, at(1_000));
        assert_eq!((lost.slipped(), lost.alone()), (99, 500), "so many had come after all");
        lost.handle_report(800, &[], true, at(1_000));
        assert_eq!((lost.slipped(), lost.alone()), (0, 199));
        let mut copied = ring(100);
        copied.note_copied();
        for number in 100..1_000 {
            copied.push(None, 100, at(number));
        }
        assert_eq!((copied.slipped(), copied.alone()), (0, 0));
    }

    #[test]
    fn the_ring_is_as_long_as_it_takes_to_give_up_a_path() {
        let ring = ring(1_000);
        assert_eq!(kept(&ring).first(), Some(&599));
        assert_eq!(ring.next_sequence(), 1_000);
    }
}
