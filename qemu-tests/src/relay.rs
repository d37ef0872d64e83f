//! A relay on the virtual server, set up as its owner would: the program is started, and prints a
//! line for each box.
//!
//! One child process, ended with its owner.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::world::{Namespace, Service, VPS_ROUTED_V6, VPS_V4, VPS_V6};

/// Names the program.
pub const RELAY_VARIABLE: &str = "PORCHLIGHT_RELAY";

/// The program that [`RELAY_VARIABLE`] names; its unit is beside it.
///
/// # Errors
/// When it names none.
pub fn program() -> Result<PathBuf> {
    let program = std::env::var_os(RELAY_VARIABLE).map(PathBuf::from).ok_or_else(|| {
        anyhow!("{RELAY_VARIABLE} names no program: run `cargo xtask test --tier qemu`")
    })?;
    ensure!(program.is_file(), "{}: there is no such program", program.display());
    Ok(program)
}

/// A relay at work.
#[derive(Debug)]
pub struct Relay {
    // It ends before its state does.
    service: Service,
    server: Namespace,
    program: PathBuf,
    folder: TempDir,
}

impl Relay {
    /// Starts the program that [`RELAY_VARIABLE`] names, on a server with both families of address
    /// and an IPv6 prefix.
    ///
    /// # Errors
    /// When the variable names no program, or it cannot be started.
    pub fn start_from_environment(server: &Namespace) -> Result<Self> {
        let program = program()?;
        let folder = tempfile::Builder::new().prefix("relay-").tempdir()?;
        let listen = [format!("{VPS_V4}:443"), format!("[{VPS_V6}]:443")];
        let prefix = format!("{VPS_ROUTED_V6}/48");
        let state = folder.path().display().to_string();
        let words = ["serve", "--state", &state, "--listen", &listen[0], "--listen", &listen[1]];
        let words: Vec<_> =
            words.into_iter().chain(["--inner-v6", &prefix]).map(str::to_owned).collect();
        let log = folder.path().join("relay.log");
        let service = Service::start(server, utf8(&program)?, &words, &log)?;
        Ok(Self { service, server: server.clone(), program, folder })
    }

    /// What its owner types on the box called `name`.
    ///
    /// # Errors
    /// When the relay has ended, or refuses.
    pub fn enrol(&mut self, name: &str) -> Result<String> {
        self.service.check()?;
        let state = self.folder.path().display().to_string();
        let address = format!("{VPS_V4}:443");
        let words = ["enroll", "--state", &state, "--address", &address, name];
        let line = self.server.tool(utf8(&self.program)?, &words)?.trim().to_owned();
        ensure!(line.starts_with("porch wan join "), "relay enroll printed {line:?}");
        Ok(line)
    }

    /// The last lines of what it said.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.service.log_tail()
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{}: not UTF-8", path.display()))
}
