//! `home`'s settings, and the part of the board's card that it needs.

use std::path::{Path, PathBuf};

use crate::port::{Port, Role};
use daemon::settings::{SettingsError, load};
use serde::Deserialize;
use units::PortName;

/// Most ports a board may have. The largest we know has six.
const MOST_PORTS: usize = 16;

/// Most names the box may be called by.
const MOST_NAMES: usize = 8;

/// The settings file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The board's card, which says what each port is for.
    pub board: PathBuf,
    /// The names under which a browser in the house may ask for the page. Its addresses need not
    /// be listed.
    #[serde(deserialize_with = "names")]
    pub names: Vec<String>,
}

impl Settings {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`SettingsError`] names the file, the line, the key and what was expected.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        load(file)
    }
}

fn names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if names.len() > MOST_NAMES {
        let message = format!("{} names; at most {MOST_NAMES} were expected", names.len());
        return Err(serde::de::Error::custom(message));
    }
    match names.iter().find(|name| name.is_empty() || !name.chars().all(plain)) {
        Some(name) => {
            let message = format!("{name:?} is not a host name in lower case");
            Err(serde::de::Error::custom(message))
        }
        None => Ok(names),
    }
}

/// The board's card, as far as `home` reads it: other tables belong to the image and to testers.
#[derive(Debug, Deserialize)]
struct Board {
    #[serde(rename = "port", deserialize_with = "ports")]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct PortRow {
    role: Role,
    name: String,
}

fn ports<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Port>, D::Error> {
    let rows = Vec::<PortRow>::deserialize(deserializer)?;
    if rows.len() > MOST_PORTS {
        let message = format!("{} ports; at most {MOST_PORTS} were expected", rows.len());
        return Err(serde::de::Error::custom(message));
    }
    let mut ports = Vec::<Port>::with_capacity(rows.len());
    for row in rows {
        let name = PortName::try_new(&row.name).map_err(serde::de::Error::custom)?;
        if ports.iter().any(|port| port.name == name) {
            return Err(serde::de::Error::custom(format!("two ports are called {name}")));
        }
        ports.push(Port { role: row.role, name });
    }
    Ok(ports)
}

/// The ports that the board's card at `file` describes, in its order.
///
/// # Errors
/// [`SettingsError`] names the file, the line, the key and what was expected.
pub fn load_ports(file: &Path) -> Result<Vec<Port>, SettingsError> {
    Ok(load::<Board>(file)?.ports)
}
