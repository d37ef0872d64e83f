//! `org.freedesktop.network1`: what systemd-networkd says about the links
//! (org.freedesktop.network1(5)).

use zbus::{Connection, proxy};

use crate::Changes;

/// The well-known name of systemd-networkd.
pub const NAME: &str = "org.freedesktop.network1";
/// Its manager's path; the links are objects below it.
pub const PATH: &str = "/org/freedesktop/network1";

/// The network manager.
#[proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
pub trait Manager {
    /// Everything about every link, as JSON: states, addresses and routes of one moment, which
    /// reading the links' properties one by one would not give.
    fn describe(&self) -> zbus::Result<String>;
}

/// Follows the property changes of the manager and of every link; after each, `Describe` tells
/// what is true.
///
/// # Errors
/// The bus's, when the subscription is refused.
pub async fn changes(connection: &Connection) -> zbus::Result<Changes> {
    let rule = Changes::of_properties(NAME).path_namespace(PATH).build()?;
    Changes::follow(connection, rule).await
}
