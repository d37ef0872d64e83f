//! `world run`: the simulated world around a command that plays the box.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::world::{BoxKind, Scenario, Uplink, World};

/// What to run in which world.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What happens to the house: the name of a scenario, or a file
    #[arg(long, default_value = "calm")]
    scenario: String,
    /// Take commands from other processes at this socket
    #[arg(long = "control", value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Write a line for each step of each frame to `broadband.packets` and `starlink.packets` here
    #[arg(long, value_name = "FOLDER")]
    packet_log: Option<PathBuf>,
    /// What plays the box: it finds lan0, broadband0 and starlink0
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Builds the world, starts the timeline and runs the command until it ends.
///
/// # Errors
/// When the world cannot be built or the command fails.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let world = World::build(Scenario::load(&arguments.scenario)?, BoxKind::Namespace)?;
    if let Some(path) = &arguments.control {
        world.serve_control(path)?;
    }
    if let Some(folder) = &arguments.packet_log {
        for uplink in Uplink::ALL {
            world.uplink(uplink).log_packets_to(&folder.join(format!("{uplink}.packets")))?;
        }
    }
    let space = world.box_namespace().context("the box is a namespace here")?;
    say(&format!("LAN client: nsenter --net={}", world.client().namespace().path().display()));
    say(&format!("box:        nsenter --net={}", space.path().display()));
    let timeline = world.run_timeline()?;
    let (program, words) = arguments.command.split_first().context("no command given")?;
    let status = space.command(program).args(words).stdin(std::process::Stdio::inherit()).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    drop(timeline);
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
