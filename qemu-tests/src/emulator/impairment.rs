//! The faults that are on a direction right now.

use std::time::Duration;

use units::Instant;

use super::fault::Fault;
use super::quantity::{Mtu, Probability, Share};
use super::specification::Side;

/// What a fault changes for one direction; the default is nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Impairments {
    pub(super) no_carrier: bool,
    pub(super) cut: bool,
    pub(super) extra_delay: Duration,
    pub(super) mtu: Option<SmallMtu>,
    pub(super) corrupt: Probability,
    pub(super) duplicate: Probability,
    pub(super) reorder: Option<(Probability, Duration)>,
    pub(super) ramp: Ramp,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SmallMtu {
    pub(super) mtu: Mtu,
    pub(super) icmp: bool,
}

impl Impairments {
    /// Takes up a fault as it shows on `side`.
    pub(super) fn apply(&mut self, fault: &Fault, side: Side, now: Instant) {
        match fault {
            Fault::Cut => self.cut = true,
            Fault::CutOneWay { direction } => self.cut |= *direction == side,
            Fault::CarrierDown => self.no_carrier = true,
            Fault::CarrierUp => self.no_carrier = false,
            Fault::Rate { percent } => self.ramp = Ramp::step(*percent),
            Fault::RoundTrip { extra } => self.extra_delay = extra.duration() / 2,
            Fault::Mtu { bytes, icmp } => {
                self.mtu = Some(SmallMtu { mtu: *bytes, icmp: *icmp });
            }
            Fault::Corrupt { probability } => self.corrupt = *probability,
            Fault::Duplicate { probability } => self.duplicate = *probability,
            Fault::Reorder { probability, by } => {
                self.reorder = Some((*probability, by.duration()));
            }
            Fault::Decay { percent, over } => {
                let from = self.ramp.share_at(now);
                self.ramp = Ramp { from, to: *percent, start: now, over: over.duration() };
            }
            Fault::Heal => *self = Self::default(),
            // The provider's business, not the link's.
            Fault::AddressChange | Fault::NatRebinding => {}
        }
    }
}

/// The share of the capacity over time: a straight line from one value to another, in steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    from: u32,
    to: Share,
    start: Instant,
    over: Duration,
}

impl Default for Ramp {
    fn default() -> Self {
        Self::step(Share::FULL)
    }
}

impl Ramp {
    /// How often the share is set anew while it shrinks.
    const STEP: Duration = Duration::from_millis(10);

    const fn step(to: Share) -> Self {
        Self { from: to.parts_per_million(), to, start: Instant::BOOT, over: Duration::ZERO }
    }

    /// The share at that time, in parts per million.
    pub(super) fn share_at(&self, now: Instant) -> u32 {
        let to = self.to.parts_per_million();
        let passed = now.saturating_since(self.start);
        if passed >= self.over {
            return to;
        }
        let steps = passed.as_nanos() / Self::STEP.as_nanos();
        let all = self.over.as_nanos().div_ceil(Self::STEP.as_nanos());
        let move_by = |distance: u32| {
            u32::try_from(u128::from(distance) * steps / all).expect("no more than the distance")
        };
        if to < self.from {
            self.from - move_by(self.from - to)
        } else {
            self.from + move_by(to - self.from)
        }
    }

    /// When the share changes next after `now`, if it still does.
    pub(super) fn next_step(&self, now: Instant) -> Option<Instant> {
        let passed = now.saturating_since(self.start);
        if passed >= self.over {
            return None;
        }
        let steps = u32::try_from(passed.as_nanos() / Self::STEP.as_nanos()).ok()?;
        Some(self.start + (Self::STEP * (steps + 1)).min(self.over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decay_ends_where_it_should_and_never_turns() {
        let mut impairments = Impairments::default();
        let fault = Fault::from_words(&["decay", "percent=20", "over=1s"].map(str::to_owned));
        let start = Instant::from_secs(5);
        impairments.apply(&fault.unwrap(), Side::Up, start);
        let ramp = impairments.ramp;
        let mut now = start;
        let mut share = ramp.share_at(now);
        assert_eq!(share, 1_000_000);
        let mut steps = 0;
        while let Some(next) = ramp.next_step(now) {
            assert!(next > now && ramp.share_at(next) <= share);
            (now, share, steps) = (next, ramp.share_at(next), steps + 1);
        }
        assert_eq!((share, steps, now), (200_000, 100, Instant::from_secs(6)));
    }

    #[test]
    fn one_way_is_one_way_and_heal_is_everything() {
        let fault = Fault::CutOneWay { direction: Side::Up };
        let (mut up, mut down) = (Impairments::default(), Impairments::default());
        up.apply(&fault, Side::Up, Instant::BOOT);
        down.apply(&fault, Side::Down, Instant::BOOT);
        assert!(up.cut && !down.cut);
        up.apply(&Fault::Heal, Side::Up, Instant::BOOT);
        assert!(!up.cut);
    }
}
