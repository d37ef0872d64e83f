//! The real program and the real kernel: cables that are pulled, news that is dropped, a program
//! that is killed, routes of others.
//!
//! Each test makes network namespaces of its own, so these need root in a user namespace of its
//! own, as `cargo xtask enter` gives it. Elsewhere they are skipped and say so.

mod bus;
mod cables;
mod dish;
#[path = "../../../bus/tests/private_bus/mod.rs"]
mod private_bus;
mod relayed;
mod server;
mod space;
mod survival;
mod tunnel;
mod world;

use space::Space;
use world::House;

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
