//! `cargo xtask bench wan`: builds what is measured and what it is measured against, and has the
//! `world` program measure it in the tools root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command_line::WanBench;
use crate::output::{say, step, warn};
use crate::packages::Places;
use crate::{tools_root, world};

/// Both ends of the tunnel.
const DAEMONS: [&str; 2] = ["wan", "relay"];

/// A peer that crates.io has: `WireGuard` in user space, by Cloudflare.
const BORINGTUN: &str = "boringtun-cli@0.7.1";

/// Measures; the table is on the terminal and in `wan.json`.
///
/// # Errors
/// Something does not build, or nothing could be measured.
pub(super) fn run(places: &Places, folder: &Path, bench: &WanBench) -> Result<()> {
    world::require_tun()?;
    let tools = tools_root::ensure(places)?;
    let program = world::program(places)?;
    let programs = program.parent().context("the program is in a folder")?;
    build_daemons(places)?;
    let json = folder.join("wan.json");
    let mut command = world::command(places, &tools, program.as_os_str());
    command.args(["bench", "wan", "--json"]).arg(&json).arg("--programs").arg(programs);
    if wants(bench, "boringtun") {
        command.arg("--peer-programs").arg(boringtun(places)?);
    }
    if let Some(trace) = &bench.trace {
        // Inside, only the source tree is where it is outside.
        let copy = folder.join("trace.csv");
        fs::copy(trace, &copy).with_context(|| format!("recording {}", trace.display()))?;
        command.arg("--trace").arg(copy);
    }
    for (name, list) in [("--only", &bench.only), ("--contender", &bench.contender)] {
        if !list.is_empty() {
            command.args([name, &list.join(",")]);
        }
    }
    let numbers = [
        ("--repetitions", bench.repetitions.map(u64::from)),
        ("--minutes", bench.minutes),
        ("--soak-minutes", bench.soak_minutes),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            command.args([name, &number.to_string()]);
        }
    }
    ensure!(command.status()?.success(), "nothing was measured");
    say(format!("written to {}", json.display()));
    Ok(())
}

/// Whether that contender, and a measurement it takes part in, are asked for.
fn wants(bench: &WanBench, contender: &str) -> bool {
    let named = bench.contender.is_empty() || bench.contender.iter().any(|name| name == contender);
    let measured =
        bench.only.is_empty() || bench.only.iter().any(|figure| figure.starts_with("throughput"));
    named && measured
}

/// Compiles the daemons as they are shipped, to where the `world` program is.
fn build_daemons(places: &Places) -> Result<()> {
    let (there, missing): (Vec<_>, Vec<_>) =
        DAEMONS.into_iter().partition(|name| places.workspace.join("services").join(name).is_dir());
    for name in missing {
        warn(format!("there is no services/{name}: Porchlight itself is not measured"));
    }
    if there.is_empty() {
        return Ok(());
    }
    let _step = step("compiling the daemons");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--locked", "--release"]).current_dir(&places.workspace);
    for name in there {
        cargo.args(["--package", name]);
    }
    ensure!(cargo.status().context("cannot run cargo")?.success(), "the daemons do not compile");
    Ok(())
}

/// The folder that the peer from crates.io is in; compiled once.
fn boringtun(places: &Places) -> Result<PathBuf> {
    let root = places.workspace.join("target/peers");
    let _step = step(format!("compiling {BORINGTUN}"));
    let status = Command::new("cargo")
        .args(["install", "--quiet", "--locked", BORINGTUN, "--root"])
        .arg(&root)
        .current_dir(&places.workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{BORINGTUN} does not compile");
    Ok(root.join("bin"))
}
