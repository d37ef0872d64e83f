//! Small files of ours that survive the power: whole or as they were before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest file that is read. Counters of 32 uplinks with 14 months each are below 32 KiB.
const LONGEST: u64 = 256 * 1024;

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct StoreError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub source: io::Error,
}

/// Puts `bytes` in the place of `file`, readable by nobody else.
///
/// # Errors
/// [`StoreError`]; the file is then as it was.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError { file: file.to_owned(), source };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let write = || {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        // The name is on disk only when its folder is.
        file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(failed)
}

/// Writes `value` in the place of `file`, as JSON.
///
/// # Errors
/// [`StoreError`].
pub(super) fn save<T: Serialize>(file: &Path, value: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(value);
    let bytes =
        bytes.map_err(|error| StoreError { file: file.to_owned(), source: error.into() })?;
    replace(file, &bytes)
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

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = replace(Path::new("/nonexistent/usage.json"), b"{}").unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/usage.json: "), "{error}");
    }
}
