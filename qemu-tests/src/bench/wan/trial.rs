//! One repetition: traffic flows, something goes wrong at a random moment, it heals; what was
//! noticed?

use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use units::Instant;

use super::sky;
use super::stage::Stage;
use super::traffic::{self, Traffic, TrafficReport};
use super::wire::{WireSampler, earlier};
use crate::emulator::Fault;
use crate::meter::shell::{StreamPlan, StreamReport};
use crate::meter::{Gap, Journal, Survival};
use crate::wait::wait_until;

/// What flows before anything goes wrong. A fault that follows another within seconds is one of a
/// line that flaps, which is to be trusted less: that is not what is measured here.
const BEFORE: Duration = Duration::from_secs(5);
/// The fault comes at a random moment of this long.
const PHASE: Duration = Duration::from_secs(1);
/// How long the traffic may take to come back to the better uplink.
pub(super) const RETURN_WITHIN: Duration = Duration::from_secs(12);
/// A fault answers for gaps that begin while it comes about and this long afterwards. Later ones
/// are of the uplink that is left: a lone Starlink is silent at each handover.
const ANSWERS_FOR: Duration = Duration::from_secs(1);
/// A dish may be silent so long before and after the moment of a handover.
const HANDOVER: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// A connection that lives brings at least this much in [`ALIVE_IN`].
const ALIVE_BYTES: u64 = 16_384;
/// The last part of a fault, in which connections must be alive.
const ALIVE_IN: Duration = Duration::from_secs(2);

/// What goes wrong, and when it is over.
#[derive(Clone, Debug)]
pub(super) struct FaultPlan {
    /// What is sent all the time.
    pub(super) messages: StreamPlan,
    /// What, and how long after the beginning.
    pub(super) steps: Vec<(Duration, Fault)>,
    /// How long it lasts.
    pub(super) hold: Duration,
    /// Whether it then heals.
    pub(super) heals: bool,
    /// After how long the box asks the provider for another address.
    pub(super) dials_after: Option<Duration>,
}

/// What was noticed of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The longest time without a message, either way, that it answers for; milliseconds.
    pub(super) gap_ms: f64,
    /// The same of what is left of the uplinks, until it was over.
    pub(super) later_gap_ms: f64,
    /// The same from its end on.
    pub(super) return_gap_ms: f64,
    /// Nothing came any more.
    pub(super) open: bool,
    /// Just then the dish moved to another satellite.
    pub(super) at_handover: bool,
    /// Messages lost from just before it to just after the gap.
    pub(super) lost: u64,
    /// Messages lost at any time.
    pub(super) lost_in_all: u64,
    /// Copies beyond the first, and messages that were overtaken.
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    /// Connections that lived on, of how many.
    pub(super) connections: Option<(u64, u64)>,
    /// The longest time in which no new conversation could be begun; milliseconds.
    pub(super) openings_gap_ms: Option<f64>,
    /// How long after it was over the traffic was back; nothing, if it did not come back.
    pub(super) return_s: Option<f64>,
    /// Median one-way delay before it and while it lasted, the worse way; milliseconds.
    pub(super) delay_ms: [f64; 2],
}

/// When things happened.
struct Times {
    begun: Instant,
    /// Gaps that begin until then are the fault's.
    answers: Instant,
    /// The fault is over, though its traces may not be.
    over: Instant,
    ended: Instant,
}

