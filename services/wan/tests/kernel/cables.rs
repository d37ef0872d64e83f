//! Cables that are pulled, providers that fall silent, news that is dropped.

use std::time::{Duration, Instant};

use crate::world::{World, wait_until};
use crate::{BROADBAND, CELLULAR, STARLINK, house};

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

    let pulled = Instant::now();
    world.house.unplug(STARLINK);
    world.wait_until_asked(&on_starlink, BROADBAND);
    eprintln!("a dead uplink's flow answered elsewhere after {:?}", pulled.elapsed());
    assert_eq!(world.house.ask(&on_cellular), CELLULAR, "it was not the dead uplink's");

    let pulled = Instant::now();
    world.house.unplug(BROADBAND);
    world.wait_until_asked(&on_broadband, CELLULAR);
    eprintln!("the house answered by another uplink after {:?}", pulled.elapsed());
    let new = world.house.flow();
    assert_eq!(world.house.ask(&new), CELLULAR);
}

#[test]
fn another_router_is_taken_when_a_route_is_replaced() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    let space = &world.house.space;
    // As the network manager does it when the provider moves its router.
    space.ip("route replace default via 192.0.1.9 dev broadband0 metric 100");
    let main = || world.house.space.ip("route show default proto 119 table main");
    wait_until("the other router", main, |main| main.contains("via 192.0.1.9"));
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
    let spoke = Instant::now();
    world.wait_for_main(BROADBAND);
    assert!(spoke.elapsed() >= Duration::from_secs(3), "it was not on probation");
}

#[test]
fn a_barred_uplink_carries_nothing_of_the_house() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house.with_policy(STARLINK, "never"));
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    // As the network manager does it: what is left leads over the barred uplink.
    world.house.unplug(BROADBAND);
    world.house.space.ip("address flush dev broadband0");
    let main = || world.house.main();
    wait_until("nothing carries the house", main, Option::is_none);
    let flow = world.house.flow();
    assert_eq!(world.house.ask(&flow), "", "never is never, also by others' routes");
}

#[test]
fn both_families_move_and_each_goes_where_it_can() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    let mut world = World::start(house);
    world.wait_for_main(BROADBAND);
    world.wait_for_firewall();
    let (old, new) = (world.house.flow(), world.house.flow_v6());
    world.wait_until_asked(&old, BROADBAND);
    world.wait_until_asked(&new, BROADBAND);
    // Broadband loses IPv6 alone: IPv4 stays where it is.
    world.house.space.ip("-6 route del default dev broadband0 metric 100");
    world.wait_until_asked(&world.house.flow_v6(), STARLINK);
    assert_eq!(world.house.ask(&old), BROADBAND);
    world.house.unplug(BROADBAND);
    world.wait_until_asked(&old, STARLINK);
    world.wait_until_asked(&new, STARLINK);
}

#[test]
fn a_provider_that_answers_for_everybody_is_left_until_it_stops() {
    let Some(house) = house(&[BROADBAND, STARLINK]) else { return };
    house.portal(BROADBAND, true);
    let mut world = World::start(house.with_page());
    world.wait_for_main(STARLINK);
    world.house.portal(BROADBAND, false);
    world.wait_for_main(BROADBAND);
    // Where there is nothing else, even a portal is better: somebody may sign in through it.
    world.house.unplug(STARLINK);
    world.house.portal(BROADBAND, true);
    assert_eq!(world.house.main().as_deref(), Some(BROADBAND));
}
