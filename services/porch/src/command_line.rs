//! What may be typed.

use clap::{Parser, Subcommand};

/// Ask this box how the house is doing.
#[derive(Debug, Parser)]
#[command(name = "porch", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct CommandLine {
    /// What to ask.
    #[command(subcommand)]
    pub(crate) question: Question,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Question {
    /// What the light says, why, and what the lines out of the house do
    Status {
        /// As JSON, with the same words as the page
        #[arg(long)]
        json: bool,
        /// Keep asking: print again after each change, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// How the lines out of the house do, with a day of each
    #[command(args_conflicts_with_subcommands = true)]
    Wan {
        /// What else to ask
        #[command(subcommand)]
        what: Option<WanQuestion>,
        /// Keep asking until interrupted, also where nobody sees it
        #[arg(long, conflicts_with = "once")]
        watch: bool,
        /// Ask once, also on a terminal
        #[arg(long)]
        once: bool,
    },
}

/// What can be asked of the lines out of the house.
#[derive(Debug, Subcommand)]
pub(crate) enum WanQuestion {
    /// The last decisions and why they were made, the newest last
    Why {
        /// How many
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        last: usize,
    },
    /// Go out through the relay that printed this line from now on (as root)
    Join {
        /// The line that 'relay enroll' printed, or its last word
        #[arg(required = true, num_args = 1..=8)]
        line: Vec<String>,
    },
}

const AFTER: &str = "\
Examples:
  porch status            the light, the reason, the lines
  porch status --watch    the same, again after each change
  porch status --json     the same for programs
  porch wan               the lines, live on a terminal, once elsewhere
  porch wan why           why the house goes out the way it does
  porch wan join plr1.…   go out through a relay, by all lines at once

Exit status of 'porch status', and of 'porch wan' by the same numbers:
  0  all is well
  1  the box needs you
  2  the box's 'home' or 'wan' service cannot be reached
  3  the box is starting, or not known
  64 the command line was not understood";
