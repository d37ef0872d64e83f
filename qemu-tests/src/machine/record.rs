//! The self-check record: one line of JSON by which the guest tells how its boot went.
//!
//! Pure types, in the shape that `services/selfcheck` writes. [`record_port`](super::record_port)
//! carries them out of the guest.
use serde::{Deserialize, Serialize};
use std::fmt;

/// The only `schema` that this reader knows.
pub const SCHEMA: u32 = 1;

/// What the image says of its own boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this shape; see [`SCHEMA`].
    pub schema: u32,
    /// `IMAGE_VERSION` of the running image.
    pub image_version: String,
    /// `gateway` or `dev`.
    pub variant: String,
    /// The board that the image was built for.
    pub board: String,
    /// The image's own judgement.
    pub verdict: Verdict,
    /// Every check that led to it.
    pub checks: Vec<Check>,
    /// Where the boot's time went.
    pub boot: BootTimes,
    /// Memory when the record was made.
    pub memory: Memory,
    /// The guest's clock when the record was made, in milliseconds since 1970.
    pub clock_unix_ms: u64,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// The kernel's random id of this boot.
    pub boot_id: String,
    /// Porchlight's own services.
    pub services: Vec<Service>,
    /// The end of the journal; only when the verdict is `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_tail: Option<String>,
}

/// The image's judgement of its own boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every check passed.
    Pass,
    /// At least one did not.
    Fail,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, such as `no-failed-unit`.
    pub name: String,
    /// Whether it held.
    pub pass: bool,
    /// What was seen.
    pub detail: String,
}

/// Durations of the boot's stages, in microseconds; 0 where the firmware does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTimes {
    /// From power-on until the boot loader started.
    pub firmware_us: u64,
    /// The boot loader.
    pub loader_us: u64,
    /// The kernel until its first process.
    pub kernel_us: u64,
    /// The initrd.
    pub initrd_us: u64,
    /// From switching root until the boot's jobs were done.
    pub userspace_us: u64,
}

/// `MemTotal` and `MemAvailable` of `/proc/meminfo`, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What the kernel manages.
    pub total_kib: u64,
    /// What a new program could get without swapping.
    pub available_kib: u64,
}

impl Memory {
    /// Memory in use, in MB (10⁶ bytes).
    #[must_use]
    pub fn used_mb(self) -> u64 {
        self.total_kib.saturating_sub(self.available_kib) * 1024 / 1_000_000
    }
}

/// A Porchlight service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The unit's name.
    pub name: String,
    /// systemd's `ActiveState`.
    pub active_state: String,
    /// Memory of its control group, in KiB.
    pub memory_kib: u64,
}

impl Record {
    /// The checks that did not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.pass)
    }
}

/// The verdict, and each failed check on a line of its own.
impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.checks.iter().filter(|check| check.pass).count();
        write!(
            formatter,
            "{} {} {}: {:?}, {passed} of {} checks hold",
            self.board,
            self.variant,
            self.image_version,
            self.verdict,
            self.checks.len(),
        )?;
        for check in self.failures() {
            write!(formatter, "\n  {}: {}", check.name, check.detail)?;
        }
        if let Some(journal) = &self.journal_tail {
            write!(formatter, "\n{journal}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_contract_is_read() {
        let line = r#"{"schema":1,"image_version":"0.1","variant":"dev","board":"qemu-x86_64",
            "verdict":"fail","checks":[{"name":"kernel","pass":true,"detail":"not tainted"},
            {"name":"units","pass":false,"detail":"failed: home.service"}],
            "boot":{"firmware_us":5,"loader_us":4,"kernel_us":3,"initrd_us":2,"userspace_us":1},
            "memory":{"total_kib":2000000,"available_kib":1000000},"clock_unix_ms":1,
            "machine_id":"m","boot_id":"b","services":[{"name":"home.service",
            "active_state":"failed","memory_kib":0}],"journal_tail":"home: no"}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.verdict, Verdict::Fail);
        assert_eq!(record.memory.used_mb(), 1024);
        let shown = record.to_string();
        assert!(
            shown.contains("Fail, 1 of 2 checks hold\n  units: failed: home.service\nhome: no")
        );
    }
}
