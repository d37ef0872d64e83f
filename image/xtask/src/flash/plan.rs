//! May this disk be erased, and what would be lost? Decided from a listing alone.
use std::fmt;

use super::devices::Device;
use crate::output::spoken_bytes;

/// What the disk must have beyond the image: the least `/var` that keeps logs, settings and one
/// update on its way, and the table's copy in the last sectors.
pub(super) const SPARE_BYTES_MIN: u64 = 2 << 30;

/// Mount points of the system that this computer runs from.
const SYSTEM: [&str; 6] = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/var"];

/// Why a disk is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `lsblk` does not list it; here is what it does list.
    Unknown { path: String, disks: Vec<String> },
    /// A partition, a CD, a mapping: only whole disks are written.
    NotAWholeDisk { path: String, kind: String, disk: Option<String> },
    /// This computer runs from it.
    System { path: String, on: String, mount_point: String },
    /// Somebody's files are open there.
    Mounted { path: String, on: String, mount_point: String },
    /// Encryption, a volume group or an array is made of it.
    InUse { path: String, by: String },
    /// A switch on the card, or worse.
    ReadOnly { path: String },
    /// No medium, or one too small for the image and what the box keeps.
    TooSmall { path: String, has: u64, needs: u64 },
    /// `--yes` names another disk, or this one cannot be told by a serial.
    WrongSerial { path: String, serial: Option<String>, named: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path, disks } => {
                write!(f, "{path} is not among the disks here: {}", disks.join(", "))
            }
            Self::NotAWholeDisk { path, kind, disk: Some(disk) } => {
                write!(f, "{path} is a {kind} on {disk}; the image needs the whole disk: {disk}")
            }
            Self::NotAWholeDisk { path, kind, disk: None } => {
                write!(f, "{path} is a {kind}, not a disk the box can boot from")
            }
            Self::System { path, on, mount_point } => {
                write!(f, "{path} carries the system of this computer ({on} is {mount_point})")
            }
            Self::Mounted { path, on, mount_point } => {
                write!(f, "{path} is in use: {on} is mounted at {mount_point}; unmount it first")
            }
            Self::InUse { path, by } => write!(f, "{path} is in use by {by}; stop that first"),
            Self::ReadOnly { path } => {
                write!(f, "{path} is write-protected; look for a switch on it")
            }
            Self::TooSmall { path, has: 0, .. } => write!(f, "{path} has no medium inside"),
            Self::TooSmall { path, has, needs } => write!(
                f,
                "{path} is too small: it has {}, the image and what the box keeps need {}",
                spoken_bytes(*has),
                spoken_bytes(*needs)
            ),
            Self::WrongSerial { path, serial: Some(serial), named } => {
                write!(f, "--yes names {named}, but {path} has the serial {serial}")
            }
            Self::WrongSerial { path, serial: None, .. } => {
                write!(f, "{path} has no serial to name with --yes; answer at a terminal")
            }
        }?;
        write!(f, "; nothing was written")
    }
}

impl std::error::Error for Refusal {}

/// A disk that may be erased once its owner agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) path: String,
    disk: Device,
}

/// Looks for a reason not to write an image of `image_bytes` to the disk at `path`.
///
/// # Errors
/// The reason.
pub(super) fn plan(devices: &[Device], path: &str, image_bytes: u64) -> Result<Plan, Refusal> {
    let path_owned = || path.to_owned();
    let Some(disk) = devices.iter().find(|device| device.path == path) else {
        return Err(not_a_top_level_device(devices, path));
    };
    if disk.kind != "disk" {
        let kind = disk.kind.clone();
        return Err(Refusal::NotAWholeDisk { path: path_owned(), kind, disk: None });
    }
    let mounted: Vec<_> = disk
        .whole()
        .into_iter()
        .flat_map(|part| part.mount_points().map(|at| (part.path.clone(), at.to_owned())))
        .collect();
    if let Some((on, mount_point)) =
        mounted.iter().find(|(_, mount_point)| SYSTEM.contains(&mount_point.as_str())).cloned()
    {
        return Err(Refusal::System { path: path_owned(), on, mount_point });
    }
    if let Some((on, mount_point)) = mounted.into_iter().next() {
        return Err(Refusal::Mounted { path: path_owned(), on, mount_point });
    }
    if let Some(user) = disk.whole().into_iter().skip(1).find(|device| device.kind != "part") {
        let by = format!("{} ({})", user.name, user.kind);
        return Err(Refusal::InUse { path: path_owned(), by });
    }
    if disk.is_read_only {
        return Err(Refusal::ReadOnly { path: path_owned() });
    }
    let needs = image_bytes.saturating_add(SPARE_BYTES_MIN);
    if disk.size < needs {
        return Err(Refusal::TooSmall { path: path_owned(), has: disk.size, needs });
    }
    Ok(Plan { path: path_owned(), disk: disk.clone() })
}

