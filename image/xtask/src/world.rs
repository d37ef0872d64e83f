//! Runs our own programs in the tools root: the simulated world, the tests, anything by hand.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::packages::Places;
use crate::tools_root::{self, ToolsRoot};

/// Devices the world and the machine in it use, where the host has them.
const DEVICES: [&str; 2] = [TUN, "/dev/kvm"];

/// Where network interfaces that a program plays are made.
const TUN: &str = "/dev/net/tun";

/// Fails with what to do where the world's cables have nothing to be plugged into.
///
/// # Errors
/// The host has no `/dev/net/tun`, or this user may not open it.
pub(crate) fn require_tun() -> Result<()> {
    let tun = OpenOptions::new().read(true).write(true).open(TUN);
    tun.with_context(|| {
        format!(
            "the simulated world plugs its cables into {TUN}, which cannot be opened; as root, \
             `modprobe tun` makes it and `chmod 666 {TUN}` lets everybody use it"
        )
    })?;
    Ok(())
}

/// How to run `program` inside, with the source tree at its own path.
pub(crate) fn command(places: &Places, tools: &ToolsRoot, program: &OsStr) -> Command {
    let mut enter = tools.enter().bind(&places.workspace, &places.workspace);
    for device in DEVICES {
        enter = enter.device(device);
    }
    let target = target_folder(places);
    if !target.starts_with(&places.workspace) {
        enter = enter.bind(&target, &target);
    }
    // Disks of guests are written here: on disk, not in the memory behind /tmp.
    let scratch = places.workspace.join("target/scratch");
    if std::fs::create_dir_all(&scratch).is_ok() {
        enter = enter.bind(&scratch, "/var/tmp");
    }
    for name in ["RUST_BACKTRACE", "PROPTEST_CASES", "PORCHLIGHT_IMAGES", "PORCHLIGHT_RELAY"] {
        if let Some(value) = std::env::var_os(name) {
            enter = enter.environment(name, value);
        }
    }
    enter.working_directory(&places.workspace).command(program)
}

/// Where cargo puts what it builds on the host.
fn target_folder(places: &Places) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| places.workspace.join("target"), |folder| places.workspace.join(folder))
}

/// `cargo xtask enter`: also what cargo calls to run a test that needs the tools root.
///
/// # Errors
/// The tools root cannot be made or entered.
pub(crate) fn enter(places: &Places, words: &[String]) -> Result<ExitCode> {
    let (program, arguments) = words.split_first().context("expected a program to run")?;
    let program = if Path::new(program).exists() {
        std::path::absolute(program)?.into_os_string()
    } else {
        program.into()
    };
    let tools = tools_root::ensure(places)?;
    let status = command(places, &tools, &program).args(arguments).status()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Compiles the `world` program on the host and says where it is.
///
/// # Errors
/// It does not compile.
pub(crate) fn program(places: &Places) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--package",
            "qemu-tests",
            "--bin",
            "world",
        ])
        .current_dir(&places.workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the simulated world does not compile");
    Ok(target_folder(places).join("release/world"))
}
