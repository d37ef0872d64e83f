//! `org.porchlight.Home1`: the light, why it shows what it shows, and the uplinks under it.

use serde::{Deserialize, Serialize};
use zbus::{Connection, Type, as_variant, interface};

use crate::wan::{Mode, Policy, State};
use crate::{Changes, PROPERTIES};

/// The well-known name of the `home` service.
pub const NAME: &str = "org.porchlight.Home1";
/// The path of its one object.
pub const PATH: &str = "/org/porchlight/Home1";
/// The interface of that object.
pub const INTERFACE: &str = "org.porchlight.Home1";

/// What the light says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// The box is coming up; nobody has to do anything.
    Starting,
    /// The house is served.
    Serving,
    /// Somebody has to do something, and `LightWhy` says what.
    NeedsYou,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// What kind of connection an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum UplinkKind {
    /// Fibre, cable or DSL behind a provider's modem.
    Broadband,
    /// A Starlink dish.
    Starlink,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// What an uplink does.
///
/// The first six rest on the word of `wan`, which asks the world. The others are what the network
/// manager tells, and say nothing of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum UplinkState {
    /// Carries the house's traffic.
    InUse,
    /// Could carry it at once.
    Ready,
    /// It came back a moment ago and must prove itself.
    Recovering,
    /// It has an address, and the world does not answer.
    Silent,
    /// Its provider wants somebody to sign in.
    SignIn,
    /// The owner lets it carry nothing.
    Off,
    /// It has an address and a way on; whether the world answers is not known.
    Unchecked,
    /// Plugged in, and waiting for an address.
    Connecting,
    /// No cable, or nothing alive at its other end.
    Unplugged,
    /// The port itself is not there.
    Missing,
    /// Not told yet, or a word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// One way out of the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "dict")]
pub struct Uplink {
    /// The port's name, such as `broadband0`.
    #[serde(with = "as_variant")]
    pub name: String,
    /// What it is connected to.
    #[serde(with = "as_variant")]
    pub kind: UplinkKind,
    /// What it does.
    #[serde(with = "as_variant")]
    pub state: UplinkState,
    /// Since when, in microseconds since boot.
    #[serde(with = "as_variant")]
    pub since: u64,
    /// What the owner wants of it.
    #[serde(with = "as_variant")]
    pub policy: Policy,
    /// The last day in 288 steps of five minutes, the oldest first: percent of the step in which it
    /// was up, or 255 where nothing is known; empty when nothing is known at all.
    #[serde(with = "as_variant")]
    pub availability: Vec<u8>,
    /// When it will be left because it is about to stop, in microseconds since boot; 0 for never.
    #[serde(with = "as_variant")]
    pub drain: u64,
}

/// Everything `org.porchlight.Home1` says, read at one moment.
///
/// Its form on the wire is the dictionary that `Properties.GetAll` answers with, so a reader never
/// sees the light of one moment with the reason of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "dict")]
#[serde(rename_all = "PascalCase")]
pub struct HomeStatus {
    /// What the light says.
    #[serde(with = "as_variant")]
    pub light: Light,
    /// Why, in one plain sentence.
    #[serde(with = "as_variant")]
    pub light_why: String,
    /// Since when the light says so, in microseconds since boot.
    #[serde(with = "as_variant")]
    pub light_since: u64,
    /// Whether the house is online, as `wan` says; unknown when it has not said so lately.
    #[serde(with = "as_variant")]
    pub internet: State,
    /// How it goes out; unknown likewise.
    #[serde(with = "as_variant")]
    pub mode: Mode,
    /// The ways out of the house, in order of preference.
    #[serde(with = "as_variant")]
    pub uplinks: Vec<Uplink>,
    /// The version of the running image.
    #[serde(with = "as_variant")]
    pub image_version: String,
    /// The image's variant: `gateway`, or `dev` with a shell on the serial port.
    #[serde(with = "as_variant")]
    pub image_variant: String,
}

