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
}

const AFTER: &str = "\
Examples:
  porch status            the light, the reason, the lines
  porch status --watch    the same, again after each change
  porch status --json     the same for programs

Exit status of 'porch status':
  0  all is well
  1  the box needs you
  2  the box's 'home' service cannot be reached
  3  the box is starting
  64 the command line was not understood";