/// Runs one; `session` numbers it.
///
/// # Errors
/// When there is no traffic before the fault, or a fault cannot be put on.
pub(super) fn run(
    stage: &Stage,
    plan: &FaultPlan,
    session: u32,
    random: &mut Pcg64Mcg,
) -> Result<(Outcome, StreamReport)> {
    let (world, clock) = (stage.world(), stage.world().clock());
    let better = stage.site().better();
    let wire = WireSampler::start(world)?;
    let traffic = Traffic::start(stage, session, plan.messages, &traffic::MODEST)?;
    traffic.wait_until_on(better, stage, &wire)?;
    let phase = PHASE.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX));
    std::thread::sleep(BEFORE + phase);

    let begun = clock.now();
    let wait_for = |after: Duration| {
        std::thread::sleep((begun + after).saturating_since(clock.now()));
    };
    for (after, fault) in &plan.steps {
        wait_for(*after);
        world.uplink(better).fault(fault)?;
    }
    let mut clean = begun;
    if let Some(after) = plan.dials_after {
        wait_for(after);
        stage.dial(better)?;
        clean = clock.now();
    }
    wait_for(plan.hold);
    let over = clock.now();
    if plan.heals {
        world.uplink(better).fault(&Fault::Heal)?;
        clean = clock.now();
    }
    if !stage.running().carries_twice() {
        let back = || wire.record().returned(better, clean);
        // One that does not come back is an outcome, not an error.
        let _ = wait_until("the return", RETURN_WITHIN, String::new, back);
    }
    std::thread::sleep(Duration::from_millis(500));
    let last = plan.steps.iter().map(|(after, _)| *after).chain(plan.dials_after).max();
    let answers = (begun + last.unwrap_or_default() + ANSWERS_FOR).min(over);
    let times = Times { begun, answers, over, ended: clock.now() };
    let return_s = wire.record().returned(better, clean).map(|time| time.as_secs_f64());
    let report = traffic.finish();
    stage.running().check()?;
    let near = |handover: &Instant| {
        *handover + HANDOVER[1] > times.begun && earlier(*handover, HANDOVER[0]) < times.answers
    };
    let at_handover = sky::handovers_until(clock, times.ended).iter().any(near);
    Ok((Outcome { return_s, at_handover, ..outcome(&report, &times) }, report.stream))
}

fn outcome(report: &TrafficReport, times: &Times) -> Outcome {
    let ways = [&report.stream.up, &report.stream.down];
    let during = times.begun..times.over;
    let mut outcome = Outcome::default();
    for way in ways {
        let gap = fault_gap(way, times);
        outcome.gap_ms = outcome.gap_ms.max(milliseconds(gap));
        outcome.open |= gap.open;
        let later = way.longest_gap(&(times.answers..times.over));
        if later.from >= times.answers {
            outcome.later_gap_ms = outcome.later_gap_ms.max(milliseconds(later));
        }
        let after = way.longest_gap(&(times.over..times.ended));
        outcome.return_gap_ms = outcome.return_gap_ms.max(milliseconds(after));
        outcome.lost += way.losses(&around(way, times)).lost;
        outcome.lost_in_all += way.losses(&way.whole()).lost;
        outcome.duplicated += way.duplicates();
        outcome.reordered += way.reordered() as u64;
        let before = Instant::BOOT..times.begun;
        for (kept, range) in outcome.delay_ms.iter_mut().zip([&before, &during]) {
            *kept = kept.max(way.delays_ms(range).percentile(50).unwrap_or(0.0));
        }
    }
    if !report.flows.is_empty() {
        let flows = &report.flows;
        let last = earlier(times.over, ALIVE_IN)..times.over;
        let alive =
            flows.iter().filter(|flow| flow.survival(&last, ALIVE_BYTES) == Survival::Alive);
        outcome.connections = Some((alive.count() as u64, flows.len() as u64));
    }
    let openings = report.openings.as_ref();
    outcome.openings_gap_ms = openings.map(|each| milliseconds(each.answered.longest_gap(&during)));
    outcome
}

/// The longest gap that the fault answers for, to its end, however late that is.
fn fault_gap(way: &Journal, times: &Times) -> Gap {
    let gap = way.longest_gap(&(times.begun..times.answers));
    if gap.open { way.longest_gap(&(times.begun..times.over)) } else { gap }
}

/// The messages whose loss the fault answers for: sent from just before it to the end of the gap.
/// What an uplink loses at other times it loses without a fault too.
fn around(way: &Journal, times: &Times) -> Range<Instant> {
    const BEFORE: Duration = Duration::from_millis(500);
    earlier(times.begun, BEFORE)..fault_gap(way, times).to.max(times.answers)
}

fn milliseconds(gap: Gap) -> f64 {
    gap.length().as_secs_f64() * 1e3
}
