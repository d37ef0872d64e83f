//! `wan`: keeps the house online.

mod command_line;

use std::process::ExitCode;

use clap::Parser;
use command_line::{CommandLine, Task};
use daemon::settings::SettingsError;
use wan::shell::announce::{AnnounceError, announce};
use wan::shell::join::{JoinError, join};
use wan::shell::run::RunError;
use wan::shell::settings::Settings;

/// Why `wan` ended badly.
#[derive(Debug, thiserror::Error)]
enum WanError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help that cannot be printed has nowhere to complain.
            let _ = error.print();
            let wrong = ExitCode::from(daemon::BAD_SETTINGS);
            return if error.use_stderr() { wrong } else { ExitCode::SUCCESS };
        }
    };
    daemon::journal::start();
    let Err(error) = perform(line.task) else { return ExitCode::SUCCESS };
    tracing::error!("wan cannot go on: {error}");
    match error {
        WanError::Settings(_) => ExitCode::from(daemon::BAD_SETTINGS),
        _ => ExitCode::FAILURE,
    }
}

fn perform(task: Task) -> Result<(), WanError> {
    match task {
        Task::Run { settings } => {
            let settings = Settings::load(&settings)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(wan::shell::run::run(settings))?)
        }
        Task::Announce { wanted, drop_in } => {
            Ok(announce(&wanted, &drop_in, daemon::clock::now())?)
        }
        Task::GiveBack => {
            // The system says how it ended (systemd.exec(5)); by hand nobody does.
            let ended = std::env::var("SERVICE_RESULT").unwrap_or_default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(wan::shell::way_back::give_back(&ended));
            Ok(())
        }
        Task::Join { state, line } => Ok(join(&state, &line.join(" "))?),
    }
}
