//! One way from here to there: what was sent on it, what came, what waits, how far it is trusted.

mod arrivals;
mod health;
mod sent;

use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use units::{Instant, LinkId};

pub use arrivals::{Arrivals, Newest, Rhythm};
pub use health::{Evidence, FIRST_HOLD, Health, LONGEST_HOLD, State, Why};
use sent::RING_TIME;
pub use sent::{Lesson, Sent, SentRing};

use crate::class::Class;
use crate::policy::Policy;
use crate::queue::{FairQueue, Queued};
use crate::window::Window;

/// Time between reports while inner packets flow.
pub const ACTIVE_INTERVAL: Duration = Duration::from_millis(20);
/// And on a path whose bytes cost money and that carries nothing else.
pub const METERED_INTERVAL: Duration = Duration::from_millis(200);
/// And while none flow.
pub const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// Least silence that is suspicious.
const LEAST_SUSPICIOUS: Duration = Duration::from_millis(50);
/// Least silence that ends a path.
const LEAST_FATAL: Duration = Duration::from_millis(250);
/// Jitter counts for no more than this: beyond it the path is bad, not jittery.
const MOST_JITTER: Duration = Duration::from_millis(25);
/// Copies waiting for a path. They are worthless when late, so there is no point in more.
pub const MOST_COPIES: usize = 16_384;

/// `low` continued to 64 bits: the number nearest to `reference` whose low 32 bits it is.
#[must_use]
pub fn extend(low: u32, reference: u64) -> u64 {
    let span = 1_u64 << 32;
    let candidate = (reference & !(span - 1)) | u64::from(low);
    if candidate > reference + span / 2 && candidate >= span {
        candidate - span
    } else if candidate + span / 2 < reference {
        candidate + span
    } else {
        candidate
    }
}

/// A path.
#[derive(Debug)]
pub struct Path {
    /// Its number.
    pub link: LinkId,
    /// Which of its connections this is.
    pub generation: u8,
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether the cable carries here.
    pub carrier: bool,
    /// Whether the far end says that its cable carries.
    pub far_carrier: bool,
    /// How the household wants it used.
    pub policy: Policy,
    /// Whether its bytes cost money.
    pub metered: bool,
    /// How far it is trusted.
    pub health: Health,
    /// What has arrived.
    pub arrivals: Arrivals,
    /// What was sent.
    pub sent: SentRing,
    /// What waits, by class.
    pub queues: [FairQueue; 4],
    /// Copies, and what was re-injected: they go before everything else.
    pub copies: VecDeque<Queued>,
    /// Datagrams that are ready: parts of a packet too long for one.
    pub ready: VecDeque<Bytes>,
    /// Longest datagram it carries now.
    pub longest: usize,
    /// When it is expected to be silent.
    pub window: Option<Window>,
    /// When the last report went out on it.
    pub last_report: Instant,
    /// When the far end last reported on it.
    pub heard_report: Instant,
    /// The far end's promised time between reports.
    pub far_interval: Duration,
    /// Since when something should have been heard, at the latest.
    pub listening_since: Instant,
    /// Since when nothing had passed on the connection before this one.
    still_before: Option<Instant>,
    /// Smoothed round trip, if measured.
    pub round_trip: Option<Duration>,
    /// Least round trip of this connection.
    pub least_round_trip: Option<Duration>,
    /// What the far end says of the delay towards it above the least.
    pub far_queue: Duration,
    /// Bytes a second it is thought to carry.
    pub rate: u64,
    /// Share of datagrams lost lately, in parts of a million.
    pub loss_ppm: u32,
    /// Bytes handed to QUIC.
    pub carried: u64,
    /// Whether it is so slow or lossy that another is better although it is ranked lower.
    pub poor: bool,
    poor_since: Instant,
    good_since: Instant,
}

