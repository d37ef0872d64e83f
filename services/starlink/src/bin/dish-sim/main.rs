//! `dish-sim`: a Starlink dish that lies exactly like the real one. One thread; ends when asked.

mod arguments;
mod model;
mod recording;
mod script;
mod server;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use daemon::settings::SettingsError;
use daemon::shutdown::Shutdown;
use tokio::net::TcpListener;

use arguments::Arguments;
use script::Script;
use server::Server;

/// Why the dish is not there.
#[derive(Debug, thiserror::Error)]
enum DishError {
    #[error(transparent)]
    Script(#[from] SettingsError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the runtime failed: {0}")]
    Runtime(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "dish-sim: {error}"));
            match error {
                DishError::Script(_) => ExitCode::from(daemon::BAD_SETTINGS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), DishError> {
    let script = match &arguments.script {
        Some(file) => Script::load(file)?,
        None => Script::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(live(arguments, script))
}

async fn live(arguments: &Arguments, script: Script) -> Result<(), DishError> {
    let mut shutdown = Shutdown::listen()?;
    let address = arguments.listen;
    let cannot_listen = |source| DishError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let listens_on = listener.local_addr()?;
    // Whoever started us may wait for this line; if it is gone, the dish still listens.
    drop(writeln!(io::stdout(), "listening on {listens_on}"));
    let server = Arc::new(Server::new(arguments, script));
    tokio::select! {
        served = server::serve(listener, server) => match served? {},
        () = shutdown.requested() => Ok(()),
    }
}
