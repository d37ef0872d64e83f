//! A fair queue of flows with early drop (RFC 8290): a download cannot make a call wait, nor one
//! download another.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::BytesMut;
use units::Instant;

use super::codel::{Codel, Verdict};
use crate::class::Class;
use crate::packet::mark_congestion;
use crate::wire::{Header, Kind};

/// Flows kept apart (RFC 8290, section 4.1.1).
const BUCKETS: usize = 1_024;
/// Bytes a flow may send before the next one's turn: a full packet.
const QUANTUM: i32 = 1_514;
/// Bytes in one queue: a quarter of a second at 130 Mbit/s, and as much memory as one queue may
/// take. Early drop acts long before that; this is for floods.
pub const MOST_BYTES: usize = 4 << 20;
/// Packets in one queue, so that small packets cannot fill the memory with their overhead.
pub const MOST_PACKETS: usize = 8_192;

/// An inner packet that waits, with room for its [`Header`] before it.
#[derive(Debug)]
pub struct Queued {
    /// [`Header::LENGTH`] bytes of room, then the packet.
    pub buffer: BytesMut,
    /// Its session sequence.
    pub session: u64,
    /// Its class.
    pub class: Class,
    /// Its flow.
    pub flow: u64,
    /// How often it has been sent before, on any path.
    pub tries: u8,
    /// What the buffer holds: a packet, or a part of one that was sent before.
    pub kind: Kind,
    /// Since when it waits.
    pub since: Instant,
}

impl Queued {
    /// Bytes of the packet itself.
    #[must_use]
    pub fn length(&self) -> usize {
        self.buffer.len() - Header::LENGTH
    }
}

#[derive(Debug, Default)]
struct Bucket {
    packets: VecDeque<Queued>,
    bytes: usize,
    credit: i32,
    codel: Codel,
    listed: bool,
}

/// The queue.
#[derive(Debug)]
pub struct FairQueue {
    buckets: Box<[Bucket]>,
    /// Buckets whose flow has only just begun to wait: they go first.
    new: VecDeque<usize>,
    old: VecDeque<usize>,
    bytes: usize,
    packets: usize,
    shed: u64,
}

impl Default for FairQueue {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            new: VecDeque::new(),
            old: VecDeque::new(),
            bytes: 0,
            packets: 0,
            shed: 0,
        }
    }
}

impl FairQueue {
    /// Appends a packet to its flow. If the queue is then too long, the longest flow loses its
    /// oldest packets.
    pub fn push(&mut self, packet: Queued) {
        let index = place(packet.flow);
        let bucket = &mut self.buckets[index];
        let length = packet.buffer.len();
        (self.bytes, self.packets) = (self.bytes + length, self.packets + 1);
        bucket.bytes += length;
        bucket.packets.push_back(packet);
        if !bucket.listed {
            bucket.listed = true;
            bucket.credit = QUANTUM;
            self.new.push_back(index);
        }
        while self.bytes > MOST_BYTES || self.packets > MOST_PACKETS {
            self.trim();
        }
    }

    /// The next packet to go, after early drop.
    pub fn pop(&mut self, now: Instant) -> Option<Queued> {
        loop {
            let from_new = !self.new.is_empty();
            let list = if from_new { &mut self.new } else { &mut self.old };
            let index = *list.front()?;
            let bucket = &mut self.buckets[index];
            if bucket.credit <= 0 {
                bucket.credit += QUANTUM;
                list.pop_front();
                self.old.push_back(index);
                continue;
            }
            let Some(packet) = bucket.take(now, &mut self.shed, &mut self.bytes, &mut self.packets)
            else {
                list.pop_front();
                // A flow that has just been served stays in line once more, or it would always
                // count as new.
                if from_new && !self.old.is_empty() {
                    self.old.push_back(index);
                } else {
                    bucket.listed = false;
                }
                continue;
            };
            bucket.credit -= i32::try_from(packet.length()).unwrap_or(QUANTUM);
            return Some(packet);
        }
    }

