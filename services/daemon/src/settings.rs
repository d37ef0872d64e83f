//! Settings files: TOML into a type, or a sentence that names the file, the line and the key.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Longest settings file. The longest of ours is below 2 KiB; a file that somebody edits stays far
/// below this, and a wrong path to something huge does not fill the memory.
pub const LONGEST_BYTES: u64 = 64 * 1024;

/// Why a settings file cannot be used. Nothing of it has been applied.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is longer than [`LONGEST_BYTES`].
    #[error("{}: longer than {LONGEST_BYTES} bytes, which no settings file is", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// It does not say what was expected.
    #[error("{}:{line}: {}{message}", file.display(), in_key(key))]
    Content {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key on that line, or an empty text.
        key: String,
        /// What is wrong and what was expected.
        message: String,
    },
}

fn in_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// Reads `file` into a `T`. A type that denies unknown fields makes a misspelt key an error.
///
/// # Errors
/// [`SettingsError`] names the file and, for its content, the line, the key and the expectation.
pub fn load<T: DeserializeOwned>(file: &Path) -> Result<T, SettingsError> {
    let read = |source| SettingsError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(read)?;
    opened.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > LONGEST_BYTES {
        return Err(SettingsError::TooLong { file: file.to_owned() });
    }
    let not_text = |error: std::string::FromUtf8Error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        let message = String::from("this is not UTF-8 text");
        SettingsError::Content { file: file.to_owned(), line, key: String::new(), message }
    };
    parse(file, &String::from_utf8(bytes).map_err(not_text)?)
}

/// Reads `text` as [`load`] reads a file; `file` is only named in errors.
///
/// # Errors
/// [`SettingsError::Content`].
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, SettingsError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        let message = error.message().trim().replace('\n', "; ");
        SettingsError::Content { file: file.to_owned(), line, key: key_on(text, line), message }
    })
}

/// The key that line number `line` of `text` sets, or an empty text if it sets none.
fn key_on(text: &str, line: usize) -> String {
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let key = content.split_once('=').map_or("", |(key, _)| key.trim());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ' ');
    if key.chars().all(plain) { key.to_owned() } else { String::new() }
}
