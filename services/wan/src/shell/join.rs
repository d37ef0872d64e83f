//! `wan join`: keeps the line that the relay printed, for the next start.

use std::path::Path;

use super::store::{self, StoreError};

/// The file in the state folder that holds the line.
pub const FILE: &str = "relay";

/// Longest line. A relay's addresses, keys and name take below 1 KiB.
pub const LONGEST: usize = 4096;

/// Why the line was not kept. What was kept before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is no line.
    #[error(
        "the line has {0} bytes; expected 1 to {LONGEST}: copy all that 'relay enroll' printed"
    )]
    Length(usize),
    /// It holds something that no line of a relay holds.
    #[error("the line holds {0:?}; expected letters, digits and signs: copy it once more")]
    Character(char),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps `line` in the folder `state`.
///
/// # Errors
/// [`JoinError`].
pub fn join(state: &Path, line: &str) -> Result<(), JoinError> {
    let line = line.trim();
    if !(1..=LONGEST).contains(&line.len()) {
        return Err(JoinError::Length(line.len()));
    }
    if let Some(strange) = line.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(JoinError::Character(strange));
    }
    Ok(store::replace(&state.join(FILE), format!("{line}\n").as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_kept_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default();
        for wrong in ["", "  \n", "two words", "a\u{7}", "\u{e5}", &"x".repeat(LONGEST + 1)] {
            assert!(join(folder.path(), wrong).is_err(), "{wrong:?}");
            assert_eq!(kept(), "");
        }
        join(folder.path(), "  porchlight-relay:abc\n").unwrap();
        assert_eq!(kept(), "porchlight-relay:abc\n");
    }
}
