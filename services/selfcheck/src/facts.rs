//! What was gathered, before anybody judges it.

use std::time::Duration;

/// A fact, or a sentence that says what could not be read and why. A fact that cannot be had fails
/// its check; it does not stop the others.
pub type Gathered<T> = Result<T, String>;

/// A unit and its `ActiveState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its full name.
    pub name: String,
    /// `active`, `failed`, …
    pub active_state: String,
}

/// A Porchlight service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its unit.
    pub unit: Unit,
    /// How often it must report, or zero if nobody asked it to.
    pub watchdog: Duration,
    /// How long ago it last did.
    pub reported_ago: Duration,
    /// Its memory in KiB, if accounted.
    pub memory_kib: u64,
}

/// The memory of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `MemTotal`.
    pub total_kib: u64,
    /// `MemAvailable`.
    pub available_kib: u64,
}

/// How `/usr` is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsrMount {
    /// The mapped device's identity, which begins with its kind.
    pub dm_uuid: String,
    /// Whether the mapping is suspended.
    pub suspended: bool,
}

/// A hardware watchdog (Documentation/ABI/testing/sysfs-class-watchdog).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardwareWatchdog {
    /// The device's name for itself.
    pub identity: String,
    /// `active` while it counts.
    pub state: String,
    /// After how many seconds without a sign of life it resets the box, as the kernel writes it.
    pub timeout: String,
}

/// The manager's stamps (org.freedesktop.systemd1(5)), in microseconds, 0 where unknown. The first
/// two count back from the kernel's start, the others forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootStamps {
    /// Firmware's start, before the kernel's.
    pub firmware_us: u64,
    /// The boot loader's start, before the kernel's.
    pub loader_us: u64,
    /// The initrd's manager's start.
    pub initrd_us: u64,
    /// The system's manager's start.
    pub userspace_us: u64,
    /// The end of the boot; until it has ended, now.
    pub finish_us: u64,
}

/// What this board may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Memory in use, in KiB.
    pub memory_used_kib: u64,
    /// Time from the kernel's start to the end of the boot.
    pub boot: Duration,
}

/// Everything a verdict rests on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `IMAGE_VERSION`.
    pub image_version: String,
    /// `VARIANT_ID`.
    pub variant: String,
    /// The board's name.
    pub board: Gathered<String>,
    /// What the board may use.
    pub budget: Gathered<Budget>,
    /// Whether the boot was over before the patience was.
    pub settled: Gathered<()>,
    /// Every unit in memory.
    pub units: Gathered<Vec<Unit>>,
    /// The Porchlight services.
    pub services: Gathered<Vec<Service>>,
    /// What the service manager and the kernel have said since the boot.
    pub messages: Gathered<String>,
    /// The kernel's taint mask.
    pub taint: Gathered<u64>,
    /// How `/usr` is mounted.
    pub usr: Gathered<UsrMount>,
    /// Every hardware watchdog.
    pub watchdogs: Gathered<Vec<HardwareWatchdog>>,
    /// The memory.
    pub memory: Gathered<Memory>,
    /// The boot's stamps.
    pub boot: Gathered<BootStamps>,
    /// The hypervisor in systemd's words; `qemu` is emulation.
    pub virtualization: Gathered<String>,
    /// Now, in milliseconds since 1970.
    pub clock_unix_ms: u64,
    /// The earliest time the image believes, in milliseconds since 1970.
    pub epoch_unix_ms: Gathered<u64>,
    /// The box's identity.
    pub machine_id: Gathered<String>,
    /// This boot's.
    pub boot_id: Gathered<String>,
}
