//! A way out of the house: who it is, what the owner wants of it, and how it is reached.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use units::{LinkId, PortName};

/// Most uplinks a box may have. Boards have up to six ports, one of them for the house.
pub const MOST_UPLINKS: usize = 8;

/// What kind of connection an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Fibre, cable or DSL behind a provider's modem.
    Broadband,
    /// A modem in a mobile network.
    Cellular,
    /// A Starlink dish.
    Starlink,
}

/// What the owner wants of an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Carries the house whenever it can.
    Primary,
    /// Carries it when no primary uplink can, and takes what spills over.
    Secondary,
    /// Carries it only when nothing else can.
    Backup,
    /// Never carries the house.
    Never,
}

impl Policy {
    /// The word for it in settings and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Backup => "backup",
            Self::Never => "never",
        }
    }
}

/// The day of the month on which the provider counts from zero, 1 to 31; in a shorter month, its
/// last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillingDay(i8);

impl BillingDay {
    /// The first of the month.
    pub const FIRST: Self = Self(1);

    /// Day `day`; none outside of 1 to 31.
    #[must_use]
    pub fn new(day: u8) -> Option<Self> {
        i8::try_from(day).ok().filter(|day| (1..=31).contains(day)).map(Self)
    }

    /// The number of the day.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }
}

/// An uplink as the settings and the owner have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its number.
    pub id: LinkId,
    /// The port it is plugged into, which is also its kernel interface.
    pub name: PortName,
    /// What it is.
    pub kind: Kind,
    /// What the owner wants of it.
    pub policy: Policy,
    /// Whether its bytes are dear: fewer probes, and last among its equals.
    pub metered: bool,
    /// Most bytes in a billing month, both ways; none when it is not capped.
    pub cap_bytes: Option<u64>,
    /// When the billing month starts.
    pub billing_day: BillingDay,
}

/// A mark on packets and connections: which uplink they belong to.
///
/// The second lowest byte of the kernel's 32 bits, so that the others stay free for whoever needs
/// them; the rule that reads it has the mask [`Mark::MASK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u32);

impl Mark {
    /// The bits that are ours.
    pub const MASK: u32 = 0xff00;

    /// The mark of uplink `id`.
    #[must_use]
    pub const fn of(id: LinkId) -> Self {
        Self((id.get() as u32) << 8)
    }

    /// The mark that the kernel's number `number` is, if it is one of ours.
    #[must_use]
    pub const fn from_kernel(number: u32) -> Option<Self> {
        if number & !Self::MASK == 0 && number != 0 { Some(Self(number)) } else { None }
    }

    /// The kernel's number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// The kernel's number for a network interface; never used twice while the box is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub u32);

/// How one family of addresses leaves by an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg<A> {
    /// Our address there.
    pub address: A,
    /// The next router; none where the far end is the only neighbour.
    pub gateway: Option<A>,
}

/// How the world is reached by an uplink that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The interface.
    pub device: Device,
    /// By IPv4.
    pub ipv4: Option<Leg<Ipv4Addr>>,
    /// By IPv6.
    pub ipv6: Option<Leg<Ipv6Addr>>,
}

impl Reach {
    /// Our addresses on the uplink.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.map(|leg| IpAddr::V4(leg.address));
        ipv4.into_iter().chain(self.ipv6.map(|leg| IpAddr::V6(leg.address)))
    }
}

/// Something happened to an uplink, as far as the kernel can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkEvent {
    /// Which.
    pub link: LinkId,
    /// When we heard of it.
    pub at: units::Instant,
    /// What.
    pub what: Happening,
}

/// What can happen to an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It has a carrier, an address and a way on: it can be used from now on.
    Usable(Reach),
    /// It can be used, but by another address, router or interface than before.
    AddressChanged(Reach),
    /// It has a carrier, and no address or no way on any more, or not yet.
    AddressLost,
    /// Nothing alive is at the other end of its cable.
    CarrierLost,
    /// Its interface is not there any more.
    Gone,
}

impl Happening {
    /// What happened, after the uplink's name.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Usable(_) => "got an address and a way on",
            Self::AddressChanged(_) => "has another address or router",
            Self::AddressLost => "has no address or no way on",
            Self::CarrierLost => "lost its carrier",
            Self::Gone => "is not there any more",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_within_their_byte() {
        let marks: Vec<Mark> = (1..=255).filter_map(LinkId::new).map(Mark::of).collect();
        assert!(marks.iter().all(|mark| mark.get() & !Mark::MASK == 0 && mark.get() != 0));
        assert!(marks.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn billing_days_are_those_of_the_longest_month() {
        assert_eq!(BillingDay::new(0), None);
        assert_eq!(BillingDay::new(32), None);
        assert_eq!(BillingDay::new(31).map(BillingDay::get), Some(31));
    }
}
