//! The simulated world around a plain Linux router: does the world itself do what it says?
//!
//! Needs root in a user namespace of its own, `/dev/net/tun` and the tools root; see README.md.
//! Each test builds a world of its own, so they may run side by side.

mod cables;
mod contenders;
mod faults;
mod household;
mod meter;
mod replay;

use std::time::Duration;

use qemu_tests::wait::wait_until;
use qemu_tests::world::{BoxKind, FetchReport, Router, Scenario, World};

/// Time for anything that should happen; a machine at full load included.
const DEADLINE: Duration = Duration::from_secs(30);
/// Time after which something that must not happen has not.
const BRIEFLY: Duration = Duration::from_secs(3);
/// A page of the internet.
const PAGE: &str = "http://web.internet.test/hello";

/// A world with a router and a client that has its lease.
struct House {
    // Ends first: it runs in the world.
    router: Router,
    world: World,
}

fn house(scenario: &str) -> House {
    let house = house_without_client(shipped(scenario));
    let lease = house.world.client().lease(DEADLINE);
    lease.unwrap_or_else(|error| panic!("{error:#}\n{}", house.world.dump()));
    house
}

/// A scenario that comes with the program.
fn shipped(name: &str) -> Scenario {
    Scenario::load(name).expect("the tests know the names of scenarios")
}

/// A world with a router; nobody has asked it for anything.
fn house_without_client(scenario: Scenario) -> House {
    let world = World::build(scenario, BoxKind::Namespace);
    let world = world.unwrap_or_else(|error| panic!("no world: {error:#}"));
    let router = Router::start(world.box_namespace().expect("asked for"));
    let router = router.unwrap_or_else(|error| panic!("{error:#}\n{}", world.dump()));
    House { router, world }
}

impl House {
    /// The box's namespace.
    fn space(&self) -> &qemu_tests::world::Namespace {
        self.world.box_namespace().expect("these worlds are built around a namespace")
    }

    /// Fetches the page until it comes and `accept` takes it.
    fn fetch_until(&self, what: &str, accept: impl Fn(&FetchReport) -> bool) -> FetchReport {
        let fetch = || self.world.client().fetch(PAGE, BRIEFLY).ok().filter(&accept);
        wait_until(what, DEADLINE, || self.world.dump(), fetch)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}
