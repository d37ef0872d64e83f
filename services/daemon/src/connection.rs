//! The connection to the system bus.

use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;
use zbus::object_server::Interface;

/// Longest wait for an answer to a method call. Above what a loaded box needs to answer, and below
/// the 30 s after which evidence counts as stale, so that a reader can ask again in time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects without serving anything.
///
/// # Errors
/// The bus's, when it cannot be reached.
pub async fn connect() -> zbus::Result<Connection> {
    Builder::system().method_timeout(ANSWER_TIMEOUT).build().await
}

/// Connects, serves `object` at `path`, and then takes `name`: whoever sees the name can call.
///
/// # Errors
/// The bus's, when it cannot be reached or refuses the name.
pub async fn serve<I: Interface>(
    name: &'static str,
    path: &'static str,
    object: I,
) -> zbus::Result<Connection> {
    Builder::system().method_timeout(ANSWER_TIMEOUT).serve_at(path, object).name(name).build().await
}
