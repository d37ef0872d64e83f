//! The object for the whole box.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectPath, OwnedObjectPath, Type, as_variant, interface};

use super::{Decision, INTERFACE, PATH, Source, WriteError};
use crate::PROPERTIES;

/// Whether the house is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is, and every uplink does well.
    Online,
    /// It is, and an uplink that should help does not.
    Degraded,
    /// It is not.
    Offline,
    /// A provider wants somebody to sign in, and nothing else leads out.
    Captive,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// How the house goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Through the relay, by every uplink at once.
    Tunnel,
    /// By one uplink itself.
    Direct,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// Everything the object for the whole box says, read at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "dict")]
#[serde(rename_all = "PascalCase")]
pub struct ManagerStatus {
    /// Whether the house is online.
    #[serde(with = "as_variant")]
    pub state: State,
    /// How it goes out.
    #[serde(with = "as_variant")]
    pub mode: Mode,
    /// The uplinks that carry it, the preferred one first.
    #[serde(with = "as_variant")]
    pub active: Vec<OwnedObjectPath>,
    /// All uplinks, in the order of the settings.
    #[serde(with = "as_variant")]
    pub uplinks: Vec<OwnedObjectPath>,
    /// How each class of traffic is carried by the tunnel.
    #[serde(with = "as_variant")]
    pub modes: BTreeMap<String, String>,
}

/// What a switch of uplinks was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// The uplink left, or `/`.
    pub from: OwnedObjectPath,
    /// The uplink taken, or `/`.
    pub to: OwnedObjectPath,
    /// Why, in a few words.
    pub why: String,
    /// For how long nothing had passed on the uplink left, in microseconds, as far as is known.
    pub gap_micros: u32,
    /// How many packets of the house were lost for good, as far as is known.
    pub lost: u32,
}

/// The served object.
pub struct Manager<S>(S);

impl<S> std::fmt::Debug for Manager<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manager")
    }
}

impl<S: Source> Manager<S> {
    /// An object that says what `source` says.
    pub fn new(source: S) -> Self {
        Self(source)
    }
}

/// The way out of the house.
#[interface(name = "org.porchlight.Wan1")]
impl<S: Source> Manager<S> {
    /// Whether the house is online: "online"; "degraded" when it is, and an uplink that should help
    /// does not; "offline"; "captive" when a provider wants somebody to sign in and nothing else
    /// leads out.
    #[zbus(property)]
    fn state(&self) -> State {
        self.0.manager().state
    }

    /// How it goes out: "tunnel" through the relay, or "direct" by one uplink itself.
    #[zbus(property)]
    fn mode(&self) -> Mode {
        self.0.manager().mode
    }

    /// The uplinks that carry the house, the preferred one first.
    #[zbus(property)]
    fn active(&self) -> Vec<OwnedObjectPath> {
        self.0.manager().active
    }

    /// All uplinks, in the order of the settings.
    #[zbus(property(emits_changed_signal = "const"))]
    fn uplinks(&self) -> Vec<OwnedObjectPath> {
        self.0.manager().uplinks
    }

    /// How each class of traffic is carried by the tunnel: "realtime" and "interactive" by
    /// "failover" or "duplicate" (a copy goes by a second uplink whose bytes cost nothing), "bulk"
    /// and "background" by "failover" or "spill" (side by side, and over to others from what is
    /// full). Classes that are left out when writing stay as they are. Writing needs the polkit
    /// action org.porchlight.wan1.set-modes.
    #[zbus(property)]
    fn modes(&self) -> BTreeMap<String, String> {
        self.0.manager().modes
    }

    #[zbus(property)]
    async fn set_modes(&self, modes: BTreeMap<String, String>) -> Result<(), WriteError> {
        self.0.set_modes(modes).await
    }

    /// The last decisions, the newest last. Each has "When" (t: microseconds since boot), "Cause"
    /// (s) and "Action" (s).
    fn explain(&self) -> Vec<Decision> {
        self.0.decisions()
    }

    /// The house goes out through the relay that printed `line` from now on; the line may be the
    /// whole command as it was printed. It is on disk when this returns. polkit action:
    /// org.porchlight.wan.join.
    async fn join(&self, line: &str) -> Result<(), WriteError> {
        self.0.join(line).await
    }

    /// New flows take another uplink or, while the house goes out through the tunnel, what is
    /// urgent in it does. `from` or `to` is "/" where there is none.
    ///
    /// In the tunnel `gap_micros` is for how long nothing had passed over `from` when it was left,
    /// in the direction that had been still for longer, as far as this end knows; 0 where it still
    /// carried. A call notices less: it is copied to another uplink from the first doubt on. `lost`
    /// is how many urgent packets of this end were on their way over `from`, not known to have
    /// arrived, and could not be sent again. Both are 0 in direct mode, where nobody measures.
    #[zbus(signal)]
    async fn switched(
        emitter: &SignalEmitter<'_>,
        from: ObjectPath<'_>,
        to: ObjectPath<'_>,
        why: &str,
        gap_micros: u32,
        lost: u32,
    ) -> zbus::Result<()>;
}

/// Tells the bus that `status` is now what the box says, in one signal.
///
/// # Errors
/// The connection's, when the signal cannot be sent.
pub async fn announce(connection: &Connection, status: &ManagerStatus) -> zbus::Result<()> {
    let invalidated: &[&str] = &[];
    let body = (INTERFACE, status, invalidated);
    let nobody_in_particular: Option<&str> = None;
    connection.emit_signal(nobody_in_particular, PATH, PROPERTIES, "PropertiesChanged", &body).await
}

/// Tells the bus of a switch.
///
/// # Errors
/// The connection's, when the signal cannot be sent.
pub async fn switched(connection: &Connection, what: &Switched) -> zbus::Result<()> {
    let body = (&what.from, &what.to, what.why.as_str(), what.gap_micros, what.lost);
    let nobody_in_particular: Option<&str> = None;
    connection.emit_signal(nobody_in_particular, PATH, INTERFACE, "Switched", &body).await
}
