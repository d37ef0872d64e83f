//! What is read from networkd's description of the links.
//!
//! `data/networkd-257.json` is what systemd-networkd 257 of Debian 13 answered in a namespace with
//! three links: a home port with an address, a broadband port with a static address and two
//! default routes, and a Starlink port whose other end was down.

use home::describe::parse;
use home::port::{Port, Role};
use home::reading::{LinkState, NetworkReading, Preference};
use home::uplink::{UplinkState, states};
use proptest::prelude::*;
use units::PortName;

fn port(role: Role, name: &str) -> Port {
    Port { role, name: PortName::try_new(name).expect("a name") }
}

#[test]
fn a_real_description_is_understood() {
    let reading = parse(include_str!("data/networkd-257.json")).unwrap();
    let ports = [
        port(Role::Lan, "lan0"),
        port(Role::Broadband, "broadband0"),
        port(Role::Starlink, "starlink0"),
        port(Role::Starlink, "starlink1"),
    ];
    let broadband = reading.link(ports[1].name);
    assert_eq!(broadband.state, LinkState::Addressed);
    assert_eq!(broadband.default_route, Some(Preference::of_ipv4(0)), "the better of two");
    assert_eq!(reading.link(ports[0].name).state, LinkState::Addressed);
    let found: Vec<UplinkState> = states(&ports, &reading).into_iter().map(|(_, s)| s).collect();
    assert_eq!(found, [UplinkState::InUse, UplinkState::Unplugged, UplinkState::Missing]);
}

fn two_uplinks(broadband: &str, starlink: &str) -> Vec<UplinkState> {
    let route = |family: u8, metric: &str| {
        format!(
            r#"{{"Family":{family},"DestinationPrefixLength":0,"Priority":{metric},"Table":254,
                 "TypeString":"unicast"}}"#
        )
    };
    let link = |name: &str, what: &str| {
        let (state, routes) = match what.split_once(' ') {
            Some((state, "v6")) => (state, route(10, "1024")),
            Some((state, metric)) => (state, route(2, metric)),
            None => (what, String::new()),
        };
        format!(r#"{{"Name":"{name}","OperationalState":"{state}","Routes":[{routes}]}}"#)
    };
    let json = format!(
        r#"{{"Interfaces":[{},{}]}}"#,
        link("broadband0", broadband),
        link("starlink0", starlink)
    );
    let ports = [port(Role::Broadband, "broadband0"), port(Role::Starlink, "starlink0")];
    let reading = parse(&json).expect("the test writes JSON");
    states(&ports, &reading).into_iter().map(|(_, state)| state).collect()
}

#[test]
fn the_preferred_route_is_in_use_and_the_other_ready() {
    use UplinkState::{Connecting, InUse, Ready, Unknown, Unplugged};
    assert_eq!(two_uplinks("routable 100", "routable 200"), [InUse, Ready]);
    assert_eq!(two_uplinks("routable 300", "routable 200"), [Ready, InUse]);
    assert_eq!(two_uplinks("routable 100", "routable 100"), [InUse, Ready]);
    assert_eq!(two_uplinks("routable v6", "routable 4000000000"), [Ready, InUse]);
    assert_eq!(two_uplinks("routable v6", "no-carrier"), [InUse, Unplugged]);
    assert_eq!(two_uplinks("routable", "routable 200"), [Connecting, InUse]);
    // A route that a dead link has left behind carries nothing.
    assert_eq!(two_uplinks("no-carrier 100", "routable 200"), [Unplugged, InUse]);
    assert_eq!(two_uplinks("degraded 100", "carrier"), [Connecting, Connecting]);
    assert_eq!(two_uplinks("a-new-word", "off"), [Unknown, Unplugged]);
}

#[test]
fn a_description_without_links_has_no_links() {
    assert_eq!(parse(r#"{"Interfaces":[]}"#).unwrap(), NetworkReading::default());
}

#[test]
fn links_that_are_not_ours_are_passed_over() {
    let reading = parse(r#"{"Interfaces":[{"Name":"weird name"},{"Name":"lan0"}]}"#).unwrap();
    assert_eq!(reading.0.len(), 1);
    assert_eq!(reading.0[0].state, LinkState::Unknown);
}

#[test]
fn what_is_not_a_description_is_an_error() {
    for json in ["", "{}", "[]", r#"{"Interfaces":[{}]}"#, r#"{"Interfaces":[{"Name":7}]}"#, "{"] {
        assert!(parse(json).is_err(), "{json} was taken");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = parse(&text);
        let _ = parse(&format!(r#"{{"Interfaces":[{{"Name":"lan0","Routes":[{text}]}}]}}"#));
    }
}
