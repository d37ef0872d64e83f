//! Small files of ours that survive the power: whole or as they were before.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use daemon::replace::{Readers, ReplaceError, replace};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest file that is read. Counters of 32 uplinks with 14 months each are below 32 KiB.
const LONGEST: u64 = 256 * 1024;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The value has no form as JSON.
    #[error("{}: {source}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The disk's fault.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

/// Writes `value` in the place of `file`, as JSON.
///
/// # Errors
/// [`StoreError`].
pub(super) fn save<T: Serialize>(file: &Path, value: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|source| StoreError::Value { file: file.to_owned(), source })?;
    Ok(replace(file, &bytes, Readers::Nobody)?)
}

/// Reads `file`; what is not there is as at the first start. What cannot be understood is put
/// aside under the name `….bad` and said, and it is also as at the first start: the house goes
/// online with or without its counters.
pub(super) fn load<T: DeserializeOwned + Default>(file: &Path) -> T {
    let read = || -> io::Result<T> {
        let mut bytes = Vec::new();
        File::open(file)?.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    match read() {
        Ok(value) => value,
        Err(error) if error.kind() == io::ErrorKind::NotFound => T::default(),
        Err(error) => {
            let mut aside = file.as_os_str().to_owned();
            aside.push(".bad");
            tracing::error!("{}: {error}; put aside, and begun anew", file.display());
            // It is overwritten at the next save in any case.
            let _ = fs::rename(file, aside);
            T::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caps::Saved;

    #[test]
    fn a_file_is_replaced_whole_and_for_us_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage.json");
        let saved = Saved { boot: "a".into(), ..Saved::default() };
        save(&file, &saved).unwrap();
        assert_eq!(load::<Saved>(&file), saved);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn garbage_is_put_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage.json");
        for garbage in ["", "{", "{\"boot\":7}", "\u{0}\u{0}\u{0}"] {
            fs::write(&file, garbage).unwrap();
            assert_eq!(load::<Saved>(&file), Saved::default());
            assert!(!file.exists());
            assert_eq!(fs::read_to_string(folder.path().join("usage.json.bad")).unwrap(), garbage);
        }
    }
}
