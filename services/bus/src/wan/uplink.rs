//! The object of one uplink.

use serde::{Deserialize, Serialize};
use zbus::{Connection, OwnedObjectPath, Type, as_variant, interface};

use super::{PATH, Source, WriteError};
use crate::PROPERTIES;

/// The interface of an uplink's object.
pub const INTERFACE: &str = "org.porchlight.Wan1.Uplink";

/// The value in [`UplinkStatus::availability`] of a step of which nothing is known.
pub const UNKNOWN_STEP: u8 = 255;

/// What kind of connection an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Fibre, cable or DSL behind a provider's modem.
    Broadband,
    /// A Starlink dish.
    Starlink,
    /// A modem in a mobile network.
    Cellular,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// How an uplink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// What is sent comes back.
    Up,
    /// Something did not come back; what matters is sent by another as well.
    Suspect,
    /// Nothing comes back, or it cannot be used at all.
    Down,
    /// It came back a moment ago and must prove itself.
    Probation,
    /// Its provider answers for everybody: somebody has to sign in.
    Captive,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// What the owner wants of an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It carries the house whenever it can.
    Primary,
    /// It carries it when no primary uplink can, and takes what spills over.
    Secondary,
    /// It carries it only when nothing else can.
    Backup,
    /// It never carries it.
    Never,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// Why a dish does not reach its network, by its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// It does, or says nothing, or there is no dish.
    #[default]
    None,
    /// A part of the dish moves.
    ActuatorActivity,
    /// It starts.
    Booting,
    /// It tests its cable.
    CableTest,
    /// It was told not to send.
    InhibitRf,
    /// It hears nothing.
    NoDownlink,
    /// Its pings are lost.
    NoPings,
    /// No satellite is in sight.
    NoSatellites,
    /// No satellite has time for it.
    NoSchedule,
    /// Something stands in the way.
    Obstructed,
    /// It searches the sky.
    SkySearch,
    /// It sleeps to save power.
    Sleeping,
    /// It is folded.
    Stowed,
    /// It has switched itself off for heat.
    ThermalShutdown,
    /// It does not say why, or in a word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// Why traffic leaves a dish by plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zbus(signature = "s")]
#[serde(rename_all = "kebab-case")]
pub enum DrainReason {
    /// It does not.
    #[default]
    None,
    /// It is too hot.
    Heat,
    /// It restarts for an update.
    Reboot,
    /// It sleeps to save power.
    Sleep,
    /// A word newer than this reader.
    #[serde(other)]
    Unknown,
}

/// Everything an uplink's object says, read at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Type)]
#[zbus(signature = "dict")]
#[serde(rename_all = "PascalCase")]
pub struct UplinkStatus {
    /// The port it is plugged into, such as `starlink0`.
    #[serde(with = "as_variant")]
    pub name: String,
    /// What it is.
    #[serde(with = "as_variant")]
    pub kind: Kind,
    /// How it does.
    #[serde(with = "as_variant")]
    pub health: Health,
    /// The time to the world and back, in microseconds; 0 when not measured.
    #[serde(with = "as_variant")]
    pub rtt_micros: u32,
    /// What did not come back of the last probes or packets, in millionths.
    #[serde(with = "as_variant")]
    pub loss_ppm: u32,
    /// What comes in, in bits per second.
    #[serde(with = "as_variant")]
    pub rate_down_bps: u64,
    /// What goes out, in bits per second.
    #[serde(with = "as_variant")]
    pub rate_up_bps: u64,
    /// What the owner wants of it.
    #[serde(with = "as_variant")]
    pub policy: Policy,
    /// Whether its bytes are dear.
    #[serde(with = "as_variant")]
    pub metered: bool,
    /// Most bytes in a billing month, both ways; 0 when it is not capped.
    #[serde(with = "as_variant")]
    pub cap_bytes: u64,
    /// Bytes of this billing month, both ways.
    #[serde(with = "as_variant")]
    pub used_bytes: u64,
    /// Bytes at the end of the month if it goes on like this; 0 while that cannot be told.
    #[serde(with = "as_variant")]
    pub forecast_bytes: u64,
    /// Bytes ever counted, both ways.
    #[serde(with = "as_variant")]
    pub carried_bytes: u64,
    /// The last day in 288 steps of five minutes, the oldest first: percent of the step in which it
    /// was up, or 255 where nothing is known.
    #[serde(with = "as_variant")]
    pub availability: Vec<u8>,
    /// Why its dish does not reach the network.
    #[serde(with = "as_variant")]
    pub outage: Outage,
    /// The share of its dish's sky in which something stands in the way, 0 to 1; 0 when not told.
    #[serde(with = "as_variant")]
    pub obstructed: f64,
    /// When its dish next changes satellites, in microseconds since boot; 0 when not known.
    #[serde(with = "as_variant")]
    pub next_boundary: u64,
    /// When traffic leaves its dish by plan, in microseconds since boot; 0 when it does not.
    #[serde(with = "as_variant")]
    pub planned_drain: u64,
    /// Why it does.
    #[serde(with = "as_variant")]
    pub drain_reason: DrainReason,
    /// What its dish draws, in thousandths of a watt; 0 when not told.
    #[serde(with = "as_variant")]
    pub draw_milliwatts: u32,
}

