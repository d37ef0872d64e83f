//! The wall clock, and whether somebody keeps it right.

use std::path::Path;
use std::time::{Duration, SystemTime};

/// Touched by systemd-timesyncd with each successful synchronisation (systemd-timesyncd(8)).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// A reading of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// Time since the Unix epoch; zero where the clock is before it.
    pub utc: Duration,
    /// A time server has set it since the box started.
    pub synchronised: bool,
}

impl WallClock {
    /// Reads it now.
    #[must_use]
    pub fn read() -> Self {
        let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { utc, synchronised: Path::new(SYNCHRONISED).exists() }
    }

    /// The time, where it can be trusted.
    #[must_use]
    pub fn trusted(self) -> Option<Duration> {
        self.synchronised.then_some(self.utc)
    }
}
