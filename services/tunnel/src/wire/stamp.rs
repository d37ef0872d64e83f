//! Times on the wire.

use core::time::Duration;

use units::Instant;

/// Microseconds on the sender's clock, modulo 2^32: 71 minutes. Only differences of less than half
/// of that mean anything, and only between stamps of one clock, or as a trend between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub u32);

impl Stamp {
    /// The stamp of that instant.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the wrapping is the format")]
    pub const fn at(instant: Instant) -> Self {
        Self(instant.as_micros() as u32)
    }

    /// Microseconds from `earlier` to this, negative if this is before it.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Time from `earlier` to this, zero if this is before it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros_since(earlier)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_the_wrap() {
        let before = Stamp::at(Instant::from_micros(u64::from(u32::MAX) - 5));
        let after = Stamp::at(Instant::from_micros(u64::from(u32::MAX) + 15));
        assert_eq!(after.micros_since(before), 20);
        assert_eq!(before.micros_since(after), -20);
        assert_eq!(before.since(after), Duration::ZERO);
    }
}
