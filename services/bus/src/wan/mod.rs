//! `org.porchlight.Wan1`: whether the house is online, by which uplinks, and why.
//!
//! [`manager`] is the object for the whole box, [`uplink`] the one there is for each uplink. Both
//! say what a [`Source`] says.
//!
//! Everybody may read. Each write names the polkit action that will guard it; until polkit is in
//! the image, the bus policy of the recipe lets root write and nobody else.

mod manager;
mod uplink;

use std::collections::BTreeMap;
use std::future::Future;

use serde::{Deserialize, Serialize};
use zbus::{Connection, DBusError, Type, as_variant};

pub use manager::{Manager, ManagerStatus, Mode, State, Switched, announce, switched};
pub use uplink::{
    DrainReason, Health, INTERFACE as UPLINK_INTERFACE, Kind, Outage, Policy, UNKNOWN_STEP, Uplink,
    UplinkStatus, announce_uplink, path_of,
};

use crate::{Changes, PROPERTIES};

/// The well-known name of the `wan` service.
pub const NAME: &str = "org.porchlight.Wan1";
/// The path of its object for the whole box; the uplinks are objects below it.
pub const PATH: &str = "/org/porchlight/Wan1";
/// The interface of that object.
pub const INTERFACE: &str = "org.porchlight.Wan1";

/// A decision and why it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "dict")]
#[serde(rename_all = "PascalCase")]
pub struct Decision {
    /// When, in microseconds since boot.
    #[serde(with = "as_variant")]
    pub when: u64,
    /// What happened before.
    #[serde(with = "as_variant")]
    pub cause: String,
    /// What was done about it.
    #[serde(with = "as_variant")]
    pub action: String,
}

/// Why something was not written. Nothing of it was.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.porchlight.Error")]
pub enum WriteError {
    /// The bus's own.
    #[zbus(error)]
    Bus(zbus::Error),
    /// It is no value for this property.
    Invalid(String),
    /// It could not be kept for the next start.
    NotSaved(String),
    /// The service is on its way out.
    Stopping(String),
}

/// Where the served objects get what they say.
pub trait Source: Clone + Send + Sync + 'static {
    /// The newest status of the box. Must not block.
    fn manager(&self) -> ManagerStatus;

    /// The newest status of the uplink called `name`. Must not block.
    fn uplink(&self, name: &str) -> UplinkStatus;

    /// The last decisions, the newest last. Must not block.
    fn decisions(&self) -> Vec<Decision>;

    /// Keeps the line that enrols the box at a relay.
    fn join(&self, line: &str) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Takes over how the owner wants each class of traffic carried; classes left out stay.
    fn set_modes(
        &self,
        modes: BTreeMap<String, String>,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Takes over the owner's policy for the uplink called `name`.
    fn set_policy(
        &self,
        name: &str,
        policy: Policy,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Takes over the owner's cap for the uplink called `name`; 0 takes it away.
    fn set_cap_bytes(
        &self,
        name: &str,
        bytes: u64,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;
}

/// Everything that `org.porchlight.Wan1` says.
#[derive(Clone, Debug, PartialEq)]
pub struct WanStatus {
    /// Of the box.
    pub manager: ManagerStatus,
    /// Of the uplinks, in the order of the settings.
    pub uplinks: Vec<UplinkStatus>,
}

/// Reads all of `org.porchlight.Wan1`, one object after the other.
///
/// # Errors
/// The bus's, when nobody owns the name or an answer does not come in time; a decoding error, when
/// an answer lacks a property.
pub async fn read_status(connection: &Connection) -> zbus::Result<WanStatus> {
    let manager: ManagerStatus = read(connection, PATH, INTERFACE).await?;
    let mut uplinks = Vec::with_capacity(manager.uplinks.len());
    for path in &manager.uplinks {
        uplinks.push(read(connection, path.as_str(), UPLINK_INTERFACE).await?);
    }
    Ok(WanStatus { manager, uplinks })
}

/// Reads the last decisions, the newest last.
///
/// # Errors
/// The bus's, when nobody owns the name or the answer does not come in time.
pub async fn read_decisions(connection: &Connection) -> zbus::Result<Vec<Decision>> {
    let answer = connection.call_method(Some(NAME), PATH, Some(INTERFACE), "Explain", &()).await?;
    answer.body().deserialize()
}

/// Follows the changes of the box and of every uplink; after each, [`read_status`] tells what is
/// true.
///
/// # Errors
/// The bus's, when the subscription is refused.
pub async fn changes(connection: &Connection) -> zbus::Result<Changes> {
    let rule = Changes::of_properties(NAME).path_namespace(PATH).build()?;
    Changes::follow(connection, rule).await
}

/// Follows the changes of the box alone: its state, its mode and what carries it.
///
/// # Errors
/// The bus's, when the subscription is refused.
pub async fn manager_changes(connection: &Connection) -> zbus::Result<Changes> {
    let rule = Changes::of_properties(NAME).path(PATH).build()?;
    Changes::follow(connection, rule).await
}

/// Has the house go out through the relay that printed `line`.
///
/// # Errors
/// The bus's, when the caller may not, or the service refuses: its sentence says what was expected.
pub async fn join(connection: &Connection, line: &str) -> zbus::Result<()> {
    connection.call_method(Some(NAME), PATH, Some(INTERFACE), "Join", &(line,)).await?;
    Ok(())
}

/// Sets the owner's policy for the uplink called `name`.
///
/// # Errors
/// The bus's, when the caller may not, or the service refuses.
pub async fn set_policy(connection: &Connection, name: &str, policy: Policy) -> zbus::Result<()> {
    write(connection, name, "Policy", &policy).await
}

/// Sets the owner's cap for the uplink called `name`, in bytes of a billing month; 0 takes it away.
///
/// # Errors
/// The bus's, when the caller may not, or the service refuses.
pub async fn set_cap_bytes(connection: &Connection, name: &str, bytes: u64) -> zbus::Result<()> {
    write(connection, name, "CapBytes", &bytes).await
}

async fn read<T: serde::de::DeserializeOwned + Type>(
    connection: &Connection,
    path: &str,
    interface: &str,
) -> zbus::Result<T> {
    let answer =
        connection.call_method(Some(NAME), path, Some(PROPERTIES), "GetAll", &interface).await?;
    answer.body().deserialize()
}

async fn write<T: Serialize + Type>(
    connection: &Connection,
    name: &str,
    property: &str,
    value: &T,
) -> zbus::Result<()> {
    let path = path_of(name);
    let body = (UPLINK_INTERFACE, property, as_variant::Serialize(value));
    connection.call_method(Some(NAME), path, Some(PROPERTIES), "Set", &body).await?;
    Ok(())
}
