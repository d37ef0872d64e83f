//! QEMU's command line for a box. Pure: descriptions in, arguments out.
//!
//! Each network port sits behind a PCI Express root port of its own, as on the mini PCs we play:
//! the firmware numbers the buses behind root ports in the order of their device numbers, so the
//! port on bus *n* goes behind the *n*th. All else sits on bus 0, behind them.
use super::accelerator::Accelerator;
use super::board::{Board, DiskDevice, MachineType};
use super::firmware::Firmware;
use super::{guest_agent, record_port};
use crate::emulator::port::QemuPort;
use std::path::{Path, PathBuf};

/// The device number of the first root port; 0 is the host bridge, 1 QEMU's place for graphics.
const FIRST_ROOT_PORT: usize = 0x2;
const DISK_ADDRESS: usize = 0x10;
const SERIAL_ADDRESS: usize = 0x11;
const RANDOM_ADDRESS: usize = 0x12;
const WATCHDOG_ADDRESS: usize = 0x13;

/// Root ports must stay in front of the disk.
pub(super) const MAX_PORTS: usize = DISK_ADDRESS - FIRST_ROOT_PORT;

/// All that goes into one command line.
#[derive(Debug)]
pub(super) struct Wiring<'a> {
    pub(super) board: &'a Board,
    pub(super) accelerator: Accelerator,
    pub(super) firmware: &'a Firmware,
    pub(super) disk: &'a Path,
    /// swtpm's control socket.
    pub(super) tpm: Option<&'a Path>,
    /// One for each of the board's ports, in its order.
    pub(super) cables: &'a [QemuPort],
    /// What the clock chip shows at power-on, as QEMU's `-rtc base=` takes it.
    pub(super) clock: Option<&'a str>,
    /// Where we listen for QMP, the guest agent and records; QEMU connects.
    pub(super) sockets: &'a Sockets,
    pub(super) console_log: &'a Path,
}

/// Where QEMU's character devices connect.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) qmp: PathBuf,
    pub(super) agent: PathBuf,
    pub(super) record: PathBuf,
    /// Here it is QEMU that listens: whoever wants to talk to the console connects.
    pub(super) console: PathBuf,
}

/// A file name as QEMU's option parser takes it: a comma is doubled.
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// QEMU's name for the NIC in a port, as `set_link` takes it.
pub(super) fn nic_id(port: &str) -> String {
    format!("nic-{port}")
}

/// The arguments of `qemu-system-x86_64`.
pub(super) fn arguments(wiring: &Wiring<'_>) -> Vec<String> {
    let mut arguments = machine(wiring);
    arguments.extend(wiring.firmware.arguments());
    add(&mut arguments, disk(wiring));
    if let Some(socket) = wiring.tpm {
        add(&mut arguments, tpm(socket));
    }
    for (index, cable) in wiring.cables.iter().enumerate() {
        add(&mut arguments, port(wiring.board, index, cable));
    }
    add(&mut arguments, lines_out(wiring));
    add(
        &mut arguments,
        [
            ("-device", format!("virtio-rng-pci,addr={RANDOM_ADDRESS:#x}")),
            // Kernels for virtual machines have a driver for this one only.
            ("-device", format!("i6300esb,addr={WATCHDOG_ADDRESS:#x}")),
        ],
    );
    if let Some(clock) = wiring.clock {
        add(&mut arguments, [("-rtc", format!("base={clock}"))]);
    }
    arguments
}

