//! Sends probes over a path on a virtual clock and keeps a record of what the slot clock said.

use std::collections::VecDeque;
use std::time::Duration;

use starlink::slot_clock::{Confidence, LONGEST_WINDOW, SLOT_LENGTH, SlotClock};
use units::Instant;

use crate::paths::Path;

/// A gap between arrivals that is told to the clock, as `wan` does it.
const HOLE: Duration = Duration::from_millis(45);

/// The box's clock when the path begins: an odd number, to hide no alignment.
const BORN: u64 = 1_234_567_890_123;

/// One path, one clock, and the time between them.
pub(crate) struct Replay {
    pub(crate) clock: SlotClock,
    path: Path,
    interval: Duration,
    /// How fast the box's clock runs, in parts per million too much.
    drift_ppm: i64,
    /// Where in the slot of the path its boundary is.
    boundary: u64,
    sent: u64,
    /// Whether the clock is told when packets arrived; else when they were sent.
    by_arrival: bool,
    newest_told: Option<Instant>,
    underway: VecDeque<Underway>,
}

/// A packet that will arrive.
#[derive(Clone, Copy, Debug)]
struct Underway {
    sent: Instant,
    arrives: Instant,
}

/// What happened in a stretch of slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) packets: u64,
    pub(crate) harmed: u64,
    /// Harmed packets that were sent inside a window.
    pub(crate) covered: u64,
    pub(crate) lost: u64,
    /// Lost packets that were sent inside a window.
    pub(crate) lost_inside: u64,
    /// Packets sent inside a window.
    pub(crate) inside: u64,
    /// For each slot, how far the learned boundary was from the true one at its end, in ms.
    pub(crate) errors_ms: Vec<i64>,
    /// What the clock said at the end of each slot.
    pub(crate) confidences: Vec<Confidence>,
}

impl Outcome {
    pub(crate) fn coverage(&self) -> f64 {
        ratio(self.covered, self.harmed)
    }

    pub(crate) fn coverage_of_losses(&self) -> f64 {
        ratio(self.lost_inside, self.lost)
    }

    pub(crate) fn share_of_time(&self) -> f64 {
        ratio(self.inside, self.packets)
    }

    /// Slots until the clock first said something that `wanted` likes and went on to say it.
    pub(crate) fn slots_until(&self, wanted: impl Fn(&Confidence) -> bool) -> Option<usize> {
        let last_other = self.confidences.iter().rposition(|said| !wanted(said));
        let first = last_other.map_or(0, |slot| slot + 1);
        (first < self.confidences.len()).then_some(first + 1)
    }

    pub(crate) fn worst_error_ms(&self) -> i64 {
        self.errors_ms.iter().map(|error| error.abs()).max().unwrap_or(0)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^52")]
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Replay {
    pub(crate) fn new(clock: SlotClock, path: Path, boundary: u64) -> Self {
        Self {
            clock,
            path,
            interval: Duration::from_millis(20),
            drift_ppm: 0,
            boundary,
            sent: 0,
            by_arrival: false,
            newest_told: None,
            underway: VecDeque::new(),
        }
    }

    /// Tells the clock when packets arrived, as for those of the other end.
    pub(crate) fn by_arrival(self) -> Self {
        Self { by_arrival: true, ..self }
    }

    pub(crate) fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    pub(crate) fn with_drift_ppm(self, drift_ppm: i64) -> Self {
        Self { drift_ppm, ..self }
    }

    /// The box's clock now.
    pub(crate) fn now(&self) -> Instant {
        self.on_the_box(self.sent)
    }

    /// Tells the clock a wall clock that is `wrong_by`.
    pub(crate) fn handle_clock(&mut self, wrong_by: Duration, synchronised: bool) {
        // At `boundary` GPS time is a multiple of 15 s, and so is UTC + 18 s.
        let since = self.sent + 1_000 * 15_000_000_000 - self.boundary;
        let utc = Duration::from_nanos(since) + Duration::from_secs(100_000 * 15 - 18);
        self.clock.handle_clock(self.now(), utc + wrong_by, synchronised);
    }

    /// Lets `slots` slots pass.
    pub(crate) fn run(&mut self, slots: u32) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..slots {
            let end = self.sent + 15_000_000_000;
            while self.sent < end {
                self.send(&mut outcome);
            }
            self.note_the_end_of_a_slot(&mut outcome);
        }
        outcome
    }

    fn send(&mut self, outcome: &mut Outcome) {
        let now = self.now();
        while self.underway.front().is_some_and(|packet| packet.arrives <= now) {
            if let Some(packet) = self.underway.pop_front() {
                self.tell(packet);
            }
        }
        let window = self.clock.window(now);
        let inside = window.is_some_and(|window| {
            assert!(window.closes >= now, "{window:?} is over at {now}");
            assert!(window.closes.saturating_since(window.opens) <= LONGEST_WINDOW);
            window.contains(now)
        });
        let fate = (self.path)(self.sent);
        outcome.packets += 1;
        outcome.inside += u64::from(inside);
        outcome.harmed += u64::from(fate.harmed);
        outcome.covered += u64::from(fate.harmed && inside);
        outcome.lost += u64::from(fate.delay.is_none());
        outcome.lost_inside += u64::from(fate.delay.is_none() && inside);
        if let Some(delay) = fate.delay {
            // A link keeps the order.
            let last = self.underway.back().map_or(Instant::BOOT, |last| last.arrives);
            self.underway.push_back(Underway { sent: now, arrives: (now + delay).max(last) });
        }
        self.sent += nanos(self.interval);
    }

    fn tell(&mut self, packet: Underway) {
        let Underway { sent, arrives } = packet;
        let at = if self.by_arrival { arrives } else { sent };
        if let Some(last) = self.newest_told.replace(at)
            && at.saturating_since(last) >= HOLE.max(2 * self.interval)
        {
            self.clock.handle_silence(last, at);
        }
        self.clock.handle_delay(at, arrives.saturating_since(sent));
    }

    fn note_the_end_of_a_slot(&self, outcome: &mut Outcome) {
        let said = self.clock.confidence();
        outcome.confidences.push(said);
        if let (Confidence::Learned { .. }, Some(next)) =
            (said, self.clock.next_boundary(self.now()))
        {
            let slot = nanos(SLOT_LENGTH).cast_signed();
            let ahead = nanos(next.saturating_since(self.now()));
            let boundary = (self.sent + ahead).cast_signed() - self.boundary.cast_signed();
            let error = (boundary + slot / 2).rem_euclid(slot) - slot / 2;
            outcome.errors_ms.push(error / 1_000_000);
        }
    }

    fn on_the_box(&self, sent: u64) -> Instant {
        let drift = sent.cast_signed() * self.drift_ppm / 1_000_000;
        Instant::from_nanos((BORN + sent).saturating_add_signed(drift))
    }
}

/// Nanoseconds of a duration of at most some years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("no test lasts for centuries")
}
