//! What it costs while nobody uses it: processor time and memory of the daemons on the box.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::contender::{Contender, Policy};
use super::stage::Stage;
use super::{Options, Say};
use crate::bench::Figures;

/// Both uplinks are watched for faults.
const POLICIES: [Policy; 2] = [Policy::Primary, Policy::Secondary];
/// How long is counted: four slots of Starlink.
const WATCH: Duration = Duration::from_secs(60);

/// Counts for a minute.
///
/// # Errors
/// When the contender does not start or has no process of its own.
pub(super) fn measure(
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let stage = Stage::set(contender, options.scenario()?, POLICIES, &options.programs)?;
    let processes = stage.running().processes();
    ensure!(!processes.is_empty(), "{} has no process of its own", contender.name());
    // What is left of the first messages.
    std::thread::sleep(Duration::from_secs(10));
    say(&format!("idle of {}: counting for {WATCH:?}", contender.name()));
    let before = processes.iter().map(|id| Usage::of(*id)).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(WATCH);
    let after = processes.iter().map(|id| Usage::of(*id)).collect::<Result<Vec<_>>>()?;
    stage.running().check()?;
    let ticks = |all: &[Usage]| all.iter().map(|usage| usage.ticks).sum::<u64>();
    let kilobytes: u64 = after.iter().map(|usage| usage.resident_kib).sum();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a minute of ticks and a box of memory are small"
    )]
    let (seconds, megabytes) = (
        (ticks(&after) - ticks(&before)) as f64 / TICKS_PER_SECOND,
        kilobytes as f64 * 1_024.0 / 1e6,
    );
    Ok(Figures::from([
        ("idle_cpu_percent".to_owned(), 100.0 * seconds / WATCH.as_secs_f64()),
        ("idle_rss_mb".to_owned(), megabytes),
    ]))
}

/// `USER_HZ`, the same on every Linux of today (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, in user mode and in the kernel.
    ticks: u64,
    /// Memory in use now.
    pub(super) resident_kib: u64,
    /// Open files.
    pub(super) files: usize,
}

impl Usage {
    /// What `process` has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn of(process: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("{path}: has it ended?"))
        };
        let usage = Self::parse(&read("stat")?, &read("status")?)
            .with_context(|| format!("/proc/{process} reads strangely"))?;
        let files = std::fs::read_dir(format!("/proc/{process}/fd"))?.count();
        Ok(Self { files, ..usage })
    }

    /// Both together.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            ticks: self.ticks + other.ticks,
            resident_kib: self.resident_kib + other.resident_kib,
            files: self.files + other.files,
        }
    }

    /// From `stat`, whose fields are counted after the name in parentheses, and `status`.
    fn parse(stat: &str, status: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let user: u64 = fields.nth(11)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kib = resident.split_whitespace().next()?.parse().ok()?;
        Some(Self { ticks: user + system, resident_kib, files: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_confuses_nobody() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 17 4 0 0 20 0 1 0 5 6 7";
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        let usage = Usage::parse(stat, status).unwrap();
        assert_eq!(usage, Usage { ticks: 21, resident_kib: 2_048, files: 0 });
        assert!(Usage::of(std::process::id()).unwrap().resident_kib > 0);
    }
}
