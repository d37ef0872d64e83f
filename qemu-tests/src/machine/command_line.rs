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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::board;

    const CARD: &str = r#"name = "b"
        summary = "s"
        architecture = "x86_64"
        kernel = { packages = [], command_line = "" }
        port = [
            { role = "starlink", name = "starlink0", path = "pci-0000:02:00.0" },
            { role = "lan", name = "lan0", path = "pci-0000:01:00.0" },
        ]
        qemu = { machine = "q35", nic = "e1000e", disk = "nvme", memory_mib = 1024, cpus = 2 }
    "#;

    fn line(clock: Option<&str>, tpm: Option<&Path>) -> String {
        let board = board::parse("board.toml", CARD).unwrap();
        let path = |path: &str| PathBuf::from(path);
        let cable = |name: &str| QemuPort {
            qemu_path: path(&format!("/q/{name}")),
            world_path: path(&format!("/w/{name}")),
        };
        let wiring = Wiring {
            board: &board,
            accelerator: Accelerator::Tcg,
            firmware: &Firmware { code: path("/code"), variables: path("/variables") },
            disk: Path::new("/a,b/disk"),
            tpm,
            cables: &[cable("lan0"), cable("starlink0")],
            clock,
            sockets: &Sockets {
                qmp: path("/qmp"),
                agent: path("/agent"),
                record: path("/record"),
                console: path("/console"),
            },
            console_log: Path::new("/log"),
        };
        arguments(&wiring).join(" ")
    }

    #[test]
    fn each_port_sits_behind_the_root_port_of_its_bus() {
        let line = line(None, None);
        for expected in [
            "-device pcie-root-port,id=root1,bus=pcie.0,addr=0x2,chassis=1 ",
            "-device pcie-root-port,id=root2,bus=pcie.0,addr=0x3,chassis=2 ",
            "-device e1000e,netdev=cable-lan0,id=nic-lan0,bus=root1,mac=02:70:6f:72:63:01,",
            "-device e1000e,netdev=cable-starlink0,id=nic-starlink0,bus=root2,",
            "local.path=/q/starlink0,remote.type=unix,remote.path=/w/starlink0 ",
        ] {
            assert!(line.contains(expected), "no `{expected}` in {line}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_not_there() {
        let plain = line(None, None);
        assert!(!plain.contains("-rtc") && !plain.contains("tpm"), "{plain}");
        let asked = line(Some("2011-11-11"), Some(Path::new("/tpm")));
        assert!(asked.contains("-rtc base=2011-11-11"), "{asked}");
        assert!(asked.contains("-tpmdev emulator,id=tpm,chardev=tpm-socket"), "{asked}");
    }

    #[test]
    fn a_box_boots_from_its_disk_alone_and_is_reset_by_its_watchdog() {
        let line = line(None, None);
        for expected in
            ["drive=disk,bootindex=0", "romfile= ", "-action watchdog=reset", "i6300esb"]
        {
            assert!(line.contains(expected), "no `{expected}` in {line}");
        }
        assert_eq!(line.matches("romfile= ").count(), 2, "each port without a ROM: {line}");
    }

    #[test]
    fn a_comma_in_a_file_s_name_ends_no_option() {
        assert!(line(None, None).contains("filename=/a,,b/disk,cache.no-flush=on"));
    }

    #[test]
    fn nothing_connects_the_guest_to_the_host_s_network() {
        let line = line(None, None);
        let backends: Vec<_> = line.split(' ').filter(|word| word.starts_with("dgram,")).collect();
        assert_eq!(backends.len(), line.matches("-netdev").count());
        assert!(!line.contains("hostfwd") && line.starts_with("-nodefaults "), "{line}");
    }
}
