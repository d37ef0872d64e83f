//! What the house notices when an uplink fails: both ends of the tunnel on a virtual clock, over
//! two unlike links, a call going both ways. Each scenario runs with many seeds; a failure prints
//! its seed.

#[expect(dead_code, reason = "shared with the simulation of the sky")]
mod simulated;

use std::time::Duration;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use simulated::house::{self, House};
use simulated::link::Way;
use tunnel::{Class, Event, InnerError, Mode, Modes, Policy, State, Window};
use units::Instant;

const MS: Duration = Duration::from_millis(1);
const CABLE: Way =
    Way { delay: ms(9), jitter: ms(1), rate: 6_000_000, loss_ppm: 100, recording: None };
const DISH: Way =
    Way { delay: ms(14), jitter: ms(6), rate: 5_000_000, loss_ppm: 2_000, recording: None };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Seeds for each scenario; `PORCHLIGHT_SEEDS` asks for another number.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("PORCHLIGHT_SEEDS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(60)
}

/// A house two seconds and a random moment into its call.
fn house(seed: u64) -> House {
    let mut house = House::new(&[CABLE, DISH], seed);
    let phase = Pcg32::new(seed, 3).next_u32() % 1_000_000;
    house.run(2_000 * MS + Duration::from_micros(phase.into()));
    assert_eq!(house.ends[0].active(), Some(house::link(0)), "seed {seed}: the cable is first");
    house
}

/// The longest gaps and the losses of both directions since `from`, the last second left out.
fn noticed(house: &House, from: Instant) -> [(Duration, usize); 2] {
    let until = Instant::from_nanos(house.now.as_nanos() - 1_000_000_000);
    [0, 1].map(|way| {
        let call = &house.calls[way];
        let before = Instant::from_nanos(from.as_nanos() - 100_000_000);
        (call.longest_gap(before, until), call.lost(from, until))
    })
}

#[test]
fn a_silent_black_hole_costs_a_moment_and_no_packet() {
    for seed in seeds() {
        let mut house = house(seed);
        let from = house.now;
        house.cut(0, true);
        house.run(4_000 * MS);
        for (gap, lost) in noticed(&house, from) {
            assert!(gap <= 120 * MS, "seed {seed}: {gap:?}");
            assert_eq!(lost, 0, "seed {seed}");
        }
        assert_eq!(house.ends[0].active(), Some(house::link(1)), "seed {seed}");
        house.cut(0, false);
        let healed = house.now;
        house.run(3_000 * MS);
        assert_eq!(house.ends[0].active(), Some(house::link(0)), "seed {seed}: it returns");
        assert_eq!(house.ends[1].active(), Some(house::link(0)), "seed {seed}: so does the relay");
        house.run(1_500 * MS);
        assert_eq!(noticed(&house, healed).map(|(_, lost)| lost), [0, 0], "seed {seed}");
    }
}

#[test]
fn a_switch_tells_for_how_long_nothing_passed_and_what_was_lost() {
    for seed in seeds() {
        let mut house = house(seed);
        let from = house.now;
        house.cut(0, true);
        house.run(4_000 * MS);
        for (at, gap, lost) in house.told_switches(from) {
            let cut_for = at.saturating_since(from);
            assert!((200 * MS..=300 * MS).contains(&gap), "seed {seed}: {gap:?} of {cut_for:?}");
            assert_eq!(lost, 0, "seed {seed}: what was on its way went again");
        }
        assert_eq!(house.told_switches(from).len(), 2, "seed {seed}: one at each end");
        house.cut(0, false);
        let healed = house.now;
        house.run(3_000 * MS);
        let back: Vec<_> = house.told_switches(healed);
        assert_eq!(back.len(), 2, "seed {seed}: {back:?}");
        for (_, gap, lost) in back {
            assert_eq!((gap, lost), (Duration::ZERO, 0), "seed {seed}: by preference");
        }
    }
}

