//! A point in time on the box's own clock.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// Nanoseconds since the kernel booted, counting suspended time (`CLOCK_BOOTTIME`,
/// `clock_gettime(2)`).
///
/// Unlike `std::time::Instant` it can be made from a number, printed and replayed. 64 bits of
/// nanoseconds last 584 years; arithmetic saturates there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment the kernel booted.
    pub const BOOT: Self = Self(0);

    /// The instant `nanos` nanoseconds after boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `micros` microseconds after boot.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// The instant `secs` seconds after boot.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since boot: the form in which instants travel over D-Bus.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The instant `later` after this one; the end of time if that cannot be told.
    fn add(self, later: Duration) -> Self {
        let nanos = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Instant {
    /// Seconds since boot with milliseconds, as `12.345s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000_000;
        write!(f, "{}.{:03}s", millis / 1_000, millis % 1_000)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let late = Instant::from_nanos(u64::MAX);
        assert_eq!(late + Duration::from_secs(1), late);
        assert_eq!(late + Duration::MAX, late);
        assert_eq!(Instant::BOOT.saturating_since(late), Duration::ZERO);
        assert_eq!(Instant::from_secs(u64::MAX), late);
    }

    #[test]
    fn adding_and_subtracting_agree() {
        let start = Instant::from_micros(1_500);
        let span = Duration::from_millis(40);
        assert_eq!((start + span).saturating_since(start), span);
        assert_eq!((start + span).as_micros(), 41_500);
    }

    #[test]
    fn prints_seconds_and_milliseconds() {
        assert_eq!(Instant::from_micros(12_345_678).to_string(), "12.345s");
    }
}
