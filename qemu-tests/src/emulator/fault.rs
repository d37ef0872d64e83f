//! What can go wrong with an uplink, by command.

use serde::{Deserialize, Serialize};

use super::quantity::{Mtu, Probability, Share, Span};
use super::specification::Side;

/// One change for the worse (or, with `heal`, the better). Faults add up until `heal`.
///
/// Written in a scenario as `fault = "cut"` or `fault = { rate = { percent = 10 } }`, and on the
/// command line as `cut` or `rate percent=10`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Every frame vanishes, both ways, with the carrier still up: a silent black hole.
    Cut,
    /// The same in one direction only.
    CutOneWay {
        /// The direction that loses everything.
        direction: Side,
    },
    /// The cable is pulled: both ends see the link go down.
    CarrierDown,
    /// The cable is back.
    CarrierUp,
    /// The link runs at a share of its capacity.
    Rate {
        /// What remains, in percent.
        percent: Share,
    },
    /// The round trip becomes longer at once; half of it in each direction.
    RoundTrip {
        /// Added to the round trip.
        extra: Span,
    },
    /// Packets longer than this no longer pass.
    Mtu {
        /// The longest packet that passes, in bytes of IP.
        bytes: Mtu,
        /// Whether the link says so with ICMP; without, it is a path MTU black hole.
        icmp: bool,
    },
    /// The provider gives other addresses from now on, and forgets the old ones.
    AddressChange,
    /// The provider's address translation maps every flow anew.
    NatRebinding,
    /// Some frames arrive with one bit inverted.
    Corrupt {
        /// How likely for each frame.
        probability: Probability,
    },
    /// Some frames arrive twice.
    Duplicate {
        /// How likely for each frame.
        probability: Probability,
    },
    /// Some frames arrive late, behind those sent after them.
    Reorder {
        /// How likely for each frame.
        probability: Probability,
        /// How late.
        by: Span,
    },
    /// The capacity shrinks little by little to a share of itself.
    Decay {
        /// What remains at the end, in percent.
        percent: Share,
        /// How long it takes.
        over: Span,
    },
    /// Everything above ends, but a changed address stays changed.
    Heal,
}

/// A fault that cannot be read from a command line.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Nothing was given.
    #[error("no fault named; try \"cut\", \"carrier-down\" or \"rate percent=10\"")]
    Empty,
    /// A word after the name without an equals sign.
    #[error("{0:?}: expected KEY=VALUE after the name of the fault")]
    Parameter(String),
    /// The name or a parameter is not known, or a value is impossible.
    #[error("fault {name}")]
    Meaning {
        /// The fault's name as it was written.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Fault {
    /// Reads a fault from words such as `rate percent=10`.
    ///
    /// # Errors
    /// When the name or a parameter is unknown, missing or impossible.
    pub fn from_words(words: &[String]) -> Result<Self, FaultError> {
        let (name, parameters) = words.split_first().ok_or(FaultError::Empty)?;
        let meaning = |source| FaultError::Meaning { name: name.clone(), source };
        if parameters.is_empty() {
            return serde_json::from_value(name.clone().into()).map_err(meaning);
        }
        let mut fields = serde_json::Map::new();
        for parameter in parameters {
            let (key, value) = parameter
                .split_once('=')
                .ok_or_else(|| FaultError::Parameter(parameter.clone()))?;
            // A number or true/false as such, everything else as text.
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            fields.insert(key.to_owned(), value);
        }
        let mut fault = serde_json::Map::new();
        fault.insert(name.clone(), fields.into());
        serde_json::from_value(fault.into()).map_err(meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Fault, FaultError> {
        Fault::from_words(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_become_faults() {
        assert_eq!(read("carrier-down").unwrap(), Fault::CarrierDown);
        assert_eq!(
            read("rate percent=10").unwrap(),
            Fault::Rate { percent: Share::try_from(10).unwrap() }
        );
        assert_eq!(
            read("cut-one-way direction=up").unwrap(),
            Fault::CutOneWay { direction: Side::Up }
        );
        let extra = "40ms".parse().unwrap();
        assert_eq!(read("round-trip extra=40ms").unwrap(), Fault::RoundTrip { extra });
    }

    #[test]
    fn nonsense_is_named() {
        for line in [
            "",
            "explode",
            "rate",
            "rate percent=0",
            "rate percent=10 more=1",
            "mtu 9",
            "mtu bytes=1279 icmp=true",
        ] {
            assert!(read(line).is_err(), "{line:?} was accepted");
        }
        let message = format!("{:#}", anyhow::Error::from(read("explode").unwrap_err()));
        assert!(message.contains("carrier-down"), "no list of faults in {message:?}");
    }
}
