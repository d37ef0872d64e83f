//! The uplinks on the bus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::wan::{
    Decision, ManagerStatus, Outage, Source, Switched, UplinkStatus, WanStatus, WriteError, path_of,
};
use starlink::dish::{Cause, DrainReason};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tunnel::Modes;
use units::{Instant, LinkId, MilliWatt};
use zbus::{Connection, OwnedObjectPath};

use super::join::{JoinError, join};
use super::owner::Owner;
use super::store::StoreError;
use crate::direct::Switch;
use crate::direct::health::Health;
use crate::gateway::Gateway;
use crate::modes::{from_words, to_words};
use crate::status::{self, Status};
use crate::uplink::{Kind, Policy, Uplink};

/// Shortest time between two announcements. Rates and times change all the time; nobody reads
/// faster, and what is announced is what is true then.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// Changes of the owner that wait for the main loop. Each waits for its answer, so this is how many
/// callers there can be at a time.
pub(super) const COMMANDS: usize = 4;

/// Switches that wait to be signalled; more are dropped, since the newest status tells the outcome.
pub(super) const SWITCHES: usize = 16;

/// What the owner changed.
#[derive(Debug)]
pub(super) struct Command {
    /// What.
    pub(super) what: Change,
    /// Told once it is done.
    pub(super) done: oneshot::Sender<()>,
}

/// What the owner can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The policy of an uplink.
    Policy(String, Policy),
    /// The cap of an uplink.
    Cap(String, Option<u64>),
    /// How classes of traffic are carried.
    Modes(Modes),
}

/// What the objects say.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The newest status.
    pub(super) status: WanStatus,
    /// The last decisions.
    pub(super) decisions: Vec<Decision>,
}

impl Said {
    /// What `gateway` says now.
    pub(super) fn of(gateway: &Gateway) -> Self {
        let decision = |decision: &crate::decisions::Decision| Decision {
            when: decision.at.as_micros(),
            cause: decision.cause.clone(),
            action: decision.action.clone(),
        };
        let status = contract(gateway.status(), gateway.uplinks());
        Self { status, decisions: gateway.decisions().map(decision).collect() }
    }
}

/// The newest status, for whoever asks, and the way by which the owner changes something.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// What is said.
    pub(super) said: watch::Receiver<Arc<Said>>,
    /// To the main loop.
    pub(super) commands: mpsc::Sender<Command>,
    /// What is kept over restarts.
    pub(super) owner: Arc<Mutex<Owner>>,
    /// The folder that it is kept in, and the relay's line.
    pub(super) state: PathBuf,
}

