//! The kernel's messages in the machine's words.

use std::net::IpAddr;

use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType,
};
use rtnetlink::packet_route::rule::{RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use units::PortName;

use crate::direct::kernel::{Destination, PROTOCOL, RouteKey, RouteValue, Rule, Table, Version};
use crate::links::{AddressFact, DefaultRoute, LinkFact, NextHop, RouteFact};
use crate::uplink::{Device, Mark};

/// What the kernel has counted on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// The interface.
    pub(super) device: Device,
    /// Bytes received.
    pub(super) down: u64,
    /// Bytes sent.
    pub(super) up: u64,
}

/// A link, unless the message is of a bridge's view of its ports.
pub(super) fn link(message: &LinkMessage) -> Option<LinkFact> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => PortName::try_new(name).ok(),
        _ => None,
    });
    // Running includes a live carrier; with a modem or dish, only that says the far end is there.
    let alive = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp;
    let carrier = message.header.flags.contains(alive);
    Some(LinkFact { device: Device(message.header.index), name, carrier })
}

/// What was counted on a link.
pub(super) fn counted(message: &LinkMessage) -> Option<Counted> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(Counted {
            device: Device(message.header.index),
            down: stats.rx_bytes,
            up: stats.tx_bytes,
        }),
        _ => None,
    })
}

/// An address.
pub(super) fn address(message: &AddressMessage) -> Option<AddressFact> {
    let attributes = &message.attributes;
    // Where both are given, `Address` is that of the far end.
    let local = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    let flags = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let bad = AddressFlags::Tentative | AddressFlags::Dadfailed | AddressFlags::Deprecated;
    let ready = message.header.scope == AddressScope::Universe
        && flags.is_none_or(|flags| !flags.intersects(bad));
    Some(AddressFact { device: Device(message.header.index), address, ready })
}

/// A default route of the main table that is not ours.
pub(super) fn default_route(message: &RouteMessage) -> Option<RouteFact> {
    let header = &message.header;
    let ours = header.protocol == RouteProtocol::Other(PROTOCOL);
    let default = header.destination_prefix_length == 0 && header.kind == RouteType::Unicast;
    if ours || !default || table(message) != Table::MAIN {
        return None;
    }
    let (mut metric, mut device, mut gateway) = (0, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Oif(index) => device = Some(Device(*index)),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            _ => {}
        }
    }
    let next_hop = match (header.address_family, gateway) {
        (AddressFamily::Inet, None) => NextHop::V4(None),
        (AddressFamily::Inet, Some(IpAddr::V4(gateway))) => NextHop::V4(Some(gateway)),
        (AddressFamily::Inet6, None) => NextHop::V6(None),
        (AddressFamily::Inet6, Some(IpAddr::V6(gateway))) => NextHop::V6(Some(gateway)),
        _ => return None,
    };
    Some(RouteFact { device: device?, route: DefaultRoute { metric, next_hop } })
}

/// Whether `message` is of a default route that is not ours.
pub(super) fn is_foreign_default(message: &RouteNetlinkMessage) -> bool {
    match message {
        RouteNetlinkMessage::NewRoute(message) => default_route(message).is_some(),
        _ => false,
    }
}

/// A route of ours.
pub(super) fn own_route(message: &RouteMessage) -> Option<(RouteKey, RouteValue)> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(PROTOCOL) {
        return None;
    }
    let version = version(header.address_family)?;
    let (mut metric, mut device, mut gateway, mut source, mut host) = (0, None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Oif(index) => device = Some(Device(*index)),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Destination(address) => host = ip(address),
            _ => {}
        }
    }
    let destination = host.map_or(Destination::Anywhere, Destination::Host);
    let key = RouteKey { version, table: table(message), destination, metric };
    Some((key, RouteValue { device: device?, gateway, source }))
}

/// A rule of ours.
pub(super) fn own_rule(message: &RuleMessage) -> Option<Rule> {
    let (mut protocol, mut priority, mut mark, mut mask, mut wide) = (None, None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Protocol(number) => protocol = Some(*number),
            RuleAttribute::Priority(number) => priority = Some(*number),
            RuleAttribute::FwMark(number) => mark = Some(*number),
            RuleAttribute::FwMask(number) => mask = Some(*number),
            RuleAttribute::Table(number) => wide = Some(*number),
            _ => {}
        }
    }
    if protocol != Some(RouteProtocol::Other(PROTOCOL)) || mask != Some(Mark::MASK) {
        return None;
    }
    let table = Table(wide.unwrap_or(u32::from(message.header.table)));
    let mark = Mark::from_kernel(mark?)?;
    Some(Rule { version: version(message.header.family)?, mark, table, priority: priority? })
}

/// The table of a route: numbers above 255 stand in an attribute.
fn table(message: &RouteMessage) -> Table {
    let wide = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    Table(wide.unwrap_or(u32::from(message.header.table)))
}

fn version(family: AddressFamily) -> Option<Version> {
    match family {
        AddressFamily::Inet => Some(Version::V4),
        AddressFamily::Inet6 => Some(Version::V6),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
