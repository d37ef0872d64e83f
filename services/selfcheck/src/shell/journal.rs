//! Facts from the journal, through journalctl.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::evidence::tail;
use crate::facts::Gathered;
use crate::record::LONGEST_JOURNAL;

/// Longest answer taken from journalctl, in bytes. A boot says some 300 KiB.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Lines asked for at the end of a failed record; at about 150 bytes each they fill its journal.
const TAIL_LINES: &str = "--lines=450";

/// What the service manager and the kernel have said since the boot.
pub(super) fn messages() -> Gathered<String> {
    journalctl(&["--output=cat", "_PID=1", "+", "_TRANSPORT=kernel"])
}

/// The end of what anybody has said since the boot, at most [`LONGEST_JOURNAL`] bytes.
pub(super) fn last_lines() -> String {
    let text = journalctl(&["--output=short-monotonic", "--no-hostname", TAIL_LINES]);
    let text = text.unwrap_or_else(|why| why);
    tail(&text, LONGEST_JOURNAL).to_owned()
}

fn journalctl(arguments: &[&str]) -> Gathered<String> {
    let failed = |error| format!("journalctl failed: {error}");
    let mut child = Command::new("journalctl")
        .args(["--boot", "--quiet", "--no-pager"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut bytes = Vec::new();
    let out = child.stdout.take().expect("stdout was asked for");
    let read = out.take(LONGEST).read_to_end(&mut bytes);
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if !status.success() && bytes.is_empty() {
        return Err(format!("journalctl ended with {status}"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
