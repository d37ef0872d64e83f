//! Runs a program inside the tools root, in a sandbox that looks the same on every machine.
//!
//! The program sees the tree read-only at fixed paths, an empty `/var`, a cleared environment,
//! umask 022, itself as root with every capability of its own user namespace, no network, its own
//! process ids, and whatever the caller binds. It dies with this process.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// What programs find on their path.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Opens the ownership filter as the descriptor that bubblewrap is told of, and fixes the umask,
/// which it passes on. A shell does both without unsafe code.
const LAUNCH: &str = r#"umask 022; filter=$1; shift; exec bwrap --seccomp 9 "$@" 9<"$filter""#;

/// One program to be run inside; made by `ToolsRoot::enter`.
#[derive(Clone, Debug)]
pub(crate) struct Enter {
    filter: OsString,
    arguments: Vec<OsString>,
    working_directory: OsString,
}

/// bubblewrap with what holds for every program: root of a user namespace of its own, the
/// ownership filter, own process ids, no network, a cleared environment, umask 022.
pub(super) fn bubblewrap(filter: &OsStr) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", LAUNCH, "enter"])
        .arg(filter)
        .args(["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"])
        .args(["--unshare-net"])
        .args(["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"])
        .args(["--hostname", "porchlight", "--clearenv", "--setenv", "PATH", PATH])
        .args(["--setenv", "HOME", "/root", "--setenv", "LC_ALL", "C.UTF-8"])
        .args(["--setenv", "TZ", "UTC"]);
    command
}

impl Enter {
    pub(super) fn new(tree: &Path, filter: &Path) -> Self {
        let mut enter =
            Self { filter: filter.into(), arguments: Vec::new(), working_directory: "/".into() };
        // A root of our own rather than the tree's: any mount point can be made in it.
        for folder in ["/usr", "/etc"] {
            let host = tree.join(folder.trim_start_matches('/'));
            enter.add("--ro-bind", host.as_os_str(), OsStr::new(folder));
        }
        for folder in ["bin", "sbin", "lib", "lib64"] {
            enter.add("--symlink", format!("usr/{folder}").as_ref(), format!("/{folder}").as_ref());
        }
        enter.push(["--proc", "/proc", "--dev", "/dev", "--dir", "/root"]);
        // What tools keep is nobody's business afterwards: /var starts empty.
        enter.push(["--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var", "--dir", "/var/tmp"]);
        enter.push(["--dir", "/var/lib", "--dir", "/var/cache", "--symlink", "/run", "/var/run"]);
        enter
    }

    fn push<const N: usize>(&mut self, arguments: [&str; N]) {
        self.arguments.extend(arguments.map(OsString::from));
    }

    fn add(&mut self, option: &str, first: &OsStr, second: &OsStr) {
        self.arguments.extend([option.into(), first.to_owned(), second.to_owned()]);
    }

    /// Shows a host path inside, for reading and writing.
    #[must_use]
    pub(crate) fn bind(mut self, host: impl AsRef<Path>, guest: impl AsRef<Path>) -> Self {
        self.add("--bind", host.as_ref().as_os_str(), guest.as_ref().as_os_str());
        self
    }

    /// Shows a host path inside, for reading.
    #[must_use]
    pub(crate) fn bind_read_only(
        mut self,
        host: impl AsRef<Path>,
        guest: impl AsRef<Path>,
    ) -> Self {
        self.add("--ro-bind", host.as_ref().as_os_str(), guest.as_ref().as_os_str());
        self
    }

    /// Shows a device at its own path, if the host has it.
    #[must_use]
    pub(crate) fn device(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().as_os_str();
        self.add("--dev-bind-try", path, path);
        self
    }

    /// An empty writable folder that is gone afterwards. It lives in memory.
    #[must_use]
    pub(crate) fn scratch(mut self, guest: impl AsRef<Path>) -> Self {
        self.arguments.extend(["--tmpfs".into(), guest.as_ref().into()]);
        self
    }

    /// Sets a variable; nothing of the caller's environment is passed on by itself.
    #[must_use]
    pub(crate) fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.add("--setenv", OsStr::new(name), value.as_ref());
        self
    }

    /// Where the program starts; without a call, at `/`.
    #[must_use]
    pub(crate) fn working_directory(mut self, guest: impl AsRef<Path>) -> Self {
        self.working_directory = guest.as_ref().into();
        self
    }

    /// The command, to which the caller adds the program's own arguments. Binding a host path
    /// that does not exist shows when it runs: bubblewrap then fails and names the path.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = bubblewrap(&self.filter);
        // Without this it would start where the caller is, if such a folder exists inside.
        command.args(self.arguments).arg("--chdir").arg(self.working_directory);
        command.arg("--").arg(program);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::super::{host, ownership};
    use super::*;

    /// Runs a script with this machine's own files in the place of a tools root.
    fn run(script: &str, change: impl FnOnce(Enter) -> Enter) -> Option<String> {
        if let Err(reason) = host::user_namespaces() {
            eprintln!("SKIPPED: no sandbox can be entered here: {reason}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let filter = ownership::write_filter(folder.path()).unwrap();
        let enter = change(Enter::new(Path::new("/"), &filter));
        let output = enter.command("sh").args(["-ec", script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn every_program_sees_the_same_machine() {
        let script = "umask; id -u; id -g; hostname; env | sort; ls /var; tail -n +3 /proc/net/dev \
                      | cut -d: -f1 | tr -d ' '; test ! -e /home";
        let Some(text) = run(script, |enter| enter.environment("GIVEN", "yes")) else { return };
        assert_eq!(
            text,
            "0022\n0\n0\nporchlight\nGIVEN=yes\nHOME=/root\nLC_ALL=C.UTF-8\n\
             PATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nTZ=UTC\ncache\nlib\nrun\ntmp\nlo\n"
        );
    }

    #[test]
    fn owners_stay_root_and_nothing_fails() {
        let script = "touch /tmp/a; chown 5:7 /tmp/a; chgrp -h shadow /tmp/a; stat -c %u:%g /tmp/a";
        let Some(text) = run(script, |enter| enter) else { return };
        assert_eq!(text, "0:0\n");
    }

    #[test]
    fn what_is_bound_is_there_as_it_was_bound() {
        let shared = tempfile::tempdir().unwrap();
        std::fs::write(shared.path().join("a"), "from outside").unwrap();
        let script = "cat /one/deep/a; echo inside > /two/b; ! echo no > /one/deep/c 2>/dev/null; \
                      pwd; ls -d /none 2>/dev/null || echo no /none";
        let change = |enter: Enter| {
            enter
                .bind_read_only(shared.path(), "/one/deep")
                .bind(shared.path(), "/two")
                .device("/none")
                .working_directory("/two")
        };
        let Some(text) = run(script, change) else { return };
        assert_eq!(text, "from outside/two\nno /none\n");
        assert_eq!(std::fs::read_to_string(shared.path().join("b")).unwrap(), "inside\n");
        assert!(!shared.path().join("c").exists());
    }
}
