//! The whole machine: what caps, the owner, the tunnel and probes make of the uplinks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use units::{Instant, LinkId, PortName};
use wan::caps::{Limit, Saved};
use wan::direct::health::Health;
use wan::direct::kernel::{KernelState, RouteKey, Version};
use wan::direct::probe::{Outcome, Probe, Question, Targets};
use wan::direct::{Action, DISH};
use wan::gateway::{Configuration, Gateway, Move, PathReport};
use wan::links::{AddressFact, DefaultRoute, LinkFact, NextHop, RouteFact, Snapshot};
use wan::status::{Mode, State};
use wan::uplink::{BillingDay, Device, Happening, Kind, Policy, Uplink};

#[path = "gateway/dish.rs"]
mod dish;

const BROADBAND: LinkId = LinkId::new(1).expect("from 1");
const STARLINK: LinkId = LinkId::new(2).expect("from 1");
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), 53);

fn uplink(id: LinkId, name: &str, kind: Kind, policy: Policy) -> Uplink {
    let name = PortName::try_new(name).expect("a name");
    let (metered, cap_bytes, billing_day) = (false, Some(1_000), BillingDay::FIRST);
    Uplink { id, name, kind, policy, metered, cap_bytes, billing_day }
}

fn device(link: LinkId) -> Device {
    Device(u32::from(link.get()))
}

fn address(link: LinkId, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, link.get(), last)
}

/// A box with both uplinks up, whose steps have been taken.
fn gateway() -> Gateway {
    let uplinks = vec![
        uplink(BROADBAND, "broadband0", Kind::Broadband, Policy::Primary),
        uplink(STARLINK, "starlink0", Kind::Starlink, Policy::Secondary),
    ];
    let mut snapshot = Snapshot::default();
    for uplink in &uplinks {
        let (link, device) = (uplink.id, device(uplink.id));
        snapshot.links.push(LinkFact { device, name: Some(uplink.name), carrier: true });
        let own = address(link, 2).into();
        snapshot.addresses.push(AddressFact { device, address: own, ready: true });
        let next_hop = NextHop::V4(Some(address(link, 1)));
        snapshot.routes.push(RouteFact { device, route: DefaultRoute { metric: 100, next_hop } });
    }
    let configuration = Configuration {
        modes: tunnel::Modes::default(),
        uplinks,
        targets: Targets { servers: vec![SERVER], page: false },
        zone: TimeZone::UTC,
        saved: Saved::default(),
        boot: String::from("a"),
    };
    let mut gateway = Gateway::new(configuration, Instant::BOOT);
    assert!(gateway.poll_snapshot());
    gateway.handle_snapshot(&snapshot, Instant::BOOT);
    assert_eq!(gateway.poll_action(), Some(Action::ReadKernel));
    gateway.handle_kernel(KernelState::default(), Instant::BOOT);
    while gateway.poll_action().is_some() {}
    gateway
}

fn carrier(gateway: &Gateway) -> Option<Device> {
    gateway.desired().routes.get(&RouteKey::main(Version::V4)).map(|value| value.device)
}

fn health(gateway: &Gateway, link: LinkId) -> Health {
    let mut uplinks = gateway.status().uplinks.iter();
    uplinks.find(|status| status.uplink.id == link).expect("it is there").health
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

#[test]
fn the_tunnel_hears_of_every_uplink_once() {
    let mut gateway = gateway();
    let events: Vec<_> = std::iter::from_fn(|| gateway.poll_event()).collect();
    assert_eq!(events.iter().map(|event| event.link).collect::<Vec<_>>(), [BROADBAND, STARLINK]);
    assert!(events.iter().all(|event| matches!(event.what, Happening::Usable(_))));
}

#[test]
fn a_reached_cap_leaves_the_house_to_the_others() {
    let mut gateway = gateway();
    gateway.handle_counters(device(BROADBAND), 0, 0, at(1));
    gateway.handle_counters(device(BROADBAND), 400, 400, at(2));
    let standing = gateway.status().uplinks[0].standing;
    assert_eq!((standing.used_bytes, standing.limit), (800, Limit::Soft));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
    gateway.handle_counters(device(BROADBAND), 900, 400, at(3));
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    assert_eq!(gateway.status().uplinks[0].uplink.policy, Policy::Primary, "the owner's word");
    let last = gateway.decisions().last().expect("it decided").clone();
    assert_eq!(last.action, "new flows take starlink0");
    assert_eq!(last.cause, "its policy or its cap changed");
    gateway.handle_cap(BROADBAND, None, at(4));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)), "more was bought");
}

