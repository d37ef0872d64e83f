//! How long a household waits for a box that was just plugged in, and what the box then costs.
//!
//! Times are measured from the hand-over of the firmware, which is the board's and not ours, and
//! which it tells on the serial console. The firmware's own time is printed beside them: always the
//! same code, it says how fast the host is.
use crate::bench::Figures;
use crate::house::House;
use crate::machine::record::{Record, Verdict};
use crate::machine::{Image, ImageArguments, MachineSpec, Variant, accelerator};
use crate::world::{Scenario, Uplink};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::time::Duration;

/// Emulated on a busy host a boot takes one to two minutes.
const BOOT_WITHIN: Duration = Duration::from_secs(300);

/// The box repeats its record 2 min 10 s after its boot.
const IDLE_WITHIN: Duration = Duration::from_secs(300);

/// The check of the record that lists failed units.
const FAILED_UNITS: &str = "failed-units";

/// `world bench boot`: measures how long the box needs to route a household.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    /// Another folder of images, to measure beside ours in the same run
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Where to write the table
    #[arg(long)]
    json: PathBuf,
}

/// Measures, tells `say` a line for each number, and writes the table.
///
/// # Errors
/// When an image is missing or does not boot, or the table cannot be written.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let image = arguments.image.open(Variant::Gateway)?;
    say(&format!("Measuring {}, by {}", image.board().name, accelerator::choose().reason));
    let mut figures = measure(&image)?;
    tell(&figures, say);
    if let Some(peer) = &arguments.peer {
        let peer = measure(&arguments.image.open_in(peer, Variant::Gateway)?)?;
        figures.extend(beside(&figures, peer));
        tell(&figures, say);
    }
    let path = arguments.json.display();
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("{path}"))
}

/// Boots an image in the calm world until it has been idle for two minutes.
///
/// # Errors
/// When it does not boot or does not route; the error tells the state of the box.
pub fn measure(image: &Image) -> Result<Figures> {
    let mut house = House::switch_on(Scenario::load("calm")?, MachineSpec::factory_new(image)?)?;
    let firmware = house.machine().wait_hand_over(BOOT_WITHIN)?;
    house.wait_internet(Uplink::Broadband, BOOT_WITHIN)?;
    let page = house.machine().started().elapsed();
    let booted = house.machine().wait_record(BOOT_WITHIN)?;
    let idle = house.machine().wait_record(IDLE_WITHIN)?;
    figures(firmware, page, &booted, &idle)
}

/// The figures of a peer that did the same job in the same run, and how we stand against it.
fn beside(ours: &Figures, peer: Figures) -> Figures {
    let ratio = ours[TO_PAGE] / peer[TO_PAGE];
    let named = peer.into_iter().map(|(name, value)| (format!("peer_{name}"), value));
    named.chain([("boot_to_lan_page_ratio".to_owned(), ratio)]).collect()
}

fn tell(figures: &Figures, say: &mut dyn FnMut(&str)) {
    for (name, value) in figures {
        say(&format!("{name:<32} {value:>10.2}"));
    }
}

const TO_PAGE: &str = "boot_to_lan_page_s";

fn figures(firmware: Duration, page: Duration, booted: &Record, idle: &Record) -> Result<Figures> {
    ensure!(idle.boot_id == booted.boot_id, "the box rebooted while it was idle");
    let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
    let table = [
        (TO_PAGE, (page - firmware).as_secs_f64()),
        ("idle_ram_mb", idle.memory.used_mb() as f64),
        ("failed_units", failed_units(idle)),
        ("calibration_firmware_s", firmware.as_secs_f64()),
        ("boot_kernel_s", seconds(booted.boot.kernel_us)),
        ("boot_initrd_s", seconds(booted.boot.initrd_us)),
        ("boot_userspace_s", seconds(booted.boot.userspace_us)),
        ("verdict_pass", f64::from(u8::from(idle.verdict == Verdict::Pass))),
    ];
    Ok(table.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The record lists the names of failed units with commas between.
fn failed_units(record: &Record) -> f64 {
    let failed = record.failures().find(|check| check.name == FAILED_UNITS);
    failed.map_or(0.0, |check| check.detail.split(',').count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::record::{BootTimes, Check, Memory};

    fn record(available_kib: u64, failed: Option<&str>) -> Record {
        let check = |detail: &str| Check {
            name: FAILED_UNITS.to_owned(),
            pass: false,
            detail: detail.to_owned(),
        };
        Record {
            schema: 1,
            image_version: "1".to_owned(),
            variant: "gateway".to_owned(),
            board: "b".to_owned(),
            verdict: if failed.is_some() { Verdict::Fail } else { Verdict::Pass },
            checks: failed.map(check).into_iter().collect(),
            boot: BootTimes {
                firmware_us: 0,
                loader_us: 0,
                kernel_us: 0,
                initrd_us: 0,
                userspace_us: 0,
            },
            memory: Memory { total_kib: 1_000_000, available_kib },
            clock_unix_ms: 0,
            machine_id: String::new(),
            boot_id: "b".to_owned(),
            services: Vec::new(),
            journal_tail: None,
        }
    }

    #[test]
    fn the_firmware_is_not_ours_and_memory_is_that_of_the_idle_box() {
        let page = Duration::from_secs(30);
        let firmware = Duration::from_millis(2_500);
        let table = figures(firmware, page, &record(0, None), &record(875_000, None)).unwrap();
        assert_eq!(table[TO_PAGE], 27.5);
        assert_eq!(table["idle_ram_mb"], 128.0);
        assert_eq!(table["failed_units"], 0.0);
        let failed = record(0, Some("a.service, b.service"));
        assert_eq!(figures(firmware, page, &failed, &failed).unwrap()["failed_units"], 2.0);
    }

    #[test]
    fn a_peer_stands_beside_us_under_its_own_name() {
        let figures = |seconds: f64| Figures::from([(TO_PAGE.to_owned(), seconds)]);
        let both = beside(&figures(30.0), figures(60.0));
        let expected = [("boot_to_lan_page_ratio", 0.5), ("peer_boot_to_lan_page_s", 60.0)];
        assert_eq!(both, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn a_reboot_in_between_is_no_idle_box() {
        let mut idle = record(0, None);
        idle.boot_id = "c".to_owned();
        assert!(figures(Duration::ZERO, Duration::from_secs(30), &record(0, None), &idle).is_err());
    }
}
