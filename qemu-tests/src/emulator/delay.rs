//! The way: how long a frame that leaves now is on it.

use std::time::Duration;

use units::Instant;

use super::specification::{Delay, ReplayPhase};
use super::trace::DelayTrace;

#[derive(Debug)]
pub(super) enum Way {
    Constant(Duration),
    Trace(DelayTrace, Duration),
}

impl Way {
    pub(super) fn new(delay: Delay, phase: ReplayPhase) -> Self {
        match delay {
            Delay::Constant(span) => Self::Constant(span.duration()),
            Delay::Trace(recorded) => Self::Trace(recorded.delay(), phase.position()),
        }
    }

    pub(super) fn delay_at(&self, now: Instant) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Trace(trace, phase) => trace.at(*phase + now.saturating_since(Instant::BOOT)),
        }
    }
}
