//! What each way out of the house does.

use units::Instant;

use crate::port::{Port, Role};
use crate::reading::{LinkState, NetworkReading};

/// What an uplink does. "In use" means an address and the preferred default route; whether the
/// world answers is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkState {
    /// Carries the house's traffic.
    InUse,
    /// Could carry it at once.
    Ready,
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
    /// Whether the house could go out this way now.
    #[must_use]
    pub const fn is_online(self) -> bool {
        matches!(self, Self::InUse | Self::Ready)
    }
}

/// One way out of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The port it is plugged into.
    pub port: Port,
    /// What it does.
    pub state: UplinkState,
    /// Since when.
    pub since: Instant,
}

/// What the uplinks of `ports` do, in the ports' order. Exactly one of those that could carry the
/// house's traffic is in use: the one whose default route the kernel prefers, the earlier port
/// where two are preferred alike.
#[must_use]
pub fn states(ports: &[Port], network: &NetworkReading) -> Vec<(Port, UplinkState)> {
    let uplinks = || ports.iter().filter(|port| port.role != Role::Lan);
    let route = |port: &Port| {
        let link = network.link(port.name);
        link.default_route.filter(|_| link.state == LinkState::Addressed)
    };
    let preferred = uplinks().filter_map(|port| Some((route(port)?, port.name)));
    let used = preferred.min_by_key(|(preference, _)| *preference).map(|(_, name)| name);
    let state = |port: &Port| match network.link(port.name).state {
        LinkState::Addressed if used == Some(port.name) => UplinkState::InUse,
        LinkState::Addressed if route(port).is_some() => UplinkState::Ready,
        LinkState::Addressed | LinkState::Plugged => UplinkState::Connecting,
        LinkState::Unplugged => UplinkState::Unplugged,
        LinkState::Missing => UplinkState::Missing,
        LinkState::Unknown => UplinkState::Unknown,
    };
    uplinks().map(|port| (*port, state(port))).collect()
}
