//! Quantities of a link as a person writes them: `"50 Mbit/s"`, `"18 ms"`, `0.01`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A quantity that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number and a unit.
    #[error("{text:?}: expected a number and a unit, one of {units}")]
    Form {
        /// What was written.
        text: String,
        /// The units that are understood.
        units: &'static str,
    },
    /// A number that makes no sense here.
    #[error("{text:?}: expected {expected}")]
    Range {
        /// What was written.
        text: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

/// Splits `"12.5 ms"` into a number scaled by 1000 and its unit, in integers, so that no decimal
/// is rounded.
fn thousandths(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 3 || fraction.contains('.') {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    let value = whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(fraction)?;
    Some((value, unit.trim()))
}

/// A length of time, written `"250 us"`, `"18 ms"`, `"12.5 s"` or `"2 min"`; at most a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

impl Span {
    const UNITS: &str = "us, ms, s, min";
    const MAX: Duration = Duration::from_secs(24 * 3_600);

    /// A span of that many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self(Duration::from_millis(millis as u64))
    }

    /// The same as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let form = || QuantityError::Form { text: text.to_owned(), units: Self::UNITS };
        let (value, unit) = thousandths(text).ok_or_else(form)?;
        let nanos_each = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "min" => 60_000_000,
            _ => return Err(form()),
        };
        let span = value.checked_mul(nanos_each).map(Duration::from_nanos);
        span.filter(|span| *span <= Self::MAX).map(Self).ok_or_else(|| QuantityError::Range {
            text: text.to_owned(),
            expected: "at most a day",
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0 => write!(f, "0 ms"),
            _ if micros.is_multiple_of(1_000_000) => write!(f, "{} s", micros / 1_000_000),
            _ if micros.is_multiple_of(1_000) => write!(f, "{} ms", micros / 1_000),
            _ => write!(f, "{micros} us"),
        }
    }
}

/// A bit rate, written `"800 kbit/s"`, `"50 Mbit/s"` or `"1 Gbit/s"`; never zero (that is a cut).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(u64);

impl Rate {
    const UNITS: &str = "bit/s, kbit/s, Mbit/s, Gbit/s";
    /// More than any port of this emulator carries.
    const MAX_BITS_PER_SECOND: u64 = 100_000_000_000;

    /// A rate of that many megabits per second.
    #[must_use]
    pub const fn from_megabits(megabits: u32) -> Self {
        assert!(megabits > 0 && megabits <= 100_000, "a rate is between 1 bit/s and 100 Gbit/s");
        Self(megabits as u64 * 1_000_000)
    }

    /// The rate in bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let form = || QuantityError::Form { text: text.to_owned(), units: Self::UNITS };
        let (value, unit) = thousandths(text).ok_or_else(form)?;
        let thousandths_each = match unit {
            "bit/s" => 1,
            "kbit/s" => 1_000,
            "Mbit/s" => 1_000_000,
            "Gbit/s" => 1_000_000_000,
            _ => return Err(form()),
        };
        let rate = value.checked_mul(thousandths_each).map(|rate| rate / 1_000);
        rate.filter(|rate| (1..=Self::MAX_BITS_PER_SECOND).contains(rate)).map(Self).ok_or_else(
            || QuantityError::Range {
                text: text.to_owned(),
                expected: "between 1 bit/s and 100 Gbit/s (for none at all, use the fault \"cut\")",
            },
        )
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate if rate.is_multiple_of(1_000_000) => write!(f, "{} Mbit/s", rate / 1_000_000),
            rate if rate.is_multiple_of(1_000) => write!(f, "{} kbit/s", rate / 1_000),
            rate => write!(f, "{rate} bit/s"),
        }
    }
}

/// How likely something is for each frame, 0 to 1, kept as a threshold on 64 random bits so that
/// every machine draws alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

impl Probability {
    /// Certainty.
    pub const ONE: Self = Self(1.0);

    /// Whether this happens, given 64 random bits.
    #[must_use]
    pub fn hits(self, random: u64) -> bool {
        // The upper 53 bits are exact in a double.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let draw = (random >> 11) as f64 / (1_u64 << 53) as f64;
        draw < self.0
    }
}

impl TryFrom<f64> for Probability {
    type Error = QuantityError;

    fn try_from(value: f64) -> Result<Self, QuantityError> {
        if (0.0..=1.0).contains(&value) {
            return Ok(Self(value));
        }
        let expected = "a probability between 0 and 1";
        Err(QuantityError::Range { text: value.to_string(), expected })
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        probability.0
    }
}

/// A share of a link's own capacity in whole percent, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Share(u8);

impl Share {
    /// All of it.
    pub const FULL: Self = Self(100);

    /// The share in parts per million, the unit in which capacities are scaled.
    #[must_use]
    pub const fn parts_per_million(self) -> u32 {
        self.0 as u32 * 10_000
    }
}

impl TryFrom<u8> for Share {
    type Error = QuantityError;

    fn try_from(percent: u8) -> Result<Self, QuantityError> {
        if (1..=100).contains(&percent) {
            return Ok(Self(percent));
        }
        let expected = "1 to 100 percent (for none at all, use the fault \"cut\")";
        Err(QuantityError::Range { text: percent.to_string(), expected })
    }
}

impl From<Share> for u8 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// The longest packet a link carries, in bytes of IP: 1280 to 9000. IPv6 asks for no less
/// (RFC 8200 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Mtu(u16);

impl Mtu {
    /// The length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Mtu {
    type Error = QuantityError;

    fn try_from(bytes: u16) -> Result<Self, QuantityError> {
        if (1_280..=9_000).contains(&bytes) {
            return Ok(Self(bytes));
        }
        let expected = "1280 to 9000 bytes";
        Err(QuantityError::Range { text: bytes.to_string(), expected })
    }
}

impl From<Mtu> for u16 {
    fn from(mtu: Mtu) -> Self {
        mtu.0
    }
}

macro_rules! through_text {
    ($($quantity:ty),*) => {$(
        impl TryFrom<String> for $quantity {
            type Error = QuantityError;

            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }

        impl From<$quantity> for String {
            fn from(quantity: $quantity) -> Self {
                quantity.to_string()
            }
        }
    )*};
}
through_text!(Span, Rate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_person_writes() {
        assert_eq!("12.5 s".parse::<Span>().unwrap().duration(), Duration::from_millis(12_500));
        assert_eq!("250us".parse::<Span>().unwrap().duration(), Duration::from_micros(250));
        assert_eq!("2 min".parse::<Span>().unwrap().duration(), Duration::from_secs(120));
        assert_eq!("1.5 Mbit/s".parse::<Rate>().unwrap().bits_per_second(), 1_500_000);
        assert_eq!("800 kbit/s".parse::<Rate>().unwrap().to_string(), "800 kbit/s");
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        for text in ["", "ms", "-3 ms", "3", "1.2345 ms", "1..2 ms", "3 weeks", "2000 min"] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted as a span");
        }
        for text in ["0 Mbit/s", "50", "50 MB/s", "1000 Gbit/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?} was accepted as a rate");
        }
        assert!(Probability::try_from(1.01).is_err());
        assert!(Probability::try_from(f64::NAN).is_err());
        assert!(Share::try_from(0).is_err());
    }

    #[test]
    fn certainty_always_hits_and_impossibility_never() {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(Probability::ONE.hits(random));
            assert!(!Probability::default().hits(random));
        }
    }
}
