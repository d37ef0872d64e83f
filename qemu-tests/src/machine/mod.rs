//! Drives QEMU: a board from `hardware/`, an image on its disk, cables into the simulated world.
//!
//! The programs that this needs (`qemu-system-x86_64`, OVMF, `swtpm`, `sfdisk`) are those of the
//! tools root; nothing here enters it, so run it inside.
//!
//! A [`Machine`] owns two child processes, QEMU and swtpm, and a folder with their sockets;
//! dropping it kills the processes and deletes the folder. There are no threads: whatever QEMU or
//! the guest says waits in a socket until it is asked for, against a deadline. What outlives the
//! power is the [`Installation`], which each way of switching off gives back.
pub mod accelerator;
pub mod board;
mod cables;
pub mod command_line;
pub mod console;
pub mod disk;
pub mod firmware;
pub mod guest_agent;
pub mod image;
pub mod installation;
mod line_socket;
mod process;
pub mod qmp;
pub mod record;
pub mod record_port;
mod slots;
pub mod spec;
mod tpm;

pub use cables::Cables;
pub use image::{Image, ImageArguments, Variant};
pub use installation::Installation;
pub use line_socket::LineError;
pub use spec::MachineSpec;

use crate::emulator::port::QemuPort;
use crate::wait::wait_until;
use anyhow::{Context, Result, ensure};
use cables::SharedQmp;
use command_line::{Sockets, Wiring};
use console::Console;
use guest_agent::GuestAgent;
use line_socket::LineSocket;
use process::Process;
use qmp::Qmp;
use record::Record;
use record_port::RecordPort;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tpm::Tpm;

/// QEMU opens its sockets first thing; more than this means that the host is overloaded.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);

/// What OVMF says when it hands over to the image.
const HANDED_OVER: &str = "BdsDxe: starting Boot";

/// How long each question to a guest in trouble may take.
const QUESTION_WITHIN: Duration = Duration::from_secs(20);

/// What a `dev` guest is asked when a wait was in vain. Each answer is bounded by `tail`.
const QUESTIONS: [&str; 4] = [
    "systemctl list-units --no-pager --state=failed,activating",
    "journalctl -b -p warning --no-pager | tail -n 120",
    "networkctl --no-pager list; ip -brief address; ip route",
    "systemctl list-jobs --no-pager",
];

/// A box that is switched on.
#[derive(Debug)]
pub struct Machine {
    // Fields are dropped in this order: QEMU first, then what it talks to.
    qemu: Process,
    tpm: Option<Tpm>,
    qmp: SharedQmp,
    agent: GuestAgent,
    records: RecordPort,
    console: Console,
    variant: Variant,
    folder: TempDir,
    installation: Installation,
    started: Instant,
}

