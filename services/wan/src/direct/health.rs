//! How an uplink does, from what came back over it.
//!
//! Up, suspect after one probe without an answer, down after [`MISSES`]; back on probation, which
//! lasts [`PROBATION`] and doubles with each relapse up to [`LONGEST_PROBATION`]. Suspicion does
//! not move the house, so a false alarm costs nothing. An uplink whose provider answers in the
//! place of everybody is captive: it works, and leads nowhere until somebody signs in.
//!
//! While the tunnel reports on a path, its word counts and probes do not.

use std::time::Duration;

use units::Instant;

/// Probes in a row without an answer after which an uplink is down.
pub const MISSES: u32 = 3;

/// How long an uplink that came back must be clean before new flows move to it.
pub const PROBATION: Duration = Duration::from_secs(3);

/// Longest probation of an uplink that keeps failing.
pub const LONGEST_PROBATION: Duration = Duration::from_secs(300);

/// How long an uplink must be up for its relapses to be forgotten.
pub const FORGIVEN: Duration = Duration::from_secs(600);

const _: () = assert!(PROBATION.as_secs() < LONGEST_PROBATION.as_secs());
const _: () = assert!(LONGEST_PROBATION.as_secs() < FORGIVEN.as_secs());

/// How an uplink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// What is sent comes back.
    Up,
    /// Something did not come back.
    Suspect,
    /// It came back a moment ago.
    Probation,
    /// Its provider answers for everybody: somebody has to sign in.
    Captive,
    /// Nothing comes back, or it cannot be used at all.
    Down,
}

impl Health {
    /// The word for it on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Probation => "probation",
            Self::Captive => "captive",
            Self::Down => "down",
        }
    }
}

