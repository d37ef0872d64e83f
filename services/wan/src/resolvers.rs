//! The servers of names that each uplink's lease came with, from systemd-networkd's `Describe()`.
//!
//! Asked over the bus and not read from `/run/systemd/netif`, whose files say of themselves that
//! they are private. Only the fields that are needed are named; whatever else is there, or is not
//! as its manual says, is passed over link by link.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Deserialize;
use units::PortName;

/// Most servers of one lease that are asked; providers give two.
pub const MOST_RESOLVERS: usize = 2;

/// Most links looked at. A gateway has four ports and a handful of virtual links.
const MOST_LINKS: usize = 64;

/// The port of DNS (RFC 1035, 4.2).
const DNS: u16 = 53;

/// The network manager's answer is not what its manual says.
#[derive(Debug, thiserror::Error)]
#[error("networkd's description of the links is not understood: {0}")]
pub struct ResolversError(#[from] serde_json::Error);

/// The servers of one link.
pub type Resolvers = (PortName, Vec<SocketAddr>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "DNS", default)]
    servers: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    address: Vec<u8>,
    #[serde(default)]
    port: u16,
}

/// Reads `json`, the answer of `org.freedesktop.network1.Manager.Describe`: the links that have
/// servers of names.
///
/// # Errors
/// [`ResolversError`] when it is not JSON or lacks a field that every version has.
pub fn parse(json: &str) -> Result<Vec<Resolvers>, ResolversError> {
    let description: Description = serde_json::from_str(json)?;
    let of = |interface: &Interface| {
        let name = PortName::try_new(&interface.name).ok()?;
        let servers = interface.servers.iter().filter_map(address_of).take(MOST_RESOLVERS);
        Some((name, servers.collect::<Vec<_>>()))
    };
    let links = description.interfaces.iter().filter_map(of);
    Ok(links.filter(|(_, servers)| !servers.is_empty()).take(MOST_LINKS).collect())
}

/// Where `server` is asked; none where it cannot be reached by an uplink.
fn address_of(server: &Server) -> Option<SocketAddr> {
    let address = match <[u8; 4]>::try_from(server.address.as_slice()) {
        Ok(octets) => IpAddr::V4(Ipv4Addr::from(octets)),
        Err(_) => {
            let octets = <[u8; 16]>::try_from(server.address.as_slice()).ok()?;
            IpAddr::V6(Ipv6Addr::from(octets))
        }
    };
    let of_the_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let nowhere = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    let port = if server.port == 0 { DNS } else { server.port };
    (!of_the_link && !nowhere).then_some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lease_s_servers_are_found() {
        let json = r#"{"Interfaces":[
            {"Name":"lo","Index":1},
            {"Name":"broadband0","DNS":[
                {"Family":2,"Address":[192,0,2,1],"ConfigSource":"DHCPv4"},
                {"Family":10,"Address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]},
                {"Family":2,"Address":[127,0,0,53]},
                {"Family":2,"Address":[192,0,2,7],"Port":5353},
                {"Family":2,"Address":[192,0,2,8]}]},
            {"Name":"starlink0","DNS":[
                {"Family":10,"Address":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1]},
                {"Family":2,"Address":[1,2,3]}]},
            {"Name":"not a port","DNS":[{"Family":2,"Address":[192,0,2,1]}]}]}"#;
        let found: Vec<String> = parse(json)
            .unwrap()
            .iter()
            .map(|(name, servers)| format!("{name} {servers:?}"))
            .collect();
        let expected =
            ["broadband0 [192.0.2.1:53, 192.0.2.7:5353]", "starlink0 [[2001:db8::1]:53]"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_a_description_is_an_error() {
        for json in ["", "{}", "[]", r#"{"Interfaces":[{}]}"#] {
            assert!(parse(json).is_err(), "{json} was taken");
        }
    }
}
