//! `world status`: what the links of a running world have done so far.

use anyhow::{Result, bail};

use super::ControlArguments;
use crate::world::{ControlReply, ControlRequest, Uplink, ask};

/// Of which world.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    control: ControlArguments,
}

/// Says it as JSON, one line for each uplink.
///
/// # Errors
/// When no world listens.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    for uplink in Uplink::ALL {
        match ask(&arguments.control.socket, &ControlRequest::Status { uplink })? {
            ControlReply::Status(status) => {
                say(&serde_json::json!({ "uplink": uplink, "status": status }).to_string());
            }
            ControlReply::Error(error) => bail!(error),
            ControlReply::Done => bail!("the world answered something else than was asked"),
        }
    }
    Ok(())
}
