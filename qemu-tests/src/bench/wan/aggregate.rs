//! Two uplinks that both carry: sixteen connections over 300 Mbit/s and 80 Mbit/s together, and one
//! that must not be slower than over the better uplink alone. That it is held against twice: by the
//! same contender, which is what the second uplink costs it, and by plain routes, which is what a
//! tunnel costs: of a packet of 1,454 bytes on the wire 1,328 are the connection's, of a plain one
//! of 1,500 it is 1,448, so that no tunnel of ours reaches more than 94.6 %.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::contender::{Contender, Policy, Route};
use super::stage::Stage;
use super::wire::earlier;
use super::{Options, Say};
use crate::bench::Figures;
use crate::emulator::{
    Capacity, Delay, DirectionSpecification, LinkSpecification, QueueLimit, Rate, Span,
};
use crate::meter::shell::{FlowKind, FlowPlan, Flows};
use crate::world::{METER_V4, Replay, Scenario};

/// Both carry.
const POLICIES: [Policy; 2] = [Policy::Primary, Policy::Primary];
/// Megabits per second and round trip of the two uplinks: the profile that mqvpn publishes.
const UPLINKS: [(u32, u32); 2] = [(300, 10), (80, 30)];
/// Connections that together should fill both.
const MANY: u8 = 16;
/// How long is counted, after the connections have found their speed.
const WATCH: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(6);

/// Fills both uplinks with a contender, then the better one alone with it and with plain routes.
///
/// # Errors
/// When the contender does not start or does not carry the house.
pub(super) fn measure(
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let both = Stage::set(contender, scenario(options.seed), POLICIES, &options.programs)?;
    let name = contender.name();
    ensure!(both.running().carries_the_house(), "{name} does not carry what the house sends");
    let (many, one) = (megabits(&both, MANY)?, megabits(&both, 1)?);
    both.running().check()?;
    drop(both);
    let alone = |contender: &dyn Contender| {
        let policies = [Policy::Primary, Policy::Never];
        megabits(&Stage::set(contender, scenario(options.seed), policies, &options.programs)?, 1)
    };
    let (best, plain) = (alone(contender)?, alone(&Route)?);
    say(&format!(
        "aggregate of {name}: {many:.0} Mbit/s with {MANY} connections, {one:.0} with one, \
         {best:.0} with one over the better uplink alone, {plain:.0} by plain routes"
    ));
    let sum: u32 = UPLINKS.iter().map(|(rate, _)| rate).sum();
    Ok(Figures::from([
        ("aggregate_percent".to_owned(), 100.0 * many / f64::from(sum)),
        ("aggregate_mbps".to_owned(), many),
        ("single_flow_percent_of_best".to_owned(), 100.0 * one / best),
        ("single_flow_mbps".to_owned(), one),
        ("single_flow_best_mbps".to_owned(), best),
        ("single_flow_percent_of_plain".to_owned(), 100.0 * one / plain),
    ]))
}

/// Two constant links with queues of one round trip of 1500-byte packets.
fn scenario(seed: u64) -> Scenario {
    let [broadband, starlink] = UPLINKS.map(|(megabits, round_trip_ms)| {
        let packets = megabits * round_trip_ms * 1_000 / 8 / 1_500;
        let way = DirectionSpecification {
            capacity: Capacity::Rate(Rate::from_megabits(megabits)),
            delay: Delay::Constant(Span::from_millis(round_trip_ms / 2)),
            queue: QueueLimit { packets, bytes: packets * 1_500 },
            ..DirectionSpecification::default()
        };
        LinkSpecification { up: way.clone(), down: way }
    });
    let about = "two constant uplinks that add up".to_owned();
    let (replay, timeline) = (Replay::FromStart, Vec::new());
    let handover = Scenario::own_handover();
    Scenario { about, seed, replay, handover, broadband, starlink, timeline }
}

/// What so many greedy downloads carry together, in megabits of payload per second.
fn megabits(stage: &Stage, count: u8) -> Result<f64> {
    let (world, clock) = (stage.world(), stage.world().clock());
    let plan = [FlowPlan { kind: FlowKind::Download, count, bytes_per_second: None }];
    let (near, far) = (world.client().namespace(), world.internet());
    let flows = Flows::start(None, near, &far, METER_V4.into(), &plan, clock)?;
    std::thread::sleep(WARM_UP + WATCH);
    let now = clock.now();
    let reports = flows.finish();
    let watched = earlier(now, WATCH)..now;
    let bytes: u64 = reports.iter().map(|flow| flow.progress.bytes_in(&watched)).sum();
    #[expect(clippy::cast_precision_loss, reason = "10 s of bytes fit a double")]
    Ok(bytes as f64 * 8.0 / WATCH.as_secs_f64() / 1e6)
}
