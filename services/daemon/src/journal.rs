//! Where events go: to the journal with their fields, or to a terminal.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends events of level `info` and above to the journal when systemd connected our standard
/// error to it (`JOURNAL_STREAM`, systemd.exec(5)), otherwise as lines to standard error. To be
/// called once, first thing.
///
/// # Errors
/// The journal's socket is not there.
pub fn start() -> io::Result<()> {
    let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(tracing_journald::layer()?).init();
    } else {
        let lines = tracing_subscriber::fmt::layer().without_time().with_writer(io::stderr);
        registry.with(lines).init();
    }
    Ok(())
}
