//! systemd-networkd's `Describe()` into a reading.
//!
//! Only the fields we judge by are named; networkd adds others from version to version, and links
//! that are not ours (loopback, a tunnel) may carry names we would refuse. Both are passed over.

use serde::Deserialize;
use units::PortName;

use crate::reading::{LinkReading, LinkState, NetworkReading};

/// Most links looked at. A gateway has four ports and a handful of virtual links.
const MOST_LINKS: usize = 64;

/// The main routing table (`RT_TABLE_MAIN`, linux/rtnetlink.h): the one that carries the house.
const MAIN_TABLE: u32 = 254;
/// `AF_INET`.
const IPV4: u8 = 2;
/// `AF_INET6`.
const IPV6: u8 = 10;

/// The network manager's answer is not what its manual says.
#[derive(Debug, thiserror::Error)]
#[error("networkd's description of the links is not understood: {0}")]
pub struct DescribeError(#[from] serde_json::Error);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    name: String,
    #[serde(default)]
    operational_state: String,
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Route {
    family: u8,
    destination_prefix_length: u8,
    #[serde(default)]
    table: u32,
    #[serde(default)]
    type_string: String,
}

/// Reads `json`, the answer of `org.freedesktop.network1.Manager.Describe`.
///
/// # Errors
/// [`DescribeError`] when it is not JSON or lacks a field that every version has.
pub fn parse(json: &str) -> Result<NetworkReading, DescribeError> {
    let description: Description = serde_json::from_str(json)?;
    let links = description.interfaces.iter().filter_map(reading_of).take(MOST_LINKS);
    Ok(NetworkReading(links.collect()))
}

fn reading_of(interface: &Interface) -> Option<LinkReading> {
    Some(LinkReading {
        name: PortName::try_new(&interface.name).ok()?,
        state: state_of(&interface.operational_state),
        leads_out: interface.routes.iter().any(leads_out),
    })
}

/// What an operational state means (networkctl(1), "Operational states").
fn state_of(operational: &str) -> LinkState {
    match operational {
        "missing" => LinkState::Missing,
        "off" | "no-carrier" | "dormant" => LinkState::Unplugged,
        "degraded-carrier" | "carrier" | "degraded" | "enslaved" => LinkState::Plugged,
        "routable" => LinkState::Addressed,
        _ => LinkState::Unknown,
    }
}

fn leads_out(route: &Route) -> bool {
    let spoken = matches!(route.family, IPV4 | IPV6);
    let default = route.destination_prefix_length == 0;
    spoken && default && route.table == MAIN_TABLE && route.type_string == "unicast"
}
