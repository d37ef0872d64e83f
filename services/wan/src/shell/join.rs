//! `wan join`: keeps the line that the relay printed, for the next start.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use daemon::replace::{Readers, ReplaceError, replace};
use tunnel::shell::enrolment::{Enrolment, EnrolmentError};

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
    /// It is not what a relay prints.
    #[error(transparent)]
    Meaning(#[from] EnrolmentError),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] ReplaceError),
}

/// The line in the folder `state`, if there is one.
pub(super) fn read(state: &Path) -> Option<String> {
    let file = File::open(state.join(FILE)).ok()?;
    let mut line = String::new();
    let longest = u64::try_from(LONGEST).expect("a few thousand") + 1;
    file.take(longest).read_to_string(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Keeps `line`, or the last word of it, in the folder `state`: the whole command that the relay
/// printed may be pasted.
///
/// # Errors
/// [`JoinError`].
pub fn join(state: &Path, line: &str) -> Result<(), JoinError> {
    let line = line.split_whitespace().next_back().unwrap_or_default();
    if !(1..=LONGEST).contains(&line.len()) {
        return Err(JoinError::Length(line.len()));
    }
    if let Some(strange) = line.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(JoinError::Character(strange));
    }
    line.parse::<Enrolment>()?;
    Ok(replace(&state.join(FILE), format!("{line}\n").as_bytes(), Readers::Nobody)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tunnel::shell::keys::PublicKey;

    #[test]
    fn a_line_is_kept_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default();
        let strange = format!("plr1.{}", "x".repeat(LONGEST));
        for wrong in ["", "  \n", "two words", "a\u{7}", "\u{e5}", "plr1.abc", &strange] {
            assert!(join(folder.path(), wrong).is_err(), "{wrong:?}");
            assert_eq!(kept(), "");
        }
        let addresses = vec![String::from("relay.example:443")];
        let relay = PublicKey([7; 32]);
        let line = Enrolment::try_new(relay, [9; 16], addresses).unwrap().to_string();
        join(folder.path(), &format!("  porch wan join {line}\n")).unwrap();
        assert_eq!(kept(), format!("{line}\n"));
        assert_eq!(read(folder.path()), Some(line));
    }
}
