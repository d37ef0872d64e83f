//! A machine takes `now` and returns what to do: it never names a runtime, a bus, a socket, a
//! file or a clock, so that the same code runs under a seed and a virtual clock.
use crate::tidy::finding::Finding;
use crate::tidy::rooms::{PURE_FOLDERS, ROOMS};
use crate::tidy::source::{RustFile, words};

/// The rule's name in a finding.
pub(in crate::tidy) const RULE: &str = "machine-purity";

/// What a machine must not name, and what it does instead.
const BANNED: &[(&str, &str)] = &[
    ("tokio", "move it to src/shell/ and hand the machine what happened"),
    ("zbus", "convert at the wall: bus types stay in src/shell/"),
    ("std::net", "sockets belong in src/shell/; addresses are in core::net"),
    ("std::fs", "files belong in src/shell/; hand the machine their text"),
    ("Instant::now", "take `now: units::Instant` as an argument"),
    ("SystemTime::now", "take the time of day as an argument"),
];

/// Reads one file; files that are no machine pass.
pub(in crate::tidy) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    if is_machine(&file.path) {
        check_machine(file, findings);
    }
}

fn check_machine(file: &RustFile, findings: &mut Vec<Finding>) {
    for line in file.shipped() {
        for (name, instead) in BANNED {
            if !words(&line.code, name).is_empty() {
                report(file, line.number, name, instead, findings);
            }
        }
    }
    // What hides in braces: `use std::{fs, net}`.
    for (number, path) in file.imports() {
        let line = &file.lines[number - 1];
        for (name, instead) in BANNED {
            let named = path == *name || path.starts_with(&format!("{name}::"));
            if named && !line.test && words(&line.code, name).is_empty() {
                report(file, number, name, instead, findings);
            }
        }
    }
}

fn report(file: &RustFile, line: usize, name: &str, instead: &str, list: &mut Vec<Finding>) {
    list.push(Finding::wall(
        &file.path,
        line,
        RULE,
        format!("a machine names `{name}`; {instead}"),
    ));
}

/// A file of a service's machine: under `src/`, neither `main.rs`, `bin/` nor `shell/`.
fn is_machine(path: &str) -> bool {
    if let Some(inside) = PURE_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)) {
        return !inside.starts_with("shell/");
    }
    let Some((room, inside)) =
        path.strip_prefix("services/").and_then(|path| path.split_once("/src/"))
    else {
        return false;
    };
    let is_shell = ROOMS.iter().any(|known| known.name == room && known.is_shell);
    let at_the_wall = inside == "main.rs"
        || ["shell/", "bin/"].iter().any(|folder| inside.starts_with(folder))
        || inside == "shell.rs";
    !is_shell && !at_the_wall
}

#[cfg(test)]
mod tests {
    use super::{RustFile, check};

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&RustFile::new(path, text), &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_machine_with_a_clock_or_a_runtime_is_found() {
        let text = "use tokio::time;\nfn a() { std::time::Instant::now(); }\n";
        let list = found("services/home/src/light.rs", text);
        assert_eq!(list.len(), 2);
        assert!(list[0].starts_with("services/home/src/light.rs:1: machine-purity:"));
        assert!(list[1].contains("`Instant::now`") && list[1].contains("units::Instant"));
    }

    #[test]
    fn the_emulator_of_links_is_a_machine_too() {
        let list = found("qemu-tests/src/emulator/queue.rs", "use std::net::UdpSocket;\n");
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn braces_hide_nothing() {
        let list =
            found("services/home/src/light.rs", "use std::{\n    fs,\n    net::IpAddr,\n};\n");
        assert_eq!(list.len(), 2);
        assert!(list[0].contains("`std::fs`") && list[1].contains("`std::net`"));
    }

    #[test]
    fn the_shell_the_main_and_the_bus_may() {
        for path in [
            "services/home/src/main.rs",
            "services/home/src/shell/page.rs",
            "services/bus/src/lib.rs",
            "image/xtask/src/main.rs",
            "qemu-tests/src/emulator/shell/clock.rs",
            "qemu-tests/src/world/client.rs",
        ] {
            assert!(found(path, "use std::fs;\nuse tokio::net;\n").is_empty(), "{path}");
        }
    }

    #[test]
    fn tests_and_strings_may() {
        let text = "const A: &str = \"tokio\"; // std::fs\n#[cfg(test)]\nmod tests {\n \
                    use std::fs;\n}\n";
        assert!(found("services/home/src/light.rs", text).is_empty());
    }
}
