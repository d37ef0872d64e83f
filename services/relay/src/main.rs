//! `relay`: the far end of the tunnel.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use relay::shell::boxes::{Boxes, BoxesError};
use relay::shell::command_line::{CommandLine, Verb};
use relay::shell::serve::{self, ServeError};
use tunnel::shell::enrolment::{Enrolment, EnrolmentError};
use tunnel::shell::keys::KeyError;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Boxes(#[from] BoxesError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
}

fn main() -> ExitCode {
    daemon::journal::start();
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answers to `enroll` and `list`")]
fn run(command_line: &CommandLine) -> Result<(), RelayError> {
    let state = command_line.state.as_path();
    match &command_line.verb {
        Verb::Serve(settings) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve::serve(state, settings))?;
        }
        Verb::Enroll { name, addresses } => println!("{}", enroll(state, name, addresses)?),
        Verb::List => {
            for (name, entry) in Boxes::open(state)?.all()? {
                let seen = if entry.key.is_some() { "joined" } else { "waits for its box" };
                println!("{name:<32} {:>4}  {seen}", entry.number);
            }
        }
        Verb::Remove { name } => Boxes::open(state)?.remove(name)?,
    }
    Ok(())
}

/// The line for the box: what to type there.
fn enroll(state: &Path, name: &str, addresses: &[String]) -> Result<String, RelayError> {
    let boxes = Boxes::open(state)?;
    let key = serve::key(state)?;
    // Checked with an empty token first: a wrong address must not use up a name.
    Enrolment::try_new(key.public(), Default::default(), addresses.to_vec())?;
    let token = boxes.enrol(name)?;
    let enrolment = Enrolment::try_new(key.public(), token, addresses.to_vec())?;
    Ok(format!("porch wan join {enrolment}"))
}
