//! How long a message waits behind everything else: a call on Starlink while the house downloads
//! and uploads as fast as it can.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::contender::{Contender, Policy};
use super::stage::Stage;
use super::traffic::Traffic;
use super::wire::earlier;
use super::{Options, Say};
use crate::bench::Figures;
use crate::meter::Journal;
use crate::meter::shell::{FlowKind, FlowPlan, StreamPlan};

/// Starlink alone: nowhere to flee.
const POLICIES: [Policy; 2] = [Policy::Never, Policy::Primary];
/// As fast as they can.
const GREEDY: [FlowPlan; 2] = [
    FlowPlan { kind: FlowKind::Download, count: 4, bytes_per_second: None },
    FlowPlan { kind: FlowKind::Upload, count: 2, bytes_per_second: None },
];
/// How long each half is watched: three slots of Starlink.
const WATCH: Duration = Duration::from_secs(45);
/// What a queue needs to fill.
const WARM_UP: Duration = Duration::from_secs(5);

/// Watches a call alone, then one under load.
///
/// # Errors
/// When the contender does not start or does not carry the house.
pub(super) fn measure(
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let stage = Stage::set(contender, options.scenario()?, POLICIES, &options.programs)?;
    let name = contender.name();
    ensure!(stage.running().carries_the_house(), "{name} does not carry what the house sends");
    let clock = stage.world().clock();
    let mut watch = |session: u32, plans: &[FlowPlan]| -> Result<_> {
        let beside = if plans.is_empty() { "alone" } else { "under load" };
        say(&format!("load of {name}: a call {beside}"));
        let traffic = Traffic::start(&stage, session, StreamPlan::CALL, plans)?;
        std::thread::sleep(WARM_UP + WATCH);
        let now = clock.now();
        Ok((traffic.finish(), earlier(now, WATCH)..now))
    };
    let (idle, idle_range) = watch(1, &[])?;
    let (load, load_range) = watch(2, &GREEDY)?;
    stage.running().check()?;
    let mut figures = Figures::new();
    let mut worst = 0.0_f64;
    for (way, idle, load) in
        [("up", &idle.stream.up, &load.stream.up), ("down", &idle.stream.down, &load.stream.down)]
    {
        let p95 = |journal: &Journal, range| journal.delays_ms(range).percentile(95);
        let (Some(idle_ms), Some(load_ms)) = (p95(idle, &idle_range), p95(load, &load_range))
        else {
            anyhow::bail!("no message arrived {way}");
        };
        worst = worst.max(load_ms - idle_ms);
        figures.insert(format!("load_idle_{way}_p95_ms"), idle_ms);
        figures.insert(format!("load_{way}_p95_ms"), load_ms);
    }
    for kind in [FlowKind::Download, FlowKind::Upload] {
        let flows = load.flows.iter().filter(|flow| flow.kind == kind);
        let bytes: u64 = flows.map(|flow| flow.progress.bytes_in(&load_range)).sum();
        #[expect(clippy::cast_precision_loss, reason = "45 s of bytes fit a double")]
        let megabits = bytes as f64 * 8.0 / WATCH.as_secs_f64() / 1e6;
        let word = if kind == FlowKind::Download { "down" } else { "up" };
        figures.insert(format!("load_{word}_mbps"), megabits);
    }
    figures.insert("load_extra_p95_ms".to_owned(), worst);
    Ok(figures)
}
