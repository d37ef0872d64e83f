//! The real program and the real kernel: cables that are pulled, news that is dropped, a program
//! that is killed, routes of others.
//!
//! Each test makes network namespaces of its own, so these need root in a user namespace of its
//! own, as `cargo xtask enter` gives it. Elsewhere they are skipped and say so.

mod bus;
#[path = "../../../bus/tests/private_bus/mod.rs"]
mod private_bus;
mod space;
mod world;

use std::time::Duration;

use nix::sys::signal::Signal;
use space::Space;
use world::{House, World, wait_until};

/// A house in namespaces of its own, or a word why there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn house(uplinks: &[&str]) -> Option<House> {
    match Space::allowed() {
        Ok(()) => Some(House::build(uplinks)),
        Err(reason) => {
            eprintln!("SKIPPED: {reason}; run `cargo xtask test --tier host`");
            None
        }
    }
}

const BROADBAND: &str = "broadband0";
const STARLINK: &str = "starlink0";
const CELLULAR: &str = "cellular0";

#[test]
fn a_pulled_cable_moves_new_flows_and_only_the_dead_uplink_s() {
    let Some(house) = house(&[BROADBAND, STARLINK, CELLULAR]) else { return };
    for name in [BROADBAND, STARLINK] {
        house.unplug(name);
    }
    let mut world = World::start(house);
    world.wait_for_main(CELLULAR);
    world.wait_for_firewall();
    let on_cellular = world.house.flow();
    assert_eq!(world.house.ask(&on_cellular), CELLULAR);
    world.house.plug(STARLINK);
    world.wait_for_main(STARLINK);
    let on_starlink = world.house.flow();
    assert_eq!(world.house.ask(&on_starlink), STARLINK);
    world.house.plug(BROADBAND);
    world.wait_for_main(BROADBAND);
    let on_broadband = world.house.flow();
    assert_eq!(world.house.ask(&on_broadband), BROADBAND);
    assert_eq!(world.house.ask(&on_starlink), STARLINK, "a flow keeps its uplink");
    assert_eq!(world.house.ask(&on_cellular), CELLULAR, "a flow keeps its uplink");

    let pulled = std::time::Instant::now();
    world.house.unplug(STARLINK);
    world.wait_until_asked(&on_starlink, BROADBAND);
    eprintln!("a dead uplink's flow answered elsewhere after {:?}", pulled.elapsed());
    assert_eq!(world.house.ask(&on_cellular), CELLULAR, "it was not the dead uplink's");

    let pulled = std::time::Instant::now();
    world.house.unplug(BROADBAND);
    world.wait_until_asked(&on_broadband, CELLULAR);
    eprintln!("the house answered by another uplink after {:?}", pulled.elapsed());
    let new = world.house.flow();
    assert_eq!(world.house.ask(&new), CELLULAR);
}

#[test]
fn killed_it_leaves_everything_and_started_again_it_changes_nothing() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    let flow = world.house.flow();
    assert_eq!(world.house.ask(&flow), BROADBAND);
    let before = world.house.kernel();
    world.kill(Signal::SIGKILL);
    assert_eq!(world.house.kernel(), before);
    assert_eq!(world.house.ask(&flow), BROADBAND, "the house goes on");

    // What is ours and wrong was left by the dead program, too.
    let space = &world.house.space;
    space.ip("route add default via 192.0.1.1 dev broadband0 table 7709 metric 1 proto 119");
    space.ip("rule add pref 7709 fwmark 0x900/0xff00 lookup 7709 proto 119");
    let monitor = space.monitor("route");
    world.restart();
    wait_until("what was wrong is gone", || world.house.kernel(), |kernel| *kernel == before);
    let seen = monitor.seen();
    assert!(!seen.contains("metric 77"), "a route that was right was touched: {seen}");
    assert_eq!(world.house.ask(&flow), BROADBAND);
}

#[test]
fn what_others_put_there_stays() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let space = &house.space;
    space.ip("route add 203.0.113.0/24 via 192.0.1.1 dev broadband0 metric 77 proto 42");
    space.ip("route add default via 192.0.2.1 dev starlink0 table 7750 proto 42");
    space.ip("rule add pref 7650 fwmark 0x100/0xff00 lookup main");
    space.nft("table inet theirs { set s { type ipv4_addr; elements = { 192.0.2.9 } }; }");
    let before = house.everything();
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    world.house.unplug(BROADBAND);
    world.wait_for_main(STARLINK);
    world.house.plug(BROADBAND);
    world.wait_for_main(BROADBAND);
    assert_ne!(world.house.everything(), before, "it does put something there");
    world.kill(Signal::SIGTERM);
    assert_eq!(world.house.everything(), before);
}

#[test]
fn what_is_taken_away_comes_back() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    let before = world.house.kernel();
    world.house.space.ip("route flush table all proto 119");
    world.house.space.ip("rule del pref 7701");
    let now = || world.house.kernel();
    wait_until("routes and rules are back", now, |kernel| *kernel == before);
    // The address goes and takes the routes from it along, and comes back.
    world.house.space.ip("address flush dev broadband0");
    world.wait_for_main(STARLINK);
    world.house.address(BROADBAND);
    let now = || world.house.kernel();
    wait_until("the house is back on broadband", now, |kernel| *kernel == before);
}

#[test]
fn dropped_news_is_read_again() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    world.stop();
    // Each of these is news of some 100 bytes, and the kernel keeps 200 KiB for us.
    let mut batch = String::new();
    for number in 0..6_000 {
        let (high, low) = (number / 250, number % 250);
        batch += &format!("address add 10.9.{high}.{low}/32 dev lo\n");
    }
    world.house.space.ip_batch(&batch);
    world.house.unplug(BROADBAND);
    world.go_on();
    world.wait_for_main(STARLINK);
    world.wait_for_words("came too fast");
}

#[test]
fn a_silent_uplink_is_left_and_comes_back_on_probation() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house.with_probes());
    world.wait_for_main(BROADBAND);
    world.house.silence(BROADBAND);
    world.wait_for_main(STARLINK);
    world.house.speak(BROADBAND);
    let spoke = std::time::Instant::now();
    world.wait_for_main(BROADBAND);
    assert!(spoke.elapsed() >= Duration::from_secs(3), "it was not on probation");
}

#[test]
fn a_barred_uplink_carries_nothing_of_the_house() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house.with_policy(STARLINK, "never"));
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    world.house.unplug(BROADBAND);
    let main = || world.house.main();
    wait_until("nothing carries the house", main, Option::is_none);
    let flow = world.house.flow();
    assert_eq!(world.house.ask(&flow), "", "never is never, also by others' routes");
}

#[test]
fn numbers_are_told_to_a_few_at_a_time() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    let ask = || world.numbers();
    wait_until("the numbers", ask, |text| {
        text.contains("porchlight_wan_uplink_carries{uplink=\"broadband0\"} 1")
    });
    let idle: Vec<_> = (0..20).map(|_| world.connect()).collect();
    let connections = || world.descriptors();
    let settled = world.descriptors();
    wait_until("the program's descriptors", connections, |open| *open <= settled + 4);
    drop(idle);
    let ask = || world.numbers();
    wait_until("the numbers after idlers", ask, |text| text.contains("porchlight_wan_online 1"));
}
