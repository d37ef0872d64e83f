//! What the house notices of a far end that is slow or lies, of hours without an uplink, and of a
//! client that floods: both ends of the tunnel on a virtual clock. A failure prints its seed.

#[expect(dead_code, reason = "shared with the simulation of failing uplinks")]
mod simulated;

use std::time::Duration;

use bytes::Bytes;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use simulated::house::{self, House, packet};
use simulated::link::Way;
use tunnel::path::MOST_COPIES;
use tunnel::queue::{MOST_BYTES, MOST_PACKETS};
use tunnel::wire::{Gap, Header, Kind, PathReport, Report, Stamp};
use tunnel::{Class, Modes, Policy};
use units::Instant;

const MS: Duration = Duration::from_millis(1);
const CABLE: Way = Way {
    delay: Duration::from_millis(9),
    jitter: MS,
    rate: 6_000_000,
    loss_ppm: 0,
    recording: None,
};
const DISH: Way = Way {
    delay: Duration::from_millis(14),
    jitter: Duration::from_millis(6),
    rate: 5_000_000,
    ..CABLE
};

/// Seeds for each scenario; `PORCHLIGHT_SEEDS` asks for another number.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("PORCHLIGHT_SEEDS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(10)
}

/// Packets of either direction of the call, sent in that time, that never came.
fn lost(house: &House, from: Instant, until: Instant) -> [usize; 2] {
    house.calls.each_ref().map(|call| call.lost(from, until))
}

#[test]
fn a_relay_far_away_on_thin_lines_brings_no_switch() {
    for seed in seeds() {
        let slow = |way| Way { delay: 400 * MS, rate: 60_000, ..way };
        let mut house = House::new(&[slow(CABLE), slow(DISH)], seed);
        house.run(5_000 * MS);
        let from = house.now;
        house.run(60_000 * MS);
        assert_eq!(house.switches(from), 0, "seed {seed}: {:?}", house.events);
        let until = Instant::from_nanos(house.now.as_nanos() - 2_000_000_000);
        assert_eq!(lost(&house, from, until), [0, 0], "seed {seed}");
    }
}

#[test]
fn hours_without_any_path_end_with_the_first_connection() {
    for seed in seeds() {
        let mut house = House::new(&[CABLE, DISH], seed);
        house.run(2_000 * MS);
        for number in 0..2 {
            house.cut(number, true);
        }
        house.run(5_000 * MS);
        // Nobody says anything for hours: longer than the stamps on the wire can tell.
        house.talking = [false; 2];
        house.run(3 * 3_600_000 * MS);
        house.talking = [true; 2];
        house.run(2_000 * MS);
        for number in 0..2 {
            house.cut(number, false);
            // The connections have ended, or have been kept by both ends.
            if seed.is_multiple_of(2) {
                house.connect(number);
            }
        }
        let back = house.now;
        house.run(5_000 * MS);
        assert_eq!(lost(&house, back + 300 * MS, back + 4_000 * MS), [0, 0], "seed {seed}");
        assert_eq!(house.ends[0].active(), Some(house::link(0)), "seed {seed}");
    }
}

/// A report that says anything, of paths that are there.
fn lie(house: &House, random: &mut Pcg32) -> Report {
    let mut any = |often: u32| {
        let word = random.next_u32();
        if random.next_u32().is_multiple_of(often) { u32::MAX - word % 3 } else { word }
    };
    let short = |word: u32| u16::try_from(word >> 16).expect("the upper half");
    let paths = (0..house.links.len()).map(|number| PathReport {
        link: house::link(number),
        generation: house.generation[number],
        carrier: !any(9).is_multiple_of(4),
        metered: any(9).is_multiple_of(2),
        policy: Policy::from_bits(any(9).to_be_bytes()[0]),
        newest: Some((any(3) % (1 << (any(9) % 32)), Stamp(any(3)), any(3))),
        received: any(3),
        bytes: any(3),
        queue_micros: any(3),
        silent_millis: short(any(3)),
        window: Some((short(any(3)).cast_signed(), short(any(3)).cast_signed())),
        gaps: vec![Gap { back: 1 + any(9) % 100, count: 1 + short(any(9)) % 10 }],
    });
    let paths = paths.collect();
    let modes = Modes::from_bits(any(9).to_be_bytes()[0]);
    Report { interval_millis: short(any(3)), modes, paths }
}

