//! A file of ours is replaced whole or not at all, whatever happens to the power meanwhile.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file, besides its owner, who may also write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody: it holds a secret, or what concerns only us.
    Nobody,
    /// Everybody.
    Everybody,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::Nobody => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// It is as it was.
    #[error("{}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is replaced, but the old one may be back after the power fails.
    #[error("{}: written, but its folder cannot be: {source}", file.display())]
    Folder {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl From<ReplaceError> for io::Error {
    /// For a caller that names the file itself.
    fn from(error: ReplaceError) -> Self {
        let (ReplaceError::Write { source, .. } | ReplaceError::Folder { source, .. }) = error;
        source
    }
}

/// Puts `bytes` in the place of `file`. They are written beside it first, to the same name with
/// `.new` after it: whoever lists the folder passes over such names. What a former try has left
/// there is removed, so that its mode and its links are not taken over.
///
/// # Errors
/// [`ReplaceError`].
pub fn replace(file: &Path, bytes: &[u8], readers: Readers) -> Result<(), ReplaceError> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = file.with_file_name(name);
    if let Err(source) = write(&fresh, bytes, readers).and_then(|()| fs::rename(&fresh, file)) {
        // Half a file is of no use; the next try would remove it in any case.
        let _ = fs::remove_file(&fresh);
        return Err(ReplaceError::Write { file: file.to_owned(), source });
    }
    // The name is on disk only when its folder is. A bare name is in the folder we are in.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| ReplaceError::Folder { file: file.to_owned(), source })
}

fn write(fresh: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(readers.mode()).open(fresh)?;
    // Whatever the mask of the service is.
    to.set_permissions(Permissions::from_mode(readers.mode()))?;
    to.write_all(bytes)?;
    to.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage.json");
        for content in ["a long first content", "second"] {
            replace(&file, content.as_bytes(), Readers::Nobody).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        assert_eq!(mode(&file), 0o600);
        replace(&file, b"third", Readers::Everybody).unwrap();
        assert_eq!(mode(&file), 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_former_try_left_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fresh) = (folder.path().join("key"), folder.path().join("key.new"));
        fs::write(&fresh, "half").unwrap();
        fs::set_permissions(&fresh, Permissions::from_mode(0o666)).unwrap();
        replace(&file, b"secret", Readers::Nobody).unwrap();
        assert_eq!(mode(&file), 0o600);
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "not ours").unwrap();
        symlink(&elsewhere, &fresh).unwrap();
        replace(&file, b"other secret", Readers::Nobody).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "not ours");
        assert_eq!(fs::read_to_string(&file).unwrap(), "other secret");
    }

    #[test]
    fn a_failure_names_the_file_and_changes_nothing() {
        let error = replace(Path::new("/nonexistent/key"), b"", Readers::Nobody).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/key: "), "{error}");
        let folder = tempfile::tempdir().unwrap();
        // A folder stands where the file should be: the last step fails.
        let file = folder.path().join("key");
        fs::create_dir(&file).unwrap();
        assert!(matches!(replace(&file, b"x", Readers::Nobody), Err(ReplaceError::Write { .. })));
        assert!(file.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
