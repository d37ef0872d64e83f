//! Whether a path can be trusted.
//!
//! ```text
//!             nothing heard or no progress           longer
//!        ┌──────────────────────────────▶ Suspect ─────────────┐
//!        │ ◀───── heard again ───────────    │                  ▼
//!       Up ── carrier or connection gone ────┴───────────────▶ Down ◀─┐
//!        ▲                                                      │     │
//!        └───────── clean for the hold ──── Probation ◀── heard ┘     │ down again:
//!                                               └─────────────────────┘ the hold doubles
//! ```
//!
//! Suspicion costs copies, not a switch, so it may come early. A return costs nothing but patience,
//! so it may come late.

use core::time::Duration;

use units::Instant;

/// How far a path is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It carries.
    Up,
    /// It has been silent for a moment: what is urgent goes on another path as well.
    Suspect,
    /// It does not carry.
    Down,
    /// It carries again, and is watched before it is trusted.
    Probation,
}

/// Why a path changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The first connection.
    Connected,
    /// Nothing has been heard on it.
    Silent,
    /// What is sent on it does not arrive.
    NoProgress,
    /// The cable does not carry, here or as the far end says.
    NoCarrier,
    /// The connection has ended.
    Closed,
    /// It is heard.
    Heard,
    /// It has been clean for its hold.
    Clean,
}

/// What is known of a path at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// There is a connection, and something has arrived on it.
    pub heard: bool,
    /// There is a connection.
    pub connected: bool,
    /// The cable carries.
    pub carrier: bool,
    /// How long nothing has been heard that should have been.
    pub silent: Duration,
    /// How long nothing sent has arrived that should have.
    pub stalled: Duration,
    /// Suspicion begins above this.
    pub suspect_after: Duration,
    /// And ends the path above this.
    pub down_after: Duration,
}

/// First hold after a fault.
pub const FIRST_HOLD: Duration = Duration::from_secs(1);
/// Longest hold of a path that flaps.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// For each such time that a path stays up half of its hold is forgiven: one that withers once in a
/// while need not pay for the last time.
const HALF_FORGIVEN: Duration = Duration::from_secs(10);
/// A path that goes down again so soon after it came up flaps.
const FLAP: Duration = Duration::from_secs(5);

/// The state of one path.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    state: State,
    since: Instant,
    hold: Duration,
    faulted: bool,
}

