//! Chooses between KVM and emulation by trying, once for each process.
//!
//! The device file alone proves nothing: on some hosts `/dev/kvm` opens and every guest dies with
//! an emulation failure. So a probe guest, OVMF without a disk, must reach its boot menu under KVM.
use super::firmware::Firmware;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Under KVM the firmware takes about a second; a host so busy that it needs longer than this is
/// better served by the choice that is known to work.
const PROBE_WITHIN: Duration = Duration::from_secs(20);

/// What OVMF's boot device selection prints on the serial console before it tries a disk.
const PROBE_MARK: &[u8] = b"BdsDxe: ";

/// More console output than the firmware makes before its mark.
const PROBE_OUTPUT_BYTES: u64 = 64 * 1024;

/// How guests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// On the processor itself.
    Kvm,
    /// Translated by QEMU, one thread for each virtual processor: 20 to 50 times slower.
    Tcg,
}

/// An accelerator and why it was taken, in a sentence for people.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// Why.
    pub reason: String,
}

impl Accelerator {
    /// QEMU's arguments: the accelerator, and all that the processor can do with it.
    #[must_use]
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Five-level paging would cost every emulated page walk a step and gain nothing.
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"],
        }
    }
}

/// The accelerator that works here. The first call may take [`PROBE_WITHIN`].
pub fn choose() -> &'static Choice {
    static CHOICE: OnceLock<Choice> = OnceLock::new();
    CHOICE.get_or_init(|| match probe_kvm() {
        Ok(()) => Choice {
            accelerator: Accelerator::Kvm,
            reason: "KVM: a probe guest booted with it".to_owned(),
        },
        Err(why) => Choice {
            accelerator: Accelerator::Tcg,
            reason: format!("emulation (TCG), because {why}"),
        },
    })
}

fn probe_kvm() -> Result<(), String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map_err(|error| format!("/dev/kvm cannot be opened: {error}"))?;
    let folder = tempfile::tempdir().map_err(|error| format!("no scratch folder: {error}"))?;
    let firmware = Firmware::factory_new(&folder.path().join("firmware.fd"))
        .map_err(|error| format!("there is no firmware to probe with: {error:#}"))?;
    let mut child = Command::new("qemu-system-x86_64")
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            "q35",
            "-m",
            "256",
        ])
        .args(Accelerator::Kvm.arguments())
        .args(firmware.arguments())
        .args(["-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("qemu-system-x86_64 does not start: {error}"))?;
    let output = child.stdout.take().expect("stdout is piped");
    let (sender, receiver) = sync_channel(1);
    // Ends when the child is killed below, at the latest.
    let reader = thread::spawn(move || {
        // The receiver is gone if the deadline passed first; then nobody needs to know.
        let _ = sender.send(reached_boot_menu(output));
    });
    let reached = receiver.recv_timeout(PROBE_WITHIN);
    let _ = child.kill();
    // Reaps it; how it ended is told by whether the mark was seen.
    let _ = child.wait();
    let mut complaint = String::new();
    if let Some(errors) = child.stderr.take() {
        let _ = BufReader::new(errors).read_line(&mut complaint);
    }
    let _ = reader.join();
    match reached {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("QEMU gave up under KVM: {}", complaint.trim())),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(format!(
            "a probe guest did not boot under KVM within {} s: {}",
            PROBE_WITHIN.as_secs(),
            complaint.trim()
        )),
    }
}

/// Whether the mark comes before the output ends.
fn reached_boot_menu(output: impl Read) -> bool {
    let mut seen = Vec::new();
    for byte in BufReader::new(output).take(PROBE_OUTPUT_BYTES).bytes() {
        let Ok(byte) = byte else { return false };
        seen.push(byte);
        if seen.ends_with(PROBE_MARK) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_decides_and_not_the_end_of_output() {
        assert!(reached_boot_menu(&b"\x1b[2JBdsDxe: loading Boot0001"[..]));
        assert!(!reached_boot_menu(&b"\x1b[2JKVM internal error. Suberror: 1"[..]));
        assert!(!reached_boot_menu(&b""[..]));
    }
}
