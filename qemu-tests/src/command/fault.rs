//! `world fault`: puts a fault on an uplink of a running world.

use anyhow::{Result, bail};

use super::ControlArguments;
use crate::emulator::Fault;
use crate::world::{ControlReply, ControlRequest, Uplink, ask};

/// Which fault where.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    control: ControlArguments,
    /// On which uplink
    uplink: Uplink,
    /// What: `cut`, `carrier-down`, `heal`, `rate percent=10`, … (see qemu-tests/README.md)
    #[arg(required = true, value_name = "FAULT [KEY=VALUE]")]
    words: Vec<String>,
}

/// Puts it on.
///
/// # Errors
/// When it makes no sense, no world listens, or it cannot be done.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let fault = Fault::from_words(&arguments.words)?;
    let request = ControlRequest::Fault { uplink: arguments.uplink, fault };
    match ask(&arguments.control.socket, &request)? {
        ControlReply::Done => say(&format!("{}: {}", arguments.uplink, arguments.words.join(" "))),
        ControlReply::Error(error) => bail!(error),
        ControlReply::Status(_) => bail!("the world answered something else than was asked"),
    }
    Ok(())
}