#[test]
fn the_owner_s_word_counts_at_once() {
    let mut gateway = gateway();
    assert!(gateway.handle_policy(BROADBAND, Policy::Never, at(1)));
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    let barred = std::iter::from_fn(|| gateway.poll_action()).find_map(|action| match action {
        Action::Firewall(firewall) => Some(firewall.barred.len()),
        _ => None,
    });
    assert_eq!(barred, Some(1));
    assert!(!gateway.handle_policy(LinkId::new(8).expect("from 1 to 8"), Policy::Never, at(1)));
}

#[test]
fn the_tunnel_carries_the_house_while_it_says_so() {
    let mut gateway = gateway();
    gateway.handle_tunnel(Some(Device(77)), at(1));
    assert_eq!(carrier(&gateway), Some(Device(77)));
    assert_eq!(gateway.status().mode, Mode::Tunnel);
    let own = RouteKey::own(Version::V4, STARLINK);
    assert!(gateway.desired().routes.contains_key(&own), "its sockets leave by their uplinks");
    gateway.handle_tunnel(None, at(2));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
}

#[test]
fn in_the_tunnel_its_own_switch_is_told_with_what_it_cost() {
    let mut gateway = gateway();
    let moved = |gap, lost| Move {
        from: Some(BROADBAND),
        to: Some(STARLINK),
        gap: Duration::from_millis(gap),
        lost,
    };
    while gateway.poll_switch().is_some() {}
    gateway.handle_move(moved(262, 0), at(1));
    assert_eq!(gateway.poll_switch(), None, "the house does not go out through it");
    gateway.handle_tunnel(Some(Device(77)), at(1));
    let mut told = |moved| {
        gateway.handle_move(moved, at(2));
        let switch = gateway.poll_switch().expect("it is told");
        assert_eq!((switch.from, switch.to), (Some(BROADBAND), Some(STARLINK)));
        let last = gateway.decisions().last().expect("it is noted").clone();
        assert_eq!(last.action, "what is urgent takes starlink0");
        (last.cause, switch.gap.as_millis(), switch.lost)
    };
    let silent = "nothing came back over the other, nothing passed for 262 ms";
    assert_eq!(told(moved(262, 0)), (silent.into(), 262, 0));
    assert_eq!(told(moved(262, 3)), (format!("{silent}, packets lost: 3"), 262, 3));
    assert_eq!(told(moved(0, 0)), ("it is preferred and does well".into(), 0, 0));
    let report = PathReport { health: Some(Health::Down), ..PathReport::none(BROADBAND) };
    gateway.handle_path(report, at(3));
    assert_eq!(carrier(&gateway), Some(Device(77)));
    assert_eq!(gateway.poll_switch(), None, "the uplink beside the tunnel");
}

