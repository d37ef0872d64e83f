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

#[cfg(test)]
mod tests {
    use super::super::http::Patience;
    use super::super::test_server::{Reply, Server};
    use super::*;

    const FILE: &[u8] = b"the bytes of a package, as Debian built it";

    fn client(silence: Duration) -> Client {
        let patience = Patience { connect: Duration::from_secs(5), silence };
        Client::new(patience, None)
    }

    /// Downloads FILE into a part that begins with `inherited`; returns what is there afterwards.
    fn run(
        server: &Server,
        inherited: Option<&[u8]>,
        silence: Duration,
    ) -> (Result<Outcome, DownloadError>, Option<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        if let Some(bytes) = inherited {
            fs::write(&part, bytes).unwrap();
        }
        let expected = Expected { size: FILE.len() as u64, sha256: Sha256Hex::of(FILE) };
        let url = format!("{}/pool/a.deb", server.url());
        let result = download(&client(silence), &url, &expected, &part);
        (result, fs::read(&part).ok())
    }

    const PATIENT: Duration = Duration::from_secs(20);

    #[test]
    fn a_whole_file() {
        let server = Server::start(|_, _| Reply::File(FILE.to_vec()));
        let (result, bytes) = run(&server, None, PATIENT);
        assert!(matches!(result, Ok(Outcome::Complete)), "{result:?}");
        assert_eq!(bytes.as_deref(), Some(FILE));
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn a_line_that_breaks_is_resumed_where_it_broke() {
        let server = Server::start(|_, before| match before {
            0 => Reply::BreakingOff(FILE.to_vec(), 7),
            1 => Reply::BreakingOff(FILE.to_vec(), 5),
            _ => Reply::File(FILE.to_vec()),
        });
        let (result, bytes) = run(&server, None, PATIENT);
        assert!(matches!(result, Ok(Outcome::Complete)), "{result:?}");
        assert_eq!(bytes.as_deref(), Some(FILE));
        let from: Vec<usize> = server.requests().iter().map(|request| request.from).collect();
        assert_eq!(from, [0, 7, 12]);
    }

    #[test]
    fn an_interrupted_run_is_continued() {
        let server = Server::start(|_, _| Reply::File(FILE.to_vec()));
        let (result, bytes) = run(&server, Some(&FILE[..20]), PATIENT);
        assert!(matches!(result, Ok(Outcome::Complete)), "{result:?}");
        assert_eq!(bytes.as_deref(), Some(FILE));
        assert_eq!(server.requests()[0].from, 20);
    }

    #[test]
    fn a_server_without_ranges_starts_over() {
        let server = Server::start(|_, _| Reply::IgnoringRanges(FILE.to_vec()));
        let (result, bytes) = run(&server, Some(&FILE[..20]), PATIENT);
        assert!(matches!(result, Ok(Outcome::Complete)), "{result:?}");
        assert_eq!(bytes.as_deref(), Some(FILE));
    }

    #[test]
    fn damaged_leftovers_get_a_second_chance() {
        for leftover in [vec![b'?'; FILE.len()], vec![b'?'; 9], vec![b'?'; FILE.len() + 9]] {
            let server = Server::start(|_, _| Reply::File(FILE.to_vec()));
            let (result, bytes) = run(&server, Some(&leftover), PATIENT);
            assert!(matches!(result, Ok(Outcome::Complete)), "{leftover:?}: {result:?}");
            assert_eq!(bytes.as_deref(), Some(FILE));
        }
    }

    #[test]
    fn wrong_bytes_are_a_hard_error_and_are_removed() {
        let wrong = FILE.to_ascii_uppercase();
        let server = Server::start(move |_, _| Reply::File(wrong.clone()));
        let (result, bytes) = run(&server, None, PATIENT);
        let Err(DownloadError::WrongBytes(what)) = result else { panic!("{result:?}") };
        assert!(what.contains("expected sha256"), "{what}");
        assert_eq!(bytes, None);
    }

    #[test]
    fn a_wrong_length_is_a_hard_error() {
        for wrong in [&FILE[1..], b"a login page".as_slice(), &FILE.repeat(2)] {
            let body = wrong.to_vec();
            let server = Server::start(move |_, _| Reply::File(body.clone()));
            let (result, bytes) = run(&server, None, PATIENT);
            assert!(matches!(result, Err(DownloadError::WrongBytes(_))), "{result:?}");
            assert_eq!(bytes, None);
        }
    }

    #[test]
    fn a_body_without_end_is_cut_off() {
        let server = Server::start(|_, _| Reply::Endless);
        let (result, bytes) = run(&server, None, PATIENT);
        assert!(matches!(result, Err(DownloadError::WrongBytes(_))), "{result:?}");
        assert_eq!(bytes, None);
    }

    #[test]
    fn what_is_not_there_is_absent() {
        for status in [404, 410] {
            let server = Server::start(move |_, _| Reply::Status(status));
            let (result, _) = run(&server, None, PATIENT);
            assert!(matches!(result, Ok(Outcome::Absent)), "{status}: {result:?}");
        }
    }

    #[test]
    fn a_failing_server_is_asked_a_bounded_number_of_times() {
        let server = Server::start(|_, _| Reply::Status(503));
        let (result, _) = run(&server, None, PATIENT);
        assert!(matches!(result, Err(DownloadError::Unreachable(_))), "{result:?}");
        assert_eq!(server.requests().len(), FRUITLESS_ATTEMPTS as usize);
    }

    #[test]
    fn a_silent_server_is_left_and_what_came_is_kept() {
        let server = Server::start(|request, _| {
            Reply::FallingSilent(FILE.to_vec(), if request.from == 0 { 11 } else { 0 })
        });
        let (result, bytes) = run(&server, None, Duration::from_millis(300));
        assert!(matches!(result, Err(DownloadError::Unreachable(_))), "{result:?}");
        assert_eq!(bytes.as_deref(), Some(&FILE[..11]));
        assert_eq!(server.requests().len(), 1 + FRUITLESS_ATTEMPTS as usize);
    }

    #[test]
    fn a_redirect_is_followed() {
        let server = Server::start(|request, _| match request.target.as_str() {
            "/pool/a.deb" => Reply::Redirect("/elsewhere/a.deb".to_owned()),
            _ => Reply::File(FILE.to_vec()),
        });
        let (result, _) = run(&server, None, PATIENT);
        assert!(matches!(result, Ok(Outcome::Complete)), "{result:?}");
        assert_eq!(server.requests()[1].target, "/elsewhere/a.deb");
    }
}
