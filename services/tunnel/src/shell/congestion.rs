//! How fast one path may be used: CUBIC, with a dish in mind.
//!
//! [`Masked`] wraps quinn's CUBIC (RFC 9438) and changes three things:
//! - Losses inside a window, when the dish moves to another satellite, are not congestion. They
//!   come whatever is sent; to slow down would waste the next seconds (the idea of `SaTCP` and
//!   `StarQUIC`, and the "path phase boundary" of draft-lai-ccwg-lsncc-01).
//! - A few losses while nothing queues are noise of the radio.
//! - A queue in the network is congestion even without loss: its delay is kept below
//!   [`MOST_QUEUE`], so that packets wait here, where calls overtake downloads.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, Cubic, CubicConfig};
use quinn_proto::RttEstimator;

/// Queueing in the network above this is too much.
const MOST_QUEUE: Duration = Duration::from_millis(20);
/// And is brought down to about this.
const GOOD_QUEUE: Duration = Duration::from_millis(8);
/// Losses below this share, with no queue, are noise: one part in this many.
const NOISE: u64 = 30;
/// A path is never used slower than this many bytes in flight.
const LEAST_WINDOW: u64 = 16 * 1_452;
/// The least round trip is looked for over one to two of these.
const BASE_SPAN: Duration = Duration::from_secs(10);

/// When losses do not count, told by whoever knows the sky.
#[derive(Debug, Default)]
pub struct Mask(Mutex<Option<(Instant, Instant)>>);

impl Mask {
    /// Losses of what is sent between these instants do not count.
    pub fn set(&self, window: Option<(Instant, Instant)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = window;
    }

    fn get(&self) -> Option<(Instant, Instant)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes controllers that look at one mask.
#[derive(Debug)]
pub struct MaskedConfig {
    inner: Arc<CubicConfig>,
    mask: Arc<Mask>,
}

impl MaskedConfig {
    /// With this mask.
    #[must_use]
    pub fn new(mask: Arc<Mask>) -> Self {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(32 * 1_452);
        Self { inner: Arc::new(cubic), mask }
    }
}

impl ControllerFactory for MaskedConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Masked {
            cubic: Cubic::new(Arc::clone(&self.inner), now, current_mtu),
            mask: Arc::clone(&self.mask),
            base: Base::default(),
            round_ends: now,
            queue: Duration::ZERO,
            smoothed: Duration::ZERO,
            cap: None,
            acked: 0,
            lost: 0,
            batch: 0,
            peak: [0; 2],
        })
    }
}

/// CUBIC with a mask and a ceiling.
#[derive(Debug, Clone)]
struct Masked {
    cubic: Cubic,
    mask: Arc<Mask>,
    base: Base,
    round_ends: Instant,
    /// Least queueing seen in this round.
    queue: Duration,
    smoothed: Duration,
    /// What the queue in the network allows.
    cap: Option<u64>,
    acked: u64,
    lost: u64,
    /// Bytes acknowledged since in-flight bytes were last told.
    batch: u64,
    /// The most bytes in flight in the round before and in this one.
    peak: [u64; 2],
}

impl Masked {
    /// Whether at least half of the window was in flight lately: only then do delays say something
    /// of a queue of ours, and only then is more of use (RFC 7661, section 4.3). An acknowledgement
    /// of a lone datagram comes late because the far end waits for another.
    fn is_used(&self) -> bool {
        2 * self.peak[0].max(self.peak[1]) >= self.window()
    }

    /// Once a round trip: more, less, or as it is.
    fn end_round(&mut self, now: Instant) {
        let window = self.window();
        if self.queue > MOST_QUEUE && self.is_used() {
            let base = self.smoothed.saturating_sub(self.queue) + GOOD_QUEUE;
            let share = base.as_secs_f64() / self.smoothed.as_secs_f64().max(0.000_1);
            self.cap = Some(scaled(window, share.clamp(0.5, 0.98)).max(LEAST_WINDOW));
        } else if self.queue < GOOD_QUEUE {
            self.cap = self.cap.map(|cap| cap + (cap / 8).max(1_452));
        }
        // A ceiling that CUBIC does not reach is none.
        if self.cap.is_some_and(|cap| cap >= 2 * self.cubic.window()) {
            self.cap = None;
        }
        (self.acked, self.lost) = (self.acked / 2, self.lost / 2);
        self.queue = Duration::MAX;
        self.peak = [self.peak[1], 0];
        self.round_ends = now + self.smoothed.max(Duration::from_millis(5));
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "windows are far below 2^53, and the share is between 0 and 1"
)]
fn scaled(window: u64, share: f64) -> u64 {
    (window as f64 * share) as u64
}

impl Controller for Masked {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let sample = now.saturating_duration_since(sent);
        let moved = self.mask.get().is_some_and(|(_, closes)| sent < closes && now >= closes);
        let base = self.base.least(sample, moved, now);
        self.smoothed = rtt.get();
        self.queue = self.queue.min(sample.saturating_sub(base));
        self.acked += bytes;
        self.batch += bytes;
        // QUIC calls a sender limited whose buffer is empty at the moment. Ours is, most of the
        // time: what waits, waits in the fair queues.
        let limited = (app_limited && !self.is_used())
            || self.cap.is_some_and(|cap| cap < self.cubic.window());
        self.cubic.on_ack(now, sent, bytes, limited, rtt);
        if now >= self.round_ends {
            self.end_round(now);
        }
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.peak[1] = self.peak[1].max(in_flight + self.batch);
        self.batch = 0;
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        if self.mask.get().is_some_and(|(opens, closes)| opens <= sent && sent < closes) {
            return;
        }
        self.lost += lost_bytes;
        let few = self.lost * NOISE < self.acked;
        let queued = self.queue != Duration::MAX && self.queue > GOOD_QUEUE;
        if few && !queued && !is_persistent_congestion && lost_bytes > 0 {
            return;
        }
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        let window = self.cubic.window();
        self.cap.map_or(window, |cap| window.min(cap)).max(LEAST_WINDOW)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.cubic.metrics();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The least round trip lately: the path without its queue.
#[derive(Debug, Clone, Default)]
struct Base {
    this: Option<Duration>,
    before: Option<Duration>,
    since: Option<Instant>,
}

impl Base {
    /// Takes a sample; `moved` if the path has changed since the samples before.
    fn least(&mut self, sample: Duration, moved: bool, now: Instant) -> Duration {
        let since = *self.since.get_or_insert(now);
        if moved {
            *self = Self { this: Some(sample), before: None, since: Some(now) };
        } else if now.saturating_duration_since(since) > BASE_SPAN {
            *self = Self { this: None, before: self.this, since: Some(now) };
        }
        let this = self.this.map_or(sample, |least| least.min(sample));
        self.this = Some(this);
        self.before.map_or(this, |before| before.min(this))
    }
}
