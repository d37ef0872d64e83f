//! One file over an unreliable line: resumed, bounded, and verified before anybody sees it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use ureq::http::StatusCode;

use super::http::Client;
use super::sha256::Sha256Hex;

/// Attempts in a row that bring not one byte before a mirror counts as unreachable.
pub(crate) const FRUITLESS_ATTEMPTS: u32 = 3;

/// Attempts in all for one file, however little each brings: the largest package (about 100 MB)
/// in pieces of 1.5 MB. Past that the line is of no use.
pub(crate) const ATTEMPTS: u32 = 64;

/// Pause before trying again, so that a mirror that restarts has a moment.
const PAUSE: Duration = Duration::from_millis(300);

/// What the file must be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its hash.
    pub(crate) sha256: Sha256Hex,
}

/// How a download ended when nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The file is there and every byte is right.
    Complete,
    /// The server has no such file.
    Absent,
}

/// Why there is no file.
#[derive(Debug)]
pub(crate) enum DownloadError {
    /// The server sent other bytes. They are deleted; nothing may be built from such a mirror.
    WrongBytes(String),
    /// The server cannot be reached, breaks off, or refuses: another mirror may do better.
    Unreachable(anyhow::Error),
    /// This machine cannot store the file.
    Storage(io::Error),
}

enum Attempt {
    Progress,
    Absent,
}

/// Brings `url` into `part`, going on where an earlier run stopped.
///
/// # Errors
/// See [`DownloadError`]. What has arrived stays in `part`, except after wrong bytes.
pub(crate) fn download(
    client: &Client,
    url: &str,
    expected: &Expected,
    part: &Path,
) -> Result<Outcome, DownloadError> {
    // Bytes of an earlier run may be of another file or damaged: they deserve a second chance.
    let mut inherited = part.exists();
    let mut fruitless = 0;
    for _ in 0..ATTEMPTS {
        let before = length(part);
        if before == expected.size {
            match verify(part, url, expected) {
                Err(DownloadError::WrongBytes(_)) if inherited => inherited = false,
                Err(error) => return Err(error),
                Ok(()) => return Ok(Outcome::Complete),
            }
        }
        let result = attempt(client, url, expected, part);
        if matches!(result, Ok(Attempt::Absent)) {
            return Ok(Outcome::Absent);
        }
        if length(part) > before {
            fruitless = 0;
            continue;
        }
        fruitless += 1;
        match result {
            Err(error @ DownloadError::Unreachable(_)) if fruitless >= FRUITLESS_ATTEMPTS => {
                return Err(error);
            }
            Err(DownloadError::Unreachable(_)) => thread::sleep(PAUSE),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Err(DownloadError::Unreachable(anyhow!("{url}: no end after {ATTEMPTS} attempts")))
}

fn length(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |metadata| metadata.len())
}

fn verify(part: &Path, url: &str, expected: &Expected) -> Result<(), DownloadError> {
    let found = Sha256Hex::of_file(part).map_err(DownloadError::Storage)?;
    if found == expected.sha256 {
        return Ok(());
    }
    fs::remove_file(part).map_err(DownloadError::Storage)?;
    Err(DownloadError::WrongBytes(format!(
        "{url} is not what the lock says: expected sha256 {}, got {found}",
        expected.sha256
    )))
}

/// One request: appends what arrives.
fn attempt(
    client: &Client,
    url: &str,
    expected: &Expected,
    part: &Path,
) -> Result<Attempt, DownloadError> {
    let from = Some(length(part)).filter(|&have| have < expected.size).unwrap_or(0);
    let mut response = client
        .get(url, from)
        .map_err(|error| DownloadError::Unreachable(error.context(url.to_owned())))?;
    let start = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => from,
        // What we have is longer than what the server has: begin again.
        StatusCode::RANGE_NOT_SATISFIABLE => {
            fs::remove_file(part).map_err(DownloadError::Storage)?;
            return Err(DownloadError::Unreachable(anyhow!("{url}: cannot resume")));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Attempt::Absent),
        status => return Err(DownloadError::Unreachable(anyhow!("{url}: {status}"))),
    };
    let announced = response.body().content_length();
    if let Some(rest) = announced.filter(|rest| start + rest != expected.size) {
        let _ = fs::remove_file(part);
        return Err(DownloadError::WrongBytes(format!(
            "{url} is not what the lock says: expected {} bytes, the server has {}",
            expected.size,
            start + rest
        )));
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(part)
        .map_err(DownloadError::Storage)?;
    file.set_len(start).map_err(DownloadError::Storage)?;
    file.seek(SeekFrom::Start(start)).map_err(DownloadError::Storage)?;
    // One byte more than wanted is enough to see that a server does not stop.
    let body = response.body_mut().as_reader().take(expected.size - start + 1);
    copy(body, &mut file, url)?;
    let have = length(part);
    if have < expected.size {
        return Err(DownloadError::Unreachable(anyhow!("{url}: ends early, at byte {have}")));
    }
    if have > expected.size {
        let _ = fs::remove_file(part);
        return Err(DownloadError::WrongBytes(format!(
            "{url} is not what the lock says: longer than {} bytes",
            expected.size
        )));
    }
    Ok(Attempt::Progress)
}

/// Copies, telling a failing network from a failing disk.
fn copy(mut body: impl Read, file: &mut File, url: &str) -> Result<(), DownloadError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) => return Err(DownloadError::Unreachable(anyhow!("{url}: {error}"))),
        };
        file.write_all(&buffer[..count]).map_err(DownloadError::Storage)?;
    }
}
