//! What the host must bring: two programs, and leave to use a user namespace.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};

use crate::output;

/// A program that the host must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Program {
    name: &'static str,
    package: &'static str,
    why: &'static str,
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "mmdebstrap",
        package: "mmdebstrap",
        why: "makes the Debian tree that holds every other tool",
    },
    Program {
        name: "bwrap",
        package: "bubblewrap",
        why: "runs those tools in a sandbox, without touching this system",
    },
];

/// Settings that forbid user namespaces, with the value that does.
const SWITCHES: [(&str, &str); 3] = [
    ("user.max_user_namespaces", "0"),
    ("kernel.unprivileged_userns_clone", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1"),
];

/// Makes sure that the host can make and enter a tools root, installing what apt can install.
///
/// # Errors
/// A sentence that says what is missing and which command or setting brings it.
pub(super) fn require() -> Result<()> {
    ensure!(
        std::env::consts::ARCH == "x86_64",
        "this machine is {}: the tools and the images are for x86_64 and must be made on it",
        std::env::consts::ARCH
    );
    let missing = missing(is_on_path);
    if !missing.is_empty() {
        install(&missing)?;
    }
    user_namespaces()
}

fn missing(present: impl Fn(&str) -> bool) -> Vec<Program> {
    PROGRAMS.into_iter().filter(|program| !present(program.name)).collect()
}

fn is_on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

fn install(missing: &[Program]) -> Result<()> {
    for program in missing {
        output::say(format!("This needs {}: it {}.", program.package, program.why));
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let command = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    let Some(prefix) = privilege() else {
        bail!("run this as root, then try again:\n  {command}");
    };
    let _step = output::step(command.as_str());
    let apt = |arguments: &[&str]| -> bool {
        let words: Vec<&str> = prefix.iter().chain(arguments).copied().collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let mut install = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    // A machine that never asked for package lists has none: fetch them and try once more.
    ensure!(
        apt(&install) || (apt(&["apt-get", "update"]) && apt(&install)),
        "apt could not do it; its own words are above. This is the command:\n  {command}"
    );
    Ok(())
}

/// How to become root without asking anybody: not at all, or by sudo without a password.
fn privilege() -> Option<&'static [&'static str]> {
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return Some(&[]);
    }
    let quiet = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success()).then_some(&["sudo", "-n"])
}

/// Tries what every later step does: become root of a user namespace and mount something.
///
/// # Errors
/// A sentence that says what forbids it.
pub(super) fn user_namespaces() -> Result<()> {
    let output = Command::new("bwrap")
        .args(["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--unshare-pid"])
        .args([
            "--unshare-net",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--tmpfs",
            "/tmp",
            "true",
        ])
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let read = |name: &str| {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        std::fs::read_to_string(path).ok().map(|value| value.trim().to_owned())
    };
    let culprits: Vec<String> = SWITCHES
        .into_iter()
        .filter(|(name, bad)| read(name).is_some_and(|value| value == *bad))
        .map(|(name, bad)| format!("{name} is {bad}"))
        .collect();
    bail!(
        "this machine does not let {} use user namespaces, which the tools need.\n{}\
         bubblewrap says: {}",
        if privilege().is_some_and(<[&str]>::is_empty) { "even root" } else { "this user" },
        match culprits.as_slice() {
            [] => "No kernel setting says why; inside a container, its runtime may forbid it.\n"
                .to_owned(),
            culprits => format!("The reason is a kernel setting: {}.\n", culprits.join(", ")),
        },
        String::from_utf8_lossy(&output.stderr).trim()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let names = |present: &[&str]| -> Vec<&str> {
            missing(|name| present.contains(&name)).iter().map(|p| p.package).collect()
        };
        assert_eq!(names(&["mmdebstrap", "bwrap"]), Vec::<&str>::new());
        assert_eq!(names(&["mmdebstrap"]), ["bubblewrap"]);
        assert_eq!(names(&[]), ["mmdebstrap", "bubblewrap"]);
    }
}
