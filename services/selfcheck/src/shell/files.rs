//! Facts from files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::evidence::{meminfo_kib, mounted_device};
use crate::facts::{Gathered, HardwareWatchdog, Memory, UsrMount};

/// Where the image keeps the programs of its services: one per service, named like its unit.
const PROGRAMS: &str = "/usr/lib/porchlight";

fn read(file: impl AsRef<Path>) -> Gathered<String> {
    let file = file.as_ref();
    let text = fs::read_to_string(file);
    text.map(|text| text.trim_end().to_owned())
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

pub(super) fn taint() -> Gathered<u64> {
    let text = read("/proc/sys/kernel/tainted")?;
    text.parse().map_err(|_| format!("the kernel's taint mask is {text:?}, not a number"))
}

pub(super) fn usr() -> Gathered<UsrMount> {
    let mounts = read("/proc/self/mountinfo")?;
    let device = mounted_device(&mounts, "/usr").ok_or("/usr is not a mount of its own")?;
    let mapped = Path::new("/sys/dev/block").join(device).join("dm");
    Ok(UsrMount {
        dm_uuid: read(mapped.join("uuid"))?,
        suspended: read(mapped.join("suspended"))? != "0",
    })
}

pub(super) fn watchdogs() -> Gathered<Vec<HardwareWatchdog>> {
    let class = Path::new("/sys/class/watchdog");
    let devices = match fs::read_dir(class) {
        Ok(devices) => devices,
        // Without a driver there is no class.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", class.display())),
    };
    let describe = |device: &Path| {
        Ok(HardwareWatchdog {
            identity: read(device.join("identity"))?,
            state: read(device.join("state"))?,
            timeout: read(device.join("timeout"))?,
        })
    };
    devices.flatten().map(|device| describe(&device.path())).collect()
}

pub(super) fn memory() -> Gathered<Memory> {
    let text = read("/proc/meminfo")?;
    let value =
        |name| meminfo_kib(&text, name).ok_or_else(|| format!("/proc/meminfo has no {name} in kB"));
    Ok(Memory { total_kib: value("MemTotal")?, available_kib: value("MemAvailable")? })
}

pub(super) fn machine_id() -> Gathered<String> {
    read("/etc/machine-id")
}

pub(super) fn boot_id() -> Gathered<String> {
    read("/proc/sys/kernel/random/boot_id")
}

/// The time of the image's clock epoch file: systemd starts the clock no earlier
/// (systemd(1), "/usr/lib/clock-epoch").
pub(super) fn epoch_unix_ms() -> Gathered<u64> {
    let file = "/usr/lib/clock-epoch";
    let changed = fs::metadata(file).and_then(|data| data.modified());
    let changed = changed.map_err(|error| format!("{file} cannot be read: {error}"))?;
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The units of the services that the image brings: a service that is there and not running is a
/// finding, so the list comes from the image and not from what runs.
pub(super) fn service_units() -> Gathered<Vec<String>> {
    let programs = fs::read_dir(PROGRAMS);
    let programs = programs.map_err(|error| format!("{PROGRAMS} cannot be read: {error}"))?;
    let mut units: Vec<String> = programs
        .filter_map(|program| program.ok()?.file_name().into_string().ok())
        .map(|program| format!("{program}.service"))
        .filter(|unit| !crate::settling::is_own(unit))
        .filter(|unit| Path::new("/usr/lib/systemd/system").join(unit).exists())
        .collect();
    units.sort();
    Ok(units)
}
