//! What is known of a box: one small text file each, so that an operator can read, copy and remove
//! them with the tools at hand.

use serde::{Deserialize, Serialize};

use crate::addresses::BoxNumber;

/// A name fits in a file name and in a table.
pub const LONGEST_NAME: usize = 32;

/// One box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from which its addresses follow. Never given to another box while this file is
    /// there.
    pub number: u16,
    /// Its key in base 64, once it has come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of the token that lets it in, in base 64. The token itself is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// Until when the token works, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_until: Option<u64>,
}

/// A name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected 1 to {LONGEST_NAME} of a-z, 0-9 and -, not beginning with -")]
pub struct NameError(pub String);

/// Checks a box's name.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-');
    if good { Ok(()) } else { Err(NameError(name.to_owned())) }
}

/// The lowest number that nobody has.
#[must_use]
pub fn free_number(entries: &[Entry]) -> Option<BoxNumber> {
    (1..=BoxNumber::MOST)
        .find(|number| entries.iter().all(|entry| entry.number != *number))
        .and_then(BoxNumber::try_new)
}

/// Whether `entry` lets in whoever shows a token with that hash at that time.
#[must_use]
pub fn token_opens(entry: &Entry, token_sha256: &str, now: u64) -> bool {
    entry.token_sha256.as_deref() == Some(token_sha256)
        && entry.token_until.is_some_and(|until| now <= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u16) -> Entry {
        Entry { number, key: None, token_sha256: Some("x".into()), token_until: Some(100) }
    }

    #[test]
    fn numbers_are_given_once() {
        assert_eq!(free_number(&[]).map(BoxNumber::get), Some(1));
        assert_eq!(free_number(&[entry(1), entry(3)]).map(BoxNumber::get), Some(2));
        let all: Vec<_> = (1..=BoxNumber::MOST).map(entry).collect();
        assert_eq!(free_number(&all), None);
    }

    #[test]
    fn a_token_opens_until_its_time() {
        assert!(token_opens(&entry(1), "x", 100));
        assert!(!token_opens(&entry(1), "x", 101));
        assert!(!token_opens(&entry(1), "y", 50));
        let used = Entry { token_sha256: None, token_until: None, ..entry(1) };
        assert!(!token_opens(&used, "x", 50));
    }

    #[test]
    fn names_fit_in_file_names() {
        for good in ["cabin", "garage-2", "0"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "-x", "Cabin", "a/b", "..", &"x".repeat(33)] {
            assert_eq!(check_name(bad), Err(NameError(bad.to_owned())));
        }
    }
}
