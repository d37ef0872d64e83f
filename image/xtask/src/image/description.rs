//! The two small files that describe an image: the board's card and the variant.

use std::path::Path;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::settings;

/// `hardware/<board>/board.toml`: the facts about a board that an image is built from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    /// The folder's name again, so that a copied card cannot lie about itself.
    pub(crate) name: String,
    /// One line for people.
    #[expect(dead_code, reason = "read by people and by the tests' own reader")]
    pub(crate) summary: String,
    /// CPU architecture as Rust and Debian's kernel packages know it.
    pub(crate) architecture: String,
    /// The kernel and what it needs beside it.
    pub(crate) kernel: Kernel,
    /// Network ports by where they are plugged in.
    #[serde(rename = "port")]
    pub(crate) ports: Vec<Port>,
    /// How QEMU plays this board; the image does not use it.
    #[expect(dead_code, reason = "belongs to the tests, which read it themselves")]
    pub(crate) qemu: Option<toml::Table>,
}

/// The kernel of a board.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernel {
    /// Package sets in `recipes/` that bring the kernel and its firmware.
    pub(crate) packages: Vec<String>,
    /// What this board adds to the kernel's command line.
    pub(crate) command_line: String,
    /// Module folders and files (below `kernel/`) left out of the image; `*` is a wildcard.
    #[serde(default)]
    pub(crate) leave_out_modules: Vec<String>,
    /// The same below `/usr/lib/firmware`.
    #[serde(default)]
    pub(crate) leave_out_firmware: Vec<String>,
    /// Modules that must be in the initrd to find the disk and to arm the watchdog.
    pub(crate) initrd_modules: Vec<String>,
}

/// One Ethernet port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Port {
    /// What the port is for.
    pub(crate) role: PortRole,
    /// The interface name the rest of the system uses.
    pub(crate) name: String,
    /// udev's `ID_PATH` of the device.
    pub(crate) path: String,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PortRole {
    /// The household's own network.
    Lan,
    /// The uplink over cable, fibre or DSL.
    Broadband,
    /// The uplink over Starlink.
    Starlink,
}

/// `image/variants/<variant>.toml`: which sets, services and overlays make an image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variant {
    /// One line for people.
    #[expect(dead_code, reason = "read by people")]
    pub(crate) summary: String,
    /// Package sets in `recipes/`.
    pub(crate) packages: Vec<String>,
    /// Services in `services/` with a recipe of the same name.
    pub(crate) services: Vec<String>,
    /// Trees in `overlays/`, laid in this order.
    pub(crate) overlays: Vec<String>,
    /// What this variant adds to the kernel's command line.
    #[serde(default)]
    pub(crate) command_line: String,
}

impl Board {
    /// Reads and checks the card of `name`.
    ///
    /// # Errors
    /// The file cannot be read, does not parse, or says something impossible; the message names
    /// file and key.
    pub(crate) fn read(root: &Path, name: &str) -> Result<Self> {
        let path = root.join("hardware").join(name).join("board.toml");
        let known = Self::names(root)?;
        ensure!(
            known.iter().any(|board| board == name),
            "there is no board \"{name}\" in hardware/: expected one of {}",
            known.join(", ")
        );
        let board: Self = settings::read(&path)?;
        let file = path.display();
        ensure!(
            board.name == name,
            "{file}: name: \"{}\", expected \"{name}\", the name of its folder",
            board.name
        );
        ensure!(
            board.architecture == "x86_64",
            "{file}: architecture: \"{}\", expected \"x86_64\", the only one built today",
            board.architecture
        );
        for role in [PortRole::Lan, PortRole::Broadband, PortRole::Starlink] {
            let count = board.ports.iter().filter(|port| port.role == role).count();
            ensure!(
                count == 1,
                "{file}: port: {count} ports have the role {role:?}, expected exactly one"
            );
        }
        for port in &board.ports {
            // IFNAMSIZ is 16 with the closing NUL (linux/if.h).
            ensure!(
                (1..16).contains(&port.name.len())
                    && port.name.bytes().all(|b| b.is_ascii_alphanumeric()),
                "{file}: port.name: \"{}\", expected 1 to 15 letters and digits",
                port.name
            );
        }
        Ok(board)
    }

    /// The names of all boards that have a card, sorted.
    ///
    /// # Errors
    /// The folder `hardware/` cannot be read.
    fn names(root: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root.join("hardware"))? {
            let entry = entry?;
            if entry.path().join("board.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Variant {
    /// Reads the variant `name`.
    ///
    /// # Errors
    /// The file cannot be read or does not parse; the message names file, line and key.
    pub(crate) fn read(root: &Path, name: &str) -> Result<Self> {
        let known = settings::names_in(&root.join("image/variants"))?;
        ensure!(
            known.iter().any(|variant| variant == name),
            "there is no variant \"{name}\" in image/variants/: expected one of {}",
            known.join(", ")
        );
        settings::read(&root.join("image/variants").join(format!("{name}.toml")))
    }
}