/// Queueing above this makes a path poor, and below a third of it good again.
const POOR_QUEUE: Duration = Duration::from_millis(120);
/// Loss above this makes a path poor, and below a third of it good again.
const POOR_LOSS_PPM: u32 = 150_000;
/// How long a path must be bad to be poor.
const POOR_AFTER: Duration = Duration::from_millis(200);
/// How long a path must be good to be good again.
const GOOD_AFTER: Duration = Duration::from_secs(2);

impl Path {
    /// A path without a connection.
    #[must_use]
    pub fn new(link: LinkId, policy: Policy, now: Instant) -> Self {
        Self {
            link,
            generation: 0,
            connected: false,
            carrier: true,
            far_carrier: true,
            policy,
            metered: false,
            health: Health::new(now),
            arrivals: Arrivals::default(),
            sent: SentRing::default(),
            queues: Default::default(),
            copies: VecDeque::new(),
            ready: VecDeque::new(),
            longest: 0,
            window: None,
            last_report: Instant::BOOT,
            heard_report: Instant::BOOT,
            far_interval: IDLE_INTERVAL,
            listening_since: now,
            still_before: None,
            round_trip: None,
            least_round_trip: None,
            far_queue: Duration::ZERO,
            rate: 0,
            loss_ppm: 0,
            carried: 0,
            poor: false,
            poor_since: now,
            good_since: now,
        }
    }

    /// A new connection carries it from now on; numbers and measurements start anew.
    pub fn connect(&mut self, generation: u8, longest: usize, now: Instant) {
        self.generation = generation;
        self.connected = true;
        self.still_before = self.still_since();
        self.arrivals = Arrivals::default();
        self.sent = self.sent.next_connection();
        self.ready.clear();
        self.longest = longest;
        self.far_carrier = true;
        self.last_report = Instant::BOOT;
        self.heard_report = Instant::BOOT;
        self.listening_since = now;
        (self.round_trip, self.least_round_trip) = (None, None);
        (self.far_queue, self.loss_ppm) = (Duration::ZERO, 0);
        self.poor = false;
    }

    /// It is expected to be silent then. A window that is over has left another path behind: its
    /// least delay is looked for anew.
    pub fn expect(&mut self, window: Option<Window>, now: Instant) {
        let over = self.window.is_some_and(|old| {
            old.closes <= now && window.is_none_or(|new| new.opens > old.closes)
        });
        if over {
            self.arrivals.forget_least_delay();
            // The last known is the best guess until the new path has been measured.
            self.least_round_trip = self.round_trip;
        }
        self.window = window;
    }

    /// Since when nothing has passed, as far as is known: since the newest arrival, or since the
    /// newest report that something had arrived there. One direction may be cut and the other not:
    /// the one that has been still for longer counts.
    #[must_use]
    pub fn still_since(&self) -> Option<Instant> {
        let heard = self.arrivals.newest().map(|newest| newest.at);
        let told = self.sent.progressed_at();
        heard.into_iter().chain(told).min().or(self.still_before)
    }

