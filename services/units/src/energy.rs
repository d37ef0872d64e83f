//! Electrical power, and the energy it adds up to.

use core::fmt;
use core::ops::AddAssign;
use core::time::Duration;

/// Power in thousandths of a watt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliWatt(u32);

/// Energy in thousandths of a joule. 64 bits hold what a kilowatt brings in 584,000 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliJoule(u64);

impl MilliWatt {
    /// This many thousandths of a watt.
    #[must_use]
    pub const fn new(milliwatts: u32) -> Self {
        Self(milliwatts)
    }

    /// Thousandths of a watt.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// What this power brings in `time`, rounded down; saturates.
    #[must_use]
    pub fn energy_over(self, time: Duration) -> MilliJoule {
        let millijoules = u128::from(self.0) * time.as_nanos() / 1_000_000_000;
        MilliJoule(u64::try_from(millijoules).unwrap_or(u64::MAX))
    }
}

impl MilliJoule {
    /// This many thousandths of a joule.
    #[must_use]
    pub const fn new(millijoules: u64) -> Self {
        Self(millijoules)
    }

    /// Thousandths of a joule.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl AddAssign for MilliJoule {
    fn add_assign(&mut self, more: Self) {
        self.0 = self.0.saturating_add(more.0);
    }
}

impl fmt::Display for MilliWatt {
    /// Watts with three places, as `74.250 W`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} W", self.0 / 1_000, self.0 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn power_over_time_is_energy() {
        let mut meter = MilliJoule::new(500);
        meter += MilliWatt::new(75_000).energy_over(Duration::from_millis(1_500));
        assert_eq!(meter, MilliJoule::new(113_000));
    }

    #[test]
    fn arithmetic_saturates() {
        let mut meter = MilliWatt::new(u32::MAX).energy_over(Duration::MAX);
        meter += MilliJoule::new(1);
        assert_eq!(meter.get(), u64::MAX);
    }

    #[test]
    fn prints_watts() {
        assert_eq!(MilliWatt::new(74_025).to_string(), "74.025 W");
    }
}
