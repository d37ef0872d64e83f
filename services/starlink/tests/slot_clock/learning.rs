//! What the slot clock learns, from which path, how fast and how well.

use std::time::Duration;

use starlink::slot_clock::{Confidence, Expectation, SlotClock};

use crate::paths::{self, RECORDED_BOUNDARY};
use crate::replay::{Outcome, Replay};

const HOUR: u32 = 240;

fn is_learned(said: &Confidence) -> bool {
    matches!(said, Confidence::Learned { .. })
}

fn is_off(said: &Confidence) -> bool {
    *said == Confidence::Off
}

/// Shows the numbers of a run with `--nocapture`.
#[expect(clippy::print_stderr, reason = "the README's numbers come from here")]
fn show(name: &str, outcome: &Outcome) {
    let (least, most) = (outcome.errors_ms.iter().min(), outcome.errors_ms.iter().max());
    eprintln!(
        "{name}: {:.1} % of {} harmed and {:.1} % of {} lost inside, window {:.2} % of the time, \
         boundary {:?} to {:?} ms off, learned after {:?} slots",
        outcome.coverage() * 100.0,
        outcome.harmed,
        outcome.coverage_of_losses() * 100.0,
        outcome.lost,
        outcome.share_of_time() * 100.0,
        least,
        most,
        outcome.slots_until(is_learned),
    );
}

fn unknown() -> SlotClock {
    SlotClock::new(Expectation::Unknown)
}

fn expected() -> SlotClock {
    SlotClock::new(Expectation::Starlink)
}

#[test]
fn the_recorded_path_is_learned_without_any_wall_clock() {
    for (interval, slots) in [(5, 24), (20, 80), (50, 80)] {
        let mut replay = Replay::new(unknown(), paths::recorded(), RECORDED_BOUNDARY)
            .with_interval(Duration::from_millis(interval));
        let learning = replay.run(24);
        show(&format!("recorded, each {interval} ms, learning"), &learning);
        assert!(learning.slots_until(is_learned).is_some_and(|slots| slots <= 8));
        let outcome = replay.run(slots);
        show(&format!("recorded, each {interval} ms, learned"), &outcome);
        assert_eq!(outcome.slots_until(is_learned), Some(1));
        assert!(outcome.coverage() >= 0.94);
        assert!(outcome.share_of_time() <= 0.02);
        // A hole is known no better than the arrivals around it are apart.
        assert!(outcome.worst_error_ms() <= 10 + i64::try_from(interval).unwrap());
    }
}

#[test]
fn arrivals_alone_teach_the_recorded_path_as_well() {
    let mut replay = Replay::new(unknown(), paths::recorded(), RECORDED_BOUNDARY).by_arrival();
    assert!(replay.run(24).slots_until(is_learned).is_some_and(|slots| slots <= 8));
    let outcome = replay.run(80);
    show("recorded, by arrival", &outcome);
    assert!(outcome.coverage() >= 0.9 && outcome.share_of_time() <= 0.02);
}

#[test]
fn a_right_wall_clock_opens_windows_at_once() {
    let mut replay = Replay::new(expected(), paths::recorded(), RECORDED_BOUNDARY)
        .with_interval(Duration::from_millis(5));
    replay.handle_clock(Duration::ZERO, true);
    let outcome = replay.run(2);
    show("recorded, predicted", &outcome);
    assert_eq!(outcome.confidences, [Confidence::Predicted; 2]);
    assert!(outcome.coverage() >= 0.9);
    let outcome = replay.run(20);
    assert!(outcome.slots_until(is_learned).is_some_and(|slots| slots <= 4));
}

#[test]
fn a_path_over_satellites_grows_its_window() {
    for seed in 0..4 {
        let path = paths::over_satellites(seed);
        // Begins between two boundaries, as the others do.
        let path = paths::shifted(path, Duration::from_secs(7));
        let mut replay = Replay::new(unknown(), path, 8_000_000_000);
        let learning = replay.run(24);
        assert!(learning.slots_until(is_learned).is_some_and(|slots| slots <= 8));
        let outcome = replay.run(HOUR / 4);
        show(&format!("over satellites, seed {seed}"), &outcome);
        assert_eq!(outcome.slots_until(is_learned), Some(1));
        assert!(outcome.coverage_of_losses() >= 0.99 && outcome.coverage() >= 0.85);
        assert!(outcome.share_of_time() <= 0.045);
        // The trouble begins up to 195 ms before the boundary itself.
        assert!(outcome.worst_error_ms() <= 220);
    }
}

#[test]
fn a_wall_clock_wrong_by_a_day_and_some_seconds_is_found_out() {
    let wrong_by = Duration::from_millis(86_400_000 + 7_300);
    let mut replay = Replay::new(expected(), paths::recorded(), RECORDED_BOUNDARY);
    replay.handle_clock(wrong_by, true);
    let learning = replay.run(24);
    show("recorded, clock wrong", &learning);
    assert!(learning.slots_until(is_learned).is_some_and(|slots| slots <= 8));
    let outcome = replay.run(40);
    show("recorded, clock wrong, learned", &outcome);
    assert!(outcome.coverage() >= 0.94 && outcome.worst_error_ms() <= 30);
}

