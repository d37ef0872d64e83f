//! The Starlink recording without a fault: what its handovers every 15 s are to the house, and
//! whether anybody is frightened into moving away.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use units::Instant;

use super::contender::{Contender, Policy};
use super::stage::Stage;
use super::traffic::{self, Traffic};
use super::wire::{WireRecord, WireSampler, earlier};
use super::{Options, Say};
use crate::bench::Figures;
use crate::emulator::shell::Clock;
use crate::meter::shell::StreamPlan;
use crate::meter::{Distribution, Journal};
use crate::world::Uplink;

/// Starlink carries, the cable helps.
const POLICIES: [Policy; 2] = [Policy::Secondary, Policy::Primary];
/// A dish moves to another satellite at these seconds of UTC, modulo [`SLOT`].
const HANDOVER: Duration = Duration::from_secs(12);
/// How often.
const SLOT: Duration = Duration::from_secs(15);
/// Around a handover, where its delay is looked for: before it and after it.
const NEAR: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(450)];
/// Where its own losses are: the widest hole that was recorded is 134 ms.
const HOLE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(150)];
/// Before a handover, what its delay is held against.
const QUIET: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(1)];
/// Around a handover, where bytes may be spent on it.
const SPENT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(1)];

/// Watches for as long as was asked for.
///
/// # Errors
/// When the contender does not start, or does not use Starlink.
pub(super) fn measure(
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let stage = Stage::set(contender, options.scenario()?, POLICIES, &options.programs)?;
    let clock = stage.world().clock();
    let wire = WireSampler::start(stage.world())?;
    let traffic = Traffic::start(&stage, 1, StreamPlan::CALL, &traffic::MODEST)?;
    traffic.wait_until_on(Uplink::Starlink, &stage, &wire)?;
    let before = stage.running().switches()?;
    let begun = clock.now();
    say(&format!("sky of {}: watching for {:?}", contender.name(), options.watch));
    std::thread::sleep(options.watch);
    let after = stage.running().switches()?;
    let watched = begun..clock.now();
    let record = wire.record();
    let report = traffic.finish();
    stage.running().check()?;
    options.keep_messages(&format!("{}-sky", contender.name()), &report.stream)?;
    let handovers = handovers(clock, &watched);
    let mut figures = boundary([&report.stream.up, &report.stream.down], &handovers);
    if let Some(percent) = extra_bytes_percent(&record, &watched, &handovers) {
        figures.insert("boundary_extra_bytes_percent".to_owned(), percent);
    }
    let moves = record.moves();
    // What is counted inside may leave out what is seen outside, and the other way round.
    let counted = before.zip(after).map_or(moves, |(before, after)| moves.max(after - before));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    figures.extend([
        ("false_switches".to_owned(), counted as f64),
        ("false_switches_seen".to_owned(), moves as f64),
    ]);
    Ok(figures)
}

/// The handovers whose surroundings were watched.
fn handovers(clock: Clock, watched: &Range<Instant>) -> Vec<Instant> {
    let mut all = handovers_until(clock, watched.end);
    all.retain(|at| {
        earlier(*at, QUIET[0]) >= watched.start && *at + NEAR[1] + NEAR[1] < watched.end
    });
    all
}

/// The handovers of the recorded dish since the emulator's clock was started, on that clock.
pub(super) fn handovers_until(clock: Clock, end: Instant) -> Vec<Instant> {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // When the clock started, and how long after that the first handover came.
    let started = utc.saturating_sub(clock.elapsed()).as_nanos();
    let slot = SLOT.as_nanos();
    let first = (HANDOVER.as_nanos() + slot - started % slot) % slot;
    let first = Instant::BOOT + Duration::from_nanos(u64::try_from(first).expect("below 15 s"));
    (0..).map(|slots| first + SLOT * slots).take_while(|at| *at < end).collect()
}

fn around(at: Instant, reach: [Duration; 2]) -> Range<Instant> {
    earlier(at, reach[0])..at + reach[1]
}

