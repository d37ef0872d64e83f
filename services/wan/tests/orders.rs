//! Whatever the order of the news was, the kernel ends in the same state.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use units::{Instant, LinkId, PortName};
use wan::caps::Saved;
use wan::direct::Action;
use wan::direct::kernel::{Change, KernelState, RouteKey, RouteValue, Version};
use wan::direct::probe::Targets;
use wan::gateway::{Configuration, Gateway};
use wan::links::{AddressFact, DefaultRoute, LinkFact, News, NextHop, RouteFact, Snapshot};
use wan::uplink::{BillingDay, Device, Kind, Mark, Policy, Uplink};

/// How many uplinks there are.
const UPLINKS: u8 = 3;

fn name(place: u8) -> PortName {
    PortName::try_new(&format!("wan{place}")).expect("a name")
}

fn uplinks() -> Vec<Uplink> {
    let policies = [Policy::Secondary, Policy::Primary, Policy::Backup];
    let uplink = |(place, policy)| Uplink {
        id: LinkId::new(place).expect("from 1"),
        name: name(place),
        kind: Kind::Broadband,
        policy,
        metered: false,
        cap_bytes: None,
        billing_day: BillingDay::FIRST,
    };
    (1..=UPLINKS).zip(policies).map(uplink).collect()
}

fn gateway() -> Gateway {
    let configuration = Configuration {
        modes: tunnel::Modes::default(),
        uplinks: uplinks(),
        targets: Targets::default(),
        zone: TimeZone::UTC,
        saved: Saved::default(),
        boot: String::from("a"),
    };
    Gateway::new(configuration, Instant::BOOT)
}

/// What is true of one interface.
#[derive(Clone, Debug, Default)]
struct Interface {
    carrier: bool,
    address: Option<u8>,
    router: Option<u8>,
}

/// The kernel: what it knows of interfaces, and what of ours it has.
#[derive(Clone, Debug, Default)]
struct Kernel {
    interfaces: BTreeMap<u8, Interface>,
    own: KernelState,
    forgotten: Vec<Mark>,
}

/// What can happen in the kernel.
#[derive(Clone, Copy, Debug)]
enum Step {
    Carrier(u8, bool),
    Address(u8, Option<u8>),
    Router(u8, Option<u8>),
    Gone(u8),
    /// Somebody removes a route of ours.
    Thief(u8),
    /// News is dropped, and this step is never told.
    Overrun(u8),
    Wait(u16),
}

fn address(place: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, place, last)
}

fn link_fact(place: u8, interface: &Interface) -> LinkFact {
    let device = Device(u32::from(place));
    LinkFact { device, name: Some(name(place)), carrier: interface.carrier }
}

fn address_fact(place: u8, last: u8) -> AddressFact {
    let device = Device(u32::from(place));
    AddressFact { device, address: IpAddr::V4(address(place, last)), ready: true }
}

fn route_fact(place: u8, last: u8) -> RouteFact {
    let next_hop = NextHop::V4(Some(address(place, last)));
    RouteFact { device: Device(u32::from(place)), route: DefaultRoute { metric: 100, next_hop } }
}