fn not_a_top_level_device(devices: &[Device], path: &str) -> Refusal {
    for disk in devices {
        if let Some(part) = disk.whole().into_iter().find(|device| device.path == path) {
            let kind = match part.kind.as_str() {
                "part" => "partition".to_owned(),
                other => other.to_owned(),
            };
            let disk = Some(disk.path.clone());
            return Refusal::NotAWholeDisk { path: path.to_owned(), kind, disk };
        }
    }
    let disks = devices.iter().filter(|device| device.kind == "disk" && device.size > 0);
    let disks = disks.map(|device| format!("{} ({})", device.path, spoken_bytes(device.size)));
    Refusal::Unknown { path: path.to_owned(), disks: disks.collect() }
}

impl Plan {
    /// What the person reads before answering: the disk, and everything that will be gone.
    pub(super) fn warning(&self) -> Vec<String> {
        let disk = &self.disk;
        let facts = [
            Some(self.model().unwrap_or("unknown model").to_owned()),
            disk.serial.as_deref().map(|serial| format!("serial {}", serial.trim())),
            Some(spoken_bytes(disk.size)),
            disk.transport.clone(),
            disk.is_removable.then(|| "removable".to_owned()),
        ];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        let mut lines = vec![
            format!("This erases everything on {}:", self.path),
            format!("  {}", facts.join(", ")),
        ];
        let parts = disk.whole();
        lines.extend(parts.iter().skip(1).map(|part| {
            let file_system = part.file_system.as_deref().unwrap_or("unknown content");
            let name = part.given_name().map(|name| format!(" \"{name}\"")).unwrap_or_default();
            format!("  {}: {}, {file_system}{name}", part.name, spoken_bytes(part.size))
        }));
        if parts.len() == 1 {
            lines.push(match &disk.file_system {
                Some(file_system) => format!("  no partitions, but {file_system}"),
                None => "  no partitions".to_owned(),
            });
        }
        lines
    }

    /// What the person is asked.
    pub(super) fn question(&self) -> String {
        let name = &self.disk.name;
        match self.model() {
            Some(model) => format!("Type its model ({model}) or its name ({name}) to go on:"),
            None => format!("Type its name ({name}) to go on:"),
        }
    }

    /// Whether the answer names this disk; "y" would be typed without reading.
    pub(super) fn is_agreed_by(&self, answer: &str) -> bool {
        let answer = answer.trim();
        answer == self.disk.name
            || answer == self.path
            || self.model().is_some_and(|model| model.eq_ignore_ascii_case(answer))
    }

    /// Whether a script named this disk.
    ///
    /// # Errors
    /// It named another, or this one has no serial.
    pub(super) fn check_serial(&self, named: &str) -> Result<(), Refusal> {
        let serial = self.disk.serial.as_deref().map(str::trim).filter(|serial| !serial.is_empty());
        if serial == Some(named.trim()) {
            return Ok(());
        }
        let serial = serial.map(str::to_owned);
        Err(Refusal::WrongSerial { path: self.path.clone(), serial, named: named.to_owned() })
    }