/// What the handovers were to the messages: delay beyond the median just before, and losses.
fn boundary(ways: [&Journal; 2], handovers: &[Instant]) -> Figures {
    let mut extra = Vec::new();
    let (mut lost, mut near_lost, mut all_lost) = (0, 0, 0);
    for way in ways {
        let mut delays: Vec<_> = way.delays().collect();
        delays.sort_by_key(|(sent, _)| *sent);
        let sent_in = |range: Range<Instant>| {
            let begin = delays.partition_point(|(sent, _)| *sent < range.start);
            let end = delays.partition_point(|(sent, _)| *sent < range.end);
            delays[begin..end].iter().map(|(_, delay)| *delay)
        };
        for at in handovers {
            let quiet = sent_in(earlier(*at, QUIET[0])..earlier(*at, QUIET[1]));
            let Some(usual) = Distribution::of(quiet).percentile(50) else { continue };
            extra.extend(sent_in(around(*at, NEAR)).map(|delay| (delay - usual).max(0.0)));
            lost += way.losses(&around(*at, HOLE)).lost;
            near_lost += way.losses(&around(*at, NEAR)).lost;
        }
        all_lost += way.losses(&way.whole()).lost;
    }
    let extra = Distribution::of(extra);
    let mut figures = Figures::new();
    let mut put = |name: &str, value: Option<f64>| {
        figures.extend(value.map(|value| (format!("boundary_{name}"), value)));
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of messages are small")]
    let count = |count: u64| Some(count as f64);
    put("extra_p50_ms", extra.percentile(50));
    put("extra_p99_ms", extra.percentile(99));
    put("extra_max_ms", extra.max());
    put("lost", count(lost));
    put("lost_within_650_ms", count(near_lost));
    put("lost_in_all", count(all_lost));
    put("handovers", count(handovers.len() as u64));
    figures
}

/// What was put on the uplinks beyond the usual because of handovers, in percent of everything:
/// the rate near them against the rate far from them.
fn extra_bytes_percent(
    record: &WireRecord,
    watched: &Range<Instant>,
    handovers: &[Instant],
) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an hour of bytes fits a double")]
    let bytes = |range: &Range<Instant>| record.bytes(range) as f64;
    let seconds = |range: &Range<Instant>| range.end.saturating_since(range.start).as_secs_f64();
    let near: Vec<_> = handovers.iter().map(|at| around(*at, SPENT)).collect();
    let (near_bytes, near_seconds) =
        near.iter().fold((0.0, 0.0), |sum, range| (sum.0 + bytes(range), sum.1 + seconds(range)));
    let far_seconds = seconds(watched) - near_seconds;
    let usual = (bytes(watched) - near_bytes) / far_seconds;
    let wanted = usual * seconds(watched);
    (wanted > 0.0 && far_seconds > 0.0).then(|| 100.0 * (bytes(watched) / wanted - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Arrival;

    fn ms(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_hole_at_a_handover_is_extra_delay_and_loss() {
        // 20 s of a call with 10 ms of delay; the dish is silent from 10.000 to 10.090 s, and what
        // came just before is held back 30 ms.
        let sent: Vec<_> = (0..4_000).map(|each| ms(5 * each)).collect();
        let arrivals: Vec<_> = (0..4_000_u32)
            .filter(|each| !(2_000..2_018).contains(each))
            .map(|sequence| {
                let late = if (1_990..2_000).contains(&sequence) { 30 } else { 0 };
                Arrival { sequence, at: ms(5 * u64::from(sequence) + 10 + late) }
            })
            .collect();
        let journal = Journal::new(sent, &arrivals);
        let calm = boundary([&journal, &journal], &[ms(5_000)]);
        assert_eq!((calm["boundary_extra_p99_ms"], calm["boundary_lost"]), (0.0, 0.0));
        let hole = boundary([&journal, &journal], &[ms(10_000)]);
        assert_eq!((hole["boundary_extra_p99_ms"], hole["boundary_lost"]), (30.0, 36.0));
    }

    #[test]
    fn handovers_are_where_the_recording_has_them() {
        let clock = Clock::start();
        let watched = Instant::BOOT..Instant::from_secs(61);
        let found = handovers(clock, &watched);
        assert!((3..=4).contains(&found.len()), "{found:?}");
        let phase = clock.phase_in_step_with_utc(Duration::from_millis(8_690)).position();
        for at in found {
            let place = (phase + at.saturating_since(Instant::BOOT)).as_millis() % 15_000;
            assert!(place.abs_diff(8_690) <= 2, "{place} ms into a slot of the recording");
        }
    }
}
