//! The drop-tail queue before the bottleneck.

use std::collections::VecDeque;

use super::frame::Frame;
use super::specification::QueueLimit;

#[derive(Debug)]
pub(super) struct Queue {
    limit: QueueLimit,
    frames: VecDeque<Frame>,
    bytes: u32,
}

impl Queue {
    pub(super) const fn new(limit: QueueLimit) -> Self {
        Self { limit, frames: VecDeque::new(), bytes: 0 }
    }

    /// Puts a frame at the end, or gives it back if it does not fit.
    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        let bytes = self.bytes.saturating_add(frame.packet_bytes());
        if self.packets() >= self.limit.packets || bytes > self.limit.bytes {
            return Err(frame);
        }
        self.bytes = bytes;
        self.frames.push_back(frame);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.packet_bytes();
        Some(frame)
    }

    /// The length of the frame at the front, without its Ethernet header.
    pub(super) fn front_bytes(&self) -> Option<u32> {
        self.frames.front().map(Frame::packet_bytes)
    }

    pub(super) fn packets(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    pub(super) const fn bytes(&self) -> u32 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_dropped_by_packets_and_by_bytes() {
        let frame = |bytes: usize| Frame::new(vec![0; 14 + bytes]);
        let mut queue = Queue::new(QueueLimit { packets: 2, bytes: 2_000 });
        assert!(queue.push(frame(1_500)).is_ok());
        assert!(queue.push(frame(501)).is_err(), "one byte too many");
        assert!(queue.push(frame(500)).is_ok());
        assert!(queue.push(frame(0)).is_err(), "one packet too many");
        assert_eq!((queue.packets(), queue.bytes()), (2, 2_000));
        queue.pop().unwrap();
        assert_eq!((queue.packets(), queue.bytes()), (1, 500));
    }
}
