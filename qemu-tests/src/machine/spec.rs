//! What a box is started with.
use super::board::{Board, MemoryMib};
use super::disk::Disk;
use super::image::{Image, Variant};
use super::installation::Installation;
use crate::emulator::port::QemuPort;
use anyhow::Result;
use std::collections::BTreeMap;

/// A box about to be switched on. Ports without a cable get one that ends nowhere.
#[derive(Debug)]
pub struct MachineSpec {
    pub(super) board: Board,
    pub(super) variant: Variant,
    pub(super) installation: Installation,
    pub(super) cables: BTreeMap<String, QemuPort>,
    pub(super) clock: Option<String>,
    pub(super) tpm: bool,
}

impl MachineSpec {
    /// A factory-new box with an image on its disk.
    ///
    /// # Errors
    /// As [`Installation::new`].
    pub fn factory_new(image: &Image) -> Result<Self> {
        Ok(Self::again(image, Installation::new(image)?))
    }

    /// A box that has run before.
    #[must_use]
    pub fn again(image: &Image, installation: Installation) -> Self {
        Self {
            board: image.board().clone(),
            variant: image.variant(),
            installation,
            cables: BTreeMap::new(),
            clock: None,
            tpm: true,
        }
    }

    /// The disk, to look at or to damage before the power comes on.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        self.installation.disk()
    }

    /// Plugs a cable into the port of this name.
    #[must_use]
    pub fn cable(mut self, port: &str, cable: QemuPort) -> Self {
        self.cables.insert(port.to_owned(), cable);
        self
    }

    /// What the clock chip shows at power-on, in UTC: `2011-11-11` or `2011-11-11T11:11:11`.
    #[must_use]
    pub fn clock(mut self, start: &str) -> Self {
        self.clock = Some(start.to_owned());
        self
    }

    /// A board without a TPM.
    #[must_use]
    pub fn without_tpm(mut self) -> Self {
        self.tpm = false;
        self
    }

    /// Another amount of memory than the board's data card says.
    #[must_use]
    pub fn memory(mut self, memory: MemoryMib) -> Self {
        self.board.qemu.memory_mib = memory;
        self
    }
}
