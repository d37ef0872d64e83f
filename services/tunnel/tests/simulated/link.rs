//! One way of one path: a bottleneck with a queue, a delay, and what can go wrong.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use units::Instant;

use super::recording::Recording;

/// What a way is like.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// One-way delay.
    pub(crate) delay: Duration,
    /// Added to it at random, up to this much.
    pub(crate) jitter: Duration,
    /// Bytes a second.
    pub(crate) rate: u64,
    /// Lost, in parts of a million.
    pub(crate) loss_ppm: u32,
    /// Replayed instead of delay and, if asked for, rate.
    pub(crate) recording: Option<Replay>,
}

/// A recording of a dish on a way.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) recording: Arc<Recording>,
    /// Its capacity too; otherwise its silences lose everything, as on the way up.
    pub(crate) with_capacity: bool,
}

/// Bytes that wait before the bottleneck at most.
const QUEUE_BYTES: u64 = 500 * 1_500;

/// A way with what is on it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) way: Way,
    /// Everything vanishes.
    pub(crate) cut: bool,
    /// Everything waits until then.
    pub(crate) stalled_until: Instant,
    random: Pcg32,
    /// When the bottleneck has sent what it has.
    free_at: Instant,
    flying: VecDeque<(Instant, u8, Bytes)>,
    last_arrival: Instant,
    pub(crate) sent_bytes: u64,
}

impl Link {
    pub(crate) fn new(way: Way, seed: u64) -> Self {
        Self {
            way,
            cut: false,
            stalled_until: Instant::BOOT,
            random: Pcg32::new(seed, 7),
            free_at: Instant::BOOT,
            flying: VecDeque::new(),
            last_arrival: Instant::BOOT,
            sent_bytes: 0,
        }
    }

    /// Whether a congestion controller would let another datagram out: half a queue is enough.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let backlog = self.free_at.saturating_since(now);
        backlog < Duration::from_millis(20)
    }

    pub(crate) fn send(&mut self, generation: u8, datagram: Bytes, now: Instant) {
        let length = datagram.len() as u64;
        self.sent_bytes += length;
        let start = self.free_at.max(now).max(self.stalled_until);
        let backlog =
            start.saturating_since(now).as_nanos() * u128::from(self.way.rate) / 1_000_000_000;
        let lost = self.random.next_u32() % 1_000_000 < self.way.loss_ppm || self.is_silent(now);
        if self.cut || lost || backlog > u128::from(QUEUE_BYTES) {
            return;
        }
        self.free_at = self.leaves_at(start, length);
        let spread = u32::try_from(self.way.jitter.as_micros()).expect("milliseconds") + 1;
        let jitter = Duration::from_micros(u64::from(self.random.next_u32() % spread));
        // A network path keeps the order.
        let arrival = (self.free_at + self.delay() + jitter).max(self.last_arrival);
        self.last_arrival = arrival;
        self.flying.push_back((arrival, generation, datagram));
    }

    fn is_silent(&self, now: Instant) -> bool {
        let replay = self.way.recording.as_ref().filter(|replay| !replay.with_capacity);
        replay.is_some_and(|replay| replay.recording.is_silent(now))
    }

    fn leaves_at(&self, start: Instant, length: u64) -> Instant {
        match &self.way.recording {
            Some(replay) if replay.with_capacity => replay.recording.leaves_at(start, length),
            _ => start + Duration::from_nanos(length * 1_000_000_000 / self.way.rate.max(1)),
        }
    }

    fn delay(&self) -> Duration {
        let replay = self.way.recording.as_ref();
        replay.map_or(self.way.delay, |replay| replay.recording.delay(self.free_at))
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<(u8, Bytes)> {
        let (arrival, ..) = self.flying.front()?;
        if *arrival > now {
            return None;
        }
        self.flying.pop_front().map(|(_, generation, datagram)| (generation, datagram))
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.flying.front().map(|(arrival, ..)| *arrival)
    }

    pub(crate) fn lose_everything(&mut self) {
        self.flying.clear();
    }
}
