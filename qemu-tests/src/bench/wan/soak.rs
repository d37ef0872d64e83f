//! Half an hour of faults, one after the other and two at a time, on both uplinks: does the house
//! come back after each, and do the daemons stay as small as they were?

use std::time::Duration;

use anyhow::{Context, Result};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::contender::{Contender, Policy};
use super::idle::Usage;
use super::stage::Stage;
use super::traffic::{self, Traffic};
use super::{Options, Say};
use crate::bench::Figures;
use crate::emulator::{Fault, Side};
use crate::meter::shell::StreamPlan;
use crate::wait::wait_until;
use crate::world::Uplink;

/// The cable carries, Starlink helps.
const POLICIES: [Policy; 2] = [Policy::Primary, Policy::Secondary];
/// Until buffers have been as full as they get.
const WARM_UP: Duration = Duration::from_secs(180);
/// Faults until everything is healed and looked at.
const ROUND: usize = 6;
/// How long a fault lasts at most.
const LONGEST_FAULT: u64 = 12_000;
/// Between two faults, at most.
const LONGEST_PAUSE: u64 = 4_000;
/// After everything has healed, messages must pass both ways within this.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// A path that flaps waits for up to five minutes until it is trusted again, and no longer.
const TRUSTED_WITHIN: Duration = Duration::from_secs(330);

/// Puts faults on for as long as was asked for.
///
/// # Errors
/// When the contender does not start, or ends.
pub(super) fn measure(
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let stage = Stage::set(contender, options.scenario()?, POLICIES, &options.programs)?;
    let clock = stage.world().clock();
    let mut random = Pcg64Mcg::seed_from_u64(options.seed.wrapping_add(0x50a4));
    let end = clock.now() + options.soak;
    let warm = clock.now() + WARM_UP.min(options.soak / 2);
    let mut before = None;
    let (mut session, mut faults, mut stuck) = (0, 0_u32, 0_u32);
    say(&format!("soak of {}: {:?} of faults", contender.name(), options.soak));
    while clock.now() < end {
        session += 1;
        let traffic = Traffic::start(&stage, session, StreamPlan::CALL, &traffic::MODEST);
        for _ in 0..ROUND {
            faults += 1;
            one_fault(&stage, &mut random)?;
        }
        drop(traffic.map(Traffic::finish));
        for uplink in Uplink::ALL {
            stage.world().uplink(uplink).fault(&Fault::Heal)?;
        }
        if !comes_back(&stage, session) {
            stuck += 1;
            say(&format!("round {session}: nothing passes\n{}", stage.dump()));
        }
        stage.running().check()?;
        if before.is_none() && clock.now() >= warm {
            before = Some(usage(&stage)?);
        }
    }
    let all_up = || stage.running().paths_up().ok().flatten().filter(|up| *up == 2);
    if wait_until("both paths", TRUSTED_WITHIN, || stage.dump(), all_up).is_err() {
        stuck += 1;
        say(&format!("a path stays down\n{}", stage.dump()));
    }
    let (before, after) = (before.context("no round was warm")?, usage(&stage)?);
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of a daemon fit a double")]
    let megabytes = |usage: &Usage| usage.resident_kib as f64 * 1_024.0 / 1e6;
    Ok(Figures::from([
        ("soak_minutes".to_owned(), options.soak.as_secs_f64() / 60.0),
        ("soak_faults".to_owned(), f64::from(faults)),
        ("soak_stuck".to_owned(), f64::from(stuck)),
        ("soak_growth_mb".to_owned(), megabytes(&after) - megabytes(&before)),
        ("soak_rss_mb".to_owned(), megabytes(&after)),
        ("soak_files_growth".to_owned(), after.files as f64 - before.files as f64),
    ]))
}

/// All of its daemons on the box together.
fn usage(stage: &Stage) -> Result<Usage> {
    let each = stage.running().processes().into_iter().map(Usage::of);
    each.reduce(|sum, next| Ok(sum?.plus(next?))).context("no process of its own")?
}

/// One fault on one uplink, sometimes over before the next begins.
fn one_fault(stage: &Stage, random: &mut Pcg64Mcg) -> Result<()> {
    let mut below = |bound: u64| random.next_u64() % bound;
    let uplink = Uplink::ALL[usize::from(below(2) == 1)];
    let fault = match below(8) {
        0 | 1 => Fault::Cut,
        2 => Fault::CutOneWay { direction: Side::Up },
        3 => Fault::CutOneWay { direction: Side::Down },
        4 => Fault::CarrierDown,
        // Only Starlink translates addresses.
        5 if uplink == Uplink::Starlink => Fault::NatRebinding,
        6 => Fault::Mtu { bytes: 1_280.try_into().expect("IPv6 asks for no less"), icmp: false },
        _ => Fault::Rate { percent: 1.try_into().expect("a percent is a share") },
    };
    let handle = stage.world().uplink(uplink);
    handle.fault(&fault)?;
    std::thread::sleep(Duration::from_millis(200 + below(LONGEST_FAULT)));
    // One in three stays on beside the next.
    if below(3) > 0 {
        handle.fault(&Fault::Heal)?;
        std::thread::sleep(Duration::from_millis(below(LONGEST_PAUSE)));
    }
    Ok(())
}

/// Whether new messages pass both ways.
fn comes_back(stage: &Stage, session: u32) -> bool {
    let through = || stage.passes(session).then_some(());
    wait_until("messages both ways", BACK_WITHIN, String::new, through).is_ok()
}