#[test]
fn a_step_of_the_wall_clock_moves_nothing_that_was_learned() {
    let mut replay = Replay::new(expected(), paths::recorded(), RECORDED_BOUNDARY);
    replay.handle_clock(Duration::ZERO, true);
    replay.run(24);
    let before = replay.clock.window(replay.now());
    for wrong_by in [1, 20, 4_000, 86_400_000 + 7_300, 20 * 365 * 86_400_000 + 1] {
        replay.handle_clock(Duration::from_millis(wrong_by), true);
        assert_eq!(replay.clock.window(replay.now()), before);
    }
    assert_eq!(replay.run(20).slots_until(is_learned), Some(1));
}

#[test]
fn a_clock_that_nobody_keeps_predicts_nothing() {
    let mut replay = Replay::new(expected(), paths::recorded(), RECORDED_BOUNDARY);
    replay.handle_clock(Duration::ZERO, false);
    assert_eq!(replay.clock.window(replay.now()), None);
    assert_eq!(replay.clock.next_boundary(replay.now()), None);
}

#[test]
fn a_cable_has_no_window_in_an_hour() {
    for seed in 0..4 {
        for spike_every in [600, 10, 3] {
            let path = paths::cable(seed, Duration::from_secs(spike_every));
            let mut replay = Replay::new(unknown(), path, 0);
            replay.handle_clock(Duration::ZERO, true);
            let outcome = replay.run(HOUR / 4);
            assert_eq!(outcome.inside, 0, "seed {seed}, a spike each {spike_every} s");
        }
    }
}

#[test]
fn a_cable_taken_for_a_dish_is_found_out() {
    let mut slowest = 0;
    for seed in 0..4 {
        for spike_every in [600, 10, 3] {
            let path = paths::cable(seed, Duration::from_secs(spike_every));
            let mut replay = Replay::new(expected(), path, 0);
            replay.handle_clock(Duration::ZERO, true);
            let slots = replay.run(40).slots_until(is_off);
            slowest = slowest.max(slots.expect("a cable is no dish"));
            assert_eq!(replay.run(HOUR / 4).inside, 0, "seed {seed}");
        }
    }
    assert!(slowest <= 15, "off after {slowest} slots");
}

#[test]
fn other_rhythms_are_not_taken_for_slots() {
    for period_ms in [1_000, 3_000, 5_000, 7_500, 10_000, 14_500, 20_000, 60_000] {
        let path = paths::periodic(1, Duration::from_millis(period_ms));
        let outcome = Replay::new(unknown(), path, 0).run(HOUR / 2);
        assert_eq!(outcome.inside, 0, "each {period_ms} ms");
    }
}

#[test]
fn a_clock_that_drifts_is_followed() {
    for drift_ppm in [-100, 100] {
        let mut replay =
            Replay::new(unknown(), paths::recorded(), RECORDED_BOUNDARY).with_drift_ppm(drift_ppm);
        replay.run(24);
        let outcome = replay.run(HOUR / 2);
        show(&format!("recorded, drift of {drift_ppm} ppm"), &outcome);
        assert_eq!(outcome.slots_until(is_learned), Some(1));
        assert!(outcome.coverage() >= 0.9);
    }
}

#[test]
fn a_changed_schedule_is_learned_again() {
    let change = Duration::from_secs(15 * 24);
    let (before, after) = (paths::recorded(), paths::recorded());
    let after = paths::shifted(after, Duration::from_secs(15 - 7));
    let path = paths::then(before, change, after);
    let mut replay = Replay::new(expected(), path, RECORDED_BOUNDARY + 7_000_000_000);
    replay.handle_clock(Duration::from_secs(8), true);
    assert_eq!(replay.run(24).confidences.last().map(is_learned), Some(true));
    let learning = replay.run(40);
    show("recorded, boundaries 7 s later", &learning);
    let outcome = replay.run(40);
    show("recorded, boundaries 7 s later, learned", &outcome);
    assert!(outcome.coverage() >= 0.94 && outcome.worst_error_ms() <= 30);
    let wrong = learning.errors_ms.iter().rposition(|error| error.abs() > 30);
    let slots = wrong.map(|slot| slot + 2);
    assert!(slots.is_some_and(|slots| slots <= 16), "learned after {slots:?} slots");
}

#[test]
fn a_signal_that_ends_switches_off_and_one_that_returns_switches_on() {
    let cable = paths::cable(1, Duration::from_secs(600));
    let path = paths::then(paths::recorded(), Duration::from_secs(15 * 24), cable);
    let back = paths::recorded();
    let path = paths::then(path, Duration::from_secs(15 * 64), back);
    let mut replay = Replay::new(unknown(), path, RECORDED_BOUNDARY);
    assert_eq!(replay.run(24).confidences.last().map(is_learned), Some(true));
    let off = replay.run(40).slots_until(is_off);
    assert!(off.is_some_and(|slots| slots <= 12), "off after {off:?} slots");
    let on = replay.run(20).slots_until(is_learned);
    assert!(on.is_some_and(|slots| slots <= 12), "on after {on:?} slots");
}

#[test]
fn a_path_with_one_probe_a_second_says_nothing_against_the_wall_clock() {
    let mut replay = Replay::new(expected(), paths::recorded(), RECORDED_BOUNDARY)
        .with_interval(Duration::from_secs(1));
    replay.handle_clock(Duration::ZERO, true);
    let outcome = replay.run(HOUR);
    assert_eq!(outcome.confidences, vec![Confidence::Predicted; outcome.confidences.len()]);
}
