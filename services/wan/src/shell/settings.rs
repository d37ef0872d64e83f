//! `wan`'s settings, and the part of the board's card that it needs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use daemon::settings::{SettingsError, load};
use jiff::tz::TimeZone;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use starlink::shell::follow::DISH;
use tunnel::Modes;
use units::{LinkId, PortName};

use crate::modes::from_words;
use crate::uplink::{BillingDay, Kind, MOST_UPLINKS, Policy, Uplink};

/// Most servers that are asked whether the world answers.
const MOST_SERVERS: usize = 8;

/// Most ports a board may have. The largest we know has six.
const MOST_PORTS: usize = 16;

/// The settings file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where counters, the owner's changes and the relay's line are kept.
    pub state: PathBuf,
    /// The board's card, which names the uplinks where this file does not.
    pub board: Option<PathBuf>,
    /// Whether to serve the system bus.
    #[serde(default = "yes")]
    pub bus: bool,
    /// Where numbers are told to whoever connects; nowhere, when it is not set.
    pub metrics: Option<PathBuf>,
    /// Where the providers' midnight is, as a rule (POSIX `TZ`), such as
    /// `CET-1CEST,M3.5.0,M10.5.0/3`.
    #[serde(default = "utc", deserialize_with = "zone")]
    pub time_zone: TimeZone,
    /// How each class of traffic is carried by the tunnel.
    #[serde(default, deserialize_with = "modes")]
    pub modes: Modes,
    /// The uplinks, in order of preference among equals.
    #[serde(default, rename = "uplink", deserialize_with = "uplinks")]
    pub uplinks: Vec<Uplink>,
    /// Whom to ask whether the world answers.
    #[serde(default)]
    pub probe: ProbeSettings,
    /// The dishes of the uplinks that are Starlink's.
    #[serde(default)]
    pub dish: DishSettings,
    /// The house's side.
    #[serde(default)]
    pub lan: LanSettings,
}

/// Whom to ask whether the world answers. Without servers and page, only the carrier tells.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSettings {
    /// Servers of names, which are asked for `host`.
    #[serde(default, deserialize_with = "servers")]
    pub servers: Vec<SocketAddr>,
    /// A host with a page `/` that answers with nothing at all (status 204) over plain HTTP.
    #[serde(default, deserialize_with = "host")]
    pub host: Option<String>,
}

/// The dishes. Each is asked out of its own uplink, so one address does for all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DishSettings {
    /// Where a dish answers: a numeric address and a port.
    #[serde(deserialize_with = "socket_address")]
    pub address: SocketAddr,
}

impl Default for DishSettings {
    fn default() -> Self {
        Self { address: DISH }
    }
}

/// The house's side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanSettings {
    /// Its interface.
    #[serde(deserialize_with = "port")]
    pub device: PortName,
    /// Where to say which IPv6 prefix the house has from its relay; nowhere, when it is not set.
    pub prefix: Option<PathBuf>,
}

impl Default for LanSettings {
    fn default() -> Self {
        Self { device: PortName::try_new("lan0").expect("a name"), prefix: None }
    }
}

