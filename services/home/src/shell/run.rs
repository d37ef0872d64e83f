//! The main loop: readings in, status out, and the watchdog fed as long as it goes round.
//!
//! One thread. The loop owns the machine and a set of tasks, all aborted when it ends: three
//! observers, one announcer to the bus, one server per socket. They reach the loop through one
//! queue of [`OBSERVATIONS`], and it reaches them through one value, the newest status. The loop
//! itself never waits for the bus or for a browser.

use std::io;
use std::sync::Arc;

use crate::House;
use crate::port::Port;
use daemon::readiness::{self, Watchdog};
use daemon::shutdown::Shutdown;
use daemon::{clock, connection, identity};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use units::Instant;

use super::bus::{Published, announce, contract};
use super::observer::{self, Observation};
use super::server::CONNECTIONS;
use super::{page, server};

/// Readings waiting for the loop: one from each observer, and one being made.
const OBSERVATIONS: usize = 4;

/// Why `home` ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus cannot be reached, or refuses our name.
    #[error("the system bus: {0}")]
    Bus(#[from] zbus::Error),
    /// A socket or signal could not be used.
    #[error("the page's sockets: {0}")]
    Io(#[from] io::Error),
    /// The bus has gone; systemd starts us again when it is back.
    #[error("the connection to the system bus is gone")]
    BusGone,
}

/// Runs until systemd asks to stop.
///
/// # Errors
/// [`RunError`], when `home` cannot start or the bus goes away.
pub async fn run(
    ports: Vec<Port>,
    names: Vec<String>,
    sockets: Vec<std::net::TcpListener>,
) -> Result<(), RunError> {
    let mut shutdown = Shutdown::listen()?;
    let mut watchdog = Watchdog::from_environment();
    let image = identity::read();
    let mut house = House::new(ports, clock::now());
    let (publisher, published) = watch::channel(contract(house.status(), &image));
    let published = Published(published);
    let object = bus::home::Home1::new(published.clone());
    let connection = connection::serve(bus::home::NAME, bus::home::PATH, object).await?;
    let (seen, mut observations) = mpsc::channel(OBSERVATIONS);

    let mut tasks = JoinSet::new();
    tasks.spawn(observer::network(connection.clone(), seen.clone()));
    tasks.spawn(observer::system(connection.clone(), seen.clone()));
    tasks.spawn(observer::wan(connection.clone(), seen));
    tasks.spawn(announce(connection.clone(), published.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let router = page::router(published, names);
    for socket in sockets {
        let listener = TcpListener::from_std(socket)?;
        tasks.spawn(server::serve(listener, router.clone(), Arc::clone(&room)));
    }
    readiness::ready();
    tracing::info!("serving on image {} ({})", image.version, image.variant);

    // What the journal was last told: strips and policies change the status, and say nothing new.
    let mut said = None;
    loop {
        if let Some(status) = house.poll_status() {
            if said.as_ref() != Some(&status.why) {
                tracing::info!("the light is {}: {}", status.light.word(), status.why);
                said = Some(status.why.clone());
            }
            publisher.send_replace(contract(&status, &image));
        }
        tokio::select! {
            () = watchdog.due() => watchdog.feed(),
            () = shutdown.requested() => break,
            () = connection.closed() => return Err(RunError::BusGone),
            Some(observation) = observations.recv() => match observation {
                Observation::Network(reading) => house.handle_network(reading, clock::now()),
                Observation::System(reading) => house.handle_system(reading, clock::now()),
                Observation::Wan(reading) => house.handle_wan(reading, clock::now()),
            },
            () = until(house.next_deadline(clock::now())) => house.handle_deadline(clock::now()),
        }
    }
    readiness::stopping();
    Ok(())
}

/// Waits until `deadline`, or for ever.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep(deadline.saturating_since(clock::now())).await,
        None => std::future::pending().await,
    }
}
