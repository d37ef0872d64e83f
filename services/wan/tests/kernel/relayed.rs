//! The house goes out through a relay, and something of that fails.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::dish::{Dish, house_behind};
use crate::server::Server;
use crate::world::{World, wait_until};
use crate::{BROADBAND, STARLINK};

/// Connections of the house.
const CONNECTIONS: usize = 4;

/// Longer than the tunnel may carry nothing, shorter than a successor may.
const SLOW: Duration = Duration::from_secs(6);

/// Longest that the house is offline when its relay dies: three seconds of hope, a second for each
/// look, and what a loaded machine adds.
const WITHOUT_RELAY: Duration = Duration::from_secs(8);

/// Longest that the house is offline when its device goes.
const MOMENT: Duration = Duration::from_secs(2);

/// Longest until a relay that is back is used: a pause between two attempts, an attempt, and what a
/// loaded machine adds.
const TAKEN_UP: Duration = Duration::from_secs(5);

/// Says a word on a connection, which is then on its way until it arrives.
fn say(mut connection: &TcpStream) {
    connection.write_all(b"word").expect("it is open");
}

/// Waits for a word to come back.
fn hear(mut connection: &TcpStream) -> io::Result<()> {
    connection.read_exact(&mut [0; 4])
}

/// Waits until the program has run for so long that it may be taken over from.
fn wait_until_it_stands(world: &World) {
    let starting = || world.state().join("starting").exists();
    wait_until("it stands", starting, |starting| !starting);
}

/// A house whose way out is the relay, for so long that it may be taken over from.
fn relayed() -> Option<(World, Server, Dish)> {
    let (house, dish) = house_behind("")?;
    let server = Server::beyond(&house)?;
    let mut world = World::start(house.with_probes());
    world.join(&server.line);
    world.wait_for_main("tunnel0");
    world.wait_until_asked(&world.house.flow(), "relay");
    wait_until_it_stands(&world);
    Some((world, server, dish))
}

#[test]
fn connections_outlive_a_killed_one_although_the_next_takes_its_time() {
    let Some((mut world, server, _dish)) = relayed() else { return };
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| world.house.connection()).collect();
    world.kill(Signal::SIGKILL);
    world.give_back("signal");
    connections.iter().for_each(say);
    // As where the box is slow to start: nothing answers for longer than the tunnel has otherwise.
    server.pause();
    world.restart();
    let restarted = Instant::now();
    let main = || (world.house.main(), restarted.elapsed());
    wait_until("the house to be kept waiting", main, |(main, elapsed)| {
        assert_eq!(main.as_deref(), Some("tunnel0"), "after {elapsed:?}: another way ends all");
        *elapsed > SLOW
    });
    server.go_on();
    let heard: Vec<_> = connections.iter().map(hear).collect();
    assert!(heard.iter().all(Result::is_ok), "{heard:?}");
}

#[test]
fn a_relay_that_is_gone_costs_seconds_and_is_taken_up_again() {
    let Some((mut world, mut server, _dish)) = relayed() else { return };
    server.die();
    let died = Instant::now();
    let alone = || world.house.ask(&world.house.flow());
    wait_until("the house goes out by itself", alone, |answer| answer == STARLINK);
    let took = died.elapsed();
    assert!(took < WITHOUT_RELAY, "{took:?}");
    // What the tunnel says of its paths is no word of the uplinks now: they are asked themselves.
    wait_until("it is online", || world.numbers(), |text| text.contains("wan_online 1\n"));
    world.house.silence(STARLINK);
    world.wait_for_main(BROADBAND);
    world.house.speak(STARLINK);
    world.wait_for_main(STARLINK);

    // Killed meanwhile, it does not lead the house back into a tunnel that does not carry.
    wait_until_it_stands(&world);
    world.kill(Signal::SIGKILL);
    world.give_back("signal");
    world.restart();
    let restarted = Instant::now();
    let main = || (world.house.main(), world.words());
    wait_until("it has dialled in vain", main, |(main, words)| {
        assert_eq!(main.as_deref(), Some(STARLINK), "after {:?}", restarted.elapsed());
        words.contains("no connection over")
    });

    server.live();
    let lives = Instant::now();
    world.wait_for_main("tunnel0");
    let took = lives.elapsed();
    assert!(took < TAKEN_UP, "{took:?}");
    let new = || world.house.ask(&world.house.flow());
    wait_until("a new flow through the relay", new, |answer| answer == "relay");
}

#[test]
fn a_device_that_is_taken_away_costs_a_moment_and_comes_back() {
    let Some((mut world, _server, _dish)) = relayed() else { return };
    world.house.space.ip("link del tunnel0");
    let gone = Instant::now();
    let alone = || world.house.ask(&world.house.flow());
    wait_until("the house goes out by itself", alone, |answer| answer == STARLINK);
    let took = gone.elapsed();
    assert!(took < MOMENT, "{took:?}");
    world.wait_for_main("tunnel0");
    let new = || world.house.ask(&world.house.flow());
    wait_until("a new flow through the relay", new, |answer| answer == "relay");
}
