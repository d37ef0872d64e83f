//! The machine, driven with a virtual clock.

use std::time::Duration;

use home::House;
use home::house::{BOOT, FRESH, SEARCH};
use home::light::Light;
use home::port::{Port, Role};
use home::reading::{
    LinkReading, LinkState, NetworkReading, Preference, SystemReading, SystemState,
};
use home::uplink::UplinkState;
use proptest::prelude::*;
use units::{Instant, PortName};

const START: Instant = Instant::from_secs(12);

fn port(role: Role, name: &str) -> Port {
    Port { role, name: PortName::try_new(name).expect("a name") }
}

fn ports() -> Vec<Port> {
    vec![
        port(Role::Lan, "lan0"),
        port(Role::Broadband, "broadband0"),
        port(Role::Starlink, "starlink0"),
    ]
}

fn network(lan: bool, broadband: bool, starlink: bool) -> NetworkReading {
    let link = |port: &Port, up, metric| LinkReading {
        name: port.name,
        state: if up { LinkState::Addressed } else { LinkState::Unplugged },
        default_route: (up && port.role != Role::Lan).then(|| Preference::of_ipv4(metric)),
    };
    let ports = ports();
    NetworkReading(vec![
        link(&ports[0], lan, 0),
        link(&ports[1], broadband, 100),
        link(&ports[2], starlink, 200),
    ])
}

fn system(state: SystemState) -> SystemReading {
    SystemReading { state, failed: Vec::new() }
}

/// A house that is served, at `START`.
fn served() -> House {
    let mut house = House::new(ports(), START);
    house.handle_network(network(true, true, true), START);
    house.handle_system(system(SystemState::Up), START);
    assert_eq!(house.status().light, Light::Serving, "{:?}", house.status());
    house
}

#[test]
fn a_new_house_is_starting_and_says_so_once() {
    let mut house = House::new(ports(), START);
    assert_eq!(house.poll_status().map(|status| status.light), Some(Light::Starting));
    assert_eq!(house.poll_status(), None);
}

#[test]
fn silence_takes_the_light_off_serving() {
    let mut house = served();
    let silent = START + FRESH;
    house.handle_deadline(silent);
    assert_eq!(house.status().light, Light::Serving, "evidence of exactly this age counts");
    let deadline = house.next_deadline(silent).expect("evidence is about to be stale");
    house.handle_deadline(deadline);
    assert_eq!(house.status().light, Light::NeedsYou);
    assert_eq!(house.status().since, deadline);
    assert!(house.status().uplinks.iter().all(|uplink| uplink.state == UplinkState::Unknown));
}

#[test]
fn one_silent_source_is_enough() {
    for dead in 0..2 {
        let mut house = served();
        let later = START + FRESH + Duration::from_secs(1);
        if dead == 0 {
            house.handle_system(system(SystemState::Up), later);
        } else {
            house.handle_network(network(true, true, true), later);
        }
        assert_eq!(house.status().light, Light::NeedsYou, "source {dead} is dead");
    }
}

#[test]
fn a_house_without_lines_may_search_for_a_while() {
    let mut house = House::new(ports(), START);
    let mut now = START;
    let mut needed = None;
    while now < START + BOOT + BOOT {
        house.handle_network(network(true, false, false), now);
        house.handle_system(system(SystemState::Up), now);
        if house.status().light == Light::NeedsYou {
            needed.get_or_insert(now);
        }
        now = now + Duration::from_secs(10);
    }
    let needed = needed.expect("somebody is needed in the end");
    assert_eq!(needed.saturating_since(START), SEARCH + Duration::from_secs(10));
}

#[test]
fn a_boot_that_never_ends_needs_somebody() {
    let mut house = House::new(ports(), START);
    house.handle_network(network(true, true, true), START);
    house.handle_system(system(SystemState::Starting), START);
    assert_eq!(house.status().light, Light::Starting);
    let late = START + BOOT + Duration::from_secs(1);
    house.handle_network(network(true, true, true), late);
    house.handle_system(system(SystemState::Starting), late);
    assert_eq!(house.status().light, Light::NeedsYou);
}

#[test]
fn a_lost_line_is_not_another_start() {
    let mut house = served();
    let later = START + Duration::from_secs(1);
    house.handle_network(network(true, false, false), later);
    assert_eq!(house.status().light, Light::NeedsYou);
}

#[test]
fn failover_keeps_the_light_and_moves_the_uplinks() {
    let mut house = served();
    let later = START + Duration::from_secs(1);
    house.handle_network(network(true, false, true), later);
    let status = house.status();
    assert_eq!((status.light, status.since), (Light::Serving, START));
    let states: Vec<_> = status.uplinks.iter().map(|u| (u.state, u.since)).collect();
    assert_eq!(states, [(UplinkState::Unplugged, later), (UplinkState::InUse, later)]);
}

#[derive(Clone, Debug)]
enum Event {
    Network(bool, bool, bool),
    System(SystemState),
    Deadline,
}

fn event() -> impl Strategy<Value = (Event, u64)> {
    let state = prop_oneof![
        4 => Just(SystemState::Up),
        1 => Just(SystemState::Starting),
        1 => Just(SystemState::Stopping),
        1 => Just(SystemState::Other),
    ];
    let event = prop_oneof![
        (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(lan, broadband, starlink)| Event::Network(lan, broadband, starlink)),
        state.prop_map(Event::System),
        Just(Event::Deadline),
    ];
    (event, 0_u64..40_000)
}

proptest! {
    /// Whatever happens and whenever: "all is well" rests on evidence younger than 30 s, a change
    /// is told exactly once, and time alone is always announced by a deadline.
    #[test]
    fn a_dead_source_cannot_look_healthy(events in prop::collection::vec(event(), 1..60)) {
        let mut house = House::new(ports(), START);
        let mut now = START;
        let mut told = house.poll_status();
        let (mut network_at, mut system_at) = (None, None);
        for (event, pause) in events {
            let next = now + Duration::from_millis(pause);
            // The shell wakes at each deadline on the way.
            while let Some(deadline) = house.next_deadline(now).filter(|at| *at <= next) {
                prop_assert!(deadline > now);
                now = deadline;
                house.handle_deadline(now);
                told = house.poll_status().or(told);
            }
            now = next;
            let before = house.status().clone();
            house.handle_deadline(now);
            prop_assert_eq!(&before, house.status(), "changed without a deadline");
            match event {
                Event::Network(lan, broadband, starlink) => {
                    house.handle_network(network(lan, broadband, starlink), now);
                    network_at = Some(now);
                }
                Event::System(state) => {
                    house.handle_system(system(state), now);
                    system_at = Some(now);
                }
                Event::Deadline => house.handle_deadline(now),
            }
            told = house.poll_status().or(told);
            prop_assert_eq!(told.as_ref(), Some(house.status()));
            prop_assert_eq!(house.poll_status(), None);
            prop_assert!(house.status().since <= now);
            if house.status().light == Light::Serving {
                for at in [network_at, system_at] {
                    let at = at.expect("seen");
                    prop_assert!(now.saturating_since(at) <= FRESH);
                }
            }
        }
    }
}
