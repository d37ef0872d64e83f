//! A program that is killed, routes that are stolen, routes of others, readers that stay.

use nix::sys::signal::Signal;

use crate::world::{World, wait_until};
use crate::{BROADBAND, STARLINK, house};

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
    assert!(!world.state().join("starting").exists(), "who is asked to stop has not fallen");
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

/// More than is counted before the counters are written.
const MUCH: usize = 70 << 20;

/// Sends so much by one uplink that the counters are written.
fn send_much(world: &World) {
    let flow = world.house.flow();
    let datagram = vec![0; 60_000];
    for _ in 0..MUCH / datagram.len() {
        // Who has no room for it now will have some for the next.
        let _ = flow.send(&datagram);
    }
}

#[test]
fn a_full_disk_stops_nothing_and_is_told_once() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start_on_disk(house, 64);
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    let (counters, filler) = (world.state().join("usage.json"), world.state().join("filler"));
    let mut file = std::fs::File::create(&filler).expect("it has room yet");
    // Ends when there is no room left.
    let full = std::io::copy(&mut std::io::repeat(7), &mut file);
    assert_eq!(full.expect_err("it is full").kind(), std::io::ErrorKind::StorageFull);
    let told = |world: &World| world.words().matches("the counters are not on disk").count();
    let refused = || (send_much(&world), told(&world)).1;
    wait_until("the counters to be refused", refused, |told| *told == 1);

    world.house.unplug(BROADBAND);
    world.wait_for_main(STARLINK);
    let before = counted(&world, STARLINK);
    let more = || (send_much(&world), counted(&world, STARLINK)).1;
    wait_until("more to be counted", more, |now| *now > before + 3 * MUCH as u64);
    assert_eq!(told(&world), 1, "it has been told");

    // The room is free when nobody has it open.
    drop(file);
    std::fs::remove_file(filler).expect("it is ours");
    let written = || (send_much(&world), world.words()).1;
    wait_until("room again", written, |words| words.contains("on disk again"));
    assert!(counters.exists());
}

/// Bytes that went out by `name`, of what the program tells.
fn counted(world: &World, name: &str) -> u64 {
    let text = world.numbers();
    let of = format!("{{uplink=\"{name}\"}}");
    let lines = text.lines().filter(|line| line.contains("bytes_total") && line.contains(&of));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).max().unwrap_or(0)
}
