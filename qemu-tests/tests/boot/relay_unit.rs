//! The relay's unit under a real systemd, put into a running `dev` guest as its README tells an
//! owner to put it on a server. No box joins: what a unit can get wrong is its walls and its start.
use super::{ANSWER_WITHIN, shell, tell, wait_in_guest};
use anyhow::{Context, Result, ensure};
use qemu_tests::machine::Machine;
use std::fs;

/// Asks for the relay's process; fails unless it has said that it is ready.
const PROCESS: &str =
    "systemctl is-active --quiet relay && systemctl show --property MainPID --value relay";
/// Who listens where boxes come in.
const LISTENERS: &str = "ss -Hulpn sport = :443";
/// `CAP_NET_BIND_SERVICE` and `CAP_NET_ADMIN` (linux/capability.h), as `/proc` writes a set.
const TWO_CAPABILITIES: &str = "CapBnd:\t0000000000001400";

/// Installs the relay, starts it, lets a box in, kills it, stops it.
pub(super) fn is_kept_by_systemd(machine: &mut Machine) -> Result<()> {
    install(machine)?;
    let process = listening(machine)?;
    // The line for the box, as its owner copies it.
    let line = shell(machine, "relay enroll cabin --address relay.internet.test:443")?;
    ensure!(line.starts_with("porch wan join plr1."), "relay enroll printed {line:?}");
    is_walled_in(machine, process)?;
    killed_it_comes_back(machine, process)?;
    stopped_it_leaves_nothing(machine)
}

fn install(machine: &mut Machine) -> Result<()> {
    let program = qemu_tests::relay::program()?;
    let unit = program.with_file_name("relay.service");
    for (from, to) in [(&program, "/run/relay"), (&unit, "/run/relay.service")] {
        let content = fs::read(from).with_context(|| from.display().to_string())?;
        machine.agent().write_file(to, &content, ANSWER_WITHIN)?;
    }
    // A server has both; of an image, /usr cannot be written to and /etc holds what it must.
    shell(machine, "mount -t tmpfs -o mode=755 relay /usr/local/bin")?;
    shell(machine, "mkdir -p /etc/systemd/system")?;
    shell(machine, "install /run/relay /usr/local/bin/")?;
    shell(machine, "cp /run/relay.service /etc/systemd/system/")?;
    let started = shell(machine, "systemctl enable --now relay");
    started.with_context(|| journal(machine)).map(drop)
}

fn journal(machine: &mut Machine) -> String {
    let words = shell(machine, "journalctl --no-pager --lines 40 --unit relay");
    words.unwrap_or_else(|error| error.to_string())
}

/// Until the relay is up; its process, which has both sockets and a device.
fn listening(machine: &mut Machine) -> Result<u32> {
    let process = shell(machine, PROCESS).with_context(|| journal(machine))?.trim().parse()?;
    let owned = format!("pid={process},");
    let listeners = shell(machine, LISTENERS)?;
    let sockets: Vec<_> = listeners.lines().filter(|line| line.contains(&owned)).collect();
    ensure!(sockets.len() == 2, "expected sockets of both families: {listeners}");
    shell(machine, "ip link show dev relay0")?;
    Ok(process)
}

/// What the kernel says of the process, not what the unit asks for.
fn is_walled_in(machine: &mut Machine, process: u32) -> Result<()> {
    let status = shell(machine, &format!("cat /proc/{process}/status"))?;
    for wall in [TWO_CAPABILITIES, "NoNewPrivs:\t1", "Seccomp:\t2"] {
        ensure!(status.lines().any(|line| line == wall), "no {wall:?}: {status}");
    }
    // As it sees the system: nothing can be written to but its own folder.
    let its = format!("/proc/{process}/root");
    let own = format!("touch {its}/var/lib/relay/a-test && rm {its}/var/lib/relay/a-test");
    shell(machine, &own)?;
    let refused = shell(machine, &format!("touch {its}/etc/a-test"));
    let words = refused.map_or_else(|error| format!("{error:#}"), |_| "it could".to_owned());
    ensure!(words.contains("Read-only file system"), "writing to /etc: {words}");
    let folder = shell(machine, "stat --format '%a %U' /var/lib/relay")?;
    ensure!(folder.trim() == "700 root", "/var/lib/relay is {folder}");
    Ok(())
}

/// Killed, it is back by itself and knows its boxes.
fn killed_it_comes_back(machine: &mut Machine, before: u32) -> Result<()> {
    shell(machine, &format!("kill -KILL {before}"))?;
    let back = wait_in_guest(machine, "the relay to be back", PROCESS, |word| {
        word.trim().parse().is_ok_and(|process: u32| process != before)
    });
    back.with_context(|| journal(machine))?;
    let after = listening(machine)?;
    let boxes = shell(machine, "relay list")?;
    ensure!(boxes.contains("cabin"), "it has forgotten its box: {boxes:?}");
    tell(&format!("the relay was killed as {before} and is back as {after}"));
    Ok(())
}

/// Asked to stop, it ends by itself and takes what it made with it.
fn stopped_it_leaves_nothing(machine: &mut Machine) -> Result<()> {
    shell(machine, "systemctl stop relay")?;
    const ASK: &str = "systemctl show --property ActiveState,Result,ExecMainCode,ExecMainStatus \
                       relay";
    let ended = shell(machine, ASK)?;
    for word in ["ActiveState=inactive", "Result=success", "ExecMainCode=1", "ExecMainStatus=0"] {
        ensure!(ended.lines().any(|line| line == word), "no {word}: {ended}\n{}", journal(machine));
    }
    let listeners = shell(machine, LISTENERS)?;
    ensure!(listeners.is_empty(), "still listening: {listeners}");
    let left = shell(machine, "ip -oneline link show; nft list tables")?;
    ensure!(!left.contains("relay"), "left behind: {left}");
    Ok(())
}
