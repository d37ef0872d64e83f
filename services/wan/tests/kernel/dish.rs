//! A dish that restarts, counts bytes, hangs or talks nonsense, and the way out beside it.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use bus::wan::{DrainReason, UplinkStatus, WanStatus};
use nix::sys::signal::Signal;
use tempfile::NamedTempFile;

use crate::bus::{policy_file, read_until};
use crate::private_bus::PrivateBus;
use crate::space::Space;
use crate::world::{House, World, wait_until};
use crate::{BROADBAND, STARLINK, house};

/// Where the dish answers, in the provider's namespace: the box has a route of its own there.
const DISH: &str = "192.168.100.1";

/// The same as the kernel lists it: the address in the machine's order, the port.
const DISH_LISTED: &str = "0164A8C0:23F0";

/// A simulated dish.
pub(crate) struct Dish {
    process: Child,
    script: NamedTempFile,
    space: Space,
}

impl Dish {
    /// Puts a dish with this script beyond the house's uplink; or says why there is none.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn beyond(space: &Space, script: &str) -> Option<Self> {
        let program = program();
        if !program.exists() {
            eprintln!("SKIPPED: no dish-sim; run `cargo build -p starlink --bin dish-sim`");
            return None;
        }
        let file = NamedTempFile::new().expect("there is a temporary folder");
        std::fs::write(file.path(), script).expect("it is ours");
        let process = start(space, &program, file.path());
        Some(Self { process, script: file, space: space.clone() })
    }

    /// Begins another life with this script.
    pub(crate) fn replace(&mut self, script: &str) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        std::fs::write(self.script.path(), script).expect("it is ours");
        self.process = start(&self.space, &program(), self.script.path());
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_wan")).with_file_name("dish-sim")
}

fn start(space: &Space, program: &Path, script: &Path) -> Child {
    let mut command = space.command(program.to_str().expect("a path of ours"));
    command.args(["--listen", &format!("{DISH}:9200"), "--script"]).arg(script);
    command.stdout(Stdio::null()).spawn().expect("it is built")
}