impl Kernel {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (place, interface) in &self.interfaces {
            snapshot.links.push(link_fact(*place, interface));
            snapshot.addresses.extend(interface.address.map(|last| address_fact(*place, last)));
            snapshot.routes.extend(interface.router.map(|last| route_fact(*place, last)));
        }
        snapshot
    }

    /// Does the step, and tells `gateway` of it unless the news is dropped.
    fn step(&mut self, step: Step, gateway: &mut Gateway, now: Instant) {
        match step {
            Step::Carrier(place, carrier) => {
                let interface = self.interfaces.entry(place).or_default();
                interface.carrier = carrier;
                gateway.handle_link(News::There, &link_fact(place, interface), now);
            }
            Step::Address(place, new) => self.set_address(place, new, Some(gateway), now),
            Step::Router(place, new) => {
                let Some(interface) = self.interfaces.get_mut(&place) else { return };
                let old = std::mem::replace(&mut interface.router, new);
                if let Some(old) = old {
                    gateway.handle_route(News::Gone, &route_fact(place, old), now);
                }
                if let Some(new) = new {
                    gateway.handle_route(News::There, &route_fact(place, new), now);
                }
            }
            Step::Gone(place) => {
                let Some(interface) = self.interfaces.remove(&place) else { return };
                self.own.routes.retain(|_, value| value.device != Device(u32::from(place)));
                gateway.handle_link(News::Gone, &link_fact(place, &interface), now);
            }
            Step::Thief(place) => {
                let key = RouteKey::own(Version::V4, LinkId::new(place).expect("from 1"));
                if self.own.routes.remove(&key).is_some() {
                    gateway.handle_route_gone(&key, now);
                }
            }
            Step::Overrun(place) => {
                self.set_address(place, None, None, now);
                gateway.handle_overrun(now);
            }
            Step::Wait(_) => gateway.handle_deadline(now),
        }
    }

    fn set_address(
        &mut self,
        place: u8,
        new: Option<u8>,
        mut told: Option<&mut Gateway>,
        now: Instant,
    ) {
        let Some(interface) = self.interfaces.get_mut(&place) else { return };
        let old = std::mem::replace(&mut interface.address, new);
        if let Some(old) = old {
            // The kernel drops routes from that address, and does not tell.
            let source = Some(IpAddr::V4(address(place, old)));
            self.own.routes.retain(|_, value| value.source != source);
            if let Some(gateway) = told.as_deref_mut() {
                gateway.handle_address(News::Gone, &address_fact(place, old), now);
            }
        }
        if let (Some(new), Some(gateway)) = (new, told) {
            gateway.handle_address(News::There, &address_fact(place, new), now);
        }
    }

    /// Whether the kernel would take a route by way of `value`.
    fn takes(&self, value: &RouteValue) -> bool {
        let interface = u8::try_from(value.device.0).ok().and_then(|p| self.interfaces.get(&p));
        interface.is_some_and(|interface| interface.address.is_some())
    }

    /// Does what `gateway` wants done.
    fn serve(&mut self, gateway: &mut Gateway, now: Instant) {
        if gateway.poll_snapshot() {
            gateway.handle_snapshot(&self.snapshot(), now);
        }
        while let Some(action) = gateway.poll_action() {
            match action {
                Action::ReadKernel => gateway.handle_kernel(self.own.clone(), now),
                Action::Change(Change::SetRoute(key, value)) => {
                    if self.takes(&value) {
                        self.own.routes.insert(key, value);
                    } else {
                        gateway.handle_refused(now);
                    }
                }
                Action::Change(Change::RemoveRoute(key, _)) => {
                    self.own.routes.remove(&key);
                }
                Action::Change(Change::AddRule(rule)) => {
                    self.own.rules.insert(rule);
                }
                Action::Change(Change::RemoveRule(rule)) => {
                    self.own.rules.remove(&rule);
                }
                Action::ForgetFlows(mark) => self.forgotten.push(mark),
                Action::Firewall(_) => {}
            }
        }
    }
}