impl Health {
    /// A path that has never carried.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { state: State::Down, since: now, hold: FIRST_HOLD, faulted: false }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// How long it must be clean before it is trusted again.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        self.hold
    }

    /// Judges the evidence; why the state has changed, if it has.
    pub fn judge(&mut self, seen: &Evidence, now: Instant) -> Option<Why> {
        if self.state == State::Probation && seen.silent.max(seen.stalled) > seen.suspect_after {
            // Not clean: the hold begins again. Only a path that goes down again pays double.
            self.since = now;
        }
        let (next, why) = self.next(seen, now)?;
        let before = self.state;
        if next == State::Down {
            let age = now.saturating_since(self.since);
            self.hold = match before {
                State::Up | State::Suspect if !self.faulted || age >= FLAP => {
                    let halves = age.as_secs() / HALF_FORGIVEN.as_secs();
                    (self.hold / (1 << halves.min(16))).max(FIRST_HOLD)
                }
                _ => (2 * self.hold).min(LONGEST_HOLD),
            };
            self.faulted = true;
        }
        // A suspicion that passes does not make a path younger than it is.
        if !matches!((before, next), (State::Up, State::Suspect) | (State::Suspect, State::Up)) {
            self.since = now;
        }
        self.state = next;
        Some(why)
    }

    fn next(&self, seen: &Evidence, now: Instant) -> Option<(State, Why)> {
        if self.state != State::Down {
            if !seen.connected {
                return Some((State::Down, Why::Closed));
            }
            if !seen.carrier {
                return Some((State::Down, Why::NoCarrier));
            }
        }
        let longest = seen.silent.max(seen.stalled);
        let cause = if seen.silent >= seen.stalled { Why::Silent } else { Why::NoProgress };
        match self.state {
            State::Up | State::Suspect if longest > seen.down_after => Some((State::Down, cause)),
            State::Up if longest > seen.suspect_after => Some((State::Suspect, cause)),
            State::Suspect if longest <= seen.suspect_after / 2 => Some((State::Up, Why::Heard)),
            State::Down => {
                let good = seen.connected && seen.carrier && seen.heard;
                let quiet = longest <= seen.suspect_after;
                let first = if self.faulted {
                    (State::Probation, Why::Heard)
                } else {
                    (State::Up, Why::Connected)
                };
                (good && quiet).then_some(first)
            }
            State::Probation if longest > seen.down_after => Some((State::Down, cause)),
            State::Probation if now.saturating_since(self.since) >= self.hold => {
                Some((State::Up, Why::Clean))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn seen(silent: u32, stalled: u32) -> Evidence {
        Evidence {
            heard: true,
            connected: true,
            carrier: true,
            silent: silent * MS,
            stalled: stalled * MS,
            suspect_after: 60 * MS,
            down_after: 150 * MS,
        }
    }

    fn health(state: State, faulted: bool) -> Health {
        Health { state, since: Instant::from_secs(100), hold: FIRST_HOLD, faulted }
    }

    fn after(start: Health, evidence: &Evidence, ms: u32) -> (State, Option<Why>) {
        let mut health = start;
        let why = health.judge(evidence, Instant::from_secs(100) + ms * MS);
        (health.state(), why)
    }

    #[test]
    fn every_state_meets_every_kind_of_evidence() {
        use State::{Down, Probation, Suspect, Up};
        let gone = Evidence { connected: false, heard: false, ..seen(0, 0) };
        let pulled = Evidence { carrier: false, ..seen(0, 0) };
        let unheard = Evidence { heard: false, ..seen(0, 0) };
        let table = [
            (Up, seen(0, 0), Up, None),
            (Up, seen(60, 60), Up, None),
            (Up, seen(61, 0), Suspect, Some(Why::Silent)),
            (Up, seen(61, 61), Suspect, Some(Why::Silent)),
            (Up, seen(150, 0), Suspect, Some(Why::Silent)),
            (Up, seen(0, 61), Suspect, Some(Why::NoProgress)),
            (Up, seen(151, 0), Down, Some(Why::Silent)),
            (Up, gone, Down, Some(Why::Closed)),
            (Up, pulled, Down, Some(Why::NoCarrier)),
            (Suspect, seen(31, 0), Suspect, None),
            (Suspect, seen(0, 150), Suspect, None),
            (Suspect, seen(30, 0), Up, Some(Why::Heard)),
            (Suspect, seen(0, 151), Down, Some(Why::NoProgress)),
            (Suspect, gone, Down, Some(Why::Closed)),
            (Suspect, pulled, Down, Some(Why::NoCarrier)),
            (Down, seen(61, 0), Down, None),
            (Down, seen(60, 60), Probation, Some(Why::Heard)),
            (Down, gone, Down, None),
            (Down, pulled, Down, None),
            (Down, unheard, Down, None),
            (Probation, seen(0, 0), Probation, None),
            (Probation, seen(150, 150), Probation, None),
            (Probation, seen(0, 151), Down, Some(Why::NoProgress)),
            (Probation, gone, Down, Some(Why::Closed)),
            (Probation, pulled, Down, Some(Why::NoCarrier)),
        ];
        for (from, evidence, to, why) in table {
            assert_eq!(
                after(health(from, true), &evidence, 10),
                (to, why),
                "{from:?} {evidence:?}"
            );
        }
        let mut restless = health(Probation, true);
        let at = |ms: u32| Instant::from_secs(100) + ms * MS;
        restless.judge(&seen(61, 0), at(900));
        assert_eq!(restless.judge(&seen(0, 0), at(1_000)), None, "it was not clean");
        assert_eq!(restless.judge(&seen(0, 0), at(1_900)), Some(Why::Clean));
        let clean = after(health(Probation, true), &seen(0, 0), 1_000);
        assert_eq!(clean, (Up, Some(Why::Clean)));
    }

    #[test]
    fn a_path_that_was_never_at_fault_is_trusted_at_once() {
        let (state, why) = after(health(State::Down, false), &seen(0, 0), 0);
        assert_eq!((state, why), (State::Up, Some(Why::Connected)));
    }

    #[test]
    fn a_probation_begins_again_only_when_it_was_not_clean() {
        let at = |ms: u32| Instant::from_secs(100) + ms * MS;
        let mut path = health(State::Probation, true);
        path.judge(&seen(60, 60), at(900));
        assert_eq!(path.judge(&seen(0, 0), at(999)), None);
        assert_eq!(path.judge(&seen(0, 0), at(1_000)), Some(Why::Clean));
        assert_eq!(path.since(), at(1_000));
    }

    #[test]
    fn a_suspicion_that_passes_leaves_the_path_as_old_as_it_is() {
        let at = |ms: u32| Instant::from_secs(100) + ms * MS;
        let mut path = health(State::Up, true);
        path.judge(&seen(70, 0), at(500));
        path.judge(&seen(0, 0), at(600));
        assert_eq!((path.state(), path.since()), (State::Up, at(0)));
        path.judge(&seen(200, 0), at(700));
        assert_eq!((path.state(), path.since()), (State::Down, at(700)));
    }

    #[test]
    fn only_a_fault_soon_after_another_doubles_the_hold() {
        let start = Instant::from_secs(100);
        let hold = |faulted: bool, age: Duration| {
            let mut path = health(State::Up, faulted);
            path.judge(&seen(200, 0), start + age);
            path.hold()
        };
        assert_eq!(hold(false, MS), FIRST_HOLD, "its first");
        assert_eq!(hold(true, FLAP), FIRST_HOLD, "long after");
        assert_eq!(hold(true, FLAP - MS), 2 * FIRST_HOLD);
    }

    #[test]
    fn half_is_forgiven_for_each_time_without_a_fault() {
        let start = Instant::from_secs(100);
        let hold = |state: State, age: Duration| {
            let mut path = Health { hold: 8 * FIRST_HOLD, ..health(state, true) };
            path.judge(&seen(200, 0), start + age);
            path.hold()
        };
        assert_eq!(hold(State::Up, HALF_FORGIVEN - MS), 8 * FIRST_HOLD);
        assert_eq!(hold(State::Up, HALF_FORGIVEN), 4 * FIRST_HOLD);
        assert_eq!(hold(State::Suspect, 2 * HALF_FORGIVEN), 2 * FIRST_HOLD);
        assert_eq!(hold(State::Up, 100 * HALF_FORGIVEN), FIRST_HOLD, "and no less");
        assert_eq!(hold(State::Probation, 2 * HALF_FORGIVEN), 16 * FIRST_HOLD, "it was not up");
    }

    #[test]
    fn flapping_doubles_the_hold_up_to_its_bound() {
        let mut path = health(State::Up, true);
        let mut now = Instant::from_secs(100);
        for expected in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            now = now + MS;
            path.judge(&seen(200, 0), now);
            assert_eq!(path.state(), State::Down);
            assert_eq!(path.hold(), Duration::from_secs(expected));
            path.judge(&seen(0, 0), now);
            now = now + path.hold();
            assert_eq!(path.judge(&seen(0, 0), now), Some(Why::Clean));
        }
        now = now + 9 * HALF_FORGIVEN;
        path.judge(&seen(200, 0), now);
        assert_eq!(path.hold(), FIRST_HOLD);
    }
}
