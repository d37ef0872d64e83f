//! What `wan` says of the way out: the only witness of whether the world answers.

use bus::wan::{Health, Mode, Policy, State, WanStatus, path_of};
use units::{Instant, PortName};

/// The way out at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WanReading {
    /// Whether the house is online.
    pub state: State,
    /// How it goes out.
    pub mode: Mode,
    /// The uplinks.
    pub uplinks: Vec<WanUplink>,
}

/// One uplink at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WanUplink {
    /// The port it is plugged into.
    pub name: PortName,
    /// Whether it carries the house.
    pub carries: bool,
    /// How it does.
    pub health: Health,
    /// What the owner wants of it.
    pub policy: Policy,
    /// The last day in steps of five minutes (see [`bus::wan::UplinkStatus::availability`]).
    pub availability: Vec<u8>,
    /// When it will be left because it is about to stop.
    pub drain_at: Option<Instant>,
}

impl WanReading {
    /// What `status` says; an uplink whose name no port can have is passed over.
    #[must_use]
    pub fn of(status: &WanStatus) -> Self {
        let uplinks = status.uplinks.iter().filter_map(|uplink| {
            Some(WanUplink {
                name: PortName::try_new(&uplink.name).ok()?,
                carries: status.manager.active.contains(&path_of(&uplink.name)),
                health: uplink.health,
                policy: uplink.policy,
                availability: uplink.availability.clone(),
                drain_at: (uplink.planned_drain > 0)
                    .then(|| Instant::from_micros(uplink.planned_drain)),
            })
        });
        let uplinks = uplinks.collect();
        Self { state: status.manager.state, mode: status.manager.mode, uplinks }
    }

    /// What is said of the uplink in the port called `name`, if anything.
    #[must_use]
    pub fn uplink(&self, name: PortName) -> Option<&WanUplink> {
        self.uplinks.iter().find(|uplink| uplink.name == name)
    }
}
