//! A child process that does not outlive its owner.
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How much of a program's complaints is repeated in an error.
const COMPLAINT_BYTES: usize = 4 * 1024;

/// A running program; dropping it kills it and waits until it is gone.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with nothing on its standard input and its output in `log`.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::create(log).with_context(|| format!("{}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Fails, with what the program said, if it has exited.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        bail!("{} exited ({status}): {}", self.name, self.complaint());
    }

    /// Waits for a program that is about to exit by itself.
    pub(super) fn wait(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} exited ({status}): {}", self.name, self.complaint());
        }
        Ok(())
    }

    /// The end of what the program said.
    pub(super) fn complaint(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let start = text.len().saturating_sub(COMPLAINT_BYTES);
        String::from_utf8_lossy(&text[start..]).trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
