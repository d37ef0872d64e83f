//! A network namespace, held by a file descriptor, and tools run inside it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns, unshare};

/// A tool that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It cannot be started.
    #[error("{command} (in namespace {namespace}): cannot start")]
    Start {
        /// The command line.
        command: String,
        /// Where.
        namespace: String,
        /// Why not.
        source: io::Error,
    },
    /// It failed.
    #[error("{command} (in namespace {namespace}): {status}: {message}")]
    Failed {
        /// The command line.
        command: String,
        /// Where.
        namespace: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said on standard error.
        message: String,
    },
}

/// A network namespace. It is gone when the last copy of this is and nothing runs in it.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    handle: Arc<File>,
}

impl Namespace {
    /// Makes a new one with its loopback up. The name is for messages only.
    ///
    /// # Errors
    /// When this process may not.
    pub fn create(name: &str) -> anyhow::Result<Self> {
        let made = std::thread::scope(|scope| {
            let make = || {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            };
            scope.spawn(make).join().expect("making a namespace does not panic")
        });
        let handle = made.map_err(|error| {
            anyhow::anyhow!(
                "network namespace {name}: {error}; this must run as root in a user namespace \
                 of its own (see qemu-tests/README.md)"
            )
        })?;
        let namespace = Self { name: name.to_owned(), handle: Arc::new(handle) };
        // Addresses here are ours alone: no second of waiting for duplicates.
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        // What this machine's owner chose must not show in figures: the kernel's own default, or
        // where only the owner may choose that, its older sibling, which fills queues as much.
        let control = |name| namespace.sysctl("net/ipv4/tcp_congestion_control", name);
        control("cubic").or_else(|_| control("reno"))?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path that `nsenter --net=` and `ip link set … netns` take, while this process lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd()))
    }

    /// Runs `work` in a thread that is in the namespace, and waits for it.
    ///
    /// # Panics
    /// When `work` does, or the thread cannot enter.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread in the namespace.
    ///
    /// # Errors
    /// When there is no thread left.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let namespace = self.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            namespace.enter();
            work()
        })
    }

    fn enter(&self) {
        let allowed = "whoever may make a network namespace may enter it";
        setns(self.handle.as_ref(), CloneFlags::CLONE_NEWNET).expect(allowed);
    }

    /// A command that will run in the namespace.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let mut net = std::ffi::OsString::from("--net=");
        net.push(self.path());
        command.arg(net).arg("--").arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a tool to its end; what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Result<String, ToolError> {
        self.tool_with_input(program, arguments, "")
    }

    /// Runs `ip` with the words of `line`.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, line: &str) -> Result<String, ToolError> {
        self.tool("ip", &line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs `nft` on a rule set.
    ///
    /// # Errors
    /// When it is refused.
    pub fn nft(&self, rules: &str) -> Result<String, ToolError> {
        self.tool_with_input("nft", &["-f", "-"], rules)
    }

    /// Sets a kernel parameter of the namespace, named as under `/proc/sys`.
    ///
    /// # Errors
    /// When there is no such parameter or it may not be set.
    pub fn sysctl(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let path = Path::new("/proc/sys").join(key);
        self.run(|| std::fs::write(&path, value))
            .map_err(|error| anyhow::anyhow!("{} in {}: {error}", path.display(), self.name))
    }

    fn tool_with_input(
        &self,
        program: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, ToolError> {
        let line = || format!("{program} {}", arguments.join(" "));
        let namespace = || self.name.clone();
        let start = |source| ToolError::Start { command: line(), namespace: namespace(), source };
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A tool that ends without reading says why on standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(start)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let (command, namespace, status) = (line(), namespace(), output.status);
            return Err(ToolError::Failed { command, namespace, status, message });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