fn add(arguments: &mut Vec<String>, pairs: impl IntoIterator<Item = (&'static str, String)>) {
    for (option, value) in pairs {
        arguments.extend([option.to_owned(), value]);
    }
}

fn machine(wiring: &Wiring<'_>) -> Vec<String> {
    let qemu = &wiring.board.qemu;
    let machine = match qemu.machine {
        // No Secure Boot, so no system management mode, which is slow to emulate.
        MachineType::Q35 => "q35,smm=off",
    };
    let mut arguments: Vec<String> = ["-nodefaults", "-no-user-config"].map(str::to_owned).into();
    let options = [
        ("-display", "none".to_owned()),
        ("-vga", "none".to_owned()),
        ("-name", wiring.board.name.clone()),
        ("-machine", machine.to_owned()),
        ("-m", qemu.memory_mib.get().to_string()),
        ("-smp", qemu.cpus.get().to_string()),
        // A watchdog that is not fed resets the box: the chip set's, and the one added below.
        ("-global", "ICH9-LPC.noreboot=false".to_owned()),
        ("-action", "watchdog=reset".to_owned()),
    ];
    add(&mut arguments, options);
    arguments.extend(wiring.accelerator.arguments().map(str::to_owned));
    arguments
}

/// A power cut here is the death of QEMU, not of the host, so nothing needs to reach the host's
/// platters: flushes are dropped. What the guest had not written when it died is lost all the same.
fn disk(wiring: &Wiring<'_>) -> [(&'static str, String); 3] {
    let file = format!(
        "driver=file,node-name=disk-file,filename={},cache.no-flush=on,discard=unmap",
        escaped(wiring.disk)
    );
    let device = match wiring.board.qemu.disk {
        DiskDevice::VirtioBlkPci => "virtio-blk-pci",
        DiskDevice::Nvme => "nvme,serial=porchlight",
    };
    [
        ("-blockdev", file),
        ("-blockdev", "driver=raw,node-name=disk,file=disk-file,discard=unmap".to_owned()),
        ("-device", format!("{device},drive=disk,bootindex=0,addr={DISK_ADDRESS:#x}")),
    ]
}

fn tpm(socket: &Path) -> [(&'static str, String); 3] {
    [
        ("-chardev", format!("socket,id=tpm-socket,path={}", escaped(socket))),
        ("-tpmdev", "emulator,id=tpm,chardev=tpm-socket".to_owned()),
        ("-device", "tpm-crb,tpmdev=tpm".to_owned()),
    ]
}

fn port(board: &Board, index: usize, cable: &QemuPort) -> [(&'static str, String); 3] {
    let port = &board.ports[index];
    let (name, number) = (&port.name, index + 1);
    let root = format!(
        "pcie-root-port,id=root{number},bus=pcie.0,addr={:#x},chassis={number}",
        FIRST_ROOT_PORT + index
    );
    let netdev = format!(
        "dgram,id=cable-{name},local.type=unix,local.path={},remote.type=unix,remote.path={}",
        escaped(&cable.qemu_path),
        escaped(&cable.world_path)
    );
    // An empty ROM: the box never boots from the network. Locally administered, the same each boot.
    let device = format!(
        "{},netdev=cable-{name},id={},bus=root{number},mac=02:70:6f:72:63:{number:02x},romfile=",
        board.qemu.nic.device(),
        nic_id(name)
    );
    [("-device", root), ("-netdev", netdev), ("-device", device)]
}

fn lines_out(wiring: &Wiring<'_>) -> Vec<(&'static str, String)> {
    let connect = |id: &str, path: &Path| format!("socket,id={id},path={}", escaped(path));
    let port = |id: &str, name: &str| format!("virtserialport,chardev={id},name={name}");
    let console = format!(
        "socket,id=console,path={},server=on,wait=off,logfile={}",
        escaped(&wiring.sockets.console),
        escaped(wiring.console_log)
    );
    vec![
        ("-chardev", connect("qmp", &wiring.sockets.qmp)),
        ("-mon", "chardev=qmp,mode=control".to_owned()),
        ("-chardev", console),
        ("-serial", "chardev:console".to_owned()),
        ("-device", format!("virtio-serial-pci,addr={SERIAL_ADDRESS:#x}")),
        ("-chardev", connect("record", &wiring.sockets.record)),
        ("-device", port("record", record_port::PORT_NAME)),
        ("-chardev", connect("agent", &wiring.sockets.agent)),
        ("-device", port("agent", guest_agent::PORT_NAME)),
    ]
}
