//! A port that nobody reads does not hold up the boot.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use nix::libc::O_NONBLOCK;
use selfcheck::shell::deliver::to_port;
use selfcheck::shell::settings::Settings;

/// A pipe stands in for the port: both refuse to take more than they can hold.
fn pipe(folder: &Path) -> (std::path::PathBuf, File) {
    let path = folder.join("port");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo is in coreutils");
    assert!(made.success());
    let reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path);
    (path, reader.expect("the pipe is there"))
}

#[test]
fn a_line_longer_than_the_port_holds_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut port) = pipe(folder.path());
    let line = "x".repeat(300_000) + "\n";
    let expected = line.clone();
    let writer = std::thread::spawn(move || to_port(&line, &path));
    let mut read = Vec::new();
    while read.len() < expected.len() {
        let mut part = [0; 4096];
        match port.read(&mut part) {
            Ok(length) => read.extend_from_slice(&part[..length]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(writer.join().unwrap().unwrap(), "there is a port");
    assert_eq!(read, expected.as_bytes());
}

#[test]
fn a_box_without_a_port_is_no_error() {
    assert!(!to_port("x\n", Path::new("/nonexistent/port")).unwrap());
}

#[test]
fn the_installed_settings_know_every_board() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = root.join("recipes/selfcheck/root/usr/share/porchlight/selfcheck.toml");
    let settings = Settings::load(&installed).unwrap();
    let mut boards = 0;
    for board in std::fs::read_dir(root.join("hardware")).unwrap() {
        let name = board.unwrap().file_name().into_string().unwrap();
        assert!(settings.budget(&name).is_some(), "no budget for {name}");
        boards += 1;
    }
    assert!(boards > 0);
}
