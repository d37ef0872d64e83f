//! Follows the servers of names that the leases came with.
//!
//! One task, owned and aborted by the main loop's task set. It asks networkd whenever that signals
//! a change, and every [`REREAD`]; what it found goes into one value, the newest. Without networkd
//! there is nothing, and the servers of the settings are asked alone.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use zbus::Connection;

use crate::resolvers::{Resolvers, ResolversError, parse};

/// How often networkd is asked when it signals nothing: a lease may change its servers silently.
const REREAD: Duration = Duration::from_secs(60);

/// Keeps `found` true until nobody reads it.
pub(super) async fn follow(connection: Connection, found: watch::Sender<Vec<Resolvers>>) {
    let mut turns = interval(REREAD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = bus::network1::changes(&connection).await.ok();
    let mut failing = false;
    while !found.is_closed() {
        match read(&connection).await {
            Ok(resolvers) => {
                failing = false;
                found.send_if_modified(|known| {
                    let changed = *known != resolvers;
                    *known = resolvers;
                    changed
                });
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!("the leases' servers of names are not known: {error}");
            }
            Err(_) => {}
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

/// Why the servers are not known.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the bus did not answer: {0}")]
    Bus(#[from] zbus::Error),
    #[error(transparent)]
    Resolvers(#[from] ResolversError),
}

async fn read(connection: &Connection) -> Result<Vec<Resolvers>, ReadError> {
    let manager = bus::network1::ManagerProxy::new(connection).await?;
    Ok(parse(&manager.describe().await?)?)
}
