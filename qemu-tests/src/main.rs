//! `world`: the simulated world and the machine in it, from the command line.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use qemu_tests::command::{fault, run, scenarios, status, timing};
use qemu_tests::{bench, up};

/// The simulated world around a Porchlight box.
#[derive(Debug, Parser)]
#[command(name = "world", arg_required_else_help = true)]
enum Arguments {
    /// Boot an image in the world and keep it running
    Up(up::Arguments),
    /// Measure an image
    #[command(subcommand)]
    Bench(bench::Arguments),
    /// Run a command that plays the box, in a namespace with its three interfaces
    Run(run::Arguments),
    /// Put a fault on an uplink of a running world
    Fault(fault::Arguments),
    /// Say what the links of a running world have done so far
    Status(status::Arguments),
    /// List the shipped scenarios, or check files
    Scenarios(scenarios::Arguments),
    /// Measure how late the link emulator delivers on this machine
    Timing(timing::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A reader that has gone away is no reason to stop the world.
    let mut say = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
    let result = match &arguments {
        Arguments::Up(arguments) => up::run(arguments, &mut say),
        Arguments::Bench(bench::Arguments::Boot(arguments)) => {
            bench::boot::run(arguments, &mut say)
        }
        Arguments::Bench(bench::Arguments::Wan(arguments)) => bench::wan::run(arguments, &mut say),
        Arguments::Run(arguments) => run::run(arguments, &mut say),
        Arguments::Fault(arguments) => fault::run(arguments, &mut say),
        Arguments::Status(arguments) => status::run(arguments, &mut say),
        Arguments::Scenarios(arguments) => scenarios::run(arguments, &mut say),
        Arguments::Timing(arguments) => timing::run(arguments, &mut say),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "world: {error:#}");
            ExitCode::FAILURE
        }
    }
}