impl Settings {
    /// Reads `file`, and the board's card if it names one and no uplinks.
    ///
    /// # Errors
    /// [`SettingsError`] names the file, the line, the key and what was expected.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        let mut settings: Self = load(file)?;
        if let (true, Some(board)) = (settings.uplinks.is_empty(), &settings.board) {
            settings.uplinks = load::<Board>(board)?.uplinks;
        }
        if settings.uplinks.is_empty() {
            let message =
                String::from("no uplink: expected [[uplink]] here or a port on the board");
            let (file, key) = (file.to_owned(), String::from("uplink"));
            return Err(SettingsError::Content { file, line: 1, key, message });
        }
        Ok(settings)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UplinkRow {
    #[serde(deserialize_with = "port")]
    name: PortName,
    kind: Kind,
    policy: Policy,
    #[serde(default)]
    metered: bool,
    #[serde(default)]
    cap_bytes: u64,
    #[serde(default = "first", deserialize_with = "billing_day")]
    billing_day: BillingDay,
}

fn uplinks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uplink>, D::Error> {
    let rows = Vec::<UplinkRow>::deserialize(deserializer)?;
    number(rows.into_iter().map(|row| {
        let cap_bytes = (row.cap_bytes > 0).then_some(row.cap_bytes);
        let UplinkRow { name, kind, policy, metered, billing_day, .. } = row;
        (name, kind, policy, metered, cap_bytes, billing_day)
    }))
}

/// The board's card, as far as `wan` reads it.
#[derive(Deserialize)]
struct Board {
    #[serde(rename = "port", deserialize_with = "board_uplinks")]
    uplinks: Vec<Uplink>,
}

#[derive(Deserialize)]
struct PortRow {
    role: Role,
    #[serde(deserialize_with = "port")]
    name: PortName,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    Lan,
    Broadband,
    Starlink,
    Cellular,
}

/// What a board has, with the policies that an owner who says nothing would choose.
fn board_uplinks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uplink>, D::Error> {
    let rows = Vec::<PortRow>::deserialize(deserializer)?;
    if rows.len() > MOST_PORTS {
        let message = format!("{} ports; at most {MOST_PORTS} were expected", rows.len());
        return Err(D::Error::custom(message));
    }
    number(rows.into_iter().filter_map(|row| {
        let (kind, policy, metered) = match row.role {
            Role::Lan => return None,
            Role::Broadband => (Kind::Broadband, Policy::Primary, false),
            Role::Starlink => (Kind::Starlink, Policy::Secondary, false),
            Role::Cellular => (Kind::Cellular, Policy::Backup, true),
        };
        Some((row.name, kind, policy, metered, None, BillingDay::FIRST))
    }))
}

type Row = (PortName, Kind, Policy, bool, Option<u64>, BillingDay);

fn number<E: Error>(rows: impl Iterator<Item = Row>) -> Result<Vec<Uplink>, E> {
    let mut uplinks = Vec::<Uplink>::new();
    for (name, kind, policy, metered, cap_bytes, billing_day) in rows {
        if uplinks.iter().any(|uplink| uplink.name == name) {
            return Err(E::custom(format!("two uplinks are called {name}")));
        }
        let place = u8::try_from(uplinks.len() + 1).ok().and_then(LinkId::new);
        let Some(id) = place.filter(|_| uplinks.len() < MOST_UPLINKS) else {
            return Err(E::custom(format!("more than {MOST_UPLINKS} uplinks")));
        };
        uplinks.push(Uplink { id, name, kind, policy, metered, cap_bytes, billing_day });
    }
    Ok(uplinks)
}

fn modes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Modes, D::Error> {
    let words = BTreeMap::<String, String>::deserialize(deserializer)?;
    from_words(&words, Modes::default()).map_err(D::Error::custom)
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PortName, D::Error> {
    let text = String::deserialize(deserializer)?;
    PortName::try_new(&text).map_err(D::Error::custom)
}

fn billing_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BillingDay, D::Error> {
    let day = u8::deserialize(deserializer)?;
    BillingDay::new(day).ok_or_else(|| D::Error::custom(format!("{day} is not a day from 1 to 31")))
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    let text = String::deserialize(deserializer)?;
    TimeZone::posix(&text).map_err(|error| {
        D::Error::custom(format!(
            "{text:?} is no rule such as \"CET-1CEST,M3.5.0,M10.5.0/3\": {error}"
        ))
    })
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > MOST_SERVERS {
        let message = format!("{} servers; at most {MOST_SERVERS} were expected", texts.len());
        return Err(D::Error::custom(message));
    }
    texts.iter().map(|text| numeric(text)).collect()
}

fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    numeric(&String::deserialize(deserializer)?)
}

fn numeric<E: Error>(text: &str) -> Result<SocketAddr, E> {
    text.parse().map_err(|_| E::custom(format!("{text:?} is not ADDRESS:PORT")))
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if text.is_empty() || text.len() > 253 || !text.chars().all(plain) {
        return Err(D::Error::custom(format!("{text:?} is not a host name in lower case")));
    }
    Ok(Some(text))
}

fn yes() -> bool {
    true
}

fn utc() -> TimeZone {
    TimeZone::UTC
}

fn first() -> BillingDay {
    BillingDay::FIRST
}