    /// Whether it may carry inner packets at all.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.connected
            && self.carrier
            && self.far_carrier
            && self.longest > 0
            && self.policy != Policy::Never
    }

    /// The far end promises to report so often from now on.
    pub fn promise(&mut self, interval: Duration) {
        self.far_interval = interval;
        self.arrivals.expect_pace(interval <= ACTIVE_INTERVAL);
    }

    /// Everything the health is judged by. `active_since` is when inner packets began to flow, if
    /// they do.
    #[must_use]
    pub fn evidence(
        &self,
        active_since: Option<Instant>,
        slowest: Duration,
        now: Instant,
    ) -> Evidence {
        let jitter = 3 * self.arrivals.jitter().min(MOST_JITTER);
        // An end that has just begun to send expects to be answered at the active pace.
        let interval = match active_since {
            Some(_) if self.far_interval >= IDLE_INTERVAL && self.metered => METERED_INTERVAL,
            Some(_) if self.far_interval >= IDLE_INTERVAL => ACTIVE_INTERVAL,
            _ => self.far_interval.max(ACTIVE_INTERVAL),
        };
        let suspect_after = LEAST_SUSPICIOUS.max(2 * interval + jitter);
        let heard = self.arrivals.newest().map(|newest| newest.at);
        let began = active_since.map_or(self.listening_since, |since| since + slowest);
        let mut since = heard.unwrap_or(self.listening_since).max(self.listening_since);
        if self.far_interval > ACTIVE_INTERVAL {
            since = since.max(began);
        }
        Evidence {
            heard: heard.is_some(),
            connected: self.connected,
            carrier: self.carrier && self.far_carrier,
            silent: self.unexcused(since, suspect_after, now),
            stalled: self.stalled(slowest, suspect_after, now),
            suspect_after,
            down_after: LEAST_FATAL.max(suspect_after * 5 / 2),
        }
    }

    /// Silence since `since` that no window excuses.
    fn unexcused(&self, since: Instant, suspect_after: Duration, now: Instant) -> Duration {
        let excused = match self.window {
            Some(window) if now >= window.opens && since + suspect_after >= window.opens => {
                since.max(window.closes.min(now))
            }
            _ => since,
        };
        now.saturating_since(excused)
    }

    /// How long what is sent has not arrived, by the newest report from any path.
    fn stalled(&self, slowest: Duration, suspect_after: Duration, now: Instant) -> Duration {
        let Some(since) = self.sent.unreported_since() else { return Duration::ZERO };
        // Without reports there is nothing to conclude from: that is silence, judged elsewhere.
        let told = self.heard_report;
        if told <= since || now.saturating_since(told) > 3 * ACTIVE_INTERVAL {
            return Duration::ZERO;
        }
        let due = since + slowest + self.far_queue + 2 * ACTIVE_INTERVAL;
        self.unexcused(due.min(told), suspect_after, told)
    }

    /// Half a round trip and what waits in the network: how late a packet sent now would be.
    #[must_use]
    pub fn expected_delay(&self) -> Duration {
        let base = self.least_round_trip.unwrap_or(Duration::from_millis(100));
        base / 2 + self.far_queue
    }

    /// A round trip was measured.
    pub fn measure_round_trip(&mut self, sample: Duration) {
        let smoothed = self.round_trip.map_or(sample, |old| (7 * old + sample) / 8);
        self.round_trip = Some(smoothed);
        self.least_round_trip = Some(self.least_round_trip.map_or(sample, |old| old.min(sample)));
    }

    /// Takes new losses and arrivals into the share of what is lost. What was lost because nothing
    /// passed says nothing of how the path is now that it is back.
    pub fn count_losses(&mut self, losses: u32, arrived: u32, now: Instant) {
        let just_back = match self.health.state() {
            State::Down => true,
            State::Probation => now.saturating_since(self.health.since()) < 2 * RING_TIME,
            State::Up | State::Suspect => false,
        };
        let all = losses + arrived;
        if all == 0 || just_back {
            return;
        }
        let sample = u64::from(losses) * 1_000_000 / u64::from(all);
        // A report about many datagrams says more than one about few.
        let weight = u64::from(all.min(64));
        let mixed = (u64::from(self.loss_ppm) * (256 - weight) + sample * weight) / 256;
        self.loss_ppm = u32::try_from(mixed).unwrap_or(1_000_000);
    }

    /// Judges whether it is poor. Whether that has changed.
    pub fn judge_quality(&mut self, now: Instant) -> bool {
        let bad = self.far_queue > POOR_QUEUE || self.loss_ppm > POOR_LOSS_PPM;
        let good = self.far_queue < POOR_QUEUE / 3 && self.loss_ppm < POOR_LOSS_PPM / 3;
        if !bad {
            self.poor_since = now;
        }
        if !good {
            self.good_since = now;
        }
        let next = if self.poor {
            now.saturating_since(self.good_since) < GOOD_AFTER
        } else {
            now.saturating_since(self.poor_since) > POOR_AFTER
        };
        core::mem::replace(&mut self.poor, next) != next
    }

    /// Whether a packet waits for it.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.ready.is_empty()
            || !self.copies.is_empty()
            || self.queues.iter().any(|queue| !queue.is_empty())
    }

    /// The next packet to send, in order of precedence. Inside the window what can wait does.
    pub fn next_packet(&mut self, held: bool, turn: &mut u8, now: Instant) -> Option<Queued> {
        if let Some(copy) = self.copies.pop_front() {
            return Some(copy);
        }
        let [realtime, interactive, bulk, background] = &mut self.queues;
        if let Some(packet) = realtime.pop(now).or_else(|| interactive.pop(now)) {
            return Some(packet);
        }
        if held {
            bulk.forgive();
            background.forgive();
            return None;
        }
        // Background gets every eighth turn: it may be slow, and must not stand still.
        *turn = turn.wrapping_add(1);
        if turn.is_multiple_of(8) {
            background.pop(now).or_else(|| bulk.pop(now))
        } else {
            bulk.pop(now).or_else(|| background.pop(now))
        }
    }

    /// Everything that waits, oldest first.
    pub fn drain(&mut self) -> Vec<Queued> {
        let mut all: Vec<_> = self.copies.drain(..).collect();
        for queue in &mut self.queues {
            all.extend(queue.drain());
        }
        self.ready.clear();
        all.sort_by_key(|packet| packet.session);
        all
    }

    /// How long the next packet of that class has waited.
    #[must_use]
    pub fn sojourn(&self, class: Class, now: Instant) -> Duration {
        self.queues[class.index()].sojourn(now)
    }
}

