//! The disks of this computer, as `lsblk --json --bytes` lists them.
use anyhow::Context;
use serde::Deserialize;

/// The columns asked for; [`Device`] has a field for each.
pub(super) const COLUMNS: &str =
    "NAME,PATH,TYPE,SIZE,MODEL,SERIAL,TRAN,RM,RO,MOUNTPOINTS,PARTLABEL,LABEL,FSTYPE";

/// A disk, or something on one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Device {
    /// `sdb`
    pub(super) name: String,
    /// `/dev/sdb`
    pub(super) path: String,
    /// `disk`, `part`, `crypt`, `lvm`, `loop`, `rom` …
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// In bytes; 0 where no medium is inside.
    pub(super) size: u64,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    /// `usb`, `sata`, `nvme` …
    #[serde(rename = "tran")]
    pub(super) transport: Option<String>,
    #[serde(rename = "rm")]
    pub(super) is_removable: bool,
    #[serde(rename = "ro")]
    pub(super) is_read_only: bool,
    mountpoints: Vec<Option<String>>,
    #[serde(rename = "partlabel")]
    partition_label: Option<String>,
    label: Option<String>,
    #[serde(rename = "fstype")]
    pub(super) file_system: Option<String>,
    #[serde(default)]
    pub(super) children: Vec<Self>,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(rename = "blockdevices")]
    devices: Vec<Device>,
}

/// Reads what `lsblk` printed.
///
/// # Errors
/// Text of another shape, as an `lsblk` older than 2.37 would print.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Device>> {
    let listing: Listing = serde_json::from_str(text)
        .context("lsblk lists the disks in another shape; util-linux 2.37 or newer is needed")?;
    Ok(listing.devices)
}

impl Device {
    /// Where it is mounted; swap counts.
    pub(super) fn mount_points(&self) -> impl Iterator<Item = &str> {
        self.mountpoints.iter().flatten().map(String::as_str)
    }

    /// What its owner called it.
    pub(super) fn given_name(&self) -> Option<&str> {
        self.label.as_deref().or(self.partition_label.as_deref())
    }

    /// The device and everything on it, from the outside in.
    pub(super) fn whole(&self) -> Vec<&Self> {
        let inner = self.children.iter().flat_map(Self::whole);
        std::iter::once(self).chain(inner).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Device, parse};

    /// A laptop: its own disk with the system in LUKS, a USB stick with photos that are mounted
    /// and one with old notes, a stick too small, a card reader without a card, a DVD drive, a
    /// write-protected card, a disk of an array, and a card without model or serial.
    pub(in crate::flash) const LAPTOP: &str = include_str!("testdata/laptop.json");

    pub(in crate::flash) fn laptop() -> Vec<Device> {
        parse(LAPTOP).unwrap()
    }

    #[test]
    fn a_disk_knows_what_is_on_it() {
        let devices = laptop();
        let names: Vec<_> = devices[0].whole().iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["nvme0n1", "nvme0n1p1", "nvme0n1p2", "cryptroot"]);
        let root: Vec<_> = devices[0].whole()[3].mount_points().collect();
        assert_eq!(root, ["/home", "/"]);
        assert_eq!(devices[1].children[0].given_name(), Some("PHOTOS"));
    }

    #[test]
    fn another_shape_is_an_error_that_names_the_program() {
        assert!(parse("{}").unwrap_err().to_string().contains("util-linux 2.37"));
    }
}