impl Drop for Dish {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A house that goes out by a dish with this script, and by a cable where that does not.
pub(crate) fn house_behind(script: &str) -> Option<(House, Dish)> {
    let house = house(&[STARLINK, BROADBAND])?;
    let provider = house.beyond(STARLINK);
    provider.ip(&format!("address add {DISH}/32 dev lo"));
    let dish = Dish::beyond(provider, script)?;
    Some((house, dish))
}

/// Connections that the box has with its dish.
fn connections(house: &House) -> usize {
    let listed =
        || std::fs::read_to_string("/proc/thread-self/net/tcp").expect("the kernel has it");
    let established = |line: &&str| line.contains(&format!("{DISH_LISTED} 01 "));
    house.space.run(listed).lines().filter(established).count()
}

fn starlink(status: &WanStatus) -> &UplinkStatus {
    let uplink = status.uplinks.iter().find(|uplink| uplink.name == STARLINK);
    uplink.expect("there is one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_planned_restart_is_left_before_and_returned_to() {
    let Some((house, mut dish)) = house_behind("") else { return };
    let bus = PrivateBus::start(&[], Some((&policy_file(), "wan")));
    let mut world = World::start_on(house, Some(bus.address()));
    let reader = bus.connect().await;
    world.wait_for_main(STARLINK);
    world.wait_for_firewall();
    let old = world.house.flow();
    assert_eq!(world.house.ask(&old), STARLINK);
    let draws = |status: &WanStatus| starlink(status).draw_milliwatts > 50_000;
    let status = read_until(&reader, "what the dish draws", draws).await;
    assert_eq!(starlink(&status).planned_drain, 0, "nothing is announced yet");

    dish.replace("[[event]]\nwhat = 'reboot'\nat_s = 8\nfor_s = 2\nannounced_s = 8\n");
    world.wait_for_main(BROADBAND);
    assert_eq!(world.house.ask(&world.house.flow()), BROADBAND);
    assert_eq!(world.house.ask(&old), STARLINK, "it may end by itself");
    let planned = |status: &WanStatus| starlink(status).planned_drain > 0;
    let status = read_until(&reader, "the plan", planned).await;
    assert_eq!(starlink(&status).drain_reason, DrainReason::Reboot);
    assert_eq!(starlink(&status).health, bus::wan::Health::Up, "its word is no evidence");
    assert_eq!(starlink(&status).policy, bus::wan::Policy::Primary, "the owner's word");
    let decisions = bus::wan::read_decisions(&reader).await.expect("allowed");
    let cause = format!("the dish of {STARLINK} is about to restart for an update");
    assert!(decisions.iter().any(|decision| decision.cause == cause), "{decisions:#?}");

    world.wait_for_main(STARLINK);
    let over = |status: &WanStatus| starlink(status).planned_drain == 0;
    let status = read_until(&reader, "the end of the plan", over).await;
    assert_eq!(starlink(&status).drain_reason, DrainReason::None);
    assert_eq!(world.house.ask(&world.house.flow()), STARLINK);
}

#[test]
fn a_hot_dish_and_one_with_a_shut_account_carry_when_nothing_else_does() {
    let Some((house, mut dish)) = house_behind("") else { return };
    let mut world = World::start(house);
    world.wait_for_main(STARLINK);
    // Off for heat in the second half of its event; the account is shut at once.
    for (what, for_s) in [("thermal", 20), ("disabled", 3600)] {
        dish.replace(&format!("[[event]]\nwhat = '{what}'\nat_s = 0\nfor_s = {for_s}\n"));
        world.wait_for_main(BROADBAND);
        dish.replace("");
        world.wait_for_main(STARLINK);
    }
    dish.replace("[[event]]\nwhat = 'disabled'\nat_s = 0\nfor_s = 3600\n");
    world.wait_for_main(BROADBAND);
    world.house.unplug(BROADBAND);
    world.wait_for_main(STARLINK);
}

#[test]
fn a_dish_that_is_broken_changes_nothing() {
    for what in ["hung", "garbage", "nonsense", "huge", "dead", "absurd"] {
        let script = format!("[[event]]\nwhat = '{what}'\nat_s = 0\nfor_s = 3600\n");
        let Some((house, _dish)) = house_behind(&script) else { return };
        let mut world = World::start(house.with_probes());
        world.wait_for_main(STARLINK);
        world.wait_for_firewall();
        let (before, flow) = (world.house.kernel(), world.house.flow());
        assert_eq!(world.house.ask(&flow), STARLINK);
        world.wait_for_words(if what == "absurd" { "the dish answers" } else { "was asked for" });
        let numbers = world.numbers();
        for expected in ["up", "carries"].map(|name| number(name, STARLINK, 1)) {
            assert!(numbers.contains(&expected), "{what}: {expected} is not in {numbers}");
        }
        for expected in ["last_resort", "sparing"].map(|name| number(name, STARLINK, 0)) {
            assert!(numbers.contains(&expected), "{what}: {expected} is not in {numbers}");
        }
        assert_eq!(world.house.kernel(), before, "{what}");
        assert_eq!(world.house.ask(&flow), STARLINK, "{what}");
        world.kill(Signal::SIGTERM);
    }
}

#[test]
fn a_plan_that_counts_bytes_is_spared_and_a_lost_uplink_s_dish_not_asked() {
    let Some((house, _dish)) = house_behind("metered = true\n") else { return };
    let mut world = World::start(house);
    world.wait_for_main(STARLINK);
    let numbers = || world.numbers();
    let spared = number("sparing", STARLINK, 1);
    wait_until("its bytes are spared", numbers, |numbers| numbers.contains(&spared));
    let numbers = world.numbers();
    assert!(numbers.contains(&number("sparing", BROADBAND, 0)), "{numbers}");
    assert!(numbers.contains(&number("last_resort", STARLINK, 0)), "{numbers}");
    assert_eq!(world.house.main().as_deref(), Some(STARLINK));
    assert_eq!(connections(&world.house), 1);

    // The cable stays in and the dish would still answer: only the way on is gone.
    world.house.space.ip("route del default dev starlink0 metric 100");
    world.house.space.ip("-6 route del default dev starlink0 metric 100");
    world.wait_for_main(BROADBAND);
    wait_until("nobody asks", || connections(&world.house), |open| *open == 0);
    world.house.space.ip("route add default via 192.0.1.1 dev starlink0 metric 100");
    wait_until("it is asked again", || connections(&world.house), |open| *open == 1);
}

/// A line of the numbers.
fn number(name: &str, uplink: &str, value: u8) -> String {
    format!("porchlight_wan_uplink_{name}{{uplink=\"{uplink}\"}} {value}\n")
}
