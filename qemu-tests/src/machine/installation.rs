//! A box between two boots: an image on its disk, the firmware's variables, the TPM's memory.
use super::disk::Disk;
use super::firmware::Firmware;
use super::image::Image;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// All that a power cut leaves; dropping it deletes it.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    disk: Disk,
    firmware: Firmware,
}

impl Installation {
    /// Flashes an image onto the disk of a box that has never been switched on.
    ///
    /// # Errors
    /// When there is no room in the folder for temporary files, or no firmware.
    pub fn new(image: &Image) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("porchlight-box-").tempdir()?;
        let disk = Disk::flash(image.raw(), &folder.path().join("disk.raw"))
            .with_context(|| format!("cannot flash {}", image.raw().display()))?;
        let firmware = Firmware::factory_new(&folder.path().join("firmware-variables.fd"))?;
        Ok(Self { folder, disk, firmware })
    }

    /// The disk, to look at or to damage while the box is off.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(super) fn firmware(&self) -> &Firmware {
        &self.firmware
    }

    pub(super) fn tpm_state(&self) -> PathBuf {
        self.folder.path().join("tpm")
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
