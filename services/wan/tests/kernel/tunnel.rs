//! The house goes out through a relay, by its dish, and the dish goes.

use nix::sys::signal::Signal;

use crate::dish::house_behind;
use crate::server::Server;
use crate::world::{House, World, wait_until};
use crate::{BROADBAND, STARLINK};

/// Packets in a burst.
const BURST: u64 = 50;

/// Packets that may be something else's: what a path's length is tried with, and copies.
const OTHERS: u64 = 10;

/// Long packets that came from the house by `name`.
fn seen(house: &House, name: &str) -> u64 {
    let text = house.beyond(name).nft_list();
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).and_then(|number| number.parse().ok()).expect("it counts")
}

/// How much of a burst of the house takes which uplink: the dish's, the cable's.
fn burst(world: &World) -> [u64; 2] {
    let before = [STARLINK, BROADBAND].map(|name| seen(&world.house, name));
    let flow = world.house.flow();
    for _ in 0..BURST {
        // Each is answered before the next: this is no test of queues.
        flow.send(&[0; 1_250]).expect("there is a route");
        let _ = flow.recv(&mut [0; 1_500]);
    }
    let after = [STARLINK, BROADBAND].map(|name| seen(&world.house, name));
    [after[0] - before[0], after[1] - before[1]]
}

/// Whether the dish's path carries what is sent over it.
fn carries(world: &World) -> bool {
    world.numbers().contains(&format!("porchlight_wan_uplink_up{{uplink=\"{STARLINK}\"}} 1\n"))
}

#[test]
fn the_tunnel_leaves_a_dish_that_goes_and_returns_to_it() {
    let Some((house, mut dish)) = house_behind("") else { return };
    let Some(server) = Server::beyond(&house) else { return };
    let mut world = World::start(house);
    world.join(&server.line);
    world.wait_for_main("tunnel0");
    let flow = world.house.flow();
    world.wait_until_asked(&flow, "relay");
    let by_dish = |[dish, cable]: &[u64; 2]| *dish >= BURST && *cable <= OTHERS;
    let by_cable = |[dish, cable]: &[u64; 2]| *cable >= BURST && *dish <= OTHERS;
    wait_until("the house goes by the dish", || burst(&world), by_dish);

    dish.replace("[[event]]\nwhat = 'reboot'\nat_s = 28\nfor_s = 2\nannounced_s = 28\n");
    // A busy machine makes paths fail; what leaves one that carries leaves it for the dish's word.
    let seen = || (carries(&world), burst(&world), carries(&world));
    let left = |seen: &(bool, [u64; 2], bool)| seen.0 && by_cable(&seen.1) && seen.2;
    wait_until("the house goes by the cable", seen, left);
    assert_eq!(world.house.main().as_deref(), Some("tunnel0"));

    dish.replace("");
    wait_until("the house goes by the dish again", || burst(&world), by_dish);
}

#[test]
fn a_killed_one_leaves_the_tunnel_and_one_that_keeps_falling_does_not() {
    let Some((house, _dish)) = house_behind("") else { return };
    let Some(server) = Server::beyond(&house) else { return };
    let mut world = World::start(house);
    world.join(&server.line);
    world.wait_for_main("tunnel0");
    let stands = || world.state().join("starting").exists();
    wait_until("it stands", stands, |starting| !starting);
    world.kill(Signal::SIGKILL);
    assert_eq!(world.house.main().as_deref(), Some("tunnel0"), "its successor will serve it");
    world.give_back("signal");
    assert_eq!(world.house.main().as_deref(), Some("tunnel0"));

    world.restart();
    let flow = world.house.flow();
    world.wait_until_asked(&flow, "relay");
    world.kill(Signal::SIGKILL);
    assert_eq!(world.house.main().as_deref(), Some("tunnel0"));
    world.restart();
    world.wait_for_words("fell at once");

    // The tunnel carries again, and is then what new flows take: one that began before it did keeps
    // its uplink.
    world.wait_for_main("tunnel0");
    let new = || world.house.ask(&world.house.flow());
    wait_until("a new flow through the relay", new, |answer| answer == "relay");
    world.kill(Signal::SIGKILL);
    world.give_back("exit-code");
    assert_ne!(world.house.main().as_deref(), Some("tunnel0"), "it will not be there again");
}
