//! The verdict as it leaves the box: one JSON object, on one line.

use serde::Serialize;

use crate::checks::{self, Check};
use crate::facts::{Facts, Memory, Service};

/// The version of this shape. A reader refuses one that it does not know.
pub const SCHEMA: u32 = 1;

/// Longest journal in a record, in bytes: what fits into a few seconds of an emulated serial line.
pub const LONGEST_JOURNAL: usize = 64 * 1024;

/// Whether the boot is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every check passed.
    Pass,
    /// At least one did not.
    Fail,
}

/// The verdict and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    schema: u32,
    image_version: String,
    variant: String,
    board: String,
    /// Whether the boot is good.
    pub verdict: Verdict,
    /// Each check.
    pub checks: Vec<Check>,
    boot: BootTimes,
    memory: MemoryRow,
    clock_unix_ms: u64,
    machine_id: String,
    boot_id: String,
    services: Vec<ServiceRow>,
    /// The end of the journal, in a failed record only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub journal_tail: String,
}

/// How long each part of the boot took, in microseconds; 0 where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct BootTimes {
    firmware_us: u64,
    loader_us: u64,
    kernel_us: u64,
    initrd_us: u64,
    userspace_us: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct MemoryRow {
    total_kib: u64,
    available_kib: u64,
}

#[derive(Clone, Debug, Serialize)]
struct ServiceRow {
    name: String,
    active_state: String,
    memory_kib: u64,
}

impl Record {
    /// Judges `facts`.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let checks = checks::judge(facts);
        let passed = checks.iter().all(|check| check.pass);
        let services = facts.services.as_deref().unwrap_or_default();
        Self {
            schema: SCHEMA,
            image_version: facts.image_version.clone(),
            variant: facts.variant.clone(),
            board: facts.board.clone().unwrap_or_default(),
            verdict: if passed { Verdict::Pass } else { Verdict::Fail },
            checks,
            boot: facts.boot.as_ref().map(BootTimes::of).unwrap_or_default(),
            memory: facts.memory.as_ref().map(MemoryRow::of).unwrap_or_default(),
            clock_unix_ms: facts.clock_unix_ms,
            machine_id: facts.machine_id.clone().unwrap_or_default(),
            boot_id: facts.boot_id.clone().unwrap_or_default(),
            services: services.iter().map(ServiceRow::of).collect(),
            journal_tail: String::new(),
        }
    }

    /// The record as one line.
    #[must_use]
    pub fn to_line(&self) -> String {
        let json = serde_json::to_string(self).expect("a record is texts, numbers and lists");
        json + "\n"
    }
}

impl BootTimes {
    fn of(stamps: &crate::facts::BootStamps) -> Self {
        // Without an initrd the kernel's part ends where the system's manager starts.
        let kernel_end = match stamps.initrd_us {
            0 => stamps.userspace_us,
            initrd => initrd,
        };
        Self {
            firmware_us: stamps.firmware_us.saturating_sub(stamps.loader_us),
            loader_us: stamps.loader_us,
            kernel_us: kernel_end,
            initrd_us: stamps.userspace_us.saturating_sub(kernel_end),
            userspace_us: stamps.finish_us.saturating_sub(stamps.userspace_us),
        }
    }
}

impl MemoryRow {
    fn of(memory: &Memory) -> Self {
        Self { total_kib: memory.total_kib, available_kib: memory.available_kib }
    }
}

impl ServiceRow {
    fn of(service: &Service) -> Self {
        Self {
            name: service.unit.name.clone(),
            active_state: service.unit.active_state.clone(),
            memory_kib: service.memory_kib,
        }
    }
}