/// Lets all deadlines pass.
fn come_to_rest(kernel: &mut Kernel, gateway: &mut Gateway, mut now: Instant) -> Instant {
    kernel.serve(gateway, now);
    while let Some(deadline) = gateway.next_deadline() {
        now = deadline.max(now + Duration::from_millis(1));
        gateway.handle_deadline(now);
        kernel.serve(gateway, now);
    }
    now
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 1..=UPLINKS;
    let last = || prop::option::weighted(0.7, 1_u8..4);
    prop_oneof![
        3 => (place(), any::<bool>()).prop_map(|(place, carrier)| Step::Carrier(place, carrier)),
        3 => (place(), last()).prop_map(|(place, last)| Step::Address(place, last)),
        3 => (place(), last()).prop_map(|(place, last)| Step::Router(place, last)),
        1 => place().prop_map(Step::Gone),
        1 => place().prop_map(Step::Thief),
        1 => place().prop_map(Step::Overrun),
        2 => any::<u16>().prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_order_ends_in_the_same_kernel(
        steps in prop::collection::vec((step(), any::<bool>()), 0..80),
    ) {
        let mut kernel = Kernel::default();
        let mut gateway = gateway();
        let mut now = Instant::BOOT;
        for (step, served) in steps {
            now = now + Duration::from_millis(match step {
                Step::Wait(millis) => u64::from(millis),
                _ => 1,
            });
            kernel.step(step, &mut gateway, now);
            // The news of several steps may be read before anything is done.
            if served {
                kernel.serve(&mut gateway, now);
            }
        }
        come_to_rest(&mut kernel, &mut gateway, now);

        let mut fresh = self::gateway();
        let mut other = Kernel { own: KernelState::default(), ..kernel.clone() };
        come_to_rest(&mut other, &mut fresh, Instant::BOOT);
        prop_assert_eq!(&kernel.own, &fresh.desired());
        prop_assert_eq!(&kernel.own, &other.own);
        prop_assert_eq!(gateway.status().active.clone(), fresh.status().active.clone());
    }

    #[test]
    fn a_program_that_starts_again_changes_nothing_that_is_right(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut kernel = Kernel::default();
        let mut gateway = gateway();
        let mut now = Instant::BOOT;
        for step in steps {
            now = now + Duration::from_millis(1);
            kernel.step(step, &mut gateway, now);
            kernel.serve(&mut gateway, now);
        }
        now = come_to_rest(&mut kernel, &mut gateway, now);
        let mut next = self::gateway();
        let mut changes = 0;
        if next.poll_snapshot() {
            next.handle_snapshot(&kernel.snapshot(), now);
        }
        while let Some(action) = next.poll_action() {
            match action {
                Action::ReadKernel => next.handle_kernel(kernel.own.clone(), now),
                Action::Change(_) => changes += 1,
                Action::Firewall(_) | Action::ForgetFlows(_) => {}
            }
        }
        prop_assert_eq!(changes, 0);
    }
}

/// A box with all uplinks up, at rest.
fn at_rest() -> (Kernel, Gateway, Instant) {
    let mut kernel = Kernel::default();
    let mut gateway = gateway();
    for place in 1..=UPLINKS {
        for step in [
            Step::Carrier(place, true),
            Step::Address(place, Some(2)),
            Step::Router(place, Some(1)),
        ] {
            kernel.step(step, &mut gateway, Instant::BOOT);
        }
    }
    let now = come_to_rest(&mut kernel, &mut gateway, Instant::BOOT);
    (kernel, gateway, now)
}

fn carrier(kernel: &Kernel) -> Option<Device> {
    kernel.own.routes.get(&RouteKey::main(Version::V4)).map(|value| value.device)
}

#[test]
fn only_the_dead_uplink_s_flows_are_forgotten() {
    let (mut kernel, mut gateway, now) = at_rest();
    assert_eq!(carrier(&kernel), Some(Device(2)), "the primary");
    kernel.forgotten.clear();
    kernel.step(Step::Carrier(2, false), &mut gateway, now);
    kernel.serve(&mut gateway, now);
    assert_eq!(carrier(&kernel), Some(Device(1)), "the secondary");
    assert_eq!(kernel.forgotten, [Mark::of(LinkId::new(2).expect("from 1"))]);
}

#[test]
fn an_address_that_went_and_came_back_while_news_was_dropped_took_routes_with_it() {
    let (mut kernel, mut gateway, now) = at_rest();
    let before = kernel.own.clone();
    kernel.step(Step::Overrun(2), &mut gateway, now);
    kernel.step(Step::Address(2, Some(2)), &mut gateway, now);
    assert_ne!(kernel.own, before);
    come_to_rest(&mut kernel, &mut gateway, now);
    assert_eq!(kernel.own, before);
}

#[test]
fn the_first_up_carries_whatever_it_is() {
    for place in 1..=UPLINKS {
        let mut kernel = Kernel::default();
        let mut gateway = gateway();
        kernel.serve(&mut gateway, Instant::BOOT);
        for step in [
            Step::Carrier(place, true),
            Step::Address(place, Some(2)),
            Step::Router(place, Some(1)),
        ] {
            kernel.step(step, &mut gateway, Instant::BOOT);
            kernel.serve(&mut gateway, Instant::BOOT);
        }
        assert_eq!(carrier(&kernel), Some(Device(u32::from(place))));
    }
}

#[test]
fn with_nowhere_to_go_nothing_is_forgotten() {
    let (mut kernel, mut gateway, now) = at_rest();
    for place in [1, 3] {
        kernel.step(Step::Gone(place), &mut gateway, now);
    }
    kernel.serve(&mut gateway, now);
    kernel.forgotten.clear();
    kernel.step(Step::Carrier(2, false), &mut gateway, now);
    kernel.serve(&mut gateway, now);
    assert_eq!(kernel.forgotten, [], "the cable may come back before the flows are over");
    assert_eq!(gateway.status().active, []);
}
