//! `cargo xtask test`: every test, in tiers from cheap to dear, and how long each tier took.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command_line::{Repro, Test, Tier, Which};
use crate::output::{say, spoken, step, warn};
use crate::packages::{self, Places};
use crate::{image, relay, repro, tidy, tools_root, world};

/// What the boot tests boot.
const IMAGES: [(&str, &str); 3] =
    [("qemu-x86_64", "gateway"), ("qemu-x86_64", "dev"), ("generic-x86_64", "gateway")];

/// Test programs that run inside the tools root.
const TOOLS_ROOT_TESTS: [&str; 3] = ["world", "boot_machine", "boot"];

/// Runs the tiers asked for, or all.
///
/// # Errors
/// The first check that fails; the tiers before it are printed with their times.
pub(crate) fn run(places: &Places, test: &Test) -> Result<()> {
    let wanted = |tier| test.tier.is_empty() || test.tier.contains(&tier);
    let mut took: Vec<(&str, Duration)> = Vec::new();
    let mut outcome = Ok(());
    for (tier, name, check) in [
        (Tier::Host, "host", host as fn(&Places) -> Result<()>),
        (Tier::World, "world", namespaces),
        (Tier::Qemu, "qemu", qemu),
    ] {
        if !wanted(tier) || outcome.is_err() {
            continue;
        }
        let started = Instant::now();
        outcome = check(places).with_context(|| format!("tier {name}"));
        took.push((name, started.elapsed()));
    }
    for (name, time) in took {
        say(format!("tier {name:<6} {}", spoken(time)));
    }
    outcome
}

fn host(places: &Places) -> Result<()> {
    walls(places)?;
    cargo(places, "formatting", &["fmt", "--all", "--check"])?;
    lints(places, "lints", &["--workspace", "--all-targets"])?;
    // Targets with `test = false` are not among `--all-targets`.
    for target in TOOLS_ROOT_TESTS {
        lints(places, &format!("lints of {target}"), &qemu_test(target))?;
    }
    packages::lock::check(places)?;
    own_tests(places)?;
    // The services' tests speak over a real bus, which the tools root has whatever the host has.
    in_tools_root(places, "tests of every room", &["--workspace", "--exclude", "xtask"], &[])
}

/// The walls and the licences.
///
/// # Errors
/// A wall does not stand; each is printed.
pub(crate) fn walls(places: &Places) -> Result<()> {
    let _step = step("the walls: imports, lengths, names, purity, licences");
    let findings = tidy::run(&places.workspace)?;
    for question in findings.questions() {
        warn(question);
    }
    for wall in findings.walls() {
        say(wall);
    }
    ensure!(findings.walls_stand(), "the walls do not stand");
    let findings = tidy::deny::run(&places.workspace, &places.cache)?;
    for wall in findings.walls() {
        say(wall);
    }
    ensure!(findings.walls_stand(), "cargo-deny refuses what the workspace depends on");
    Ok(())
}

/// This tool's own tests, which enter the tools root by themselves.
fn own_tests(places: &Places) -> Result<()> {
    let _step = step("tests of this tool");
    let status = Command::new("cargo")
        .args(["test", "--locked", "--quiet", "--package", "xtask"])
        .env("PORCHLIGHT_TOOLS_ROOT", tools_root::ensure(places)?.tree())
        .current_dir(&places.workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "tests of this tool: failed");
    Ok(())
}

fn namespaces(places: &Places) -> Result<()> {
    world::require_tun()?;
    in_tools_root(places, "real programs in network namespaces", &qemu_test("world"), &ONE_BY_ONE)
}

fn qemu(places: &Places) -> Result<()> {
    world::require_tun()?;
    for (board, variant) in IMAGES {
        image::build(places, board, variant)?;
    }
    relay::build(places)?;
    in_tools_root(places, "a machine without a system", &qemu_test("boot_machine"), &ONE_BY_ONE)?;
    in_tools_root(places, "the image in QEMU", &qemu_test("boot"), &ONE_BY_ONE)?;
    let which = Which { board: "qemu-x86_64".into(), variant: "gateway".into() };
    repro::run(places, &Repro { which, allow_drift: true })
}

/// For test programs that share what there is only one of: the processors, the time.
const ONE_BY_ONE: [&str; 2] = ["--test-threads=1", "--nocapture"];

fn qemu_test(target: &str) -> [&str; 4] {
    ["--package", "qemu-tests", "--test", target]
}

/// Runs tests inside the tools root: cargo builds them here and starts each through `xtask enter`.
fn in_tools_root(places: &Places, what: &str, which: &[&str], options: &[&str]) -> Result<()> {
    let _step = step(what);
    let own = std::env::current_exe()?;
    let runner = format!("{} enter", own.to_str().context("this program's path is not UTF-8")?);
    let status = Command::new("cargo")
        .args(["test", "--locked", "--quiet"])
        .args(which)
        .arg("--")
        .args(options)
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)
        .env("PORCHLIGHT_IMAGES", places.workspace.join("target/image"))
        .env("PORCHLIGHT_RELAY", relay::program(places))
        .current_dir(&places.workspace)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("{what}: failed");
    }
    Ok(())
}

fn lints(places: &Places, what: &str, which: &[&str]) -> Result<()> {
    let deny = ["--locked", "--quiet", "--", "--deny", "warnings"];
    cargo(places, what, &[&["clippy"], which, &deny].concat())
}

fn cargo(places: &Places, what: &str, arguments: &[&str]) -> Result<()> {
    let _step = step(what);
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(&places.workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo {}: failed", arguments.join(" "));
    Ok(())
}
