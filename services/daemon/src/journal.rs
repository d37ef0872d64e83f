//! Where events go: to the journal with their fields, or to a terminal.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends events of level `info` and above to the journal when systemd connected our standard
/// error to it (`JOURNAL_STREAM`, systemd.exec(5)), otherwise, or when the journal is not there,
/// as lines to standard error. To be called once, first thing.
pub fn start() {
    let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
    let by_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    match by_systemd.then(tracing_journald::layer) {
        Some(Ok(journal)) => registry.with(journal).init(),
        Some(Err(_)) | None => {
            let lines = tracing_subscriber::fmt::layer().without_time().with_writer(io::stderr);
            registry.with(lines).init();
        }
    }
}
