//! The way: how long a frame that leaves now is on it.

use std::time::Duration;

use units::Instant;

use super::specification::{Delay, NormalDelay, ReplayPhase};
use super::trace::DelayTrace;

#[derive(Debug)]
pub(super) enum Way {
    Constant(Duration),
    Normal(NormalDelay),
    Trace(DelayTrace, Duration),
}

impl Way {
    pub(super) fn new(delay: Delay, phase: ReplayPhase) -> Self {
        match delay {
            Delay::Constant(span) => Self::Constant(span.duration()),
            Delay::Normal(normal) => Self::Normal(normal),
            Delay::Trace(recorded) => Self::Trace(recorded.delay(), phase.position()),
            Delay::Brought(trace) => Self::Trace(trace, phase.position()),
        }
    }

    /// The delay of a frame that leaves `now`, given 64 random bits.
    pub(super) fn delay_at(&self, now: Instant, random: u64) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Normal(normal) => normal.draw(random),
            Self::Trace(trace, phase) => trace.at(*phase + now.saturating_since(Instant::BOOT)),
        }
    }
}

impl NormalDelay {
    /// The sum of four even draws is as good as normal here, and the same on every machine.
    fn draw(&self, random: u64) -> Duration {
        const SQRT_3: f64 = 1.732_050_807_568_877_2;
        let draws = [random, random >> 16, random >> 32, random >> 48];
        let sum: f64 = draws.map(|bits| f64::from((bits & 0xffff) as u16) / 65_536.0).iter().sum();
        let (mean, deviation) = (self.mean.duration(), self.deviation.duration());
        let seconds = mean.as_secs_f64() + deviation.as_secs_f64() * (sum - 2.0) * SQRT_3;
        Duration::from_secs_f64(seconds.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Span;
    use rand_pcg::Pcg64Mcg;
    use rand_pcg::rand_core::{Rng, SeedableRng};

    #[test]
    fn a_normal_delay_has_its_mean_and_deviation() {
        let (mean, deviation) = (Span::from_millis(9), Span::from_millis(1));
        let normal = NormalDelay { mean, deviation };
        let mut random = Pcg64Mcg::seed_from_u64(3);
        let draws: Vec<_> =
            (0..20_000).map(|_| normal.draw(random.next_u64()).as_secs_f64() * 1e3).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|ms| (ms - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean - 9.0).abs() < 0.05, "{mean}");
        assert!((variance.sqrt() - 1.0).abs() < 0.05, "{variance}");
    }
}
