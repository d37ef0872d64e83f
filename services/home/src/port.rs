//! The box's network ports and what each is for.

use serde::Deserialize;
use units::PortName;

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The house.
    Lan,
    /// Fibre, cable or DSL behind a provider's modem.
    Broadband,
    /// A Starlink dish.
    Starlink,
}

impl Role {
    /// What a household calls it, in the middle of a sentence.
    #[must_use]
    pub const fn called(self) -> &'static str {
        match self {
            Self::Lan => "the home network",
            Self::Broadband => "broadband",
            Self::Starlink => "Starlink",
        }
    }
}

/// One network port. Its name is also the name of its kernel interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// What it is for.
    pub role: Role,
    /// What it is called.
    pub name: PortName,
}
