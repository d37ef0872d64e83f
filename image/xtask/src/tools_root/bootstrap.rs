//! Makes the tree: mmdebstrap on the host's own files, seen read-only, with the network off.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::enter::bubblewrap;
use crate::output;
use crate::packages::{Obtained, RELEASE, require_space};

/// How the folder of a tree under construction begins.
pub(super) const UNFINISHED: &str = ".making-";

/// What the tree takes on disk while it is made: 0.6 GB, and as much again for the packages that
/// are copied into it meanwhile.
const TREE_BYTES: u64 = 1_300_000_000;

/// Lines of mmdebstrap's log that are shown when it fails.
const LOG_LINES: usize = 20;

/// Files that no build reads.
const LEFT_OUT: [&str; 4] =
    ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];

/// Builds `tree` beside the others in `trees`; it gets its name when it is whole.
///
/// # Errors
/// The disk is full, or mmdebstrap fails; the message carries the end of its log and its path.
pub(super) fn build(trees: &Path, tree: &Path, filter: &Path, from: &Obtained) -> Result<()> {
    require_space(trees, TREE_BYTES, "the tools root")?;
    let _step = output::step("making the tools root, a Debian 13 of its own");
    let scratch = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(trees)?;
    let log = trees.join("log");
    let mut command = bubblewrap(filter.as_os_str());
    sandbox(&mut command, scratch.path(), &from.repository);
    mmdebstrap(&mut command, from);
    let written = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(written.try_clone()?)
        .stderr(written)
        .status()
        .context("cannot run sh")?;
    if !status.success() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
        bail!("mmdebstrap could not make the tools root ({}):\n  {end}", log.display());
    }
    fs::rename(scratch.path().join("root"), tree)
        .with_context(|| format!("cannot name the finished tree {}", tree.display()))
}

/// The host's files, a place to write, the packages; no network, and the same for everybody.
fn sandbox(command: &mut Command, scratch: &Path, repository: &Path) {
    command
        .args(["--setenv", "HOME", "/tmp", "--setenv", "SOURCE_DATE_EPOCH", "0"])
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"])
        .arg("--bind")
        .args([scratch, Path::new("/tmp/making")])
        .arg("--ro-bind")
        .args([repository, Path::new("/tmp/repository")]);
}

fn mmdebstrap(command: &mut Command, from: &Obtained) {
    let names: Vec<&str> = from.packages.iter().map(|package| package.name.as_str()).collect();
    command
        .args(["--", "mmdebstrap", "--mode=root", "--variant=essential", "--format=directory"])
        .arg(format!("--include={}", names.join(",")))
        // The user that apt would change to does not exist in the namespace.
        .arg("--aptopt=APT::Sandbox::User \"root\"")
        .arg("--dpkgopt=force-unsafe-io")
        .args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")))
        // mmdebstrap's own /dev asks for group tty, which does not exist either: lend it ours.
        .args(["--skip=check/empty", "--skip=chroot/mount/dev"])
        .arg(r#"--extract-hook=mount --rbind /dev "$1/dev""#)
        .arg(r#"--customize-hook=umount --lazy "$1/dev""#)
        .args([RELEASE, "/tmp/making/root"])
        .arg(format!("deb [trusted=yes] copy:/tmp/repository {RELEASE} main"));
}
