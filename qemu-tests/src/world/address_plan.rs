//! Who has which address in the simulated world. From the ranges for documentation (RFC 5737, RFC
//! 3849) and carrier-grade NAT (RFC 6598), as a real box would meet them; and those few addresses
//! of the real internet that an image asks as it is shipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::emulator::TooBigSender;

/// One of the box's ways out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Uplink {
    /// Cable, DSL or fibre: a public IPv4 address.
    Broadband,
    /// A dish: carrier-grade NAT and five-minute leases.
    Starlink,
}

impl Uplink {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Broadband, Self::Starlink];

    /// The name used for namespaces, links and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broadband => "broadband",
            Self::Starlink => "starlink",
        }
    }

    /// The box's interface towards it.
    #[must_use]
    pub const fn box_interface(self) -> &'static str {
        match self {
            Self::Broadband => "broadband0",
            Self::Starlink => "starlink0",
        }
    }

    /// The provider's addresses while it hands out the pool and prefix number `generation`.
    #[must_use]
    pub fn addresses(self, generation: u16) -> Addresses {
        match self {
            Self::Broadband => {
                let half = if generation.is_multiple_of(2) { 100 } else { 150 };
                Addresses {
                    gateway_v4: Ipv4Addr::new(198, 51, 100, 1),
                    prefix_length_v4: 24,
                    pool: (
                        Ipv4Addr::new(198, 51, 100, half),
                        Ipv4Addr::new(198, 51, 100, half + 49),
                    ),
                    lease_seconds: 3_600,
                    prefix_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xb, generation, 0, 0, 0, 0),
                    core_v4: (Ipv4Addr::new(203, 0, 113, 2), Ipv4Addr::new(203, 0, 113, 1), 30),
                    core_v6: core_v6(1),
                    translated: false,
                }
            }
            Self::Starlink => {
                // The third byte is 1 to 250; the pool moves on with each change.
                let third = u8::try_from(generation % 250).expect("below 250") + 1;
                Addresses {
                    gateway_v4: Ipv4Addr::new(100, 64, 0, 1),
                    prefix_length_v4: 10,
                    pool: (Ipv4Addr::new(100, 64, third, 10), Ipv4Addr::new(100, 64, third, 250)),
                    lease_seconds: 300,
                    prefix_v6: Ipv6Addr::new(0x2001, 0xdb8, 5, generation, 0, 0, 0, 0),
                    core_v4: (Ipv4Addr::new(203, 0, 113, 130), Ipv4Addr::new(203, 0, 113, 129), 25),
                    core_v6: core_v6(2),
                    translated: true,
                }
            }
        }
    }
}

impl std::fmt::Display for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a provider uses and hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The customer's router.
    pub gateway_v4: Ipv4Addr,
    /// Length of the customers' IPv4 prefix.
    pub prefix_length_v4: u8,
    /// First and last address that customers get.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// How long they may keep it.
    pub lease_seconds: u32,
    /// The /64 that customers make their own IPv6 address in.
    pub prefix_v6: Ipv6Addr,
    /// Towards the internet: own address, next hop, prefix length.
    pub core_v4: (Ipv4Addr, Ipv4Addr, u8),
    /// The same for IPv6, always /64.
    pub core_v6: (Ipv6Addr, Ipv6Addr),
    /// Whether the provider translates its customers' IPv4 addresses.
    pub translated: bool,
}

impl Addresses {
    /// The customer's IPv6 router.
    #[must_use]
    pub const fn gateway_v6(&self) -> Ipv6Addr {
        host(self.prefix_v6, 1)
    }

    /// Who says "too big" to the customer: the provider's router.
    pub(super) const fn up_too_big(&self) -> TooBigSender {
        TooBigSender { v4: self.gateway_v4, v6: self.gateway_v6() }
    }

    /// Who says "too big" to the internet: the modem, one address further.
    pub(super) fn down_too_big(&self) -> TooBigSender {
        let modem = Ipv4Addr::from_bits(self.gateway_v4.to_bits() + 1);
        TooBigSender { v4: modem, v6: host(self.prefix_v6, 2) }
    }
}

/// The internet's web server, `web.internet.test`.
pub(super) const WEB_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The same over IPv6.
pub(super) const WEB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x80);
/// The internet's name server.
pub(super) const DNS_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The same over IPv6.
pub(super) const DNS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x53);
/// The internet's time server, `time.internet.test`.
pub(super) const TIME_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 123);
/// The same over IPv6.
pub(super) const TIME_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x123);

/// Where measurements are answered, `meter.internet.test`.
pub const METER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 90);
/// The same over IPv6.
pub const METER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x90);
/// The virtual server that somebody rents to run a relay on.
pub const VPS_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);
/// The same over IPv6.
pub const VPS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x200);
/// The /48 that is routed to it.
pub const VPS_ROUTED_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0);
/// Name servers that everybody knows, which a box asks to learn whether an uplink leads out.
pub(super) const PUBLIC_DNS_V4: [Ipv4Addr; 2] =
    [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 0, 0, 1)];
/// The host whose page is empty, unless somebody answers in its place.
pub(super) const EMPTY_PAGE_HOST: &str = "connectivity-check.ubuntu.com";

/// Addresses of the internet's own servers.
pub(super) const SERVERS: [IpAddr; 10] = [
    IpAddr::V4(WEB_V4),
    IpAddr::V6(WEB_V6),
    IpAddr::V4(DNS_V4),
    IpAddr::V6(DNS_V6),
    IpAddr::V4(TIME_V4),
    IpAddr::V6(TIME_V6),
    IpAddr::V4(METER_V4),
    IpAddr::V6(METER_V6),
    IpAddr::V4(PUBLIC_DNS_V4[0]),
    IpAddr::V4(PUBLIC_DNS_V4[1]),
];

/// The prefix length that makes an address stand alone.
pub(super) const fn single(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

const fn core_v6(number: u16) -> (Ipv6Addr, Ipv6Addr) {
    let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0xff, number, 0, 0, 0, 0);
    (host(prefix, 2), host(prefix, 1))
}

const fn host(prefix: Ipv6Addr, number: u16) -> Ipv6Addr {
    let [a, b, c, d, ..] = prefix.segments();
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_lie_in_their_prefix_and_never_meet_the_gateway() {
        for uplink in Uplink::ALL {
            for generation in 0..600 {
                let addresses = uplink.addresses(generation);
                let mask = u32::MAX << (32 - addresses.prefix_length_v4);
                let network = addresses.gateway_v4.to_bits() & mask;
                for end in [addresses.pool.0, addresses.pool.1] {
                    assert_eq!(end.to_bits() & mask, network, "{uplink} {generation}");
                    assert!(end > addresses.gateway_v4);
                }
                let next = uplink.addresses(generation + 1);
                assert!(next.pool.0 > addresses.pool.1 || next.pool.1 < addresses.pool.0);
                assert_eq!(next.prefix_v6.segments()[..3], addresses.prefix_v6.segments()[..3]);
                assert_ne!(next.prefix_v6, addresses.prefix_v6);
            }
        }
    }
}