    /// Takes everything out, oldest first within each flow.
    pub fn drain(&mut self) -> Vec<Queued> {
        let mut all = Vec::with_capacity(self.packets);
        for bucket in &mut self.buckets {
            all.extend(bucket.packets.drain(..));
            *bucket = Bucket::default();
        }
        self.new.clear();
        self.old.clear();
        (self.bytes, self.packets) = (0, 0);
        all.sort_by_key(|packet| packet.session);
        all
    }

    /// Time in which this queue could not move does not count as waiting.
    pub fn forgive(&mut self) {
        for index in self.new.iter().chain(&self.old) {
            self.buckets[*index].codel.forgive();
        }
    }

    /// How long the packet that goes next has waited; zero if none waits.
    #[must_use]
    pub fn sojourn(&self, now: Instant) -> Duration {
        let front = self.new.front().or(self.old.front());
        let packet = front.and_then(|index| self.buckets[*index].packets.front());
        packet.map_or(Duration::ZERO, |packet| now.saturating_since(packet.since))
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// Bytes that wait, room for headers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Packets that wait.
    #[must_use]
    pub const fn packets(&self) -> usize {
        self.packets
    }

    /// Packets dropped or marked so far.
    #[must_use]
    pub const fn shed(&self) -> u64 {
        self.shed
    }

    /// Drops from the longest flow until half of its packets are gone or the queue fits, so that
    /// the search for it is paid for by many packets (RFC 8290, section 4.1).
    fn trim(&mut self) {
        let longest = (0..BUCKETS).max_by_key(|index| self.buckets[*index].bytes);
        let bucket = &mut self.buckets[longest.expect("there are buckets")];
        for _ in 0..bucket.packets.len().div_ceil(2) {
            let Some(packet) = bucket.packets.pop_front() else { break };
            let length = packet.buffer.len();
            bucket.bytes -= length;
            (self.bytes, self.packets) = (self.bytes - length, self.packets - 1);
            self.shed += 1;
        }
    }
}

impl Bucket {
    fn take(
        &mut self,
        now: Instant,
        shed: &mut u64,
        bytes: &mut usize,
        packets: &mut usize,
    ) -> Option<Queued> {
        loop {
            let mut packet = self.packets.pop_front()?;
            let length = packet.buffer.len();
            self.bytes -= length;
            (*bytes, *packets) = (*bytes - length, *packets - 1);
            let sojourn = now.saturating_since(packet.since);
            match self.codel.judge(sojourn, self.packets.is_empty(), now) {
                Verdict::Send => return Some(packet),
                Verdict::Shed => {
                    *shed += 1;
                    if mark_congestion(&mut packet.buffer[Header::LENGTH..]) {
                        return Some(packet);
                    }
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below BUCKETS")]
const fn place(flow: u64) -> usize {
    (flow % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flow: u64, length: usize, session: u64, since: Instant) -> Queued {
        let mut buffer = BytesMut::zeroed(Header::LENGTH + length);
        buffer[Header::LENGTH] = 0x45;
        let class = Class::Bulk;
        Queued { buffer, session, class, flow, tries: 0, kind: Kind::Packet, since }
    }

    #[test]
    fn a_call_does_not_wait_for_a_download() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        for session in 0..500 {
            queue.push(packet(1, 1_380, session, now));
        }
        assert_eq!(queue.pop(now).unwrap().flow, 1);
        queue.push(packet(2, 160, 500, now));
        let position = (0..10).position(|_| queue.pop(now).unwrap().flow == 2);
        assert!(position.unwrap() <= 1, "the call waited for {position:?} packets");
    }

    #[test]
    fn two_downloads_get_the_same_bytes() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        for session in 0..300 {
            queue.push(packet(1, 1_380, session, now));
            queue.push(packet(2, 460, session, now));
            queue.push(packet(2, 460, session, now));
            queue.push(packet(2, 460, session, now));
        }
        let mut bytes = [0_usize; 3];
        for _ in 0..400 {
            let packet = queue.pop(now).unwrap();
            bytes[usize::try_from(packet.flow).unwrap()] += packet.length();
        }
        assert!(bytes[1].abs_diff(bytes[2]) <= 3_000, "{bytes:?}");
    }

    #[test]
    fn a_flood_takes_the_flooder_only() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        queue.push(packet(2, 160, 0, now));
        for session in 1..20_000 {
            queue.push(packet(1, 1_380, session, now));
        }
        assert!(queue.bytes() <= MOST_BYTES && queue.shed() > 0);
        assert!((0..3).any(|_| queue.pop(now).unwrap().flow == 2), "the call is still there");
    }

    #[test]
    fn a_flow_that_always_seems_new_does_not_starve_a_download() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        for session in 0..100 {
            queue.push(packet(1, 1_380, session, now));
        }
        let mut served = [0; 3];
        for session in 0..60 {
            if queue.packets() < 101 - served[1] {
                queue.push(packet(2, 1_380, session, now));
            }
            served[usize::try_from(queue.pop(now).unwrap().flow).unwrap()] += 1;
        }
        assert!(served[1] >= 25, "{served:?}");
        while queue.pop(now).is_some() {}
        assert_eq!((queue.packets(), queue.bytes()), (0, 0));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_flow_just_served_is_not_new_again_at_once() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        for session in 0..10 {
            queue.push(packet(1, if session < 2 { 1_380 } else { 100 }, session, now));
        }
        let mut next = || queue.pop(now).unwrap().flow;
        assert_eq!([next(), next()], [1, 1], "it has used up its first turn");
        queue.push(packet(2, 100, 10, now));
        let mut next = || queue.pop(now).unwrap().flow;
        assert_eq!([next(), next()], [2, 1]);
        queue.push(packet(2, 100, 11, now));
        assert_eq!(queue.pop(now).unwrap().flow, 1, "the download's turn is not over");
    }

    #[test]
    fn a_queue_is_full_at_its_bounds_and_not_before() {
        let now = Instant::from_secs(1);
        let fill = |count: usize, length: usize| {
            let mut queue = FairQueue::default();
            for session in 0..count as u64 {
                queue.push(packet(1, length, session, now));
            }
            queue
        };
        let mut tiny = fill(MOST_PACKETS, 1);
        assert_eq!((tiny.packets(), tiny.shed()), (MOST_PACKETS, 0));
        tiny.push(packet(1, 1, 0, now));
        assert!(tiny.packets() <= MOST_PACKETS && tiny.shed() > 0);
        let mut large = fill(MOST_BYTES / 4_096, 4_096 - Header::LENGTH);
        assert_eq!((large.bytes(), large.shed()), (MOST_BYTES, 0));
        large.push(packet(1, 1, 0, now));
        assert!(large.bytes() <= MOST_BYTES && large.shed() > 0);
    }

    #[test]
    fn no_mix_of_flows_is_longer_than_the_bound() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        // Each flow's oldest packet is tiny: dropping it alone makes no room for a large one.
        let large = MOST_BYTES / BUCKETS - 3 * Header::LENGTH;
        for flow in 0..BUCKETS as u64 {
            queue.push(packet(flow, 1, 2 * flow, now));
            queue.push(packet(flow, large, 2 * flow + 1, now));
        }
        for session in 0..100 {
            queue.push(packet(session * 7, 9_000, 10_000 + session, now));
            assert!(queue.bytes() <= MOST_BYTES, "{} bytes wait", queue.bytes());
        }
    }

    #[test]
    fn a_standing_queue_is_shed_and_time_stood_still_is_forgiven() {
        let run = |forgive: bool| {
            let (mut queue, start) = (FairQueue::default(), Instant::from_secs(1));
            for session in 0..400 {
                queue.push(packet(1, 1_380, session, start));
            }
            for ms in 20..300 {
                if forgive {
                    queue.forgive();
                }
                queue.pop(start + Duration::from_millis(ms));
            }
            queue.shed()
        };
        assert!(run(false) > 0);
        assert_eq!(run(true), 0);
    }

    #[test]
    fn everything_comes_out_of_a_drained_queue_in_order() {
        let (mut queue, now) = (FairQueue::default(), Instant::from_secs(1));
        for session in 0..50 {
            queue.push(packet(session % 7, 100, session, now));
        }
        let order: Vec<_> = queue.drain().iter().map(|packet| packet.session).collect();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert!(queue.is_empty() && queue.pop(now).is_none());
    }
}
