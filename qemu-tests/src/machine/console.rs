//! The guest's serial console: QEMU appends to a file, and we show its end to people.
//!
//! Nothing is ever decided by what it says; that is the record's job.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of the end is shown.
pub const TAIL_BYTES: u64 = 16 * 1024;

/// A console's log file.
#[derive(Debug)]
pub struct Console {
    log: PathBuf,
}

impl Console {
    pub(super) fn new(log: &Path) -> Self {
        Self { log: log.to_owned() }
    }

    /// The last [`TAIL_BYTES`], without what would move a terminal's cursor. Empty before output.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub fn tail(&self) -> io::Result<String> {
        let mut file = match File::open(&self.log) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(plain(&String::from_utf8_lossy(&bytes)))
    }
}

/// Text without control sequences: ESC … up to its final letter, and lone control characters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                if characters.next_if_eq(&'[').is_some() {
                    while characters.next_if(|next| !next.is_ascii_alphabetic()).is_some() {}
                }
                characters.next();
            }
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_bounded_and_plain() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("console.log");
        let console = Console::new(&log);
        assert_eq!(console.tail().unwrap(), "");
        let length = usize::try_from(TAIL_BYTES).unwrap();
        std::fs::write(&log, format!("first{}\u{1b}[2J\u{1b}[01;01Hlast\r\n", "x".repeat(length)))
            .unwrap();
        let tail = console.tail().unwrap();
        assert!(tail.ends_with("xlast\n"), "{}", &tail[tail.len() - 20..]);
        assert!(!tail.contains("first"));
        assert!(tail.len() <= length);
    }
}
