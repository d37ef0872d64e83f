//! `wan announce`: tells the network manager which IPv6 prefix the house has from its relay.
//!
//! A program of its own that runs for a moment, started by `lan-prefix.path` when `wan run` has
//! said something else, and every hour. It is the network manager's user and not that of `wan`:
//! who speaks with the internet cannot write what the network manager reads.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use daemon::replace::{Readers, ReplaceError, replace};
use units::Instant;

use crate::lan_prefix::{Announcement, LONGEST, LanPrefix, LanPrefixError};

/// Longest drop-in that is read: five prefixes of less than 300 bytes each.
const LONGEST_DROP_IN: u64 = 4_096;

/// Why the network manager could not be told. Nothing has changed then, unless it is said.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not say a prefix.
    #[error("{}: {source}", file.display())]
    Prefix {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        source: LanPrefixError,
    },
    /// The drop-in cannot be written.
    #[error(transparent)]
    Write(#[from] ReplaceError),
    /// The drop-in is written, but the network manager did not read it.
    #[error("networkctl reload: {0}")]
    Reload(String),
}

/// Has the network manager announce what `wanted` says, by the file `drop_in`.
///
/// # Errors
/// [`AnnounceError`].
pub fn announce(wanted: &Path, drop_in: &Path, now: Instant) -> Result<(), AnnounceError> {
    let before = read(drop_in, LONGEST_DROP_IN)?.unwrap_or_default();
    let mut announcement = Announcement::read(&String::from_utf8_lossy(&before));
    announcement.handle_wanted(said(wanted)?, now);
    match announcement.drop_in() {
        Some(text) if text.as_bytes() != before => {
            replace(drop_in, text.as_bytes(), Readers::Everybody)?;
        }
        None if drop_in.exists() => {
            let file = drop_in.to_owned();
            fs::remove_file(drop_in).map_err(|source| AnnounceError::Read { file, source })?;
        }
        _ => {}
    }
    // Also when nothing has changed: the last time may have ended before this.
    reload()
}

/// What `wan run` says; it says nothing by having no file.
fn said(file: &Path) -> Result<Option<LanPrefix>, AnnounceError> {
    // A byte more than is allowed, so that a longer file is seen to be one.
    let Some(text) = read(file, LONGEST as u64 + 1)? else { return Ok(None) };
    let prefix = LanPrefix::read(&text);
    let prefix =
        prefix.map_err(|source| AnnounceError::Prefix { file: file.to_owned(), source })?;
    Ok(Some(prefix))
}

fn read(file: &Path, most: u64) -> Result<Option<Vec<u8>>, AnnounceError> {
    let mut text = Vec::new();
    match File::open(file).and_then(|file| file.take(most).read_to_end(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AnnounceError::Read { file: file.to_owned(), source }),
    }
}

fn reload() -> Result<(), AnnounceError> {
    let output = Command::new("/usr/bin/networkctl").arg("reload").output();
    let output = output.map_err(|error| AnnounceError::Reload(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(AnnounceError::Reload(said.lines().next().unwrap_or("no reason given").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let (wanted, drop_in) = (folder.path().join("lan-prefix"), folder.path().join("x.conf"));
        let kept = "[IPv6Prefix]\nPrefix=2001:db8::/64\n";
        fs::write(&drop_in, kept).unwrap();
        for wrong in ["root:secret\n".to_owned(), "x".repeat(10_000)] {
            fs::write(&wanted, &wrong).unwrap();
            let message = announce(&wanted, &drop_in, Instant::BOOT).unwrap_err().to_string();
            assert!(message.contains("lan-prefix: expected"), "{message}");
            assert!(!message.contains("secret"), "{message}");
            assert_eq!(fs::read_to_string(&drop_in).unwrap(), kept);
        }
    }
}
