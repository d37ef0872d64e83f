//! What gets lost on the way when nothing is wrong.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use serde::{Deserialize, Serialize};
use units::Instant;

use super::quantity::{Probability, Span};
use super::specification::ReplayPhase;

/// Loss models of one direction; a frame is lost if any of them takes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LossSpecification {
    /// Each frame by itself.
    pub bernoulli: Option<Probability>,
    /// In bursts.
    pub gilbert_elliott: Option<GilbertElliott>,
    /// At set times.
    pub windows: Vec<LossWindow>,
}

/// The two-state loss model: in the good state few frames are lost, in the bad state many
/// (Gilbert 1960, Elliott 1963). The state may change before each frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GilbertElliott {
    /// From good to bad.
    pub to_bad: Probability,
    /// From bad to good.
    pub to_good: Probability,
    /// Loss in the good state.
    #[serde(default)]
    pub loss_good: Probability,
    /// Loss in the bad state.
    pub loss_bad: Probability,
}

/// A time in which frames are lost. Times are places in the recordings, whether or not one is
/// replayed, so that a window can be laid on the handovers at 8.69 s + 15 s × k.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossWindow {
    /// When it begins.
    pub from: Span,
    /// How long it lasts.
    pub length: Span,
    /// After how long it comes again; never, if left out.
    pub every: Option<Span>,
    /// How likely a frame is lost within it.
    pub probability: Probability,
}

impl LossWindow {
    fn covers(&self, position_nanos: u128) -> bool {
        let from = self.from.duration().as_nanos();
        let since = match self.every.map(|every| every.duration().as_nanos()) {
            Some(every) if every > 0 => (position_nanos + every - from % every) % every,
            _ if position_nanos < from => return false,
            _ => position_nanos - from,
        };
        since < self.length.duration().as_nanos()
    }
}

/// The models at work, with their state.
#[derive(Debug)]
pub(super) struct Loss {
    specification: LossSpecification,
    phase: ReplayPhase,
    bad: bool,
}

impl Loss {
    pub(super) const fn new(specification: LossSpecification, phase: ReplayPhase) -> Self {
        Self { specification, phase, bad: false }
    }

    /// Whether a frame that is on the wire now gets lost.
    pub(super) fn takes(&mut self, now: Instant, random: &mut Pcg64Mcg) -> bool {
        let mut lost = false;
        if let Some(probability) = self.specification.bernoulli {
            lost |= probability.hits(random.next_u64());
        }
        if let Some(model) = self.specification.gilbert_elliott {
            let change = if self.bad { model.to_good } else { model.to_bad };
            self.bad ^= change.hits(random.next_u64());
            let loss = if self.bad { model.loss_bad } else { model.loss_good };
            lost |= loss.hits(random.next_u64());
        }
        let position = self.phase.position() + now.saturating_since(Instant::BOOT);
        for window in &self.specification.windows {
            if window.covers(position.as_nanos()) {
                lost |= window.probability.hits(random.next_u64());
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::rand_core::SeedableRng;

    const FRAMES: u32 = 200_000;

    fn probability(value: f64) -> Probability {
        Probability::try_from(value).unwrap()
    }

    fn outcomes(specification: LossSpecification) -> Vec<bool> {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let mut loss = Loss::new(specification, ReplayPhase::default());
        (0..FRAMES).map(|_| loss.takes(Instant::BOOT, &mut random)).collect()
    }

    fn share(outcomes: &[bool]) -> f64 {
        let lost = u32::try_from(outcomes.iter().filter(|lost| **lost).count()).unwrap();
        f64::from(lost) / f64::from(FRAMES)
    }

    #[test]
    fn bernoulli_loses_its_share() {
        let bernoulli = Some(probability(0.02));
        let lost = share(&outcomes(LossSpecification { bernoulli, ..Default::default() }));
        assert!((lost - 0.02).abs() < 0.002, "{lost}");
        assert!(share(&outcomes(LossSpecification::default())).abs() < f64::EPSILON);
    }

    #[test]
    fn gilbert_elliott_loses_in_bursts_of_its_length() {
        let model = GilbertElliott {
            to_bad: probability(0.01),
            to_good: probability(0.25),
            loss_good: probability(0.0),
            loss_bad: Probability::ONE,
        };
        let specification =
            LossSpecification { gilbert_elliott: Some(model), ..Default::default() };
        let outcomes = outcomes(specification);
        // Stationary share of the bad state p / (p + r), mean sojourn 1 / r.
        let lost = share(&outcomes);
        assert!((lost - 0.01 / 0.26).abs() < 0.004, "{lost}");
        let bursts = outcomes.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let length = lost * f64::from(FRAMES) / f64::from(u32::try_from(bursts).unwrap());
        assert!((length - 4.0).abs() < 0.4, "mean burst of {length} frames");
    }

    #[test]
    fn a_window_comes_again() {
        let window = LossWindow {
            from: Span::from_millis(8_690),
            length: Span::from_millis(90),
            every: Some(Span::from_millis(15_000)),
            probability: Probability::ONE,
        };
        let at = |millis: u128| window.covers(millis * 1_000_000);
        assert!(!at(8_689) && at(8_690) && at(8_779) && !at(8_780));
        assert!(!at(23_689) && at(23_690) && at(23_779) && !at(23_780));
        let once = LossWindow { every: None, ..window };
        assert!(once.covers(8_700 * 1_000_000) && !once.covers(23_700 * 1_000_000));
    }
}
