//! Inner addresses: each box has a number, and its addresses follow from it. Nothing is looked up
//! when a packet comes, and no box can use what belongs to another.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// A box's number, from 1: a thousand boxes on one relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoxNumber(u16);

impl BoxNumber {
    /// The highest: with 64 addresses each, 1000 boxes fit into a /16 and leave room.
    pub const MOST: u16 = 1_000;

    /// That number, if a box can have it.
    #[must_use]
    pub const fn try_new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MOST { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The prefixes that inner addresses are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// A /16.
    pub v4: PrefixV4,
    /// A /48.
    pub v6: PrefixV6,
}

/// An IPv4 /16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixV4([u8; 2]);

/// An IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixV6([u16; 3]);

/// A prefix that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not a /16.
    #[error("{0:?}: expected an IPv4 prefix such as 10.213.0.0/16")]
    V4(String),
    /// Not a /48.
    #[error("{0:?}: expected an IPv6 prefix such as 2001:db8:77::/48")]
    V6(String),
}

impl FromStr for PrefixV4 {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let address = text.strip_suffix("/16").and_then(|text| text.parse::<Ipv4Addr>().ok());
        match address.map(|address| address.octets()) {
            Some([a, b, 0, 0]) if a != 0 && a < 224 => Ok(Self([a, b])),
            _ => Err(PrefixError::V4(text.to_owned())),
        }
    }
}

impl FromStr for PrefixV6 {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let address = text.strip_suffix("/48").and_then(|text| text.parse::<Ipv6Addr>().ok());
        match address.map(|address| address.segments()) {
            Some([a, b, c, 0, 0, 0, 0, 0]) if a != 0 && a < 0xfe80 => Ok(Self([a, b, c])),
            _ => Err(PrefixError::V6(text.to_owned())),
        }
    }
}

impl fmt::Display for PrefixV4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0;
        write!(f, "{a}.{b}.0.0/16")
    }
}

impl fmt::Display for PrefixV6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:x}:{b:x}:{c:x}::/48")
    }
}

impl PrefixV6 {
    /// Whether it is of the kind that the internet does not route (RFC 4193), so that packets from
    /// it need another address on their way out.
    #[must_use]
    pub const fn is_unique_local(self) -> bool {
        self.0[0] & 0xfe00 == 0xfc00
    }
}

impl Plan {
    /// The relay's own inner addresses.
    #[must_use]
    pub const fn relay(&self) -> (Ipv4Addr, Ipv6Addr) {
        let ([a, b], [d, e, f]) = (self.v4.0, self.v6.0);
        (Ipv4Addr::new(a, b, 0, 1), Ipv6Addr::new(d, e, f, 0, 0, 0, 0, 1))
    }

    /// A box's inner address. Numbers are 16 apart, from 16, so that none looks like another's
    /// typing mistake.
    #[must_use]
    pub fn box_v4(&self, number: BoxNumber) -> Ipv4Addr {
        let [a, b] = self.v4.0;
        let [high, low] = (number.get() * 16).to_be_bytes();
        Ipv4Addr::new(a, b, high, low)
    }

    /// A box's /64.
    #[must_use]
    pub const fn box_v6(&self, number: BoxNumber) -> Ipv6Addr {
        let [a, b, c] = self.v6.0;
        Ipv6Addr::new(a, b, c, number.get(), 0, 0, 0, 0)
    }

    /// Whose address this is.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<BoxNumber> {
        match address {
            IpAddr::V4(address) => {
                let [a, b, high, low] = address.octets();
                let place = u16::from_be_bytes([high, low]);
                let ours = [a, b] == self.v4.0 && place.is_multiple_of(16);
                ours.then_some(place / 16).and_then(BoxNumber::try_new)
            }
            IpAddr::V6(address) => {
                let [a, b, c, number, ..] = address.segments();
                ([a, b, c] == self.v6.0).then_some(number).and_then(BoxNumber::try_new)
            }
        }
    }
}

/// Where a packet comes from and goes to, if it is IP.
#[must_use]
pub fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => {
            let [a, b, c, d, e, f, g, h] = *packet.get(12..20)?.first_chunk()?;
            Some((Ipv4Addr::new(a, b, c, d).into(), Ipv4Addr::new(e, f, g, h).into()))
        }
        6 => {
            let source: [u8; 16] = *packet.get(8..24)?.first_chunk()?;
            let destination: [u8; 16] = *packet.get(24..40)?.first_chunk()?;
            Some((Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let (v4, v6) = ("10.213.0.0/16".parse(), "2001:db8:77::/48".parse());
        Plan { v4: v4.unwrap(), v6: v6.unwrap() }
    }

    #[test]
    fn every_box_owns_what_it_is_given_and_nothing_else() {
        let plan = plan();
        for number in 1..=BoxNumber::MOST {
            let number = BoxNumber::try_new(number).unwrap();
            assert_eq!(plan.owner(plan.box_v4(number).into()), Some(number));
            let mut host = plan.box_v6(number).segments();
            (host[4], host[7]) = (0xdead, 0xbeef);
            assert_eq!(plan.owner(Ipv6Addr::from(host).into()), Some(number));
        }
        for foreign in [
            "10.213.0.1",
            "10.213.0.17",
            "10.214.0.16",
            "10.213.255.255",
            "::1",
            "2001:db8:77::1",
            "2001:db8:78:1::1",
            "2001:db8:77:ffff::1",
        ] {
            assert_eq!(plan.owner(foreign.parse().unwrap()), None, "{foreign}");
        }
    }

    #[test]
    fn prefixes_are_read_or_refused_with_an_example() {
        for wrong in ["10.213.0.0", "10.213.1.0/16", "10.213.0.0/24", "224.0.0.0/16", "x/16"] {
            assert_eq!(wrong.parse::<PrefixV4>(), Err(PrefixError::V4(wrong.to_owned())));
        }
        for wrong in ["2001:db8::/32", "2001:db8:77:1::/48", "fe80::/48", "::/48"] {
            assert_eq!(wrong.parse::<PrefixV6>(), Err(PrefixError::V6(wrong.to_owned())));
        }
        assert_eq!(plan().v6.to_string(), "2001:db8:77::/48");
        assert_eq!(plan().v4.to_string(), "10.213.0.0/16");
        assert!("fd7a::/48".parse::<PrefixV6>().unwrap().is_unique_local());
    }

    #[test]
    fn ends_are_read_of_both_families_and_of_nothing_else() {
        let mut packet = vec![0x45; 20];
        packet[12..20].copy_from_slice(&[10, 213, 0, 16, 192, 0, 2, 80]);
        let (from, to) = ends(&packet).unwrap();
        assert_eq!((from.to_string(), to.to_string()), ("10.213.0.16".into(), "192.0.2.80".into()));
        for short in [&[][..], &[0x45; 19], &[0x60; 39], &[0x15; 60]] {
            assert_eq!(ends(short), None);
        }
    }
}
