//! What the `world` program does with the simulated world itself. One file for each subcommand.

pub mod fault;
pub mod run;
pub mod scenarios;
pub mod status;
pub mod timing;

use std::path::PathBuf;

/// Where a running world listens.
#[derive(Debug, clap::Args)]
pub struct ControlArguments {
    /// The control socket of the running world
    #[arg(long = "control", value_name = "SOCKET")]
    socket: PathBuf,
}
