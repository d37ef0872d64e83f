//! Network namespaces, and tools run inside them.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace; it is gone when nothing refers to it any more.
#[derive(Clone, Debug)]
pub(crate) struct Space(Arc<File>);

impl Space {
    /// Whether this process may make namespaces without touching those of the machine.
    pub(crate) fn allowed() -> Result<(), String> {
        let map = std::fs::read_to_string("/proc/self/uid_map").map_err(|e| e.to_string())?;
        let whole_machine = map.split_whitespace().nth(2) == Some("4294967295");
        if whole_machine {
            return Err(String::from("this is the machine's own user namespace"));
        }
        let made = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join();
        let made = made.expect("it does not panic");
        made.map_err(|error| format!("no network namespace can be made: {error}"))
    }

    /// A new one with its loopback up.
    pub(crate) fn create() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("it is allowed");
            File::open("/proc/thread-self/ns/net").expect("we are in it")
        };
        let space = Self(Arc::new(std::thread::spawn(make).join().expect("it does not panic")));
        // Addresses here are ours alone: no second of waiting for duplicates.
        space.sysctl("net/ipv6/conf/default/accept_dad", "0");
        space.ip("link set lo up");
        space
    }

    /// Runs `work` in a thread that is in the namespace, and waits for it.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.0.as_ref(), CloneFlags::CLONE_NEWNET).expect("it is ours");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What `nsenter --net=` and `ip link set … netns` take.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// Runs a tool to its end; what it printed.
    fn tool(&self, program: &str, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the tools root has it");
        let mut stdin = child.stdin.take().expect("asked for");
        // A tool that ends without reading says why on standard error.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs `ip` with the words of `line`.
    pub(crate) fn ip(&self, line: &str) -> String {
        self.tool("ip", &line.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Runs many lines of `ip` in one go.
    pub(crate) fn ip_batch(&self, lines: &str) {
        self.tool("ip", &["-batch", "-"], lines);
    }

    /// Gives rules to the packet filter.
    pub(crate) fn nft(&self, rules: &str) {
        self.tool("nft", &["-f", "-"], rules);
    }

    /// What the packet filter has.
    pub(crate) fn nft_list(&self) -> String {
        self.tool("nft", &["list", "ruleset"], "")
    }

    /// Sets a kernel parameter, named as under `/proc/sys`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{key}");
        self.run(|| std::fs::write(&path, value)).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Watches news of `what` from now on.
    pub(crate) fn monitor(&self, what: &str) -> Monitor {
        let mut command = self.command("ip");
        command.args(["monitor", what]).stdout(Stdio::piped());
        Monitor(command.spawn().expect("the tools root has it"))
    }
}

/// A running `ip monitor`.
pub(crate) struct Monitor(Child);

impl Monitor {
    /// What was seen so far. It ends.
    pub(crate) fn seen(mut self) -> String {
        // It runs until it is told to end.
        let _ = self.0.kill();
        let output = self.0.wait_with_output().expect("it ran");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