/// A lie arrives at the end `end` on each path, among what its far end really says.
fn lie_to(house: &mut House, end: usize, random: &mut Pcg32) {
    for number in 0..house.links.len() {
        let link = house::link(number);
        let paths = house.ends[end].paths();
        let newest = paths.iter().find(|path| path.link == link).and_then(|p| p.arrivals.newest());
        let Some(newest) = newest else { continue };
        let near = newest.sequence + u64::from(random.next_u32() % 3);
        let header = Header {
            kind: Kind::Report,
            class: Class::Realtime,
            copy: false,
            session: random.next_u32().into(),
            path: u32::try_from(near).expect("a short run"),
            sent: Stamp(random.next_u32()),
        };
        let mut datagram = header.to_bytes().to_vec();
        lie(house, random).write(&mut datagram);
        let (generation, now) = (house.generation[number], house.now);
        // Some cannot be read, which is as good.
        let _ = house.ends[end].handle_datagram(link, generation, Bytes::from(datagram), now);
    }
}

#[test]
fn a_far_end_that_lies_leaves_no_path_stuck() {
    for seed in seeds() {
        for end in [0, 1] {
            let mut random = Pcg32::new(seed, 23);
            let mut house = House::new(&[CABLE, DISH], seed);
            house.run(2_000 * MS);
            for _ in 0..200 {
                lie_to(&mut house, end, &mut random);
                house.run(20 * MS);
            }
            // It says what is true again. A window that it made up lasts 33 s at most.
            house.run(40_000 * MS);
            let from = house.now;
            house.run(2_000 * MS);
            assert_eq!(lost(&house, from, from + 1_500 * MS), [0, 0], "seed {seed} end {end}");
            let active = house.ends[end].active();
            assert_eq!(active, Some(house::link(0)), "seed {seed} end {end}");
            let from = house.now;
            house.cut(0, true);
            house.run(4_000 * MS);
            let until = from + 3_000 * MS;
            for call in &house.calls {
                let gap = call.longest_gap(from, until);
                // Told of cables that come and go, an end watches its paths for minutes: a fault is
                // then noticed by silence alone.
                assert!(gap <= 320 * MS, "seed {seed} end {end}: {gap:?}");
            }
            // What is sent at the first moment of such a silence may be kept no longer at its end.
            let lost = lost(&house, from, until);
            assert!(lost.iter().all(|lost| *lost <= 4), "seed {seed} end {end}: {lost:?}");
        }
    }
}

/// Every bound of what an end keeps.
fn check_bounds(house: &House) {
    for path in house.ends.iter().flat_map(tunnel::Tunnel::paths) {
        for queue in &path.queues {
            assert!(queue.bytes() <= MOST_BYTES && queue.packets() <= MOST_PACKETS);
        }
        let kept = path.sent.unreported().map(|sent| sent.datagram.len());
        let (count, bytes) = kept.fold((0, 0), |(count, bytes), one| (count + 1, bytes + one));
        assert!(count <= 1 << 16 && bytes <= 32 << 20, "{count} kept, {bytes} bytes");
        assert!(path.copies.len() <= MOST_COPIES);
    }
}

/// A client sends for a millisecond: one flow of many small packets, and its part of ten thousand
/// flows of full ones.
fn flood(house: &mut House, next: &mut u16) {
    for turn in 0..70 {
        let (flow, length) = if turn < 50 { (10_000, 60) } else { (*next, 1_380) };
        *next = (*next + u16::from(turn >= 50)) % 10_000;
        let mut packet = packet(2, 0, length);
        packet[Header::LENGTH + 22..Header::LENGTH + 24].copy_from_slice(&flow.to_be_bytes());
        house.ends[0].handle_inner(packet, house.now).expect("there is a path");
    }
}

#[test]
fn ten_thousand_flows_and_a_flood_leave_the_call_alone_and_memory_bounded() {
    let mut house = House::new(&[CABLE, DISH], 1);
    house.run(2_000 * MS);
    let mut next = 0;
    for round in 0..3_000 {
        flood(&mut house, &mut next);
        house.run(MS);
        if round % 50 == 0 {
            check_bounds(&house);
        }
    }
    let until = Instant::from_nanos(house.now.as_nanos() - 200_000_000);
    // The first second is left out: until it is known what kind of flows they are, they may be
    // calls.
    let from = Instant::from_nanos(until.as_nanos() - 2_000_000_000);
    assert_eq!(lost(&house, from, until), [0, 0]);
    let worst = house.calls.each_ref().map(|call| call.worst_delay(from, until));
    assert!(worst[0] <= 60 * MS, "{worst:?}");
    let came: Vec<_> = house.calls[0].delays().map(|(sent, delay)| sent + delay).collect();
    assert!(came.is_sorted(), "in the order in which they were sent");
    assert!(house.downloaded > 10_000, "{} of the flood", house.downloaded);
}
