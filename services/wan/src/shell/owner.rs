//! What the owner changed over the bus, kept over restarts beside the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tunnel::Modes;

use super::store::{self, StoreError};
use crate::modes::{from_words, to_words};
use crate::uplink::{Policy, Uplink};

/// What the owner changed of one uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    policy: Option<Policy>,
    /// 0 for no cap.
    cap_bytes: Option<u64>,
}

/// What the owner changed: of each port, and of how classes of traffic are carried.
#[derive(Debug)]
pub(super) struct Owner {
    file: PathBuf,
    changes: BTreeMap<String, Change>,
    modes_file: PathBuf,
    modes: BTreeMap<String, String>,
}

impl Owner {
    /// Reads what was kept in the folder `state`.
    pub(super) fn load(state: &Path) -> Self {
        let (file, modes_file) = (state.join("owner.json"), state.join("modes.json"));
        let (changes, modes) = (store::load(&file), store::load(&modes_file));
        Self { file, changes, modes_file, modes }
    }

    /// What was kept instead of what the settings say, as far as it can be understood.
    pub(super) fn modes(&self, settings: Modes) -> Modes {
        from_words(&self.modes, settings).unwrap_or_else(|error| {
            tracing::error!("{}: {error}; as in the settings", self.modes_file.display());
            settings
        })
    }

    /// Keeps modes.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub(super) fn keep_modes(&mut self, modes: Modes) -> Result<(), StoreError> {
        let words = to_words(modes);
        store::save(&self.modes_file, &words)?;
        self.modes = words;
        Ok(())
    }

    /// Puts what was kept in the place of what the settings say.
    pub(super) fn apply(&self, uplinks: &mut [Uplink]) {
        for uplink in uplinks {
            let Some(change) = self.changes.get(uplink.name.as_str()) else { continue };
            uplink.policy = change.policy.unwrap_or(uplink.policy);
            if let Some(bytes) = change.cap_bytes {
                uplink.cap_bytes = (bytes > 0).then_some(bytes);
            }
        }
    }

    /// Keeps a policy.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub(super) fn keep_policy(&mut self, name: &str, policy: Policy) -> Result<(), StoreError> {
        self.keep(name, |change| change.policy = Some(policy))
    }

    /// Keeps a cap; 0 for none.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub(super) fn keep_cap(&mut self, name: &str, bytes: u64) -> Result<(), StoreError> {
        self.keep(name, |change| change.cap_bytes = Some(bytes))
    }

    fn keep(&mut self, name: &str, change: impl FnOnce(&mut Change)) -> Result<(), StoreError> {
        let mut changes = self.changes.clone();
        change(changes.entry(name.to_owned()).or_default());
        store::save(&self.file, &changes)?;
        self.changes = changes;
        Ok(())
    }
}
