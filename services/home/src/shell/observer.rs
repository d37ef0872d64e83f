//! Looks at the network, at the services and at the way out, and says what it saw.
//!
//! Three tasks, owned and aborted by the main loop's task set. Each asks its source every
//! [`REREAD`], and networkd and `wan` also whenever they signal a change. A question that fails is
//! logged and asked again at the next turn; the machine notices by itself that the evidence ages.
//! Both may be cancelled at any await: they hold nothing but the connection.

use std::time::Duration;

use crate::reading::{NetworkReading, SystemReading, SystemState};
use crate::way_out::WanReading;
use bus::Changes;
use tokio::sync::mpsc::Sender;
use tokio::time::{Interval, MissedTickBehavior, interval};
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
    /// Of the way out.
    Wan(WanReading),
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
    let mut source = Source::new("networkd");
    let mut next = Next::new(source.name, bus::network1::changes(&connection).await);
    loop {
        let answer = read_network(&connection).await;
        if !source.pass_on(&seen, answer.map(Observation::Network)).await {
            return;
        }
        next.due().await;
    }
}

/// Looks at the way out until `seen` is closed. Only the box's own object is followed: the times
/// and rates of the uplinks change every second, and nothing of the light rests on them.
pub(super) async fn wan(connection: Connection, seen: Sender<Observation>) {
    let mut source = Source::new("wan");
    let mut next = Next::new(source.name, bus::wan::manager_changes(&connection).await);
    loop {
        let answer = read_wan(&connection).await;
        if !source.pass_on(&seen, answer.map(Observation::Wan)).await {
            return;
        }
        next.due().await;
    }
}

/// When a source is asked next: at its turn, or as soon as it signals a change.
struct Next {
    turns: Interval,
    changes: Option<Changes>,
}

impl Next {
    fn new(name: &str, changes: zbus::Result<Changes>) -> Self {
        if changes.is_err() {
            tracing::warn!("{name}'s signals cannot be followed; it is read in turns only");
        }
        Self { turns: turns(), changes: changes.ok() }
    }

    async fn due(&mut self) {
        let changed = async {
            if let Some(changes) = &mut self.changes
                && changes.next().await
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = self.turns.tick() => {}
            () = changed => {}
        }
    }
}

/// Looks at the services until `seen` is closed.
pub(super) async fn system(connection: Connection, seen: Sender<Observation>) {
    let mut turns = turns();
    let mut source = Source::new("systemd");
    loop {
        turns.tick().await;
        let answer = read_system(&connection).await;
        if !source.pass_on(&seen, answer.map(Observation::System)).await {
            return;
        }
    }
}

fn turns() -> Interval {
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
    const fn new(name: &'static str) -> Self {
        Self { name, failing: false }
    }

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

async fn read_wan(connection: &Connection) -> Result<WanReading, ObserveError> {
    Ok(WanReading::of(&bus::wan::read_status(connection).await?))
}

async fn read_system(connection: &Connection) -> Result<SystemReading, ObserveError> {
    let manager = bus::systemd1::ManagerProxy::new(connection).await?;
    let state = SystemState::from_word(&manager.system_state().await?);
    let failed = manager.list_units_by_patterns(&["failed"], &[]).await?;
    let failed = failed.into_iter().map(|unit| unit.name).take(MOST_FAILED).collect();
    Ok(SystemReading { state, failed })
}