#[test]
fn a_path_cut_one_way_has_been_still_as_long_as_that_way() {
    for seed in seeds() {
        for side in [0, 1] {
            let mut house = house(seed);
            let from = house.now;
            house.links[0][side].cut = true;
            house.run(4_000 * MS);
            let told = house.told_switches(from);
            let (at, gap, lost) = told[0];
            let cut_for = at.saturating_since(from);
            assert!(gap >= 200 * MS && gap <= cut_for + 50 * MS, "seed {seed}: {told:?}");
            assert_eq!(lost, 0, "seed {seed}");
        }
    }
}

#[test]
fn without_a_second_path_the_meter_sees_red() {
    let mut house = House::new(&[CABLE], 1);
    house.run(2_000 * MS);
    let from = house.now;
    house.cut(0, true);
    house.run(500 * MS);
    house.cut(0, false);
    house.run(3_000 * MS);
    let [(gap, lost), _] = noticed(&house, from);
    assert!(gap >= 450 * MS && lost > 10, "{gap:?} {lost}");
}

#[test]
fn a_pulled_cable_is_told_over_the_other() {
    for seed in seeds() {
        let mut house = house(seed);
        let from = house.now;
        house.cut(0, true);
        house.ends[0].handle_carrier(house::link(0), false, from);
        house.run(3_000 * MS);
        let [up, down] = noticed(&house, from);
        assert!(up.0 <= 30 * MS, "seed {seed}: {up:?}");
        // The relay hears of it one way of the other path later.
        assert!(down.0 <= 60 * MS, "seed {seed}: {down:?}");
        assert_eq!((up.1, down.1), (0, 0), "seed {seed}");
    }
}

#[test]
fn a_call_that_is_carried_twice_loses_a_cable_without_a_gap() {
    for seed in seeds() {
        let mut house = house(seed);
        let modes = Modes::default().with(Class::Realtime, Mode::Duplicate);
        house.ends[0].handle_modes(modes.expect("calls may be carried twice"));
        house.run(500 * MS);
        let from = house.now;
        house.cut(0, true);
        house.run(3_000 * MS);
        // The dish's longer way and its jitter, and the beat of the call.
        for (gap, lost) in noticed(&house, from) {
            assert!(gap <= 30 * MS, "seed {seed}: {gap:?}");
            assert_eq!(lost, 0, "seed {seed}");
        }
        assert_eq!(house.calls.each_ref().map(|call| call.twice), [0, 0], "seed {seed}");
    }
}

#[test]
fn a_path_whose_bytes_are_dear_carries_nothing_twice_and_still_saves_the_house() {
    for seed in seeds() {
        let mut house = house(seed);
        house.ends[0].handle_policy(house::link(1), Policy::Secondary, true, house.now);
        let modes = Modes::default().with(Class::Realtime, Mode::Duplicate);
        house.ends[0].handle_modes(modes.expect("calls may be carried twice"));
        house.run(500 * MS);
        let window = Window { opens: house.now, closes: house.now + 200 * MS };
        house.boundary(0, window, None);
        house.run(500 * MS);
        let copied = house.ends.each_ref().map(|end| end.counters().copied_bytes);
        assert_eq!(copied, [0, 0], "seed {seed}");
        let from = house.now;
        house.cut(0, true);
        house.run(4_000 * MS);
        for (gap, lost) in noticed(&house, from) {
            assert!(gap <= 400 * MS, "seed {seed}: {gap:?}");
            assert_eq!(lost, 0, "seed {seed}");
        }
    }
}

#[test]
fn what_is_of_no_hurry_is_not_sent_while_bytes_are_dear() {
    let mut house = House::new(&[CABLE], 1);
    house.run(500 * MS);
    let mut send = |dear: bool| {
        house.ends[0].handle_policy(house::link(0), Policy::Primary, dear, house.now);
        house.ends[0].handle_inner(house::background(), house.now)
    };
    assert_eq!(send(false), Ok(()));
    assert_eq!(send(true), Err(InnerError::Spared));
    assert_eq!(send(false), Ok(()));
}

