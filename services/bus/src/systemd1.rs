//! `org.freedesktop.systemd1`: what the service manager says about units and about the boot
//! (org.freedesktop.systemd1(5)).

use serde::{Deserialize, Serialize};
use zbus::{OwnedObjectPath, Type, proxy};

/// One row of `ListUnits` and its kin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UnitRow {
    /// The unit's name, such as `home.service`.
    pub name: String,
    /// Its one-line description.
    pub description: String,
    /// `loaded`, `not-found`, `masked`, `error`, …
    pub load_state: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active_state: String,
    /// The state in the words of the unit's type.
    pub sub_state: String,
    /// The unit this one follows, or an empty text.
    pub following: String,
    /// Its object.
    pub path: OwnedObjectPath,
    /// The number of the job queued for it, or 0.
    pub job_id: u32,
    /// The type of that job.
    pub job_type: String,
    /// The object of that job.
    pub job_path: OwnedObjectPath,
}

/// One row of `ListJobs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct JobRow {
    /// The job's number.
    pub id: u32,
    /// The unit it is for.
    pub unit: String,
    /// `start`, `stop`, …
    pub job_type: String,
    /// `waiting` or `running`.
    pub state: String,
    /// Its object.
    pub path: OwnedObjectPath,
    /// The unit's object.
    pub unit_path: OwnedObjectPath,
}

/// The service manager. Its properties are read fresh each time: most change without a signal.
#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub trait Manager {
    /// Every unit in memory.
    fn list_units(&self) -> zbus::Result<Vec<UnitRow>>;

    /// The units in one of `states` whose names match one of `patterns`; an empty list matches all.
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<UnitRow>>;

    /// The jobs in the queue.
    fn list_jobs(&self) -> zbus::Result<Vec<JobRow>>;

    /// `initializing`, `starting`, `running`, `degraded`, `maintenance`, `stopping`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn system_state(&self) -> zbus::Result<String>;

    /// The hypervisor by systemd's name: `qemu` is emulation, `kvm` runs on the processor, empty
    /// is hardware.
    #[zbus(property(emits_changed_signal = "false"))]
    fn virtualization(&self) -> zbus::Result<String>;

    /// Microseconds from the firmware's start to the kernel's, or 0 if unknown.
    #[zbus(property(emits_changed_signal = "false"))]
    fn firmware_timestamp_monotonic(&self) -> zbus::Result<u64>;

    /// Microseconds from the boot loader's start to the kernel's, or 0 if unknown.
    #[zbus(property(emits_changed_signal = "false"))]
    fn loader_timestamp_monotonic(&self) -> zbus::Result<u64>;

    /// When the initrd's manager started, in microseconds since the kernel did, or 0 without one.
    #[zbus(property(emits_changed_signal = "false",), name = "InitRDTimestampMonotonic")]
    fn initrd_timestamp_monotonic(&self) -> zbus::Result<u64>;

    /// When the system's manager started, in microseconds since the kernel did.
    #[zbus(property(emits_changed_signal = "false"))]
    fn userspace_timestamp_monotonic(&self) -> zbus::Result<u64>;

    /// When the first boot job queue was empty, or 0 if it has not been yet.
    #[zbus(property(emits_changed_signal = "false"))]
    fn finish_timestamp_monotonic(&self) -> zbus::Result<u64>;
}

/// The part of a unit's object that belongs to services.
#[proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1"
)]
pub trait Service {
    /// How often the service must report that it is alive, in microseconds; 0 if it need not.
    #[zbus(property(emits_changed_signal = "false"), name = "WatchdogUSec")]
    fn watchdog_usec(&self) -> zbus::Result<u64>;

    /// When it last did, in microseconds of `CLOCK_MONOTONIC`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn watchdog_timestamp_monotonic(&self) -> zbus::Result<u64>;

    /// Memory charged to its control group, in bytes; `u64::MAX` if not accounted.
    #[zbus(property(emits_changed_signal = "false"))]
    fn memory_current(&self) -> zbus::Result<u64>;
}
