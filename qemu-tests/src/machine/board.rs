//! A board's data card (`hardware/<board>/board.toml`), as much of it as playing the board needs.
//!
//! Pure: text in, a checked [`Board`] or a [`BoardError`] that names the file and the line out.
use serde::Deserialize;
use std::num::NonZeroU8;
use std::path::PathBuf;
use thiserror::Error;

/// A board, its network ports in the order of their PCI buses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The folder's name, such as `qemu-x86_64`.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// What it computes with.
    pub architecture: Architecture,
    /// What its image starts with.
    pub kernel: Kernel,
    /// Every network port; after parsing, sorted by PCI bus, and the buses are 1, 2, 3 ….
    #[serde(rename = "port")]
    pub ports: Vec<Port>,
    /// How QEMU plays the board.
    pub qemu: Qemu,
}

/// Instruction set of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit PC.
    #[serde(rename = "x86_64")]
    X86_64,
}

/// The kernel of a board's image; the image build reads it, QEMU does not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Package sets under `recipes/`.
    pub packages: Vec<String>,
    /// The board's part of the kernel command line.
    pub command_line: String,
    /// Modules that find the disk and arm the watchdog.
    #[serde(default)]
    pub initrd_modules: Vec<String>,
    /// Modules the image leaves out.
    #[serde(default)]
    pub leave_out_modules: Vec<String>,
    /// Firmware the image leaves out.
    #[serde(default)]
    pub leave_out_firmware: Vec<String>,
}

/// A network port: what it is for, what the guest calls it, where it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// What the household uses it for.
    pub role: Role,
    /// The interface's name in the guest, such as `lan0`.
    pub name: String,
    /// The place it is plugged in.
    pub path: PciSlot,
}

/// What the household uses a port for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The home network.
    Lan,
    /// The wired line to the internet.
    Broadband,
    /// The dish.
    Starlink,
}

/// A PCI function behind a root port of its own, written as udev's `ID_PATH`: `pci-0000:01:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct PciSlot {
    bus: NonZeroU8,
}

impl PciSlot {
    /// The PCI bus; bus 0 is the root complex and holds no port.
    #[must_use]
    pub fn bus(self) -> NonZeroU8 {
        self.bus
    }
}

impl TryFrom<String> for PciSlot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected =
            || format!("`{text}` is no port's place: expected pci-0000:BB:00.0, BB from 01 to ff");
        let bus = text.strip_prefix("pci-0000:").and_then(|rest| rest.strip_suffix(":00.0"));
        let bus = bus.filter(|bus| bus.len() == 2).ok_or_else(expected)?;
        let bus = u8::from_str_radix(bus, 16).ok().and_then(NonZeroU8::new);
        Ok(Self { bus: bus.ok_or_else(expected)? })
    }
}

/// How QEMU plays the board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// QEMU's machine type.
    pub machine: MachineType,
    /// QEMU's device for each network port.
    pub nic: Nic,
    /// QEMU's device for the disk.
    pub disk: DiskDevice,
    /// Guest memory.
    pub memory_mib: MemoryMib,
    /// Virtual processors.
    pub cpus: Cpus,
}

/// QEMU machine types that have PCI Express root ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineType {
    /// A PC with an ICH9 south bridge.
    Q35,
}

/// QEMU's network devices that the images have drivers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nic {
    /// Paravirtual.
    VirtioNetPci,
    /// Intel 82574L.
    E1000e,
}

impl Nic {
    /// The name of QEMU's `-device`.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::VirtioNetPci => "virtio-net-pci",
            Self::E1000e => "e1000e",
        }
    }
}

/// QEMU's disk devices that the images have drivers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskDevice {
    /// Paravirtual.
    VirtioBlkPci,
    /// NVM Express.
    Nvme,
}

/// Guest memory, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "u32")]
pub struct MemoryMib(u32);

impl MemoryMib {
    /// OVMF and a kernel with its initrd need this much.
    const LEAST: u32 = 256;
    /// More than any home gateway, and still less than a tester's machine.
    const MOST: u32 = 16 * 1024;

