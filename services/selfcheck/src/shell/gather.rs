//! Gathers the facts: first waits for the end of the boot, then reads everything once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daemon::identity;

use super::settings::{Settings, load_board_name};
use super::{files, journal, manager};
use crate::facts::Facts;
use crate::record::{Record, Verdict};

/// Waits for the end of the boot, gathers, and judges.
pub async fn judge(settings: &Settings) -> Record {
    let mut record = Record::of(&facts(settings).await);
    if record.verdict == Verdict::Fail {
        record.journal_tail = journal::last_lines();
    }
    record
}

async fn facts(settings: &Settings) -> Facts {
    let patience = Duration::from_secs(u64::from(settings.patience_seconds));
    // First, because it waits; everything below is read after the boot is over.
    let told = manager::ask(patience, files::service_units()).await;
    let board = load_board_name(&settings.board).map_err(|error| error.to_string());
    let budget = board.clone().and_then(|board| {
        settings.budget(&board).ok_or_else(|| format!("the settings have no budget.{board}"))
    });
    let image = identity::read();
    Facts {
        image_version: image.version,
        variant: image.variant,
        board,
        budget,
        settled: told.settled,
        units: told.units,
        services: told.services,
        messages: journal::messages(),
        taint: files::taint(),
        usr: files::usr(),
        watchdogs: files::watchdogs(),
        memory: files::memory(),
        boot: told.boot,
        virtualization: told.virtualization,
        clock_unix_ms: unix_ms(),
        epoch_unix_ms: files::epoch_unix_ms(),
        machine_id: files::machine_id(),
        boot_id: files::boot_id(),
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
