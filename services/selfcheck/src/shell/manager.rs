//! Facts from the service manager, over the bus.

use std::time::Duration;

use bus::systemd1::{ManagerProxy, ServiceProxy, UnitRow};
use daemon::{clock, connection};
use tokio::time::{Instant, sleep};
use units::Instant as BootInstant;
use zbus::Connection;

use crate::facts::{BootStamps, Gathered, Service, Unit};
use crate::settling::{Job, Settling};

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Most jobs named when the patience is over.
const MOST_NAMED: usize = 8;

fn unanswered(error: zbus::Error) -> String {
    format!("systemd did not answer: {error}")
}

/// What the service manager told.
pub(super) struct Told {
    pub(super) settled: Gathered<()>,
    pub(super) units: Gathered<Vec<Unit>>,
    pub(super) services: Gathered<Vec<Service>>,
    pub(super) boot: Gathered<BootStamps>,
    pub(super) virtualization: Gathered<String>,
}

/// Waits for the end of the boot, at most `patience`, and then asks everything. `names` are the
/// Porchlight services that the image brings.
pub(super) async fn ask(patience: Duration, names: Gathered<Vec<String>>) -> Told {
    match reach().await {
        Ok((connection, manager)) => {
            let settled = settle(&manager, patience).await;
            let rows = manager.list_units().await.map_err(unanswered);
            let services = match (&rows, names) {
                (Ok(rows), Ok(names)) => services(&connection, rows, &names).await,
                (Err(error), _) => Err(error.clone()),
                (_, Err(error)) => Err(error),
            };
            Told {
                settled,
                units: rows.map(|rows| rows.iter().map(unit).collect()),
                services,
                boot: stamps(&manager).await.map_err(unanswered),
                virtualization: manager.virtualization().await.map_err(unanswered),
            }
        }
        Err(error) => Told {
            settled: Err(error.clone()),
            units: Err(error.clone()),
            services: Err(error.clone()),
            boot: Err(error.clone()),
            virtualization: Err(error),
        },
    }
}

async fn reach() -> Gathered<(Connection, ManagerProxy<'static>)> {
    let connection = connection::connect()
        .await
        .map_err(|error| format!("the system bus cannot be reached: {error}"))?;
    let manager = ManagerProxy::new(&connection).await.map_err(unanswered)?;
    Ok((connection, manager))
}

/// Waits for the end of the boot, at most `patience`.
async fn settle(manager: &ManagerProxy<'_>, patience: Duration) -> Gathered<()> {
    let deadline = Instant::now() + patience;
    let mut settling = Settling::new();
    loop {
        let rows = manager.list_jobs().await.map_err(unanswered)?;
        let jobs: Vec<Job<'_>> = rows
            .iter()
            .map(|row| Job { unit: &row.unit, running: row.state == "running" })
            .collect();
        if settling.handle_jobs(&jobs) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let running = jobs.iter().filter(|job| job.running).map(|job| job.unit);
            let named: Vec<&str> = running.take(MOST_NAMED).collect();
            let seconds = patience.as_secs();
            return Err(format!("still starting after {seconds} s: {}", named.join(", ")));
        }
        sleep(LOOK).await;
    }
}

/// A row as a fact.
fn unit(row: &UnitRow) -> Unit {
    Unit { name: row.name.clone(), active_state: row.active_state.clone() }
}

/// The services called `names`, of which `rows` tells where they are.
async fn services(
    connection: &Connection,
    rows: &[UnitRow],
    names: &[String],
) -> Gathered<Vec<Service>> {
    let mut services = Vec::with_capacity(names.len());
    for name in names {
        services.push(match rows.iter().find(|row| row.name == *name) {
            Some(row) => service(connection, row).await.map_err(unanswered)?,
            None => Service {
                unit: Unit { name: name.clone(), active_state: String::from("not loaded") },
                watchdog: Duration::ZERO,
                reported_ago: Duration::ZERO,
                memory_kib: 0,
            },
        });
    }
    Ok(services)
}

async fn service(connection: &Connection, row: &UnitRow) -> zbus::Result<Service> {
    let proxy = ServiceProxy::builder(connection).path(row.path.clone()).build().await?;
    // The stamp is of CLOCK_MONOTONIC, which is our clock on a box that never sleeps.
    let reported = BootInstant::from_micros(proxy.watchdog_timestamp_monotonic().await?);
    let reported_ago = clock::now().saturating_since(reported);
    let memory_kib = match proxy.memory_current().await? {
        u64::MAX => 0,
        bytes => bytes / 1024,
    };
    let watchdog = Duration::from_micros(proxy.watchdog_usec().await?);
    Ok(Service { unit: unit(row), watchdog, reported_ago, memory_kib })
}

/// When the parts of the boot began and ended.
async fn stamps(manager: &ManagerProxy<'_>) -> zbus::Result<BootStamps> {
    let finish_us = match manager.finish_timestamp_monotonic().await? {
        // We are part of the boot, and it is not over while we look.
        0 => clock::now().as_micros(),
        finish => finish,
    };
    Ok(BootStamps {
        firmware_us: manager.firmware_timestamp_monotonic().await?,
        loader_us: manager.loader_timestamp_monotonic().await?,
        initrd_us: manager.initrd_timestamp_monotonic().await?,
        userspace_us: manager.userspace_timestamp_monotonic().await?,
        finish_us,
    })
}
