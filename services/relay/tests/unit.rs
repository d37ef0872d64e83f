//! The unit that an owner copies to a server: systemd understands all of it, and it walls the relay
//! in. Needs systemd's own judge of units; `cargo xtask test --tier host` has it in the tools root.
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Highest exposure, in tenths: the bar of every service of the image (`image/SPECIFICATION.md`).
/// The relay is at 2.3: it is root for its device, its rules and its files.
const THRESHOLD: &str = "--threshold=30";

/// Runs `systemd-analyze`; nothing where there is none.
#[expect(clippy::print_stderr, reason = "a skip is loud")]
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: there is no systemd-analyze to judge the relay's unit");
        return None;
    };
    Some(output)
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// The shipped unit with `edit`, where systemd looks for a unit of that name.
fn unit(folder: &Path, edit: impl FnOnce(&str) -> String) -> std::path::PathBuf {
    let path = folder.join("relay.service");
    let shipped = include_str!("../relay.service");
    // Where it is installed there is nothing here; the program itself is what must be there.
    let installed = shipped.replace("/usr/local/bin/relay", env!("CARGO_BIN_EXE_relay"));
    fs::write(&path, edit(&installed)).expect("a temporary folder can be written to");
    path
}

#[test]
fn systemd_understands_every_line() {
    let folder = tempfile::tempdir().unwrap();
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    let whole = unit(folder.path(), str::to_owned);
    let Some(output) = analyze(&verify, &whole) else { return };
    let words = said(&output);
    assert!(output.status.success() && !words.contains("relay.service:"), "{words}");

    let wrong = unit(folder.path(), |text| text.replace("WatchdogSec=30s", "WatchdogSecs=30s"));
    let words = said(&analyze(&verify, &wrong).unwrap());
    assert!(words.contains("WatchdogSecs"), "a wrong key is not seen: {words}");
}

#[test]
fn the_relay_is_walled_in() {
    let folder = tempfile::tempdir().unwrap();
    let judge = ["security", "--offline=true", "--no-pager", THRESHOLD];
    let Some(output) = analyze(&judge, &unit(folder.path(), str::to_owned)) else { return };
    assert!(output.status.success(), "{}", said(&output));

    let open = |text: &str| {
        let kept = |line: &&str| !line.starts_with("SystemCall") && !line.starts_with("Cap");
        text.lines().filter(kept).map(|line| format!("{line}\n")).collect()
    };
    let output = analyze(&judge, &unit(folder.path(), open)).unwrap();
    assert!(!output.status.success(), "without its walls it passes too: {}", said(&output));
}
