//! What may be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Keep the house online by every uplink there is.
#[derive(Debug, Parser)]
#[command(name = "wan", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Watch the uplinks and keep the house on the best of them, until asked to stop
    Run {
        /// The settings
        #[arg(default_value = "/usr/share/porchlight/wan.toml")]
        settings: PathBuf,
    },
    /// Keep the line that 'relay enroll' printed: from now on the house goes out by that relay
    Join {
        /// The folder that the settings call `state`
        #[arg(long, value_name = "DIR", default_value = "/var/lib/wan")]
        state: PathBuf,
        /// The line, or all of what was printed
        #[arg(required = true, num_args = 1..=8)]
        line: Vec<String>,
    },
    /// After 'wan run' has ended: take the tunnel's device away, so that the house goes out by the
    /// uplinks, unless it was killed and will be there again
    GiveBack,
    /// Have the network manager announce the prefix that 'wan run' has from the relay
    Announce {
        /// What 'wan run' says
        #[arg(long, value_name = "FILE", default_value = "/run/wan/lan-prefix")]
        wanted: PathBuf,
        /// What the network manager reads
        #[arg(value_name = "DROP-IN", default_value = DROP_IN)]
        drop_in: PathBuf,
    },
}

/// Beside the LAN's own settings, until the box is switched off.
const DROP_IN: &str = "/run/systemd/network/20-lan.network.d/50-relay.conf";

const AFTER: &str = "\
Examples:
  wan run                                  as the system starts it
  wan run ./wan.toml                       with other settings
  wan join plr1.…                          the line, or all that 'relay enroll' printed

'wan run' needs CAP_NET_ADMIN, /usr/sbin/nft and, unless the settings say 'bus = false', the system
bus. 'porch wan' shows what it does and 'porch wan why' the reasons.

Exit status: 0 asked to stop, 1 cannot go on, 64 the settings or the command line are wrong.";
