//! How much of the last day an uplink was up, in steps of five minutes.

use std::time::Duration;

use units::Instant;

/// How much time one step stands for.
pub const STEP: Duration = Duration::from_secs(300);

/// How many steps there are: a day.
pub const STEPS: usize = 288;

/// The value of a step of which nothing is known.
pub const UNKNOWN: u8 = 255;

const _: () = assert!(STEP.as_secs() * STEPS as u64 == 86_400);

/// What is known of one step.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    known: Duration,
    up: Duration,
}

/// The strip of one uplink.
#[derive(Clone, Debug)]
pub struct Availability {
    shares: Box<[Share; STEPS]>,
    /// The step that `now` was in last, counted from boot.
    step: u64,
    until: Instant,
    up: bool,
}

impl Availability {
    /// A strip that knows nothing before `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let shares = Box::new([Share::default(); STEPS]);
        Self { shares, step: number(now), until: now, up: false }
    }

    /// From `now` on the uplink is up, or not.
    pub fn handle(&mut self, up: bool, now: Instant) {
        self.advance(now);
        self.up = up;
    }

    /// The strip at `now`, the oldest step first: percent of the known time of each step in which
    /// the uplink was up, or [`UNKNOWN`].
    #[must_use]
    pub fn strip(&mut self, now: Instant) -> Vec<u8> {
        self.advance(now);
        let first = self.step + 1;
        let shares = (first..first + STEPS as u64).map(|step| &self.shares[place(step)]);
        shares.map(percent).collect()
    }

    fn advance(&mut self, now: Instant) {
        // What lies further back than the strip is long cannot be seen.
        let oldest = (number(now) + 1).saturating_sub(STEPS as u64);
        if self.step < oldest {
            self.shares.fill(Share::default());
            self.step = oldest;
            self.until = self.until.max(start(oldest));
        }
        while self.until < now {
            let end = start(self.step + 1).min(now);
            let span = end.saturating_since(self.until);
            let share = &mut self.shares[place(self.step)];
            share.known += span;
            if self.up {
                share.up += span;
            }
            self.until = end;
            if end == start(self.step + 1) {
                self.step += 1;
                self.shares[place(self.step)] = Share::default();
            }
        }
    }
}

fn number(at: Instant) -> u64 {
    at.saturating_since(Instant::BOOT).as_secs() / STEP.as_secs()
}

fn start(step: u64) -> Instant {
    Instant::from_secs(step.saturating_mul(STEP.as_secs()))
}

fn place(step: u64) -> usize {
    usize::try_from(step % STEPS as u64).expect("below STEPS")
}

fn percent(share: &Share) -> u8 {
    let (known, up) = (share.known.as_millis(), share.up.as_millis());
    match (up * 100).checked_div(known) {
        None => UNKNOWN,
        // An outage of a second must not be rounded away.
        Some(whole) => u8::try_from(whole).expect("a share of the whole"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_outage_is_seen_where_it_was() {
        let mut strip = Availability::new(Instant::BOOT);
        strip.handle(true, Instant::BOOT);
        strip.handle(false, Instant::from_secs(450));
        strip.handle(true, Instant::from_secs(451));
        let steps = strip.strip(Instant::from_secs(900));
        assert_eq!(steps.len(), STEPS);
        assert_eq!(steps[STEPS - 4..], [100, 99, 100, UNKNOWN]);
        assert!(steps[..STEPS - 4].iter().all(|step| *step == UNKNOWN));
    }

    #[test]
    fn a_box_that_slept_for_weeks_forgets_in_one_go() {
        let mut strip = Availability::new(Instant::BOOT);
        strip.handle(true, Instant::BOOT);
        let weeks = Instant::from_secs(86_400 * 1_000);
        let steps = strip.strip(weeks);
        assert!(steps[..STEPS - 1].iter().all(|step| *step == 100), "nobody said it was down");
    }

    proptest! {
        #[test]
        fn it_always_is_a_day_of_shares(
            times in prop::collection::vec((0_u64..200_000, any::<bool>()), 0..40),
        ) {
            let mut times = times;
            times.sort_unstable();
            let mut strip = Availability::new(Instant::BOOT);
            for (second, up) in &times {
                strip.handle(*up, Instant::from_secs(*second));
            }
            let last = times.last().map_or(0, |(second, _)| *second);
            let steps = strip.strip(Instant::from_secs(last));
            prop_assert_eq!(steps.len(), STEPS);
            prop_assert!(steps.iter().all(|step| *step <= 100 || *step == UNKNOWN));
        }
    }
}