    fn model(&self) -> Option<&str> {
        self.disk.model.as_deref().map(str::trim).filter(|model| !model.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Refusal, SPARE_BYTES_MIN, plan};
    use crate::flash::devices::tests::laptop;

    const IMAGE_BYTES: u64 = 5 << 30;

    fn try_on(path: &str) -> Result<Plan, Refusal> {
        plan(&laptop(), path, IMAGE_BYTES)
    }

    fn refused(path: &str) -> String {
        try_on(path).unwrap_err().to_string()
    }

    #[test]
    fn the_systems_own_disk_is_refused() {
        let said = refused("/dev/nvme0n1");
        assert!(said.contains("carries the system of this computer (/dev/nvme0n1p1 is /boot/efi)"));
    }

    #[test]
    fn a_mounted_disk_is_refused_with_its_mount_point() {
        assert!(refused("/dev/sda").contains("/dev/sda1 is mounted at /media/photos"));
    }

    #[test]
    fn a_part_of_a_disk_is_refused_and_the_disk_is_named() {
        assert!(refused("/dev/sdb1").contains("a partition on /dev/sdb"));
        assert!(refused("/dev/mapper/cryptroot").contains("a crypt on /dev/nvme0n1"));
        assert!(refused("/dev/sr0").contains("is a rom, not a disk"));
    }

    #[test]
    fn an_unknown_disk_is_refused_with_those_that_are_there() {
        let said = refused("/dev/sdz");
        assert!(said.contains("/dev/sdb (14.8 GiB)") && !said.contains("/dev/sdd"));
    }

    #[test]
    fn a_disk_in_an_array_is_refused_though_nothing_is_mounted() {
        assert!(refused("/dev/sdf").contains("in use by md0 (raid1)"));
    }

    #[test]
    fn protected_empty_and_small_disks_are_refused() {
        assert!(refused("/dev/sde").contains("write-protected"));
        assert!(refused("/dev/sdd").contains("no medium inside"));
        let said = refused("/dev/sdc");
        assert!(said.contains("it has 4.0 GiB") && said.contains("need 7.0 GiB"));
    }

    #[test]
    fn a_disk_of_exactly_the_size_needed_is_taken() {
        let mut devices = laptop();
        let disk = devices.iter_mut().find(|device| device.name == "sdc").unwrap();
        disk.size = IMAGE_BYTES + SPARE_BYTES_MIN;
        assert!(plan(&devices, "/dev/sdc", IMAGE_BYTES).is_ok());
        assert!(plan(&devices, "/dev/sdc", IMAGE_BYTES + 1).is_err());
    }

    #[test]
    fn the_warning_names_everything_that_will_be_gone() {
        let plan = try_on("/dev/sdb").unwrap();
        assert_eq!(
            plan.warning(),
            [
                "This erases everything on /dev/sdb:",
                "  Cruzer Blade, serial 20051535, 14.8 GiB, usb, removable",
                "  sdb1: 14.8 GiB, ext4 \"old notes\"",
            ]
        );
        let plan = try_on("/dev/mmcblk0").unwrap();
        assert_eq!(plan.warning()[1..], ["  unknown model, 32.0 GiB, mmc", "  no partitions"]);
    }

    #[test]
    fn only_the_disks_own_names_agree() {
        let plan = try_on("/dev/sdb").unwrap();
        for answer in ["cruzer blade", "sdb", "/dev/sdb", " sdb "] {
            assert!(plan.is_agreed_by(answer), "{answer}");
        }
        for answer in ["", "y", "yes", "sda", "20051535"] {
            assert!(!plan.is_agreed_by(answer), "{answer}");
        }
        assert!(!try_on("/dev/mmcblk0").unwrap().is_agreed_by(""));
    }

    #[test]
    fn a_script_must_name_the_serial() {
        let plan = try_on("/dev/sdb").unwrap();
        assert_eq!(plan.check_serial("20051535"), Ok(()));
        let said = plan.check_serial("4C530001").unwrap_err().to_string();
        assert!(said.contains("--yes names 4C530001, but /dev/sdb has the serial 20051535"));
        let said = try_on("/dev/mmcblk0").unwrap().check_serial("").unwrap_err().to_string();
        assert!(said.contains("no serial"));
    }

    #[test]
    fn every_refusal_says_that_nothing_was_written() {
        for path in ["/dev/nvme0n1", "/dev/sda", "/dev/sdb1", "/dev/sdz", "/dev/sde"] {
            assert!(refused(path).ends_with("; nothing was written"), "{path}");
        }
    }
}