    /// The number of MiB.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for MemoryMib {
    type Error = String;

    fn try_from(mib: u32) -> Result<Self, String> {
        if (Self::LEAST..=Self::MOST).contains(&mib) {
            return Ok(Self(mib));
        }
        Err(format!("memory of {mib} MiB: expected {} to {}", Self::LEAST, Self::MOST))
    }
}

/// Virtual processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Cpus(u8);

impl Cpus {
    const MOST: u8 = 16;

    /// How many.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Cpus {
    type Error = String;

    fn try_from(count: u8) -> Result<Self, String> {
        if (1..=Self::MOST).contains(&count) {
            return Ok(Self(count));
        }
        Err(format!("{count} processors: expected 1 to {}", Self::MOST))
    }
}

/// Why a board's data card was not understood.
#[derive(Debug, Error)]
pub enum BoardError {
    /// Not TOML, an unknown key, a wrong type or an impossible value.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// The ports leave a gap, or two are in one place.
    #[error(
        "{}: port `{port}` is on PCI bus {bus:02x}, expected {expected:02x}: QEMU numbers the \
         buses behind its root ports 01, 02, 03 …, one port each",
        path.display()
    )]
    Bus {
        /// The file.
        path: PathBuf,
        /// The port's name.
        port: String,
        /// Its bus.
        bus: u8,
        /// The only bus that it can have in QEMU.
        expected: usize,
    },
}

/// Reads a data card; `path` is only for messages.
///
/// # Errors
/// [`BoardError`], with the file and, where there is one, the line.
pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Board, BoardError> {
    let path = path.into();
    let mut board: Board = match toml::from_str(text) {
        Ok(board) => board,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text[..start].matches('\n').count();
            return Err(BoardError::Syntax { path, line, message: error.message().to_owned() });
        }
    };
    board.ports.sort_by_key(|port| port.path);
    for (index, port) in board.ports.iter().enumerate() {
        let (bus, expected) = (port.path.bus().get(), index + 1);
        if usize::from(bus) != expected {
            return Err(BoardError::Bus { path, port: port.name.clone(), bus, expected });
        }
    }
    Ok(board)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"name = "mini"
summary = "A box"
architecture = "x86_64"

[kernel]
packages = ["kernel-generic"]
command_line = "console=tty0"

[[port]]
role = "starlink"
name = "starlink0"
path = "pci-0000:02:00.0"

[[port]]
role = "lan"
name = "lan0"
path = "pci-0000:01:00.0"

[qemu]
machine = "q35"
nic = "e1000e"
disk = "nvme"
memory_mib = 1024
cpus = 2
"#;

    fn check(edit: (&str, &str), expected: &str) {
        assert!(CARD.contains(edit.0), "the card has no `{}`", edit.0);
        let error = parse("board.toml", &CARD.replace(edit.0, edit.1)).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn ports_come_in_the_order_of_their_buses() {
        let board = parse("board.toml", CARD).unwrap();
        let names: Vec<&str> = board.ports.iter().map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["lan0", "starlink0"]);
        assert_eq!(board.qemu.nic.device(), "e1000e");
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        check(("memory_mib", "memory"), "board.toml:23: unknown field `memory`, expected one of");
        check(("cpus = 2", "cpus = 0"), "board.toml:24: 0 processors: expected 1 to 16");
        check(("= 1024", "= \"much\""), "board.toml:23: invalid type: string \"much\"");
        check(("e1000e", "rtl8139"), "board.toml:21: unknown variant `rtl8139`, expected");
        check(("pci-0000:02", "usb-0000:02"), "board.toml:12: `usb-0000:02:00.0` is no port");
        check(("\"lan\"", "lan"), "board.toml:15: ");
    }

    #[test]
    fn a_bus_that_qemu_would_not_number_so_is_refused() {
        check(("0:02:", "0:03:"), "board.toml: port `starlink0` is on PCI bus 03, expected 02");
        check(("0:02:", "0:01:"), "board.toml: port `lan0` is on PCI bus 01, expected 02");
    }
}
