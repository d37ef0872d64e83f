//! Looks at the network and at the services, and says what it saw.
//!
//! Two tasks, owned and aborted by the main loop's task set. Each asks its source every
//! [`REREAD`], the first one also whenever networkd signals a change. A question that fails is
//! logged and asked again at the next turn; the machine notices by itself that the evidence ages.
//! Both may be cancelled at any await: they hold nothing but the connection.

use std::time::Duration;

use crate::reading::{NetworkReading, SystemReading, SystemState};
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};
use zbus::Connection;

/// How often each source is asked: three times in the span for which evidence counts, so that one
/// lost answer changes nothing.
const REREAD: Duration = Duration::from_secs(10);

const _: () = assert!(REREAD.as_secs() * 3 <= crate::house::FRESH.as_secs());

/// Most failed units named in a reading; the sentence counts them, it does not list them.
const MOST_FAILED: usize = 16;

/// What was seen.
#[derive(Debug)]
pub(super) enum Observation {
    /// Of the links.
    Network(NetworkReading),
    /// Of the services.
    System(SystemReading),
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
enum ObserveError {
    #[error("the bus did not answer: {0}")]
    Bus(#[from] zbus::Error),
    #[error(transparent)]
    Describe(#[from] crate::describe::DescribeError),
}

/// Looks at the network until `seen` is closed.
pub(super) async fn network(connection: Connection, seen: Sender<Observation>) {
    let mut turns = turns();
    let mut source = Source { name: "networkd", failing: false };
    let mut changes = bus::network1::changes(&connection).await.ok();
    if changes.is_none() {
        tracing::warn!("networkd's signals cannot be followed; its state is read in turns only");
    }
    loop {
        let answer = read_network(&connection).await;
        if !source.pass_on(&seen, answer.map(Observation::Network)).await {
            return;
        }
        let changed = async {
            if let Some(changes) = &mut changes
                && changes.next().await
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = turns.tick() => {}
            () = changed => {}
        }
    }
}

/// Looks at the services until `seen` is closed.
pub(super) async fn system(connection: Connection, seen: Sender<Observation>) {
    let mut turns = turns();
    let mut source = Source { name: "systemd", failing: false };
    loop {
        turns.tick().await;
        let answer = read_system(&connection).await;
        if !source.pass_on(&seen, answer.map(Observation::System)).await {
            return;
        }
    }
}

fn turns() -> tokio::time::Interval {
    let mut turns = interval(REREAD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// A source, and whether it failed when it was last asked: a failure is logged once, not every
/// ten seconds.
struct Source {
    name: &'static str,
    failing: bool,
}

impl Source {
    /// Passes on what was seen. `false` once nobody listens.
    async fn pass_on(
        &mut self,
        seen: &Sender<Observation>,
        answer: Result<Observation, ObserveError>,
    ) -> bool {
        let failed_before = std::mem::replace(&mut self.failing, answer.is_err());
        match answer {
            Ok(observation) => {
                if failed_before {
                    tracing::info!("{} can be read again", self.name);
                }
                seen.send(observation).await.is_ok()
            }
            Err(error) => {
                if !failed_before {
                    tracing::warn!("{} cannot be read: {error}", self.name);
                }
                !seen.is_closed()
            }
        }
    }
}

async fn read_network(connection: &Connection) -> Result<NetworkReading, ObserveError> {
    let manager = bus::network1::ManagerProxy::new(connection).await?;
    Ok(crate::describe::parse(&manager.describe().await?)?)
}

async fn read_system(connection: &Connection) -> Result<SystemReading, ObserveError> {
    let manager = bus::systemd1::ManagerProxy::new(connection).await?;
    let state = SystemState::from_word(&manager.system_state().await?);
    let failed = manager.list_units_by_patterns(&["failed"], &[]).await?;
    let failed = failed.into_iter().map(|unit| unit.name).take(MOST_FAILED).collect();
    Ok(SystemReading { state, failed })
}
