//! The checks. Each is a function from the facts to a sentence; an error is a failed check.

use serde::Serialize;

use crate::evidence;
use crate::facts::{Facts, Gathered, Service};
use crate::settling::is_own;

/// Most things a sentence lists.
const MOST_LISTED: usize = 8;

/// The kind of a dm-verity device: what its identity begins with (dm-uuid, libcryptsetup).
const VERITY: &str = "CRYPT-VERITY-";

/// How systemd calls emulation without the processor's help, whose times say nothing.
const EMULATION: &str = "qemu";

/// One check's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it is good.
    pub pass: bool,
    /// What was found.
    pub detail: String,
}

type Judge = fn(&Facts) -> Gathered<String>;

/// Every check, in the order of the record.
const CHECKS: [(&str, Judge); 11] = [
    ("settled", settled),
    ("failed-units", failed_units),
    ("ordering-cycle", ordering_cycle),
    ("kernel-taint", kernel_taint),
    ("usr-verity", usr_verity),
    ("services", services),
    ("watchdog", watchdog),
    ("memory", memory),
    ("boot-time", boot_time),
    ("clock", clock),
    ("machine-id", machine_id),
];

/// Judges `facts` by every check.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Check> {
    let outcome = |(name, judge): (&'static str, Judge)| match judge(facts) {
        Ok(detail) => Check { name, pass: true, detail },
        Err(detail) => Check { name, pass: false, detail },
    };
    CHECKS.into_iter().map(outcome).collect()
}

fn settled(facts: &Facts) -> Gathered<String> {
    facts.settled.clone().map(|()| String::from("no job runs"))
}

fn failed_units(facts: &Facts) -> Gathered<String> {
    let units = facts.units.as_ref().map_err(String::clone)?;
    let failed: Vec<&str> = units
        .iter()
        .filter(|unit| unit.active_state == "failed" && !is_own(&unit.name))
        .map(|unit| unit.name.as_str())
        .collect();
    none_of(&failed, &format!("none of {} units", units.len()))
}

fn ordering_cycle(facts: &Facts) -> Gathered<String> {
    let messages = facts.messages.as_ref().map_err(String::clone)?;
    none_of(&evidence::ordering_cycles(messages), "none reported")
}

fn kernel_taint(facts: &Facts) -> Gathered<String> {
    match facts.taint.clone()? {
        0 => Ok(String::from("not tainted")),
        mask => Err(format!("tainted: {mask:#x} (kernel documentation, tainted-kernels)")),
    }
}

fn usr_verity(facts: &Facts) -> Gathered<String> {
    let usr = facts.usr.as_ref().map_err(String::clone)?;
    if !usr.dm_uuid.starts_with(VERITY) {
        return Err(format!("/usr is on {:?}, which is not dm-verity", usr.dm_uuid));
    }
    if usr.suspended {
        return Err(format!("{} is suspended", usr.dm_uuid));
    }
    let messages = facts.messages.as_ref().map_err(String::clone)?;
    none_of(&evidence::corrupted_blocks(messages), &usr.dm_uuid)
}

fn services(facts: &Facts) -> Gathered<String> {
    let services = facts.services.as_ref().map_err(String::clone)?;
    if services.is_empty() {
        return Err(String::from("the image has no Porchlight service"));
    }
    let troubles: Vec<String> = services.iter().filter_map(trouble).collect();
    let troubles: Vec<&str> = troubles.iter().map(String::as_str).collect();
    none_of(&troubles, &format!("{} active and reporting", services.len()))
}

fn trouble(service: &Service) -> Option<String> {
    let name = &service.unit.name;
    if service.unit.active_state != "active" {
        return Some(format!("{name} is {}", service.unit.active_state));
    }
    if service.watchdog.is_zero() {
        return Some(format!("{name} has no watchdog"));
    }
    (service.reported_ago > service.watchdog).then(|| {
        let (ago, limit) = (service.reported_ago.as_secs(), service.watchdog.as_secs());
        format!("{name} last reported {ago} s ago, and must each {limit} s")
    })
}

/// A board without a watchdog is not refused: the box would never start.
fn watchdog(facts: &Facts) -> Gathered<String> {
    let watchdogs = facts.watchdogs.as_ref().map_err(String::clone)?;
    let armed = watchdogs.iter().find(|watchdog| watchdog.state == "active");
    match (armed, watchdogs.first()) {
        (Some(armed), _) => Ok(format!("armed: {}, {} s", armed.identity, armed.timeout)),
        (None, None) => Ok(String::from("this board has no hardware watchdog")),
        (None, Some(idle)) => Err(format!("{} is {}, not armed", idle.identity, idle.state)),
    }
}

fn memory(facts: &Facts) -> Gathered<String> {
    let memory = facts.memory.clone()?;
    let budget = facts.budget.clone()?.memory_used_kib / 1024;
    let used = memory.total_kib.saturating_sub(memory.available_kib) / 1024;
    let sentence = format!("{used} MiB used of a budget of {budget} MiB");
    if used <= budget { Ok(sentence) } else { Err(sentence) }
}

fn boot_time(facts: &Facts) -> Gathered<String> {
    let stamps = facts.boot.clone()?;
    let budget = facts.budget.clone()?.boot;
    let seconds = stamps.finish_us / 1_000_000;
    if facts.virtualization.clone()? == EMULATION {
        return Ok(format!("{seconds} s, not judged under emulation"));
    }
    let sentence = format!("{seconds} s of a budget of {} s", budget.as_secs());
    let within = u128::from(stamps.finish_us) <= budget.as_micros();
    if within { Ok(sentence) } else { Err(sentence) }
}

fn clock(facts: &Facts) -> Gathered<String> {
    let epoch = facts.epoch_unix_ms.clone()? / 1000;
    let now = facts.clock_unix_ms / 1000;
    let sentence = format!("{now} s since 1970; the image was made at {epoch}");
    if now >= epoch { Ok(sentence) } else { Err(sentence) }
}

fn machine_id(facts: &Facts) -> Gathered<String> {
    let id = facts.machine_id.clone()?;
    let plain = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let whole = id.len() == 32 && id.chars().all(plain) && id.chars().any(|c| c != '0');
    if whole { Ok(id) } else { Err(format!("{id:?} is not a machine identity")) }
}

/// Good if there is nothing in `found`.
fn none_of(found: &[&str], good: &str) -> Gathered<String> {
    if found.is_empty() {
        return Ok(good.to_owned());
    }
    let more = match found.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(found[..found.len().min(MOST_LISTED)].join(", ") + &more)
}