#[test]
fn a_path_that_is_cut_one_way_is_found_out_by_reports() {
    for seed in seeds() {
        for side in [0, 1] {
            let mut house = house(seed);
            let from = house.now;
            house.links[0][side].cut = true;
            house.run(4_000 * MS);
            for (gap, lost) in noticed(&house, from) {
                assert!(gap <= 250 * MS, "seed {seed} side {side}: {gap:?}");
                assert_eq!(lost, 0, "seed {seed} side {side}");
            }
        }
    }
}

#[test]
fn a_handover_of_the_dish_is_not_noticed() {
    for seed in seeds() {
        // Without its usual losses, so that what is late is late because of the handover.
        let mut house = House::new(&[CABLE, Way { loss_ppm: 0, ..DISH }], seed);
        house.ends[0].handle_policy(house::link(1), Policy::Primary, false, house.now);
        house.ends[0].handle_policy(house::link(0), Policy::Secondary, false, house.now);
        house.run(2_000 * MS);
        assert_eq!(house.ends[1].active(), Some(house::link(1)), "seed {seed}: the dish is first");
        let (from, sent) = (house.now, house.events.len());
        let opens = house.now + 200 * MS;
        let window = Window { opens, closes: opens + 200 * MS };
        let hole = (opens + 50 * MS, opens + 184 * MS);
        house.boundary(1, window, None);
        house.run(250 * MS);
        house.boundary(1, window, Some(hole));
        house.run(3_000 * MS);
        for (way, (gap, lost)) in noticed(&house, from).into_iter().enumerate() {
            assert!(gap <= 30 * MS, "seed {seed} way {way}: {gap:?}");
            assert_eq!(lost, 0, "seed {seed} way {way}");
            let worst = house.calls[way].worst_delay(from, from + 1_000 * MS);
            assert!(worst <= 45 * MS, "seed {seed} way {way}: {worst:?}");
        }
        assert_eq!(house.switches(from), 0, "seed {seed}: {:?}", &house.events[sent..]);
    }
}

#[test]
fn ten_calm_minutes_bring_no_switch() {
    for seed in 0..4 {
        let mut house = house(seed);
        let from = house.now;
        house.run(600_000 * MS);
        let doubts: Vec<_> = house.events.iter().filter(|event| event.0 >= from).collect();
        assert_eq!(house.switches(from), 0, "seed {seed}: {doubts:?}");
        let counters = house.ends[0].counters();
        let extra = counters.copied_bytes + counters.repaired_bytes;
        assert!(extra * 50 <= counters.inner_bytes, "seed {seed}: {counters:?}");
    }
}

#[test]
fn a_house_that_says_little_frightens_nobody() {
    for seed in seeds() {
        let mut house =
            House::new(&[Way { loss_ppm: 0, ..CABLE }, Way { loss_ppm: 0, ..DISH }], seed);
        house.run(2_000 * MS);
        let mut random = Pcg32::new(seed, 17);
        for _ in 0..100 {
            // A word or a sentence from either side, and a pause as long as it takes to fall
            // asleep, or not quite.
            let speaker = (random.next_u32() % 3) as usize;
            house.talking = [speaker != 1, speaker != 0];
            house.run(ms(u64::from(random.next_u32() % 40)));
            house.talking = [false; 2];
            house.run(ms(700 + u64::from(random.next_u32() % 700)));
        }
        let doubts: Vec<_> = house.events.iter().filter(|(_, _, event)| is_doubt(event)).collect();
        assert!(doubts.is_empty(), "seed {seed}: {doubts:?}");
    }
}

fn is_doubt(event: &Event) -> bool {
    matches!(event, Event::Path { to: State::Suspect | State::Down, .. })
}