impl Machine {
    /// Switches a box on.
    ///
    /// # Errors
    /// When a program is missing or refuses, with what it said.
    pub fn start(spec: MachineSpec) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("porchlight-run-").tempdir()?;
        let run = folder.path();
        ensure!(
            spec.board.ports.len() <= command_line::MAX_PORTS,
            "board {} has more than {} ports",
            spec.board.name,
            command_line::MAX_PORTS
        );
        let sockets = Sockets {
            qmp: run.join("qmp"),
            agent: run.join("agent"),
            record: run.join("record"),
            console: run.join("console"),
        };
        let console_log = run.join("console.log");
        let tpm = spec.tpm.then(|| Tpm::start(&spec.installation.tpm_state(), run)).transpose()?;
        let cables = spec.board.ports.iter().map(|port| {
            let cable = spec.cables.get(&port.name).cloned();
            cable.unwrap_or_else(|| ends_nowhere(run, &port.name))
        });
        let arguments = command_line::arguments(&Wiring {
            board: &spec.board,
            accelerator: accelerator::choose().accelerator,
            firmware: spec.installation.firmware(),
            disk: spec.installation.disk().path(),
            tpm: tpm.as_ref().map(Tpm::socket),
            cables: &cables.collect::<Vec<_>>(),
            clock: spec.clock.as_deref(),
            sockets: &sockets,
            console_log: &console_log,
        });
        let listeners = [&sockets.qmp, &sockets.agent, &sockets.record].map(UnixListener::bind);
        let [qmp, agent, record] = listeners;
        let (qmp, agent, record) = (qmp?, agent?, record?);
        let mut command = Command::new("qemu-system-x86_64");
        let started = Instant::now();
        let mut qemu = Process::start(command.args(arguments), &run.join("qemu.log"))?;
        let deadline = started + CONNECT_WITHIN;
        let mut accept = |listener: &UnixListener| {
            LineSocket::accept(listener, deadline, || qemu.check_alive())
                .context("QEMU did not connect")
        };
        let (qmp, agent, record) = (accept(&qmp)?, accept(&agent)?, accept(&record)?);
        Ok(Self {
            qemu,
            tpm,
            qmp: Arc::new(Mutex::new(Qmp::negotiate(qmp)?)),
            agent: GuestAgent::new(agent),
            records: RecordPort::new(record),
            console: Console::new(&console_log),
            variant: spec.variant,
            folder,
            installation: spec.installation,
            started,
        })
    }

    /// When the power came on.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Waits until the firmware says on the console that it starts the image, and returns how long
    /// after power-on that was.
    ///
    /// # Errors
    /// When it has not within `within`, or the box is off.
    pub fn wait_hand_over(&mut self, within: Duration) -> Result<Duration> {
        wait_until("the firmware to hand over", within, String::new, || {
            if let Err(off) = self.qemu.check_alive() {
                return Some(Err(off));
            }
            let tail = self.console.tail();
            tail.is_ok_and(|tail| tail.contains(HANDED_OVER)).then_some(Ok(()))
        })??;
        Ok(self.started.elapsed())
    }

    /// Fails, with what QEMU said, once the box is off.
    ///
    /// # Errors
    /// Then.
    pub fn check_alive(&mut self) -> Result<()> {
        self.qemu.check_alive()
    }

    /// QEMU's machine protocol.
    pub fn qmp(&self) -> MutexGuard<'_, Qmp> {
        cables::lock(&self.qmp)
    }

    /// The guest agent; nobody answers in a `gateway` image.
    pub fn agent(&mut self) -> &mut GuestAgent {
        &mut self.agent
    }

    /// The serial console.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The socket at which the serial console can be talked to.
    #[must_use]
    pub fn console_socket(&self) -> std::path::PathBuf {
        self.folder.path().join("console")
    }

    /// Plugs and pulls the box's cables.
    #[must_use]
    pub fn cables(&self) -> Cables {
        Cables::new(&self.qmp)
    }

    /// The next self-check record; in vain, the error tells the state of the guest.
    ///
    /// # Errors
    /// When none came within `within`, or what came is none.
    pub fn wait_record(&mut self, within: Duration) -> Result<Record> {
        let record = self.records.wait(within);
        record.with_context(|| format!("waited {within:?}\n{}", self.explain()))
    }

    /// What can be learnt of a guest in trouble: its console, its last record and, if it has an
    /// agent, its units and its journal.
    pub fn explain(&mut self) -> String {
        let mut text = String::new();
        let mut section = |title: &str, body: &str| {
            text.push_str(&format!("--- {title}\n{}\n", body.trim_end()));
        };
        let console = self.console.tail().unwrap_or_else(|error| error.to_string());
        section("end of the serial console", &console);
        section("QEMU", &self.qemu.complaint());
        match self.records.last() {
            Some(record) => section("last self-check record", &record.to_string()),
            None => section("last self-check record", "none"),
        }
        if self.variant == Variant::Dev {
            for question in QUESTIONS {
                match self.agent.shell(question, QUESTION_WITHIN) {
                    Ok(answer) => section(question, &answer),
                    Err(error) => {
                        section(question, &error.to_string());
                        break;
                    }
                }
            }
        }
        text
    }

    /// Pulls the plug: nothing in the guest or in QEMU gets a chance to tidy up.
    #[must_use]
    pub fn cut_power(self) -> Installation {
        let Self { qemu, tpm, installation, .. } = self;
        drop(qemu);
        drop(tpm);
        installation
    }

    /// Asks a `dev` guest to switch itself off, by its agent, and waits until it has. The images
    /// have nobody who listens to the power button.
    ///
    /// # Errors
    /// When it is still on after `within`.
    pub fn shut_down(mut self, within: Duration) -> Result<Installation> {
        // The agent goes down with the rest, often before it has answered.
        let answer = self.agent.shell("systemctl --no-block poweroff", QUESTION_WITHIN);
        let off = self.qmp().wait_closed(within);
        if let Err(error) = off {
            let state = self.explain();
            return Err(error)
                .with_context(|| format!("the box stays on; its agent said {answer:?}\n{state}"));
        }
        self.qemu.wait()?;
        Ok(self.installation)
    }
}

/// A cable whose far end nobody has plugged in.
fn ends_nowhere(run: &Path, port: &str) -> QemuPort {
    QemuPort {
        qemu_path: run.join(format!("{port}.qemu")),
        world_path: run.join(format!("{port}.world")),
    }
}