#[test]
fn the_tunnel_s_word_of_a_path_goes_before_the_probes() {
    let mut gateway = gateway();
    let report = |health| PathReport {
        link: BROADBAND,
        health,
        rtt: Some(Duration::from_millis(9)),
        loss_ppm: 5,
        next_boundary: Some(at(15)),
    };
    gateway.handle_path(report(Some(Health::Down)), at(1));
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    assert_eq!(gateway.status().uplinks[0].rtt, Some(Duration::from_millis(9)));
    assert_eq!(gateway.status().uplinks[0].next_boundary, Some(at(15)));
    assert_eq!(gateway.status().state, State::Degraded);
    let asked = std::iter::from_fn(|| gateway.poll_probe(at(1))).map(|probe| probe.link);
    assert_eq!(asked.collect::<Vec<_>>(), [STARLINK], "the tunnel knows about the other");
    gateway.handle_path(report(None), at(2));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)), "there is no path, and a carrier");
}

#[test]
fn silence_takes_three_questions_and_moves_the_house() {
    let mut gateway = gateway();
    let probe = Probe { link: BROADBAND, question: Question::Server(SERVER) };
    for expected in [Health::Suspect, Health::Suspect, Health::Down] {
        assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
        gateway.handle_outcome(&probe, Outcome::Silence, at(1));
        assert_eq!(health(&gateway, BROADBAND), expected);
    }
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    gateway.handle_outcome(&probe, Outcome::Answered(Duration::from_millis(20)), at(2));
    assert_eq!(health(&gateway, BROADBAND), Health::Probation);
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    gateway.handle_deadline(at(5));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
}

#[test]
fn where_everything_is_silent_the_house_is_offline_and_stays() {
    let mut gateway = gateway();
    for link in [STARLINK, BROADBAND] {
        let probe = Probe { link, question: Question::Server(SERVER) };
        for _ in 0..3 {
            gateway.handle_outcome(&probe, Outcome::Silence, at(1));
        }
    }
    assert_eq!(gateway.status().state, State::Offline);
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
}

#[test]
fn the_dish_is_reached_beyond_its_uplink_and_is_no_way_out_itself() {
    let mut gateway = gateway();
    let dish = RouteKey::host(DISH.into());
    let way = gateway.desired().routes.get(&dish).copied().expect("there is a dish");
    assert_eq!((way.device, way.gateway), (device(STARLINK), None));
    let fact = |address: Ipv4Addr| AddressFact {
        device: device(STARLINK),
        address: address.into(),
        ready: true,
    };
    let (old, of_the_dish) = (address(STARLINK, 2), Ipv4Addr::new(192, 168, 100, 33));
    gateway.handle_address(wan::links::News::Gone, &fact(old), at(1));
    gateway.handle_address(wan::links::News::There, &fact(of_the_dish), at(1));
    assert_eq!(health(&gateway, STARLINK), Health::Down, "a dish without a sky hands that out");
}

#[test]
fn refused_steps_are_taken_up_again_after_a_second_and_ever_later() {
    let mut gateway = gateway();
    let mut now = at(10);
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        // One refusal rarely comes alone.
        for _ in 0..4 {
            gateway.handle_refused(now);
        }
        let last = now;
        while gateway.poll_action() != Some(Action::ReadKernel) {
            now = now + Duration::from_millis(500);
            assert!(now.saturating_since(last) <= Duration::from_secs(60), "it gave up");
            gateway.handle_deadline(now);
        }
        assert_eq!(now.saturating_since(last).as_secs(), seconds);
    }
}

#[test]
fn a_wall_clock_that_steps_by_a_day_moves_nothing() {
    const DAY: i64 = 86_400;
    let mut gateway = gateway();
    gateway.handle_tunnel(Some(Device(77)), at(1));
    while gateway.poll_action().is_some() || gateway.poll_switch().is_some() {}
    let (desired, deadline) = (gateway.desired(), gateway.next_deadline());
    for step in [0, DAY, -DAY, 0] {
        let wall = Timestamp::from_second(1_800_000_000 + step).expect("a time");
        gateway.handle_clock(Some(wall), at(2));
        assert_eq!(gateway.desired(), desired);
        assert_eq!((gateway.poll_action(), gateway.poll_switch()), (None, None));
        assert_eq!(gateway.next_deadline(), deadline, "nothing waits for a wall clock");
    }
}
