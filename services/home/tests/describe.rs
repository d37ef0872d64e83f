//! What is read from networkd's description of the links.
//!
//! `data/networkd-257.json` is what systemd-networkd 257 of Debian 13 answered in a namespace with
//! three links: a home port with an address, a broadband port with a static address and two
//! default routes, and a Starlink port whose other end was down.

use home::describe::parse;
use home::port::{Port, Role};
use home::reading::{LinkState, NetworkReading};
use home::uplink::{UplinkState, state};
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
    assert!(broadband.leads_out);
    let home = reading.link(ports[0].name);
    assert_eq!((home.state, home.leads_out), (LinkState::Addressed, false));
    let found = ports[1..].iter().map(|port| state(*port, Some(&reading), None));
    let found: Vec<UplinkState> = found.collect();
    assert_eq!(found, [UplinkState::Unchecked, UplinkState::Unplugged, UplinkState::Missing]);
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
    ports.iter().map(|port| state(*port, Some(&reading), None)).collect()
}

#[test]
fn an_address_and_a_route_are_not_yet_the_internet() {
    use UplinkState::{Connecting, Unchecked, Unknown, Unplugged};
    assert_eq!(two_uplinks("routable 100", "routable v6"), [Unchecked, Unchecked]);
    assert_eq!(two_uplinks("routable", "routable 200"), [Connecting, Unchecked]);
    // A route that a dead link has left behind carries nothing.
    assert_eq!(two_uplinks("no-carrier 100", "routable 200"), [Unplugged, Unchecked]);
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
