//! The machine, driven with a virtual clock.

use std::time::Duration;

use bus::wan::{Health, Mode, Policy, State};
use home::House;
use home::house::{BOOT, FRESH, SEARCH};
use home::light::Light;
use home::port::{Port, Role};
use home::reading::{LinkReading, LinkState, NetworkReading, SystemReading, SystemState};
use home::uplink::UplinkState;
use home::way_out::{WanReading, WanUplink};
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
    let link = |port: &Port, up| LinkReading {
        name: port.name,
        state: if up { LinkState::Addressed } else { LinkState::Unplugged },
        leads_out: up && port.role != Role::Lan,
    };
    let ports = ports();
    NetworkReading(vec![
        link(&ports[0], lan),
        link(&ports[1], broadband),
        link(&ports[2], starlink),
    ])
}

/// What `wan` says while these uplinks do so; the first that is up carries the house.
fn wan(state: State, broadband: Health, starlink: Health) -> WanReading {
    let healths = [broadband, starlink];
    let carrier = healths.iter().position(|health| *health == Health::Up);
    let uplink = |(place, port): (usize, &Port)| WanUplink {
        name: port.name,
        carries: carrier == Some(place),
        health: healths[place],
        policy: Policy::Primary,
        availability: Vec::new(),
        drain_at: None,
    };
    let uplinks = ports()[1..].iter().enumerate().map(uplink).collect();
    WanReading { state, mode: Mode::Direct, uplinks }
}

fn online() -> WanReading {
    wan(State::Online, Health::Up, Health::Up)
}

fn system(state: SystemState) -> SystemReading {
    SystemReading { state, failed: Vec::new() }
}

/// A house that is served, at `START`.
fn served() -> House {
    let mut house = House::new(ports(), START);
    house.handle_network(network(true, true, true), START);
    house.handle_system(system(SystemState::Up), START);
    assert_eq!(house.status().light, Light::Starting, "nobody has said that the world answers");
    house.handle_wan(online(), START);
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
    for dead in 0..3 {
        let mut house = served();
        let later = START + FRESH + Duration::from_secs(1);
        if dead != 0 {
            house.handle_network(network(true, true, true), later);
        }
        if dead != 1 {
            house.handle_system(system(SystemState::Up), later);
        }
        if dead != 2 {
            house.handle_wan(online(), later);
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
    house.handle_wan(wan(State::Offline, Health::Down, Health::Down), later);
    assert_eq!(house.status().light, Light::NeedsYou);
}

#[test]
fn what_wan_says_is_what_the_light_says() {
    for (state, light) in [
        (State::Online, Light::Serving),
        (State::Degraded, Light::Serving),
        (State::Offline, Light::NeedsYou),
        (State::Captive, Light::NeedsYou),
        (State::Unknown, Light::NeedsYou),
    ] {
        // Whatever the cables say: all of them are in, or none.
        for plugged in [true, false] {
            let mut house = served();
            house.handle_network(network(true, plugged, plugged), START);
            house.handle_wan(wan(state, Health::Up, Health::Down), START);
            assert_eq!(house.status().light, light, "{state:?}, plugged in: {plugged}");
            assert_eq!(house.status().internet, state);
        }
    }
}

#[test]
fn when_wan_falls_silent_the_box_says_that_it_does_not_know() {
    let mut house = served();
    let later = START + FRESH + Duration::from_secs(1);
    house.handle_system(system(SystemState::Up), later);
    house.handle_network(network(true, true, false), later);
    let status = house.status();
    assert!(status.why.starts_with("The box does not know whether"), "{}", status.why);
    assert_eq!((status.internet, status.mode), (State::Unknown, Mode::Unknown));
    let states: Vec<_> = status.uplinks.iter().map(|uplink| uplink.state).collect();
    assert_eq!(states, [UplinkState::Unchecked, UplinkState::Unplugged]);
    house.handle_wan(online(), later);
    assert_eq!(house.status().light, Light::Serving, "{:?}", house.status());
}

#[test]
fn a_line_that_the_world_does_not_answer_on_is_told_from_one_without_a_cable() {
    let mut house = served();
    house.handle_network(network(true, true, false), START);
    house.handle_wan(wan(State::Offline, Health::Down, Health::Down), START);
    let states: Vec<_> = house.status().uplinks.iter().map(|uplink| uplink.state).collect();
    assert_eq!(states, [UplinkState::Silent, UplinkState::Unplugged]);
}

#[test]
fn failover_keeps_the_light_and_moves_the_uplinks() {
    let mut house = served();
    let later = START + Duration::from_secs(1);
    house.handle_network(network(true, false, true), later);
    house.handle_wan(wan(State::Degraded, Health::Down, Health::Up), later);
    let status = house.status();
    assert_eq!((status.light, status.since), (Light::Serving, START));
    let states: Vec<_> = status.uplinks.iter().map(|u| (u.state, u.since)).collect();
    assert_eq!(states, [(UplinkState::Unplugged, later), (UplinkState::InUse, later)]);
}

#[derive(Clone, Debug)]
enum Event {
    Network(bool, bool, bool),
    System(SystemState),
    Wan(State),
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
        prop_oneof![2 => Just(State::Online), 1 => Just(State::Degraded), 1 => Just(State::Offline)]
            .prop_map(Event::Wan),
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
        let (mut network_at, mut system_at, mut wan_at) = (None, None, None);
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
                Event::Wan(state) => {
                    house.handle_wan(wan(state, Health::Up, Health::Up), now);
                    wan_at = Some((now, state));
                }
                Event::Deadline => house.handle_deadline(now),
            }
            told = house.poll_status().or(told);
            prop_assert_eq!(told.as_ref(), Some(house.status()));
            prop_assert_eq!(house.poll_status(), None);
            prop_assert!(house.status().since <= now);
            if house.status().light == Light::Serving {
                let said = wan_at.expect("wan has spoken").1;
                prop_assert!(matches!(said, State::Online | State::Degraded));
                for at in [network_at, system_at, wan_at.map(|(at, _)| at)] {
                    let at = at.expect("seen");
                    prop_assert!(now.saturating_since(at) <= FRESH);
                }
            }
        }
    }
}
