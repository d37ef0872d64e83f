//! Serves the page on loopback over a house of its own, to be looked at in a browser.
//!
//! `cargo run -p home --example look -- [HOME-PROGRAM]`, then type one of the words it prints to
//! change the house. Ends with its input.

#[path = "../tests/fakes/mod.rs"]
mod fakes;

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;

use bus::wan::{Health, State};
use fakes::{Home, World};

const WORDS: &str =
    "well  starlink  broadband  offline  silent  portal  unsure  dark  searching  failed  starting";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::start());
    let program = std::env::args().nth(1).unwrap_or_else(built_beside);
    runtime.block_on(change(&world, std::env::args().nth(2).as_deref().unwrap_or("well")));
    let home = Home::start(&world, &program, None);
    let mut out = stdout();
    let said = writeln!(out, "http://{}/\n{WORDS}", home.address).and_then(|()| out.flush());
    said.expect("stdout takes a line");
    for word in stdin().lock().lines().map_while(Result::ok) {
        runtime.block_on(change(&world, word.trim()));
    }
}

/// `target/debug/home`, seen from `target/debug/examples/look`.
fn built_beside() -> String {
    let own = std::env::current_exe().expect("this program has a path");
    let beside: PathBuf =
        own.ancestors().skip(2).take(1).map(|folder| folder.join("home")).collect();
    beside.display().to_string()
}

async fn change(world: &World, word: &str) {
    use Health::{Captive, Down, Up};
    let up = ("routable", "routable 100", "routable 200");
    let (system, failed, (lan, broadband, starlink)): (_, &[&str], _) = match word {
        "starlink" => ("running", &[], (up.0, "no-carrier", up.2)),
        "broadband" => ("running", &[], (up.0, up.1, "carrier")),
        "offline" => ("running", &[], (up.0, "no-carrier", "carrier")),
        "dark" => ("running", &[], (up.0, "missing", "missing")),
        "searching" => ("running", &[], (up.0, "carrier", "carrier")),
        "failed" => ("degraded", &["chrony.service"], up),
        "starting" => ("starting", &[], up),
        _ => ("running", &[], up),
    };
    world.say_system(system, failed);
    world.say_links(lan, broadband, starlink).await;
    let (state, broadband, starlink) = match word {
        "starlink" => (State::Degraded, Down, Up),
        "broadband" => (State::Degraded, Up, Down),
        "offline" | "silent" | "dark" | "searching" => (State::Offline, Down, Down),
        "portal" => (State::Captive, Down, Captive),
        _ => (State::Online, Up, Up),
    };
    if word == "unsure" {
        world.lose_wan().await;
    } else {
        world.say_wan(state, broadband, starlink).await;
    }
}
