//! One run of this tool at a time, where two would write the same files.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

use crate::output;

/// Locks a folder of the cache until the answer is dropped, or this process ends in any way.
/// Waits, and says so, while another run holds it.
///
/// # Errors
/// The lock file cannot be made, or the file system knows no locks.
pub(crate) fn exclusive(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let named = || format!("cannot lock {}", path.display());
    std::fs::create_dir_all(folder).with_context(named)?;
    let lock = File::create(&path).with_context(named)?;
    if lock.try_lock().is_err() {
        output::say(format!(
            "waiting for another `cargo xtask` that works in {}",
            folder.display()
        ));
        lock.lock().with_context(named)?;
    }
    Ok(lock)
}