/// Where the served object gets what it says.
pub trait StatusSource: Send + Sync + 'static {
    /// The newest status. Must not block.
    fn status(&self) -> HomeStatus;
}

/// The served object.
pub struct Home1<S>(S);

impl<S> std::fmt::Debug for Home1<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Home1")
    }
}

impl<S: StatusSource> Home1<S> {
    /// An object that says what `source` says.
    pub fn new(source: S) -> Self {
        Self(source)
    }
}

/// The light over the door.
#[interface(name = "org.porchlight.Home1")]
impl<S: StatusSource> Home1<S> {
    /// What the light says: "starting", "serving" or "needs-you".
    #[zbus(property)]
    fn light(&self) -> Light {
        self.0.status().light
    }

    /// Why the light says so, in one plain sentence for the household.
    #[zbus(property)]
    fn light_why(&self) -> String {
        self.0.status().light_why
    }

    /// Since when the light says so, in microseconds since boot.
    #[zbus(property)]
    fn light_since(&self) -> u64 {
        self.0.status().light_since
    }

    /// Whether the house is online, as org.porchlight.Wan1 says: "online", "degraded", "offline" or
    /// "captive"; "unknown" when it has said nothing for 30 s.
    #[zbus(property)]
    fn internet(&self) -> State {
        self.0.status().internet
    }

    /// How the house goes out, as org.porchlight.Wan1 says: "tunnel" or "direct"; "unknown" when it
    /// has said nothing for 30 s.
    #[zbus(property)]
    fn mode(&self) -> Mode {
        self.0.status().mode
    }

    /// The ways out of the house, in order of preference. Each has "name" (s), "kind" (s:
    /// "broadband", "starlink"), "state" (s: "in-use", "ready", "recovering", "silent", "sign-in"
    /// or "off" as org.porchlight.Wan1 says; "unchecked", "connecting", "unplugged", "missing" or
    /// "unknown" as the network manager does), "since" (t: microseconds since boot), "policy" (s),
    /// "availability" (ay) and "drain" (t: microseconds since boot, 0 for never).
    #[zbus(property)]
    fn uplinks(&self) -> Vec<Uplink> {
        self.0.status().uplinks
    }

    /// The version of the running image.
    #[zbus(property(emits_changed_signal = "const"))]
    fn image_version(&self) -> String {
        self.0.status().image_version
    }

    /// The image's variant: "gateway", or "dev" with a shell on the serial port.
    #[zbus(property(emits_changed_signal = "const"))]
    fn image_variant(&self) -> String {
        self.0.status().image_variant
    }
}

/// Tells the bus that `status` is now what [`Home1`] says, in one signal.
///
/// # Errors
/// The connection's, when the signal cannot be sent.
pub async fn announce(connection: &Connection, status: &HomeStatus) -> zbus::Result<()> {
    let invalidated: &[&str] = &[];
    let body = (INTERFACE, status, invalidated);
    let nobody_in_particular: Option<&str> = None;
    connection.emit_signal(nobody_in_particular, PATH, PROPERTIES, "PropertiesChanged", &body).await
}

/// Reads the whole of `org.porchlight.Home1` in one call.
///
/// # Errors
/// The bus's, when nobody owns the name or the answer does not come in time; a decoding error,
/// when the answer lacks a property.
pub async fn read_status(connection: &Connection) -> zbus::Result<HomeStatus> {
    let answer =
        connection.call_method(Some(NAME), PATH, Some(PROPERTIES), "GetAll", &INTERFACE).await?;
    answer.body().deserialize()
}

/// Follows the changes of `org.porchlight.Home1`; after each, [`read_status`] tells what is true.
///
/// # Errors
/// The bus's, when the subscription is refused.
pub async fn changes(connection: &Connection) -> zbus::Result<Changes> {
    let rule = Changes::of_properties(NAME).path(PATH).build()?;
    Changes::follow(connection, rule).await
}
