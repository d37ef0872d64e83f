//! The emulator's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use units::Instant;

use crate::emulator::ReplayPhase;

/// Counts from its making; copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// The time on it.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::BOOT + self.start.elapsed()
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The phase at which replayed handovers fall on the real ones, given when this clock started
    /// and where in the recording the first one is.
    #[must_use]
    pub fn phase_in_step_with_utc(&self, handover: Duration) -> ReplayPhase {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ReplayPhase::in_step_with_utc(utc.saturating_sub(self.elapsed()), handover)
    }
}
