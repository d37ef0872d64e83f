//! A TPM 2.0: swtpm, one process for each boot, its memory kept in a folder for each box.
use super::process::Process;
use crate::wait::wait_until;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// swtpm needs about 10 ms to open its socket; more means that the host is overloaded.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running TPM; dropping it stops it.
#[derive(Debug)]
pub(super) struct Tpm {
    /// Held only to be dropped.
    _process: Process,
    socket: PathBuf,
}

impl Tpm {
    /// Starts a TPM whose memory lives in `state` (created when missing); its socket and its log go
    /// to `run`. Both must be absolute.
    pub(super) fn start(state: &Path, run: &Path) -> Result<Self> {
        std::fs::create_dir_all(state).with_context(|| format!("{}", state.display()))?;
        let socket = run.join("tpm");
        let mut command = Command::new("swtpm");
        command.arg("socket").arg("--tpm2");
        command.arg("--tpmstate").arg(format!("dir={}", state.display()));
        command.arg("--ctrl").arg(format!("type=unixio,path={}", socket.display()));
        let mut process = Process::start(&mut command, &run.join("swtpm.log"))?;
        let opened = || match process.check_alive() {
            Ok(()) => socket.exists().then_some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        wait_until("swtpm to open its socket", READY_WITHIN, String::new, opened)??;
        Ok(Self { _process: process, socket })
    }

    /// Where QEMU connects.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}
