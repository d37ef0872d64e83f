//! What a dish says moves its uplink down in the order, and never out of it.

use std::time::Duration;

use starlink::dish::{Advice, Api, Disablement, DishReport, DishState, DishView};
use starlink::dish::{Drain, DrainReason, History};
use wan::caps::Limit;
use wan::direct::Why;
use wan::direct::health::Health;
use wan::direct::probe::{Outcome, Probe, Question};
use wan::gateway::Gateway;
use wan::uplink::{Device, Policy};

use super::{BROADBAND, SERVER, STARLINK, at, carrier, device, gateway, health};

/// A box that goes out by its dish.
fn behind_a_dish() -> Gateway {
    let mut gateway = gateway();
    gateway.handle_policy(STARLINK, Policy::Primary, at(0));
    gateway.handle_policy(BROADBAND, Policy::Backup, at(0));
    gateway.handle_cap(STARLINK, None, at(0));
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    while gateway.poll_switch().is_some() {}
    gateway
}

/// The dish says at `now` that it is well, but for `drain` and `advice`.
fn says(gateway: &mut Gateway, drain: Option<Drain>, advice: Advice, now: u64) {
    let view = DishView {
        at: at(now),
        hardware: None,
        software: None,
        uptime: None,
        state: DishState::Connected,
        obstructed: None,
        obstructed_share: None,
        latency: None,
        lost_share: None,
        power: None,
        alerts: Vec::new(),
        history: History::default(),
        sky: None,
        drain,
        advice,
    };
    let report = DishReport { api: Api::Answering, view: Some(view) };
    gateway.handle_dish(STARLINK, &report, at(now));
}

fn restart(from: u64) -> Option<Drain> {
    let until = at(from) + Duration::from_secs(500);
    Some(Drain { from: at(from), until, why: DrainReason::Reboot })
}

/// What the tunnel is told of an uplink: how it may be used, and whether sparingly.
fn allowed(gateway: &Gateway, place: usize) -> (Policy, bool) {
    let allowance = gateway.status().uplinks[place].allowance;
    (allowance.policy, allowance.sparing)
}

fn said_why(gateway: &Gateway) -> Vec<String> {
    gateway.decisions().map(|d| format!("{}, because {}", d.action, d.cause)).collect()
}

#[test]
fn a_planned_restart_moves_the_house_before_and_back_after() {
    let mut gateway = behind_a_dish();
    says(&mut gateway, restart(100), Advice::default(), 10);
    assert_eq!(carrier(&gateway), Some(device(STARLINK)), "there is time");
    assert_eq!(allowed(&gateway, 1), (Policy::Primary, false));
    while gateway.poll_probe(at(10)).is_some() {}
    assert_eq!(gateway.next_deadline(), Some(at(40)), "its numbers age");
    gateway.handle_deadline(at(100));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)), "also to a backup");
    assert_eq!(allowed(&gateway, 1), (Policy::Never, false), "what is under way leaves, too");
    assert_eq!(gateway.status().uplinks[1].uplink.policy, Policy::Primary, "the owner's word");
    assert_eq!(health(&gateway, STARLINK), Health::Up, "nothing is wrong with it yet");
    assert_eq!(gateway.poll_switch().map(|switch| switch.why), Some(Why::Dish));
    let why = said_why(&gateway);
    let expected = "starlink0 carries only when nothing else does, because the dish of starlink0 \
                    is about to restart for an update";
    assert!(why.iter().any(|said| said == expected), "{why:#?}");

    says(&mut gateway, None, Advice::default(), 300);
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    assert_eq!(allowed(&gateway, 1), (Policy::Primary, false));
    let why = said_why(&gateway);
    assert!(why.iter().any(|said| said.starts_with("starlink0 carries as before")), "{why:#?}");
}

#[test]
fn a_dish_that_leaves_carries_while_nothing_else_works() {
    let mut gateway = behind_a_dish();
    says(&mut gateway, restart(10), Advice::default(), 10);
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
    let probe = Probe { link: BROADBAND, question: Question::Server(SERVER) };
    for _ in 0..3 {
        gateway.handle_outcome(&probe, Outcome::Silence, at(11));
    }
    assert_eq!(health(&gateway, BROADBAND), Health::Down);
    assert_eq!(carrier(&gateway), Some(device(STARLINK)), "it has not gone yet");
    assert_eq!(allowed(&gateway, 1).0, Policy::Backup);
    gateway.handle_outcome(&probe, Outcome::Answered(Duration::from_millis(9)), at(12));
    gateway.handle_deadline(at(16));
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
    assert_eq!(allowed(&gateway, 1).0, Policy::Never);
}

#[test]
fn the_tunnel_is_not_said_to_go_by_a_dish_that_leaves() {
    let mut gateway = behind_a_dish();
    gateway.handle_tunnel(Some(Device(77)), at(1));
    for link in [BROADBAND, STARLINK] {
        let up = Some(Health::Up);
        let report =
            wan::gateway::PathReport { health: up, ..wan::gateway::PathReport::none(link) };
        gateway.handle_path(report, at(1));
    }
    assert_eq!(gateway.status().active, [STARLINK, BROADBAND]);
    says(&mut gateway, restart(10), Advice::default(), 10);
    assert_eq!(gateway.status().active, [BROADBAND]);
    assert_eq!(carrier(&gateway), Some(Device(77)), "the tunnel itself stays");
}

#[test]
fn a_metered_plan_spares_the_uplink_and_leaves_the_owner_s_word() {
    let mut gateway = behind_a_dish();
    let metered = Advice { metered: true, ..Advice::default() };
    says(&mut gateway, None, metered, 10);
    assert_eq!(carrier(&gateway), Some(device(STARLINK)));
    assert_eq!(allowed(&gateway, 1), (Policy::Primary, true));
    let uplink = &gateway.status().uplinks[1];
    assert!(!uplink.uplink.metered, "the owner's word");
    assert_eq!(uplink.standing.limit, Limit::Free, "the cap's word");
    assert_eq!(allowed(&gateway, 0), (Policy::Backup, false));
    says(&mut gateway, None, Advice::default(), 11);
    assert_eq!(allowed(&gateway, 1), (Policy::Primary, false));
}

#[test]
fn a_shut_account_is_a_last_resort_and_never_stays_never() {
    let mut gateway = behind_a_dish();
    let disabled = Some(Disablement::NoActiveAccount);
    says(&mut gateway, None, Advice { disabled, ..Advice::default() }, 10);
    assert_eq!(carrier(&gateway), Some(device(BROADBAND)));
    gateway.handle_policy(BROADBAND, Policy::Never, at(11));
    assert_eq!(carrier(&gateway), Some(device(STARLINK)), "packets may pass all the same");
    assert_eq!(allowed(&gateway, 1).0, Policy::Backup);
    gateway.handle_policy(STARLINK, Policy::Never, at(12));
    assert_eq!(carrier(&gateway), None);
    assert_eq!(allowed(&gateway, 1).0, Policy::Never);
}
