//! What the owner changed over the bus, kept over restarts beside the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::store::{self, StoreError};
use crate::uplink::{Policy, Uplink};

/// What the owner changed of one uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    policy: Option<Policy>,
    /// 0 for no cap.
    cap_bytes: Option<u64>,
}

/// What the owner changed, by port.
#[derive(Debug)]
pub(super) struct Owner {
    file: PathBuf,
    changes: BTreeMap<String, Change>,
}

impl Owner {
    /// Reads what was kept.
    pub(super) fn load(file: PathBuf) -> Self {
        let changes = store::load(&file);
        Self { file, changes }
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