#[test]
fn both_paths_gone_for_a_minute_and_back() {
    for seed in seeds() {
        let mut house = house(seed);
        house.cut(0, true);
        house.cut(1, true);
        house.run(60_000 * MS);
        house.cut(1, false);
        let back = house.now;
        house.run(3_000 * MS);
        for (at, gap, lost) in house.told_switches(back).into_iter().take(1) {
            assert!(gap > 59_000 * MS && gap <= at.saturating_since(back) + 60_500 * MS, "{gap:?}");
            assert!((11_000..=12_000).contains(&lost), "seed {seed}: {lost} of a minute's call");
        }
        let arrived =
            house.calls.each_ref().map(|call| call.lost(back + 200 * MS, back + 2_000 * MS));
        assert_eq!(arrived, [0, 0], "seed {seed}");
        house.cut(0, false);
        house.run(5_000 * MS);
        assert_eq!(house.ends[0].active(), Some(house::link(0)), "seed {seed}");
    }
}

#[test]
fn a_download_leaves_the_call_alone_and_survives_a_black_hole() {
    for seed in 0..10 {
        let mut house = House::new(&[CABLE, DISH], seed);
        house.download = 4_000;
        house.run(3_000 * MS);
        let (from, before) = (house.now, house.downloaded);
        house.run(5_000 * MS);
        let rate = (house.downloaded - before) * 1_380 / 5;
        assert!(rate > 4_500_000, "seed {seed}: {rate} bytes a second");
        let worst = house.calls[1].worst_delay(from, from + 4_000 * MS);
        assert!(worst < 90 * MS, "seed {seed}: {worst:?}");
        let from = house.now;
        house.cut(0, true);
        house.run(4_000 * MS);
        for (gap, lost) in noticed(&house, from) {
            assert!(gap <= 150 * MS && lost == 0, "seed {seed}: {gap:?} {lost}");
        }
    }
}

#[test]
fn any_faults_in_any_order_leave_a_house_that_works() {
    for seed in seeds() {
        let mut random = Pcg32::new(seed, 99);
        let mut house = House::new(&[CABLE, DISH, DISH], seed);
        house.download = 500;
        for _ in 0..40 {
            let number = (random.next_u32() % 3) as usize;
            let flag = random.next_u32().is_multiple_of(2);
            match random.next_u32() % 7 {
                0 => house.cut(number, flag),
                1 => house.links[number][0].cut = flag,
                2 => house.links[number][1].cut = flag,
                3 => house.ends[0].handle_carrier(house::link(number), flag, house.now),
                4 => house.connect(number),
                5 => {
                    let window = Window { opens: house.now, closes: house.now + 300 * MS };
                    house.boundary(number, window, flag.then_some((house.now, window.closes)));
                }
                _ => {
                    let generation = house.generation[number];
                    house.ends[0].handle_closed(house::link(number), generation, house.now);
                    house.ends[1].handle_closed(house::link(number), generation, house.now);
                }
            }
            house.run(ms(u64::from(random.next_u32() % 400)));
        }
        for number in 0..3 {
            house.cut(number, false);
            house.ends[0].handle_carrier(house::link(number), true, house.now);
            house.connect(number);
        }
        house.run(1_000 * MS);
        let healed = house.now;
        house.run(3_000 * MS);
        assert_eq!(noticed(&house, healed).map(|(_, lost)| lost), [0, 0], "seed {seed}");
        assert_eq!(house.calls.each_ref().map(|call| call.twice), [0, 0], "seed {seed}");
    }
}

#[test]
fn a_path_that_flaps_is_trusted_less_and_less() {
    let mut house = house(5);
    for _ in 0..5 {
        house.cut(0, true);
        house.run(400 * MS);
        house.cut(0, false);
        house.run(1_600 * MS);
    }
    let returns = house.events.iter().filter(|(_, side, event)| {
        *side == 0
            && matches!(event, Event::Path { link, to: State::Up, from: State::Probation, .. }
            if *link == house::link(0))
    });
    assert!(returns.count() <= 2, "{:?}", house.events);
}
