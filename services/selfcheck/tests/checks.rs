//! Each check, seen good once and bad for each reason it knows.

use std::time::Duration;

use selfcheck::facts::{
    BootStamps, Budget, Facts, HardwareWatchdog, Memory, Service, Unit, UsrMount,
};
use selfcheck::record::{Record, Verdict};

fn unit(name: &str, active_state: &str) -> Unit {
    Unit { name: name.into(), active_state: active_state.into() }
}

fn service(name: &str) -> Service {
    Service {
        unit: unit(name, "active"),
        watchdog: Duration::from_secs(30),
        reported_ago: Duration::from_secs(14),
        memory_kib: 4096,
    }
}

fn hardware_watchdog(state: &str) -> HardwareWatchdog {
    let [identity, state, timeout] = ["iTCO_wdt", state, "30"].map(str::to_owned);
    HardwareWatchdog { identity, state, timeout }
}

/// A boot with nothing wrong.
fn good() -> Facts {
    Facts {
        image_version: String::from("2026.11.23"),
        variant: String::from("gateway"),
        board: Ok(String::from("qemu-x86_64")),
        budget: Ok(Budget { memory_used_kib: 200 * 1024, boot: Duration::from_secs(30) }),
        settled: Ok(()),
        units: Ok(vec![unit("home.service", "active"), unit("rescue.service", "inactive")]),
        services: Ok(vec![service("home.service")]),
        messages: Ok(String::from("Reached target multi-user.target - Multi-User System.\n")),
        taint: Ok(0),
        usr: Ok(UsrMount { dm_uuid: String::from("CRYPT-VERITY-0123-usr"), suspended: false }),
        watchdogs: Ok(vec![hardware_watchdog("active")]),
        memory: Ok(Memory { total_kib: 1_000_000, available_kib: 900_000 }),
        boot: Ok(BootStamps {
            firmware_us: 9_000_000,
            loader_us: 4_000_000,
            initrd_us: 1_000_000,
            userspace_us: 3_000_000,
            finish_us: 12_000_000,
        }),
        virtualization: Ok(String::new()),
        clock_unix_ms: 1_795_000_000_000,
        epoch_unix_ms: Ok(1_790_000_000_000),
        machine_id: Ok(String::from("0123456789abcdef0123456789abcdef")),
        boot_id: Ok(String::from("b007")),
    }
}

/// Checks that `spoil` makes exactly the check `name` fail, with `word` in its sentence.
fn fails(name: &str, word: &str, spoil: impl FnOnce(&mut Facts)) {
    let mut facts = good();
    spoil(&mut facts);
    let record = Record::of(&facts);
    assert_eq!(record.verdict, Verdict::Fail, "{name} with {word:?} passed");
    let failed: Vec<_> = record.checks.iter().filter(|check| !check.pass).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].name, name);
    assert!(failed[0].detail.contains(word), "{word:?} is not in {:?}", failed[0].detail);
}

#[test]
fn a_good_boot_passes_every_check() {
    let record = Record::of(&good());
    assert!(record.checks.iter().all(|check| check.pass), "{:?}", record.checks);
    assert_eq!(record.verdict, Verdict::Pass);
    assert_eq!(record.checks.len(), 11);
}

#[test]
fn units() {
    fails("settled", "chrony.service", |facts| {
        facts.settled = Err(String::from("still starting: chrony.service"));
    });
    fails("failed-units", "nftables.service", |facts| {
        facts.units = Ok(vec![unit("nftables.service", "failed")]);
    });
    fails("failed-units", "and 4 more", |facts| {
        facts.units = Ok((0..12).map(|n| unit(&format!("{n}.service"), "failed")).collect());
    });
    fails("ordering-cycle", "Found ordering cycle", |facts| {
        facts.messages = Ok(String::from("x.target: Found ordering cycle on y.service/start\n"));
    });
}

#[test]
fn its_own_earlier_verdict_does_not_repeat_itself() {
    let mut facts = good();
    facts.units = Ok(vec![unit("selfcheck.service", "failed")]);
    assert_eq!(Record::of(&facts).verdict, Verdict::Pass);
}

#[test]
fn services() {
    let with = |change: fn(&mut Service)| {
        move |facts: &mut Facts| {
            let mut one = service("home.service");
            change(&mut one);
            facts.services = Ok(vec![one]);
        }
    };
    fails(
        "services",
        "home.service is activating",
        with(|one| {
            one.unit.active_state = String::from("activating");
        }),
    );
    fails("services", "no watchdog", with(|one| one.watchdog = Duration::ZERO));
    fails("services", "31 s ago", with(|one| one.reported_ago = Duration::from_secs(31)));
    fails("services", "no Porchlight service", |facts| facts.services = Ok(Vec::new()));
}

