//! A long-running tool, ended with its owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::namespace::Namespace;

/// A child process in a namespace. Killed when dropped.
#[derive(Debug)]
pub struct Service {
    process: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Service {
    /// Starts it; what it says goes to `log`.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start(
        namespace: &Namespace,
        program: &str,
        arguments: &[String],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("log {}", log.display()))?;
        let child = namespace
            .command(program)
            .args(arguments)
            .stdout(Stdio::from(file.try_clone()?))
            .stderr(Stdio::from(file))
            .spawn()
            .with_context(|| format!("cannot start {program} in {}", namespace.name()))?;
        Ok(Self { process: child.id(), child: Mutex::new(child), log: log.to_owned() })
    }

    /// Its process id: of the program itself, which takes the place of what enters the namespace.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.process
    }

    /// The last lines of what it said.
    #[must_use]
    pub fn log_tail(&self) -> String {
        const LINES: usize = 15;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// An error with its last words, if it has ended.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self) -> anyhow::Result<()> {
        let ended = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
        if let Some(status) = ended {
            anyhow::bail!("{} ended: {status}\n{}", self.log.display(), self.log_tail());
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}