/// What is known of one uplink.
#[derive(Clone, Debug)]
pub struct Condition {
    usable: bool,
    captive: bool,
    misses: u32,
    /// Whether it was down since it was last up.
    fell: bool,
    relapses: u32,
    probation_until: Option<Instant>,
    up_since: Option<Instant>,
    told_by_tunnel: Option<Health>,
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

impl Condition {
    /// An uplink that cannot be used yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            usable: false,
            captive: false,
            misses: 0,
            fell: false,
            relapses: 0,
            probation_until: None,
            up_since: None,
            told_by_tunnel: None,
        }
    }

    /// It can be used from now on. The first time it is up at once: a box that starts has nothing
    /// better. After it failed, it is on probation.
    pub fn handle_usable(&mut self, now: Instant) {
        if !self.usable {
            self.usable = true;
            self.misses = 0;
            self.rise(now);
        }
    }

    /// It cannot be used any more.
    pub fn handle_unusable(&mut self, now: Instant) {
        if self.usable {
            self.fall(now);
            *self = Self { usable: false, captive: false, told_by_tunnel: None, ..self.clone() };
        }
    }

    /// Something came back over it.
    pub fn handle_answer(&mut self, now: Instant) {
        let was_down = self.misses >= MISSES;
        self.misses = 0;
        if self.usable && was_down {
            self.rise(now);
        }
    }

    /// Something did not come back in time.
    pub fn handle_silence(&mut self, now: Instant) {
        // Captive, it leads nowhere: that the world is silent says nothing about it.
        if !self.usable || self.captive {
            return;
        }
        self.misses = self.misses.saturating_add(1);
        if self.misses == MISSES || (self.probation_until.is_some() && self.misses < MISSES) {
            self.misses = MISSES;
            self.fall(now);
        }
    }

    /// Whether the provider answers in the place of everybody.
    pub const fn handle_portal(&mut self, captive: bool) {
        self.captive = captive;
    }

    /// The tunnel told how the path over this uplink does; `None` when it has none any more.
    pub const fn handle_tunnel(&mut self, health: Option<Health>) {
        self.told_by_tunnel = health;
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        if self.probation_until.is_some_and(|until| until <= now) {
            self.probation_until = None;
            self.fell = false;
            self.up_since = Some(now);
        }
        if self.up_since.is_some_and(|since| now.saturating_since(since) >= FORGIVEN) {
            self.relapses = 0;
            self.up_since = None;
        }
    }

    /// When time alone will change something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let forgiven = self.up_since.filter(|_| self.relapses > 0).map(|since| since + FORGIVEN);
        self.probation_until.into_iter().chain(forgiven).min()
    }

    /// How it does.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self.told_by_tunnel {
            _ if !self.usable => Health::Down,
            Some(told) => told,
            None if self.misses >= MISSES => Health::Down,
            None if self.captive => Health::Captive,
            None if self.probation_until.is_some() => Health::Probation,
            None if self.misses > 0 => Health::Suspect,
            None => Health::Up,
        }
    }

    /// Whether it has an address and a way on.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.usable
    }

    fn rise(&mut self, now: Instant) {
        if self.fell {
            let doubled = PROBATION * 2_u32.saturating_pow(self.relapses.saturating_sub(1).min(16));
            self.probation_until = Some(now + doubled.min(LONGEST_PROBATION));
        } else {
            self.up_since = Some(now);
        }
    }

    fn fall(&mut self, now: Instant) {
        self.handle_deadline(now);
        self.fell = true;
        self.relapses = self.relapses.saturating_add(1);
        self.probation_until = None;
        self.up_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn fail(condition: &mut Condition, now: Instant) {
        for _ in 0..MISSES {
            condition.handle_silence(now);
        }
    }

    #[test]
    fn the_first_address_counts_at_once() {
        let mut condition = Condition::new();
        assert_eq!(condition.health(), Health::Down);
        condition.handle_usable(at(1));
        assert_eq!(condition.health(), Health::Up);
    }

    #[test]
    fn one_silence_is_suspicion_and_three_are_the_end() {
        let mut condition = Condition::new();
        condition.handle_usable(at(1));
        condition.handle_silence(at(2));
        assert_eq!(condition.health(), Health::Suspect);
        condition.handle_answer(at(2));
        assert_eq!(condition.health(), Health::Up);
        fail(&mut condition, at(3));
        assert_eq!(condition.health(), Health::Down);
    }

    #[test]
    fn probation_doubles_with_each_relapse_and_is_forgiven() {
        let mut condition = Condition::new();
        condition.handle_usable(at(0));
        let mut now = at(10);
        for expected in [3, 6, 12, 24, 48, 96, 192, 300, 300] {
            fail(&mut condition, now);
            condition.handle_answer(now);
            assert_eq!(condition.health(), Health::Probation);
            let until = condition.next_deadline().expect("it ends");
            assert_eq!(until.saturating_since(now), Duration::from_secs(expected));
            condition.handle_deadline(until);
            assert_eq!(condition.health(), Health::Up);
            now = until;
        }
        let forgiven = condition.next_deadline().expect("it is forgiven");
        condition.handle_deadline(forgiven);
        fail(&mut condition, forgiven);
        condition.handle_answer(forgiven);
        let until = condition.next_deadline().expect("it ends");
        assert_eq!(until.saturating_since(forgiven), PROBATION);
    }

    #[test]
    fn a_relapse_on_probation_needs_one_silence() {
        let mut condition = Condition::new();
        condition.handle_usable(at(0));
        fail(&mut condition, at(1));
        condition.handle_answer(at(2));
        condition.handle_silence(at(3));
        assert_eq!(condition.health(), Health::Down);
    }

    #[test]
    fn a_cable_that_was_out_is_on_probation() {
        let mut condition = Condition::new();
        condition.handle_usable(at(0));
        condition.handle_unusable(at(5));
        assert_eq!(condition.health(), Health::Down);
        condition.handle_usable(at(6));
        assert_eq!(condition.health(), Health::Probation);
    }

    #[test]
    fn the_tunnel_s_word_counts_while_it_has_one() {
        let mut condition = Condition::new();
        condition.handle_usable(at(0));
        fail(&mut condition, at(1));
        condition.handle_tunnel(Some(Health::Up));
        assert_eq!(condition.health(), Health::Up);
        condition.handle_tunnel(None);
        assert_eq!(condition.health(), Health::Down);
        condition.handle_tunnel(Some(Health::Up));
        condition.handle_unusable(at(2));
        assert_eq!(condition.health(), Health::Down, "without an address there is no path");
    }
}
