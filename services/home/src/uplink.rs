//! What each way out of the house does.

use bus::wan::{Health, Policy};
use units::Instant;

use crate::port::{Port, Role};
use crate::reading::{LinkState, NetworkReading};
use crate::way_out::WanReading;

/// What an uplink does. The first six rest on the word of `wan`; the others are what the network
/// manager tells, which knows cables and addresses and nothing of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkState {
    /// Carries the house's traffic.
    InUse,
    /// Could carry it at once.
    Ready,
    /// It came back a moment ago and must prove itself.
    Recovering,
    /// It has an address, and the world does not answer.
    Silent,
    /// Its provider wants somebody to sign in.
    SignIn,
    /// The owner lets it carry nothing.
    Off,
    /// It has an address and a way on; whether the world answers is not known.
    Unchecked,
    /// Plugged in, without an address or a route.
    Connecting,
    /// No cable, or nothing alive at its other end.
    Unplugged,
    /// The port is not there.
    Missing,
    /// Not told yet, or a word of the network manager that we do not know.
    Unknown,
}

impl UplinkState {
    /// Whether the house goes out this way now, or could.
    #[must_use]
    pub const fn is_online(self) -> bool {
        matches!(self, Self::InUse | Self::Ready)
    }

    /// Whether nothing can come of it, whoever looks: there is no cable or no address.
    #[must_use]
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Connecting | Self::Unplugged | Self::Missing)
    }
}

/// One way out of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The port it is plugged into.
    pub port: Port,
    /// What it does.
    pub state: UplinkState,
    /// Since when.
    pub since: Instant,
    /// What the owner wants of it.
    pub policy: Policy,
    /// The last day in steps of five minutes (see [`bus::home::Uplink::availability`]).
    pub availability: Vec<u8>,
    /// When it will be left because it is about to stop.
    pub drain_at: Option<Instant>,
}

impl Uplink {
    /// The uplink in `port`, of which nothing has been heard.
    #[must_use]
    pub const fn unheard(port: Port, now: Instant) -> Self {
        Self {
            port,
            state: UplinkState::Unknown,
            since: now,
            policy: Policy::Unknown,
            availability: Vec::new(),
            drain_at: None,
        }
    }

    /// What was seen lately, and when it is judged.
    pub(crate) fn see(
        &mut self,
        network: Option<&NetworkReading>,
        wan: Option<&WanReading>,
        now: Instant,
    ) {
        let state = state(self.port, network, wan);
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
        let told = wan.and_then(|wan| wan.uplink(self.port.name));
        self.policy = told.map_or(Policy::Unknown, |told| told.policy);
        self.availability = told.map_or_else(Vec::new, |told| told.availability.clone());
        self.drain_at = told.and_then(|told| told.drain_at);
    }
}

/// The ports of `ports` that lead out of the house.
pub fn uplinks(ports: &[Port]) -> impl Iterator<Item = Port> {
    ports.iter().copied().filter(|port| port.role != Role::Lan)
}

/// What the uplink in `port` does, from what was seen lately. Whether it leads out is `wan`'s to
/// say; why it does not, the network manager often knows better.
#[must_use]
pub fn state(
    port: Port,
    network: Option<&NetworkReading>,
    wan: Option<&WanReading>,
) -> UplinkState {
    let plug = network.map_or(UplinkState::Unknown, |network| plug(port, network));
    let Some(told) = wan.and_then(|wan| wan.uplink(port.name)) else { return plug };
    match (told.health, told.policy) {
        (_, Policy::Never) if !plug.is_dead() => UplinkState::Off,
        (Health::Up | Health::Suspect | Health::Probation, _) if told.carries => UplinkState::InUse,
        (Health::Up | Health::Suspect, _) => UplinkState::Ready,
        (Health::Probation, _) => UplinkState::Recovering,
        (Health::Captive, _) => UplinkState::SignIn,
        (Health::Down, _) if plug.is_dead() => plug,
        (Health::Down, _) => UplinkState::Silent,
        (Health::Unknown, _) => plug,
    }
}

/// How far the uplink in `port` has come in the eyes of the network manager.
fn plug(port: Port, network: &NetworkReading) -> UplinkState {
    let link = network.link(port.name);
    match link.state {
        LinkState::Addressed if link.leads_out => UplinkState::Unchecked,
        LinkState::Addressed | LinkState::Plugged => UplinkState::Connecting,
        LinkState::Unplugged => UplinkState::Unplugged,
        LinkState::Missing => UplinkState::Missing,
        LinkState::Unknown => UplinkState::Unknown,
    }
}