/// The served object.
pub struct Uplink<S> {
    name: String,
    source: S,
}

impl<S> std::fmt::Debug for Uplink<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Uplink").field(&self.name).finish()
    }
}

impl<S: Source> Uplink<S> {
    /// An object that says what `source` says of the uplink called `name`.
    pub fn new(name: &str, source: S) -> Self {
        Self { name: name.to_owned(), source }
    }

    fn status(&self) -> UplinkStatus {
        self.source.uplink(&self.name)
    }
}

/// One way out of the house.
#[interface(name = "org.porchlight.Wan1.Uplink")]
impl<S: Source> Uplink<S> {
    /// The port it is plugged into, such as "starlink0".
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.name.clone()
    }

    /// What it is: "broadband", "starlink" or "cellular".
    #[zbus(property(emits_changed_signal = "const"))]
    fn kind(&self) -> Kind {
        self.status().kind
    }

    /// How it does: "up", "suspect", "down", "probation", or "captive" when its provider wants
    /// somebody to sign in.
    #[zbus(property)]
    fn health(&self) -> Health {
        self.status().health
    }

    /// The time to the world and back, in microseconds; 0 when not measured.
    #[zbus(property)]
    fn rtt_micros(&self) -> u32 {
        self.status().rtt_micros
    }

    /// What did not come back of the last probes or packets, in millionths.
    #[zbus(property)]
    fn loss_ppm(&self) -> u32 {
        self.status().loss_ppm
    }

    /// What comes in, in bits per second.
    #[zbus(property)]
    fn rate_down_bps(&self) -> u64 {
        self.status().rate_down_bps
    }

    /// What goes out, in bits per second.
    #[zbus(property)]
    fn rate_up_bps(&self) -> u64 {
        self.status().rate_up_bps
    }

    /// What the owner wants of it: "primary", "secondary", "backup" or "never". Writing needs the
    /// polkit action org.porchlight.wan1.set-policy.
    #[zbus(property)]
    fn policy(&self) -> Policy {
        self.status().policy
    }

    #[zbus(property)]
    async fn set_policy(&self, policy: Policy) -> Result<(), WriteError> {
        self.source.set_policy(&self.name, policy).await
    }

    /// Whether its bytes are dear: fewer probes, and last among its equals.
    #[zbus(property)]
    fn metered(&self) -> bool {
        self.status().metered
    }

    /// Most bytes in a billing month, both ways; 0 when it is not capped. Writing needs the polkit
    /// action org.porchlight.wan1.set-cap.
    #[zbus(property)]
    fn cap_bytes(&self) -> u64 {
        self.status().cap_bytes
    }

    #[zbus(property)]
    async fn set_cap_bytes(&self, bytes: u64) -> Result<(), WriteError> {
        self.source.set_cap_bytes(&self.name, bytes).await
    }

    /// Bytes of this billing month, both ways.
    #[zbus(property)]
    fn used_bytes(&self) -> u64 {
        self.status().used_bytes
    }

    /// Bytes at the end of the month if it goes on like this; 0 while that cannot be told.
    #[zbus(property)]
    fn forecast_bytes(&self) -> u64 {
        self.status().forecast_bytes
    }

    /// Bytes ever counted, both ways.
    #[zbus(property)]
    fn carried_bytes(&self) -> u64 {
        self.status().carried_bytes
    }

    /// The last day in 288 steps of five minutes, the oldest first: percent of the step in which it
    /// was up, or 255 where nothing is known.
    #[zbus(property)]
    fn availability(&self) -> Vec<u8> {
        self.status().availability
    }

    /// Why its dish does not reach the network, by its own account, which is seconds old: "none"
    /// while it does, when it says nothing, and where there is no dish; else "actuator-activity",
    /// "booting", "cable-test", "inhibit-rf", "no-downlink", "no-pings", "no-satellites",
    /// "no-schedule", "obstructed", "sky-search", "sleeping", "stowed", "thermal-shutdown" or
    /// "unknown".
    #[zbus(property)]
    fn outage(&self) -> Outage {
        self.status().outage
    }

    /// The share of its dish's sky in which something stands in the way, 0 to 1; 0 when not told.
    #[zbus(property)]
    fn obstructed(&self) -> f64 {
        self.status().obstructed
    }

    /// When its dish next changes satellites, in microseconds since boot; 0 when not known, as
    /// without the tunnel.
    #[zbus(property)]
    fn next_boundary(&self) -> u64 {
        self.status().next_boundary
    }

    /// When traffic leaves its dish by plan, in microseconds since boot, in the past while it stays
    /// away; 0 when nothing is planned.
    #[zbus(property)]
    fn planned_drain(&self) -> u64 {
        self.status().planned_drain
    }

    /// Why it does: "heat", "reboot" for an update, "sleep" to save power; "none" when nothing is
    /// planned.
    #[zbus(property)]
    fn drain_reason(&self) -> DrainReason {
        self.status().drain_reason
    }

    /// What its dish draws, in thousandths of a watt; 0 when not told, or where there is no dish.
    #[zbus(property)]
    fn draw_milliwatts(&self) -> u32 {
        self.status().draw_milliwatts
    }
}

/// The path of the object of the uplink called `name`: what a path cannot hold stands as `_` and
/// its number, as systemd does it for its units.
#[must_use]
pub fn path_of(name: &str) -> OwnedObjectPath {
    use std::fmt::Write;
    let mut path = format!("{PATH}/uplink/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    OwnedObjectPath::try_from(path).expect("it is made of letters, digits and '_'")
}

/// Tells the bus that `status` is now what the uplink's object says, in one signal.
///
/// # Errors
/// The connection's, when the signal cannot be sent.
pub async fn announce_uplink(connection: &Connection, status: &UplinkStatus) -> zbus::Result<()> {
    let invalidated: &[&str] = &[];
    let body = (INTERFACE, status, invalidated);
    let nobody_in_particular: Option<&str> = None;
    let path = path_of(&status.name);
    connection.emit_signal(nobody_in_particular, path, PROPERTIES, "PropertiesChanged", &body).await
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn every_port_name_has_a_path_of_its_own() {
        assert_eq!(path_of("starlink0").as_str(), "/org/porchlight/Wan1/uplink/starlink0");
        assert_eq!(path_of("wan-1.7_a").as_str(), "/org/porchlight/Wan1/uplink/wan_2d1_2e7_5fa");
    }
}
