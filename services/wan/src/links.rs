//! The kernel's news of links, addresses and routes, turned into events of uplinks.
//!
//! Call [`Links::handle_link`], [`Links::handle_address`] and [`Links::handle_route`] in the order
//! in which the kernel told, and [`Links::handle_snapshot`] with everything it lists. After each,
//! take the events by [`Links::poll_event`]. The kernel drops news for a slow reader and says so;
//! [`Links::handle_overrun`] then makes [`Links::poll_resync`] ask for a snapshot. News that is
//! older than the snapshot does no harm: what undid it follows.
//!
//! Whatever the order of the news was, the same facts give the same state. Devices that are no
//! uplinks are not remembered; of an uplink at most [`MOST_ADDRESSES`] and [`MOST_ROUTES`] are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use units::{Instant, LinkId, PortName};

use crate::uplink::{Device, Happening, Kind, Leg, Reach, Uplink, UplinkEvent};

/// Most addresses remembered of one uplink. A provider gives one of IPv4 and, with temporary ones
/// for privacy, a dozen of IPv6.
pub const MOST_ADDRESSES: usize = 32;

/// Most default routes remembered of one uplink: one for each router that announces itself.
pub const MOST_ROUTES: usize = 16;

/// Whether the kernel told of something there, or of something gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there, as told.
    There,
    /// It is gone.
    Gone,
}

/// What the kernel says of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFact {
    /// The interface.
    pub device: Device,
    /// Its name, if it is one that a port can have.
    pub name: Option<PortName>,
    /// Whether it is switched on and something alive is at the other end.
    pub carrier: bool,
}

/// What the kernel says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressFact {
    /// On which interface.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
    /// Whether it may be used: checked for duplicates, and not only for the link.
    pub ready: bool,
}

/// What the kernel says of a default route that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteFact {
    /// By which interface.
    pub device: Device,
    /// The route itself.
    pub route: DefaultRoute,
}

/// A default route. They are ordered as the kernel prefers them: lower wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultRoute {
    /// How much the kernel prefers it.
    pub metric: u32,
    /// Where it leads.
    pub next_hop: NextHop,
}

/// The next router, of a family; none where the far end is the only neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextHop {
    /// For IPv4.
    V4(Option<Ipv4Addr>),
    /// For IPv6.
    V6(Option<Ipv6Addr>),
}

/// Everything the kernel lists, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The links.
    pub links: Vec<LinkFact>,
    /// Their addresses.
    pub addresses: Vec<AddressFact>,
    /// The default routes of the main table that are not ours.
    pub routes: Vec<RouteFact>,
}

/// How far an uplink has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Its interface is not there.
    Missing,
    /// Nothing alive is at the other end of its cable.
    NoCarrier,
    /// It has a carrier, and no address or no way on.
    NoAddress,
    /// It can be used.
    Usable(Reach),
}

impl LinkState {
    /// How the world is reached by it.
    #[must_use]
    pub const fn reach(self) -> Option<Reach> {
        match self {
            Self::Usable(reach) => Some(reach),
            Self::Missing | Self::NoCarrier | Self::NoAddress => None,
        }
    }
}

/// What is known of one interface that is an uplink.
#[derive(Clone, Debug)]
struct Facts {
    link: LinkId,
    carrier: bool,
    addresses: BTreeMap<IpAddr, bool>,
    routes: BTreeSet<DefaultRoute>,
}

/// The uplinks as the kernel has told of them.
#[derive(Debug)]
pub struct Links {
    uplinks: Vec<(LinkId, PortName, Kind)>,
    devices: BTreeMap<Device, Facts>,
    told: BTreeMap<LinkId, LinkState>,
    events: VecDeque<UplinkEvent>,
    resync: bool,
}

impl Links {
    /// The links of `uplinks`, of which nothing has been heard; it asks for a snapshot.
    #[must_use]
    pub fn new(uplinks: &[Uplink]) -> Self {
        Self {
            uplinks: uplinks.iter().map(|uplink| (uplink.id, uplink.name, uplink.kind)).collect(),
            devices: BTreeMap::new(),
            told: uplinks.iter().map(|uplink| (uplink.id, LinkState::Missing)).collect(),
            events: VecDeque::new(),
            resync: true,
        }
    }

    /// The kernel told of a link.
    pub fn handle_link(&mut self, news: News, fact: &LinkFact, now: Instant) {
        self.learn_link(news, fact);
        self.tell(now);
    }

    /// The kernel told of an address.
    pub fn handle_address(&mut self, news: News, fact: &AddressFact, now: Instant) {
        self.learn_address(news, fact);
        self.tell(now);
    }

    /// The kernel told of a default route that is not ours.
    pub fn handle_route(&mut self, news: News, fact: &RouteFact, now: Instant) {
        self.learn_route(news, fact);
        self.tell(now);
    }

    /// The kernel dropped news that nobody took in time.
    pub fn handle_overrun(&mut self) {
        self.resync = true;
    }

    /// The kernel listed everything; what it did not list is not there.
    pub fn handle_snapshot(&mut self, snapshot: &Snapshot, now: Instant) {
        self.devices.clear();
        for link in &snapshot.links {
            self.learn_link(News::There, link);
        }
        for address in &snapshot.addresses {
            self.learn_address(News::There, address);
        }
        for route in &snapshot.routes {
            self.learn_route(News::There, route);
        }
        self.resync = false;
        self.tell(now);
    }

