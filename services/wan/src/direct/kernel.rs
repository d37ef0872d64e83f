//! What of ours should stand in the kernel, what does as far as we know, and the steps from one to
//! the other.
//!
//! Everything of ours carries the protocol number [`PROTOCOL`], so that it is found again by
//! whoever starts after us, and nothing of others is ever touched.

use std::collections::{BTreeMap, BTreeSet};

use core::fmt;
use core::net::IpAddr;

use units::LinkId;

use crate::uplink::{Device, Mark};

/// Who put a route or rule there: a number that nobody in `rt_protos` of iproute2 has.
pub const PROTOCOL: u8 = 119;

/// The metric of our default route in the main table: below those of the network manager (100 and
/// 200), and one that nobody picks by chance.
pub const MAIN_METRIC: u32 = 77;

/// The metric of the routes in an uplink's own table, where there is no other.
const OWN_METRIC: u32 = 1;

/// What our tables' numbers and our rules' priorities start from.
const BASE: u32 = 7700;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A table of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u32);

impl Table {
    /// The table that everybody reads: `RT_TABLE_MAIN`.
    pub const MAIN: Self = Self(254);

    /// The table of uplink `link`.
    #[must_use]
    pub const fn of(link: LinkId) -> Self {
        Self(BASE + link.get() as u32)
    }
}

/// Where packets of a route are going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Anywhere.
    Anywhere,
    /// One host.
    Host(IpAddr),
}

/// What tells our routes apart. The kernel replaces a route that has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// The family.
    pub version: Version,
    /// The table it stands in.
    pub table: Table,
    /// Where packets are going.
    pub destination: Destination,
    /// How much the kernel prefers it: lower wins.
    pub metric: u32,
}

impl RouteKey {
    /// The route that new flows take.
    #[must_use]
    pub const fn main(version: Version) -> Self {
        let destination = Destination::Anywhere;
        Self { version, table: Table::MAIN, destination, metric: MAIN_METRIC }
    }

    /// The route that what carries the mark of `link` takes.
    #[must_use]
    pub const fn own(version: Version, link: LinkId) -> Self {
        let (table, destination) = (Table::of(link), Destination::Anywhere);
        Self { version, table, destination, metric: OWN_METRIC }
    }

    /// The route to one host beyond an uplink, for everybody.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let (version, destination) = (Version::of(address), Destination::Host(address));
        Self { version, table: Table::MAIN, destination, metric: MAIN_METRIC }
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, table, destination, metric } = self;
        match destination {
            Destination::Anywhere => write!(f, "the {version} default route")?,
            Destination::Host(address) => write!(f, "the route to {address}")?,
        }
        write!(f, " of table {} with metric {metric}", table.0)
    }
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteValue {
    /// By which interface.
    pub device: Device,
    /// To which router, if there is one.
    pub gateway: Option<IpAddr>,
    /// Our address on packets of our own. With it, the kernel drops an IPv4 route by itself when
    /// the address goes, also when this program is dead.
    pub source: Option<IpAddr>,
}

/// "What carries this mark looks into this table first."
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The family.
    pub version: Version,
    /// The mark.
    pub mark: Mark,
    /// The table.
    pub table: Table,
    /// Its place among all rules: before that of the main table, 32766.
    pub priority: u32,
}

impl Rule {
    /// The rule of uplink `link`.
    #[must_use]
    pub const fn of(version: Version, link: LinkId) -> Self {
        let (mark, table) = (Mark::of(link), Table::of(link));
        Self { version, mark, table, priority: BASE + link.get() as u32 }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} rule of mark {} for table {}", self.version, self.mark, self.table.0)
    }
}

/// Routes and rules of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    /// The routes.
    pub routes: BTreeMap<RouteKey, RouteValue>,
    /// The rules.
    pub rules: BTreeSet<Rule>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Put this route there, in the place of one with the same key.
    SetRoute(RouteKey, RouteValue),
    /// Take this route away. That it is gone already is no failure.
    RemoveRoute(RouteKey, RouteValue),
    /// Put this rule there. That it is there already is no failure.
    AddRule(Rule),
    /// Take this rule away. That it is gone already is no failure.
    RemoveRule(Rule),
}

impl fmt::Display for Change {
    /// The step in words, for the journal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetRoute(key, value) => {
                write!(f, "setting {key} by interface {}", value.device.0)?;
                value.gateway.map_or(Ok(()), |gateway| write!(f, " and router {gateway}"))
            }
            Self::RemoveRoute(key, value) => {
                write!(f, "removing {key} by interface {}", value.device.0)
            }
            Self::AddRule(rule) => write!(f, "adding {rule}"),
            Self::RemoveRule(rule) => write!(f, "removing {rule}"),
        }
    }
}

impl KernelState {
    /// The steps from here to `desired`. The main default route comes first, because the house
    /// waits for it, and what goes, goes last.
    #[must_use]
    pub fn steps_to(&self, desired: &Self) -> Vec<Change> {
        let set = desired.routes.iter().filter(|(key, value)| self.routes.get(key) != Some(value));
        let mut changes: Vec<Change> =
            set.map(|(key, value)| Change::SetRoute(*key, *value)).collect();
        changes.sort_by_key(|change| !matches!(change, Change::SetRoute(key, _) if is_main(key)));
        let new = desired.rules.difference(&self.rules);
        changes.extend(new.map(|rule| Change::AddRule(*rule)));
        let old = self.rules.difference(&desired.rules);
        changes.extend(old.map(|rule| Change::RemoveRule(*rule)));
        let gone = self.routes.iter().filter(|(key, _)| !desired.routes.contains_key(key));
        changes.extend(gone.map(|(key, value)| Change::RemoveRoute(*key, *value)));
        changes
    }
}

fn is_main(key: &RouteKey) -> bool {
    *key == RouteKey::main(key.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn value(device: u32) -> RouteValue {
        let gateway = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        RouteValue { device: Device(device), gateway, source: None }
    }

    fn link(place: u8) -> LinkId {
        LinkId::new(place).expect("from 1")
    }

    #[test]
    fn a_step_is_told_in_words() {
        let own = RouteKey::own(Version::V4, link(2));
        for (step, expected) in [
            (
                Change::SetRoute(own, value(3)),
                "setting the IPv4 default route of table 7702 with metric 1 by interface 3 and \
                 router 192.0.2.1",
            ),
            (
                Change::RemoveRule(Rule::of(Version::V6, link(1))),
                "removing the IPv6 rule of mark 0x0100 for table 7701",
            ),
        ] {
            assert_eq!(step.to_string(), expected);
        }
    }

    #[test]
    fn the_house_s_route_comes_first_and_what_goes_goes_last() {
        let mut old = KernelState::default();
        old.routes.insert(RouteKey::own(Version::V4, link(1)), value(1));
        old.routes.insert(RouteKey::main(Version::V4), value(1));
        let mut new = KernelState::default();
        new.routes.insert(RouteKey::own(Version::V4, link(2)), value(2));
        new.routes.insert(RouteKey::main(Version::V4), value(2));
        new.rules.insert(Rule::of(Version::V4, link(2)));
        let changes = old.steps_to(&new);
        assert_eq!(changes[0], Change::SetRoute(RouteKey::main(Version::V4), value(2)));
        assert!(matches!(changes[1], Change::SetRoute(..)));
        assert!(matches!(changes[2], Change::AddRule(_)));
        assert!(matches!(changes[3], Change::RemoveRoute(..)));
        assert_eq!(changes.len(), 4);
        assert_eq!(new.steps_to(&new), []);
    }
}