#[test]
fn kernel_and_usr() {
    fails("kernel-taint", "0x1000", |facts| facts.taint = Ok(4096));
    let mounted = |dm_uuid: &str, suspended| Ok(UsrMount { dm_uuid: dm_uuid.into(), suspended });
    fails("usr-verity", "CRYPT-LUKS2", |facts| facts.usr = mounted("CRYPT-LUKS2-1-x", false));
    fails("usr-verity", "suspended", |facts| facts.usr = mounted("CRYPT-VERITY-1-usr", true));
    fails("usr-verity", "block 13 is corrupted", |facts| {
        facts.messages = Ok(String::from("device-mapper: verity: 1: data block 13 is corrupted"));
    });
    fails("usr-verity", "not a mount", |facts| {
        facts.usr = Err(String::from("/usr is not a mount of its own"));
    });
}

#[test]
fn the_hardware_watchdog() {
    fails("watchdog", "iTCO_wdt is inactive", |facts| {
        facts.watchdogs = Ok(vec![hardware_watchdog("inactive")]);
    });
    fails("watchdog", "Permission denied", |facts| {
        facts.watchdogs = Err(String::from("/sys/class/watchdog: Permission denied"));
    });
    let mut several = good();
    several.watchdogs = Ok(["inactive", "active"].map(hardware_watchdog).into());
    assert_eq!(Record::of(&several).verdict, Verdict::Pass, "one armed watchdog is enough");
    several.watchdogs = Ok(Vec::new());
    assert_eq!(Record::of(&several).verdict, Verdict::Pass, "a board may have none");
}

#[test]
fn budgets() {
    fails("memory", "292 MiB used of a budget of 200 MiB", |facts| {
        facts.memory = Ok(Memory { total_kib: 1_000_000, available_kib: 700_000 });
    });
    let slow = |facts: &mut Facts| {
        facts.boot = Ok(BootStamps { finish_us: 31_000_000, ..BootStamps::default() });
    };
    fails("boot-time", "31 s of a budget of 30 s", slow);
    let mut emulated = good();
    slow(&mut emulated);
    emulated.virtualization = Ok(String::from("qemu"));
    assert_eq!(Record::of(&emulated).verdict, Verdict::Pass, "times of an emulator say nothing");
}

#[test]
fn a_board_without_a_budget_fails_what_needs_one() {
    let mut facts = good();
    facts.budget = Err(String::from("the settings have no budget.new-board"));
    let record = Record::of(&facts);
    let failed: Vec<_> = record.checks.iter().filter(|c| !c.pass).map(|c| c.name).collect();
    assert_eq!(failed, ["memory", "boot-time"]);
}

#[test]
fn clock_and_identity() {
    fails("clock", "since 1970", |facts| facts.clock_unix_ms = 86_400_000);
    fails("clock", "clock-epoch", |facts| {
        facts.epoch_unix_ms = Err(String::from("/usr/lib/clock-epoch cannot be read"));
    });
    for id in ["uninitialized", "", "0123456789ABCDEF0123456789ABCDEF", &"0".repeat(32)] {
        fails("machine-id", "is not a machine identity", |facts| {
            facts.machine_id = Ok(id.to_owned());
        });
    }
}

#[test]
fn the_record_is_one_line_of_the_promised_shape() {
    let mut record = Record::of(&good());
    let line = record.to_line();
    assert_eq!(line.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["board"], "qemu-x86_64");
    assert_eq!(json["checks"][0]["name"], "settled");
    assert_eq!(json["boot"]["firmware_us"], 5_000_000);
    assert_eq!(json["boot"]["loader_us"], 4_000_000);
    assert_eq!(json["boot"]["kernel_us"], 1_000_000);
    assert_eq!(json["boot"]["initrd_us"], 2_000_000);
    assert_eq!(json["boot"]["userspace_us"], 9_000_000);
    assert_eq!(json["memory"]["available_kib"], 900_000);
    assert_eq!(json["services"][0]["memory_kib"], 4096);
    assert!(json.get("journal_tail").is_none(), "only a failed record has one");
    record.journal_tail = String::from("line one\nline two\n");
    assert_eq!(record.to_line().lines().count(), 1);
}
