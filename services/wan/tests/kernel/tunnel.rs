//! The house goes out through a relay, by its dish, and the dish goes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::dish::house_behind;
use crate::space::Space;
use crate::world::{House, WORLD, World, answer, wait_until};
use crate::{BROADBAND, STARLINK};

/// Where the relay listens.
const RELAY: &str = "203.0.113.1";

/// Packets in a burst.
const BURST: u64 = 50;

/// Packets that may be something else's: what a path's length is tried with, and copies.
const OTHERS: u64 = 10;

/// A rented server with a relay, and the world beyond.
struct Server {
    relay: Child,
    /// What lets a box in.
    line: String,
    _state: TempDir,
    _space: Space,
}

impl Server {
    /// Puts one beyond both providers; or says why there is none.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn beyond(house: &House) -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_wan")).with_file_name("relay");
        if !program.exists() {
            eprintln!("SKIPPED: no relay; run `cargo build -p relay`");
            return None;
        }
        let space = Space::create();
        space.ip(&format!("address add {RELAY}/32 dev lo"));
        space.ip(&format!("address add {}/32 dev lo", WORLD.ip()));
        answer(&space, "relay", WORLD);
        for (place, name) in (1..).zip([STARLINK, BROADBAND]) {
            let provider = house.beyond(name);
            provider.sysctl("net/ipv4/ip_forward", "1");
            let there = space.path();
            provider.ip(&format!("link add net type veth peer name net{place} netns {there}"));
            provider.ip("link set net up");
            provider.ip(&format!("address add 10.99.{place}.1/24 dev net"));
            space.ip(&format!("link set net{place} up"));
            space.ip(&format!("address add 10.99.{place}.2/24 dev net{place}"));
            provider.ip(&format!("route add {RELAY}/32 via 10.99.{place}.2"));
            space.ip(&format!("route add 192.0.{place}.0/24 via 10.99.{place}.1"));
            // What is this long is the house's; what the tunnel says for itself is shorter.
            provider.nft(
                "table ip seen { counter long { }; chain c { type filter hook prerouting priority \
                 raw; iifname customer udp length > 1200 counter name long; }; }",
            );
        }
        let state = tempfile::tempdir().expect("there is a temporary folder");
        // First, so that there is one key: both make it where there is none.
        let line = enrol(&program, state.path());
        let mut command = space.command(program.to_str().expect("a path of ours"));
        command.args(["serve", "--listen", &format!("{RELAY}:443"), "--state"]).arg(state.path());
        let relay = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let relay = relay.expect("it is built");
        Some(Self { relay, line, _state: state, _space: space })
    }
}

/// The line that lets a box in.
fn enrol(program: &Path, state: &Path) -> String {
    let mut command = Command::new(program);
    command.args(["enroll", "--address", &format!("{RELAY}:443"), "--state"]);
    let output = command.arg(state).arg("house").output().expect("it is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.relay.kill();
        let _ = self.relay.wait();
    }
}

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

    // The tunnel carries again, and is then what new flows take.
    world.wait_for_main("tunnel0");
    world.wait_until_asked(&world.house.flow(), "relay");
    world.kill(Signal::SIGKILL);
    world.give_back("exit-code");
    assert_ne!(world.house.main().as_deref(), Some("tunnel0"), "it will not be there again");
}