    /// Whether a snapshot is needed; asked once for each need.
    pub fn poll_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync)
    }

    /// The next thing that happened to an uplink.
    pub fn poll_event(&mut self) -> Option<UplinkEvent> {
        self.events.pop_front()
    }

    /// How far uplink `link` has come.
    #[must_use]
    pub fn state(&self, link: LinkId) -> LinkState {
        self.told.get(&link).copied().unwrap_or(LinkState::Missing)
    }

    /// The uplink whose interface is `device`.
    #[must_use]
    pub fn of_device(&self, device: Device) -> Option<LinkId> {
        self.devices.get(&device).map(|facts| facts.link)
    }

    fn learn_link(&mut self, news: News, fact: &LinkFact) {
        let known = self.uplinks.iter().find(|(_, name, _)| Some(*name) == fact.name);
        let (News::There, Some((link, _, _))) = (news, known) else {
            // Gone, or renamed to something that is no uplink.
            self.devices.remove(&fact.device);
            return;
        };
        let facts = self.devices.get_mut(&fact.device).filter(|facts| facts.link == *link);
        if let Some(facts) = facts {
            facts.carrier = fact.carrier;
            return;
        }
        // It may have been there under another name, with addresses that we did not note.
        self.resync = true;
        let facts = Facts {
            link: *link,
            carrier: fact.carrier,
            addresses: BTreeMap::new(),
            routes: BTreeSet::new(),
        };
        self.devices.retain(|_, other| other.link != *link);
        self.devices.insert(fact.device, facts);
    }

    fn learn_address(&mut self, news: News, fact: &AddressFact) {
        let Some(facts) = self.devices.get_mut(&fact.device) else { return };
        match news {
            News::There if facts.addresses.len() < MOST_ADDRESSES => {
                facts.addresses.insert(fact.address, fact.ready);
            }
            News::There => {}
            News::Gone => {
                facts.addresses.remove(&fact.address);
            }
        }
    }

    fn learn_route(&mut self, news: News, fact: &RouteFact) {
        let Some(facts) = self.devices.get_mut(&fact.device) else { return };
        let route = fact.route;
        match news {
            News::There if facts.routes.len() < MOST_ROUTES => {
                facts.routes.insert(route);
            }
            News::There => {}
            News::Gone => {
                facts.routes.remove(&route);
            }
        }
    }

    /// Queues an event for each uplink whose state is not what was last told.
    fn tell(&mut self, now: Instant) {
        for (link, _, kind) in &self.uplinks {
            let device = self.devices.iter().find(|(_, facts)| facts.link == *link);
            let state = device.map_or(LinkState::Missing, |(id, facts)| judge(*id, facts, *kind));
            let before = self.told.insert(*link, state).unwrap_or(LinkState::Missing);
            if let Some(what) = happening(before, state) {
                self.events.push_back(UplinkEvent { link: *link, at: now, what });
            }
        }
    }
}

/// What happened between two states of an uplink.
fn happening(before: LinkState, after: LinkState) -> Option<Happening> {
    match (before, after) {
        (before, after) if before == after => None,
        (LinkState::Usable(_), LinkState::Usable(reach)) => Some(Happening::AddressChanged(reach)),
        (_, LinkState::Usable(reach)) => Some(Happening::Usable(reach)),
        (_, LinkState::NoAddress) => Some(Happening::AddressLost),
        (_, LinkState::NoCarrier) => Some(Happening::CarrierLost),
        (_, LinkState::Missing) => Some(Happening::Gone),
    }
}

fn judge(device: Device, facts: &Facts, kind: Kind) -> LinkState {
    if !facts.carrier {
        return LinkState::NoCarrier;
    }
    let ready = || facts.addresses.iter().filter(|(_, ready)| **ready).map(|(address, _)| address);
    let ipv4 = ready().find_map(|address| match address {
        IpAddr::V4(address) if leads_out_v4(*address, kind) => Some(*address),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    });
    let ipv6 = ready().find_map(|address| match address {
        IpAddr::V6(address) if leads_out_v6(*address) => Some(*address),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    });
    // In the kernel's own order: the lowest metric first.
    let gateway_v4 = facts.routes.iter().find_map(|route| match route.next_hop {
        NextHop::V4(gateway) => Some(gateway),
        NextHop::V6(_) => None,
    });
    let gateway_v6 = facts.routes.iter().find_map(|route| match route.next_hop {
        NextHop::V6(gateway) => Some(gateway),
        NextHop::V4(_) => None,
    });
    let reach = Reach {
        device,
        ipv4: ipv4.zip(gateway_v4).map(|(address, gateway)| Leg { address, gateway }),
        ipv6: ipv6.zip(gateway_v6).map(|(address, gateway)| Leg { address, gateway }),
    };
    match reach {
        Reach { ipv4: None, ipv6: None, .. } => LinkState::NoAddress,
        reach => LinkState::Usable(reach),
    }
}

/// Whether the world can be reached from `address`. A dish that is not connected hands out
/// addresses of its own network, 192.168.100.0/24, by which there is nothing but the dish.
fn leads_out_v4(address: Ipv4Addr, kind: Kind) -> bool {
    let of_the_dish = kind == Kind::Starlink && address.octets()[..3] == [192, 168, 100];
    !address.is_link_local() && !address.is_loopback() && !of_the_dish
}

/// Whether the world can be reached from `address`: not from one for the link or the site only.
fn leads_out_v6(address: Ipv6Addr) -> bool {
    !address.is_unicast_link_local() && !address.is_unique_local() && !address.is_loopback()
}
