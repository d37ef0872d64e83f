//! `wan`: keeps the house online.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use daemon::settings::SettingsError;
use wan::shell::join::{JoinError, join};
use wan::shell::run::RunError;
use wan::shell::settings::Settings;

/// Keep the house online by every uplink there is.
#[derive(Debug, Parser)]
#[command(name = "wan", version, arg_required_else_help = true, after_help = AFTER)]
struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    task: Task,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Task {
    /// Watch the uplinks and keep the house on the best of them, until asked to stop
    Run {
        /// The settings
        #[arg(default_value = "/usr/share/porchlight/wan.toml")]
        settings: PathBuf,
    },
    /// Keep the line that 'relay enroll' printed; the next start goes out through that relay
    Join {
        /// The folder that the settings call `state`
        #[arg(long, value_name = "DIR", default_value = "/var/lib/wan")]
        state: PathBuf,
        /// The line, in one piece
        line: String,
    },
}

const AFTER: &str = "\
Examples:
  wan run                                  as the system starts it
  wan run ./wan.toml                       with other settings
  wan join 'porchlight-relay:…'            then: systemctl restart wan

'wan run' needs CAP_NET_ADMIN, /usr/sbin/nft and, unless the settings say 'bus = false', the system
bus. 'porch wan' shows what it does and 'porch wan why' the reasons.

Exit status: 0 asked to stop, 1 cannot go on, 64 the settings or the command line are wrong.";

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
        WanError::Runtime(_) | WanError::Run(_) | WanError::Join(_) => ExitCode::FAILURE,
    }
}

fn perform(task: Task) -> Result<(), WanError> {
    match task {
        Task::Run { settings } => {
            let settings = Settings::load(&settings)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(wan::shell::run::run(settings))?)
        }
        Task::Join { state, line } => Ok(join(&state, &line)?),
    }
}
