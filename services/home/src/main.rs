//! `home`: shows the house what the box sees of itself, on a page and on the bus.
//!
//! `home [SETTINGS]`; the settings file is [`SETTINGS`] unless named.

use std::path::PathBuf;
use std::process::ExitCode;

use daemon::settings::SettingsError;
use home::shell::settings::{Settings, load_ports};

/// Where the image keeps the settings.
const SETTINGS: &str = "/usr/share/porchlight/home.toml";

/// Why `home` ended badly.
#[derive(Debug, thiserror::Error)]
enum HomeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Sockets(#[from] daemon::sockets::SocketsError),
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Run(#[from] home::shell::run::RunError),
}

fn main() -> ExitCode {
    daemon::journal::start();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("home cannot go on: {error}");
            match error {
                HomeError::Settings(_) => ExitCode::from(daemon::BAD_SETTINGS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn serve() -> Result<(), HomeError> {
    let file = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(SETTINGS), PathBuf::from);
    let settings = Settings::load(&file)?;
    let ports = load_ports(&settings.board)?;
    let sockets = daemon::sockets::take_tcp_listeners()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(home::shell::run::run(ports, settings.names, sockets))?;
    Ok(())
}