/// A copy of the packet in a datagram that went out, to be sent again.
#[must_use]
pub fn again(sent: &Sent, now: Instant) -> Queued {
    Queued {
        buffer: BytesMut::from(&sent.datagram[..]),
        session: sent.session,
        class: sent.class,
        flow: sent.flow,
        tries: sent.tries.saturating_add(1),
        kind: sent.kind,
        since: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_continued_to_the_nearest() {
        let span = 1_u64 << 32;
        assert_eq!(extend(5, 3), 5);
        assert_eq!(extend(5, span - 2), span + 5);
        assert_eq!(extend(u32::MAX, span + 5), span - 1);
        assert_eq!(extend(u32::MAX, 3), u64::from(u32::MAX), "nothing is before zero");
    }

    #[test]
    fn a_window_excuses_silence_that_it_covers() {
        let now = Instant::from_secs(10);
        let ms = |ms: u64| now + Duration::from_millis(ms);
        let mut path = Path::new(LinkId::new(1).unwrap(), Policy::Primary, now);
        path.window = Some(Window { opens: ms(100), closes: ms(300) });
        let silent = |since, at| path.unexcused(ms(since), Duration::from_millis(60), ms(at));
        assert_eq!(silent(90, 250), Duration::ZERO);
        assert_eq!(silent(90, 340), Duration::from_millis(40), "counted from its end");
        assert_eq!(silent(0, 250), Duration::from_millis(250), "silent long before it");
        assert_eq!(silent(320, 400), Duration::from_millis(80), "heard since");
    }

    #[test]
    fn a_path_is_poor_only_after_a_while_and_good_only_after_longer() {
        let start = Instant::from_secs(10);
        let ms = |ms: u64| start + Duration::from_millis(ms);
        let mut path = Path::new(LinkId::new(1).unwrap(), Policy::Primary, start);
        path.far_queue = Duration::from_millis(200);
        assert!(!path.judge_quality(ms(150)));
        assert!(path.judge_quality(ms(201)) && path.poor);
        path.far_queue = Duration::ZERO;
        assert!(!path.judge_quality(ms(300)) && !path.judge_quality(ms(2_000)));
        assert!(path.judge_quality(ms(2_300)) && !path.poor);
    }
}
