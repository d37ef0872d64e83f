//! Compiles the services inside the tools root: the same bytes whoever builds them, and where.
//!
//! The toolchain is the host's copy of the pinned one, at `/toolchain`; the sources are at `/src`,
//! the crates at `/cargo`, what comes out at `/target`. C library and linker scripts are those of
//! the tools root, so a service needs no newer glibc than the image has.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::ToolsRoot;
use crate::output;
use crate::packages::Places;
use crate::settings;

/// The profile of the root manifest that fixes everything that could vary.
const PROFILE: &str = "image";

/// What the image runs on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the pinned cargo unpacks the crates of crates.io, inside its registry folder.
const CRATES: &str = "src/index.crates.io-1949cf8c6b5b557f";

/// No path may reach a binary. Of two prefixes that match, the later one counts.
const FLAGS: [&str; 4] = [
    "--remap-path-prefix=/src=porchlight",
    "--remap-path-prefix=/toolchain=rust",
    "--remap-path-prefix=/cargo=cargo",
    "--remap-path-prefix=/cargo/registry/src/index.crates.io-1949cf8c6b5b557f=crates",
];

/// `rust-toolchain.toml`, as far as it matters here.
#[derive(Deserialize)]
struct ToolchainFile {
    toolchain: Toolchain,
}

#[derive(Deserialize)]
struct Toolchain {
    channel: String,
}

/// Compiles the named crates and returns the folder with their binaries.
///
/// # Errors
/// The pinned toolchain is not installed, a crate cannot be downloaded, or the compiler fails; its
/// own messages are on the terminal then.
pub(crate) fn compile(places: &Places, tools: &ToolsRoot, crates: &[&str]) -> Result<PathBuf> {
    let packages = crates.iter().flat_map(|name| ["--package", name]);
    let words: Vec<&str> = std::iter::once("build").chain(packages).collect();
    cargo(places, tools, &words, &crates.join(", "))
}

/// Compiles the program `name` into one file that runs on any Linux, and returns where it is.
///
/// What it is made of is compiled as for the image; only the last step differs.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_static(places: &Places, tools: &ToolsRoot, name: &str) -> Result<PathBuf> {
    let words =
        ["rustc", "--package", name, "--bin", name, "--", "-C", "target-feature=+crt-static"];
    Ok(cargo(places, tools, &words, name)?.join(name))
}

/// Runs cargo inside, and returns the folder of what it made.
fn cargo(places: &Places, tools: &ToolsRoot, words: &[&str], what: &str) -> Result<PathBuf> {
    let toolchain = toolchain(&places.workspace)?;
    let registry = fetch(&places.workspace)?;
    let target = places.workspace.join("target/services");
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot make {}", target.display()))?;
    let _step = output::step(format!("compiling {what}"));
    let mut command = tools
        .enter()
        .bind_read_only(&toolchain, "/toolchain")
        .bind_read_only(&places.workspace, "/src")
        .scratch("/cargo")
        .bind_read_only(&registry, "/cargo/registry")
        .bind(&target, "/target")
        .environment("PATH", "/toolchain/bin:/usr/bin:/bin")
        .environment("CARGO_HOME", "/cargo")
        .environment("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .working_directory("/src")
        .command("/toolchain/bin/cargo");
    let (verb, rest) = words.split_first().context("cargo needs a verb")?;
    command.args([verb, "--locked", "--offline", "--target-dir", "/target"]);
    // A person watches the minutes go by; a log only wants to know what went wrong.
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    command.args(["--profile", PROFILE, "--target", TARGET]).args(rest);
    ensure!(command.status()?.success(), "compiling {what} failed");
    Ok(target.join(TARGET).join(PROFILE))
}

/// The folder of the pinned toolchain.
fn toolchain(workspace: &Path) -> Result<PathBuf> {
    let file: ToolchainFile = settings::read(&workspace.join("rust-toolchain.toml"))?;
    let channel = file.toolchain.channel;
    let missing = || {
        format!(
            "Rust {channel}, which rust-toolchain.toml pins, is not installed: \
             `rustup toolchain install {channel} --profile minimal` installs it"
        )
    };
    let version = rustc(workspace, "--version").with_context(missing)?;
    if version.split_whitespace().nth(1) != Some(&channel) {
        bail!("{}; this is {version}", missing());
    }
    Ok(PathBuf::from(rustc(workspace, "--print=sysroot")?))
}

fn rustc(workspace: &Path, argument: &str) -> Result<String> {
    let output = Command::new("rustc").arg(argument).current_dir(workspace).output()?;
    ensure!(
        output.status.success(),
        "rustc {argument}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Downloads the locked crates with the host's cargo, and returns its registry folder.
fn fetch(workspace: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["fetch", "--locked", "--quiet", "--target", TARGET])
        .current_dir(workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(
        status.success(),
        "cannot fetch the crates of Cargo.lock: check the network, then run again"
    );
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let registry = home.context("neither CARGO_HOME nor HOME is set")?.join("registry");
    ensure!(
        registry.join(CRATES).is_dir(),
        "cargo put the crates elsewhere than in {}: a replacement of crates.io in cargo's \
         configuration does that; the build needs crates.io itself",
        registry.join(CRATES).display()
    );
    Ok(registry)
}
