//! `selfcheck`: judges this boot, and says so by its exit status.
//!
//! `selfcheck [--repeat] [SETTINGS]`. Runs once, on one thread, and ends. `--repeat` judges a box
//! that has been up for a while: the record is written all the same, but the exit status stays
//! good, because the boot has been decided.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use daemon::replace::{Readers, replace};
use selfcheck::record::Verdict;
use selfcheck::shell::settings::Settings;
use selfcheck::shell::{deliver, gather};

/// Where the image keeps the settings.
const SETTINGS: &str = "/usr/share/porchlight/selfcheck.toml";
/// Where the record is for whoever looks inside the box.
const RECORD: &str = "/run/selfcheck/record.json";
/// The virtual machine's port through which the record leaves the box.
const PORT: &str = "/dev/virtio-ports/org.porchlight.selfcheck";

fn main() -> ExitCode {
    daemon::journal::start();
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let repeat = arguments.first().is_some_and(|first| first == "--repeat");
    if repeat {
        arguments.remove(0);
    }
    let file = arguments.first().map_or_else(|| PathBuf::from(SETTINGS), PathBuf::from);
    let settings = match Settings::load(&file) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!("the settings cannot be used: {error}");
            return ExitCode::from(daemon::BAD_SETTINGS);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread needs only an epoll descriptor");
    let record = runtime.block_on(gather::judge(&settings));
    for check in record.checks.iter().filter(|check| !check.pass) {
        tracing::error!("{} failed: {}", check.name, check.detail);
    }
    tracing::info!("the verdict on this boot: {:?}", record.verdict);
    let line = record.to_line();
    if let Err(error) = replace(Path::new(RECORD), line.as_bytes(), Readers::Everybody) {
        tracing::error!("the record: {error}");
    }
    if let Err(error) = deliver::to_port(&line, Path::new(PORT)) {
        tracing::warn!("the record cannot be handed out through {PORT}: {error}");
    }
    match record.verdict {
        Verdict::Fail if !repeat => ExitCode::FAILURE,
        Verdict::Pass | Verdict::Fail => ExitCode::SUCCESS,
    }
}
