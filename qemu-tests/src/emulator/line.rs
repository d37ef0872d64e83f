//! Frames on their way, in the order in which they come out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use units::Instant;

use super::frame::Frame;

#[derive(Debug, Default)]
pub(super) struct Line {
    frames: BinaryHeap<Reverse<(Instant, u64, Frame)>>,
    /// When the last frame that keeps its place comes out: a shorter delay overtakes nobody.
    last_due: Instant,
    /// Keeps frames of one moment in order.
    sequence: u64,
}

impl Line {
    /// Frames on their way at most: 4 s at 200 Mbit/s and 1500 bytes.
    pub(super) const MAX_FRAMES: usize = 65_536;

    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= Self::MAX_FRAMES
    }

    /// A frame that leaves now and comes out `delay` later, behind all before it.
    pub(super) fn push(&mut self, frame: Frame, now: Instant, delay: Duration) {
        self.last_due = self.last_due.max(now + delay);
        self.push_at(frame, self.last_due);
    }

    /// A frame that comes out late, behind some that leave after it.
    pub(super) fn push_late(&mut self, frame: Frame, now: Instant, delay: Duration) {
        self.push_at(frame, self.last_due.max(now + delay));
    }

    fn push_at(&mut self, frame: Frame, due: Instant) {
        self.sequence += 1;
        self.frames.push(Reverse((due, self.sequence, frame)));
    }

    /// When the next frame comes out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.frames.peek().map(|Reverse((due, ..))| *due)
    }

    /// A frame that should have come out by now, and when.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Frame, Instant)> {
        if self.next_due()? > now {
            return None;
        }
        self.frames.pop().map(|Reverse((due, _, frame))| (frame, due))
    }

    /// Takes everything off the line.
    pub(super) fn clear(&mut self) -> usize {
        let count = self.frames.len();
        self.frames.clear();
        count
    }
}
