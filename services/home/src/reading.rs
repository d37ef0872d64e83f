//! What was seen, before anybody judges it.

use units::PortName;

/// How far a link has come, from nothing to an address the world can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The port is not there, or not yet found.
    Missing,
    /// No cable, or nothing alive at its other end.
    Unplugged,
    /// A live cable, and no address from its other end.
    Plugged,
    /// A live cable and an address.
    Addressed,
    /// The network manager used a word we do not know.
    Unknown,
}

/// One link as the network manager sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReading {
    /// The interface's name.
    pub name: PortName,
    /// How far it has come.
    pub state: LinkState,
    /// Whether it has a default route.
    pub leads_out: bool,
}

/// All links at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkReading(pub Vec<LinkReading>);

impl NetworkReading {
    /// The link called `name`; one that the network manager does not list is missing.
    #[must_use]
    pub fn link(&self, name: PortName) -> LinkReading {
        let missing = LinkReading { name, state: LinkState::Missing, leads_out: false };
        self.0.iter().find(|link| link.name == name).copied().unwrap_or(missing)
    }
}

/// How far the system as a whole has come (`systemctl is-system-running`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemState {
    /// Units are still being started.
    Starting,
    /// The boot is over.
    Up,
    /// The box is going down.
    Stopping,
    /// A word we do not know, or a rescue shell.
    Other,
}

impl SystemState {
    /// Reads systemd's word for it.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "initializing" | "starting" => Self::Starting,
            // A failed unit makes it "degraded"; the units themselves say more.
            "running" | "degraded" => Self::Up,
            "stopping" => Self::Stopping,
            _ => Self::Other,
        }
    }
}

/// The services at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemReading {
    /// How far the system has come.
    pub state: SystemState,
    /// The units that have failed.
    pub failed: Vec<String>,
}