impl Published {
    /// Keeps a change on disk, and only then tells the main loop: what is acknowledged survives.
    async fn change(
        &self,
        what: Change,
        keep: impl FnOnce(&mut Owner) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), WriteError> {
        let owner = Arc::clone(&self.owner);
        let kept = tokio::task::spawn_blocking(move || {
            keep(&mut owner.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let stopping = || WriteError::Stopping(String::from("the service is on its way out"));
        let kept = kept.await.map_err(|_| stopping())?;
        kept.map_err(|error| WriteError::NotSaved(error.to_string()))?;
        let (done, told) = oneshot::channel();
        let command = Command { what, done };
        self.commands.send(command).await.map_err(|_| stopping())?;
        told.await.map_err(|_| stopping())
    }
}

impl Source for Published {
    fn manager(&self) -> ManagerStatus {
        self.said.borrow().status.manager.clone()
    }

    fn uplink(&self, name: &str) -> UplinkStatus {
        let said = self.said.borrow();
        let uplink = said.status.uplinks.iter().find(|uplink| uplink.name == name);
        uplink.expect("an object is served for each uplink of the settings only").clone()
    }

    fn decisions(&self) -> Vec<Decision> {
        self.said.borrow().decisions.clone()
    }

    async fn join(&self, line: &str) -> Result<(), WriteError> {
        let (state, line) = (self.state.clone(), line.to_owned());
        let kept = tokio::task::spawn_blocking(move || join(&state, &line)).await;
        match kept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(JoinError::Store(error))) => Err(WriteError::NotSaved(error.to_string())),
            Ok(Err(error)) => Err(WriteError::Invalid(error.to_string())),
            Err(_) => Err(WriteError::Stopping(String::from("the service is on its way out"))),
        }
    }

    async fn set_modes(&self, words: BTreeMap<String, String>) -> Result<(), WriteError> {
        let before = from_words(&self.manager().modes, Modes::default()).unwrap_or_default();
        let modes = from_words(&words, before)
            .map_err(|error| WriteError::Invalid(format!("Modes: {error}")))?;
        self.change(Change::Modes(modes), move |owner| owner.keep_modes(modes)).await
    }

    async fn set_policy(&self, name: &str, policy: bus::wan::Policy) -> Result<(), WriteError> {
        let policy = match policy {
            bus::wan::Policy::Primary => Policy::Primary,
            bus::wan::Policy::Secondary => Policy::Secondary,
            bus::wan::Policy::Backup => Policy::Backup,
            bus::wan::Policy::Never => Policy::Never,
            bus::wan::Policy::Unknown => {
                let expected = "expected primary, secondary, backup or never";
                return Err(WriteError::Invalid(format!("Policy: {expected}")));
            }
        };
        let of = name.to_owned();
        let change = Change::Policy(name.to_owned(), policy);
        self.change(change, move |owner| owner.keep_policy(&of, policy)).await
    }

    async fn set_cap_bytes(&self, name: &str, bytes: u64) -> Result<(), WriteError> {
        let of = name.to_owned();
        let cap = Change::Cap(name.to_owned(), (bytes > 0).then_some(bytes));
        self.change(cap, move |owner| owner.keep_cap(&of, bytes)).await
    }
}

/// Serves the objects and takes the name.
///
/// # Errors
/// The bus's, when it cannot be reached or refuses the name.
pub(super) async fn serve(published: &Published, uplinks: &[Uplink]) -> zbus::Result<Connection> {
    let connection = daemon::connection::connect().await?;
    let server = connection.object_server();
    for uplink in uplinks {
        let name = uplink.name.as_str();
        server.at(path_of(name), bus::wan::Uplink::new(name, published.clone())).await?;
    }
    server.at(bus::wan::PATH, bus::wan::Manager::new(published.clone())).await?;
    connection.request_name(bus::wan::NAME).await?;
    Ok(connection)
}

/// Signals changes to the bus until `published` ends, at most once in [`ANNOUNCE_EVERY`], and only
/// of the objects that changed. The box's own is signalled at once: somebody may have waited for
/// this program to come, or to come back.
pub(super) async fn announce(connection: Connection, mut published: watch::Receiver<Arc<Said>>) {
    let mut before = published.borrow_and_update().status.clone();
    if let Err(error) = bus::wan::announce(&connection, &before.manager).await {
        tracing::warn!("the bus could not be told how the house goes out: {error}");
    }
    while published.changed().await.is_ok() {
        let now = published.borrow_and_update().status.clone();
        let mut sent = Ok(());
        if now.manager != before.manager {
            sent = bus::wan::announce(&connection, &now.manager).await;
        }
        for (new, old) in now.uplinks.iter().zip(&before.uplinks) {
            if new != old {
                sent = sent.and(bus::wan::announce_uplink(&connection, new).await);
            }
        }
        if let Err(error) = sent {
            tracing::warn!("the bus could not be told of a change: {error}");
        }
        before = now;
        sleep(ANNOUNCE_EVERY).await;
    }
}

/// Signals each switch until `switches` ends.
pub(super) async fn announce_switches(
    connection: Connection,
    mut switches: mpsc::Receiver<Switched>,
) {
    while let Some(switch) = switches.recv().await {
        if let Err(error) = bus::wan::switched(&connection, &switch).await {
            tracing::warn!("the bus could not be told of a switch: {error}");
        }
    }
}

/// A switch in the words of the contract.
pub(super) fn switched(switch: &Switch, uplinks: &[Uplink]) -> Switched {
    Switched {
        from: switch.from.map_or_else(no_path, |link| path(link, uplinks)),
        to: switch.to.map_or_else(no_path, |link| path(link, uplinks)),
        why: switch.why.words().to_owned(),
        gap_micros: u32::try_from(switch.gap.as_micros()).unwrap_or(u32::MAX),
        lost: switch.lost,
    }
}

fn contract(status: &Status, uplinks: &[Uplink]) -> WanStatus {
    let manager = ManagerStatus {
        state: match status.state {
            status::State::Online => bus::wan::State::Online,
            status::State::Degraded => bus::wan::State::Degraded,
            status::State::Offline => bus::wan::State::Offline,
            status::State::Captive => bus::wan::State::Captive,
        },
        mode: match status.mode {
            status::Mode::Tunnel => bus::wan::Mode::Tunnel,
            status::Mode::Direct => bus::wan::Mode::Direct,
        },
        active: status.active.iter().map(|link| path(*link, uplinks)).collect(),
        uplinks: uplinks.iter().map(|uplink| path_of(uplink.name.as_str())).collect(),
        modes: to_words(status.modes),
    };
    WanStatus { manager, uplinks: status.uplinks.iter().map(contract_uplink).collect() }
}

fn contract_uplink(status: &status::UplinkStatus) -> UplinkStatus {
    let rtt = status.rtt.map_or(0, |rtt| u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
    UplinkStatus {
        name: status.uplink.name.as_str().to_owned(),
        kind: match status.uplink.kind {
            Kind::Broadband => bus::wan::Kind::Broadband,
            Kind::Starlink => bus::wan::Kind::Starlink,
            Kind::Cellular => bus::wan::Kind::Cellular,
        },
        health: match status.health {
            Health::Up => bus::wan::Health::Up,
            Health::Suspect => bus::wan::Health::Suspect,
            Health::Down => bus::wan::Health::Down,
            Health::Probation => bus::wan::Health::Probation,
            Health::Captive => bus::wan::Health::Captive,
        },
        rtt_micros: rtt,
        loss_ppm: status.loss_ppm,
        rate_down_bps: status.rate_down_bps,
        rate_up_bps: status.rate_up_bps,
        policy: match status.uplink.policy {
            Policy::Primary => bus::wan::Policy::Primary,
            Policy::Secondary => bus::wan::Policy::Secondary,
            Policy::Backup => bus::wan::Policy::Backup,
            Policy::Never => bus::wan::Policy::Never,
        },
        metered: status.uplink.metered,
        cap_bytes: status.uplink.cap_bytes.unwrap_or(0),
        used_bytes: status.standing.used_bytes,
        forecast_bytes: status.standing.forecast_bytes.unwrap_or(0),
        carried_bytes: status.standing.carried_bytes,
        availability: status.availability.clone(),
        outage: status.dish.outage.map_or(Outage::None, outage),
        obstructed: status.dish.obstructed.map_or(0.0, f64::from),
        next_boundary: status.next_boundary.map_or(0, Instant::as_micros),
        planned_drain: status.dish.drain.map_or(0, |(from, _)| from.as_micros()),
        drain_reason: match status.dish.drain.map(|(_, why)| why) {
            None => bus::wan::DrainReason::None,
            Some(DrainReason::Heat) => bus::wan::DrainReason::Heat,
            Some(DrainReason::Reboot) => bus::wan::DrainReason::Reboot,
            Some(DrainReason::Sleep) => bus::wan::DrainReason::Sleep,
        },
        draw_milliwatts: status.dish.draw.map_or(0, MilliWatt::get),
    }
}

const fn outage(cause: Cause) -> Outage {
    match cause {
        Cause::ActuatorActivity => Outage::ActuatorActivity,
        Cause::Booting => Outage::Booting,
        Cause::CableTest => Outage::CableTest,
        Cause::InhibitRf => Outage::InhibitRf,
        Cause::NoDownlink => Outage::NoDownlink,
        Cause::NoPings => Outage::NoPings,
        Cause::NoSatellites => Outage::NoSatellites,
        Cause::NoSchedule => Outage::NoSchedule,
        Cause::Obstructed => Outage::Obstructed,
        Cause::SkySearch => Outage::SkySearch,
        Cause::Sleeping => Outage::Sleeping,
        Cause::Stowed => Outage::Stowed,
        Cause::ThermalShutdown => Outage::ThermalShutdown,
        Cause::Unknown => Outage::Unknown,
    }
}

fn path(link: LinkId, uplinks: &[Uplink]) -> OwnedObjectPath {
    let uplink = uplinks.iter().find(|uplink| uplink.id == link);
    uplink.map_or_else(no_path, |uplink| path_of(uplink.name.as_str()))
}

fn no_path() -> OwnedObjectPath {
    OwnedObjectPath::try_from("/").expect("it is a path")
}
