//! `selfcheck`'s settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::settings::{SettingsError, load};
use serde::Deserialize;

use crate::facts::Budget;

/// The settings file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The board's card, which says what the board is called.
    pub board: PathBuf,
    /// How long to wait for the end of the boot, in seconds.
    pub patience_seconds: u16,
    /// What each board may use, by the board's name.
    budget: BTreeMap<String, BudgetRow>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetRow {
    /// Memory in use, in MiB.
    memory_used_mib: u32,
    /// From the kernel's start to the end of the boot, in seconds.
    boot_seconds: u16,
}

impl Settings {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`SettingsError`] names the file, the line, the key and what was expected.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        load(file)
    }

    /// What the board called `board` may use.
    #[must_use]
    pub fn budget(&self, board: &str) -> Option<Budget> {
        self.budget.get(board).map(|row| Budget {
            memory_used_kib: u64::from(row.memory_used_mib) * 1024,
            boot: Duration::from_secs(u64::from(row.boot_seconds)),
        })
    }
}

/// The board's card, as far as `selfcheck` reads it.
#[derive(Deserialize)]
struct Board {
    name: String,
}

/// The name on the board's card at `file`.
///
/// # Errors
/// [`SettingsError`] names the file, the line, the key and what was expected.
pub fn load_board_name(file: &Path) -> Result<String, SettingsError> {
    Ok(load::<Board>(file)?.name)
}
