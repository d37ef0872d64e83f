//! A sha256 as the lock spells it, and the hash of a file.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Sixty-four lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Sha256Hex(String);

impl Sha256Hex {
    /// The hash of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::spell(&Sha256::digest(bytes))
    }

    /// The hash of a file's content.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let mut state = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(Self::spell(&state.finalize()));
            }
            state.update(&buffer[..count]);
        }
    }

    /// Spells the thirty-two bytes of a finished hash.
    pub(crate) fn spell(digest: &[u8]) -> Self {
        let mut hex = String::with_capacity(64);
        for byte in digest {
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = String;

    fn try_from(hex: String) -> Result<Self, String> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() == 64 && hex.bytes().all(digit) {
            Ok(Self(hex))
        } else {
            Err(format!("\"{hex}\" is not a sha256: expected 64 lower-case hexadecimal digits"))
        }
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
