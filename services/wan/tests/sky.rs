//! A recorded dish beside a cable, on a virtual clock: both ends of the tunnel, and the slot clock
//! that learns the dish's rhythm from what arrives. What does a call notice of the handovers, and
//! is anybody frightened into leaving the dish?

#[expect(dead_code, reason = "shared with the simulation of the tunnel")]
#[path = "../../tunnel/tests/simulated/mod.rs"]
mod simulated;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use simulated::house::{self, House};
use simulated::link::{Replay, Way};
use simulated::recording::{HANDOVER, Recording, SLOT};
use starlink::slot_clock::{Confidence, Expectation, SlotClock};
use tunnel::{Policy, Window};
use units::Instant;

const CABLE: Way =
    Way { delay: ms(9), jitter: ms(1), rate: 6_000_000, loss_ppm: 0, recording: None };
/// The dish's place among the links.
const DISH: usize = 1;
/// Around a handover, where a call's delay is looked at.
const NEAR: [Duration; 2] = [ms(200), ms(450)];
/// The recording's delay within a slot.
const USUAL: Duration = ms(12);
/// GPS time is ahead of UTC.
const GPS_AHEAD: Duration = ms(18_000);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Seeds; `PORCHLIGHT_SEEDS` asks for another number.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("PORCHLIGHT_SEEDS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(3)
}

/// A house that goes out by the dish, and what its box knows of the sky.
struct Roof {
    house: House,
    clock: SlotClock,
    told: Option<Window>,
}

impl Roof {
    fn new(seed: u64, expectation: Expectation) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../qemu-tests/data");
        let recording = Arc::new(Recording::read(&data.join("leocc_example_10ms.csv")));
        let way = |loss_ppm, with_capacity| Way {
            delay: USUAL,
            jitter: Duration::ZERO,
            rate: 1_500_000,
            loss_ppm,
            recording: Some(Replay { recording: Arc::clone(&recording), with_capacity }),
        };
        let mut house = House::new(&[CABLE, way(100, true)], seed);
        house.links[DISH][0].way = way(2_000, false);
        house.ends[0].handle_policy(house::link(DISH), Policy::Primary, false, house.now);
        house.ends[0].handle_policy(house::link(0), Policy::Secondary, false, house.now);
        house.run(ms(2_000));
        Self { house, clock: SlotClock::new(expectation), told: None }
    }

    /// A time server has set the box's clock.
    fn synchronise(&mut self) {
        let epoch = Duration::from_hours(480_000);
        let into_slot = Duration::from_nanos((self.house.now.as_nanos() + SLOT - HANDOVER) % SLOT);
        self.clock.handle_clock(self.house.now, epoch + into_slot - GPS_AHEAD, true);
    }

    fn run(&mut self, time: Duration) {
        let end = self.house.now + time;
        while self.house.now < end {
            self.house.run(ms(20));
            self.look_up();
        }
    }

    /// What `wan` does with what arrived over the dish.
    fn look_up(&mut self) {
        let house = &mut self.house;
        let dish = house::link(DISH);
        for (_, rhythm) in house.rhythms.drain(..).filter(|(link, _)| *link == dish) {
            self.clock.handle_delay(rhythm.at, rhythm.delay);
            if let Some((begin, end)) = rhythm.hole {
                self.clock.handle_silence(begin, end);
            }
        }
        let next = self.clock.window(house.now);
        let next = next.map(|next| Window { opens: next.opens, closes: next.closes });
        let open = |told: Window| told.opens <= house.now && house.now < told.closes + ms(400);
        if next != self.told && !self.told.is_some_and(open) {
            self.told = next;
            house.ends[0].handle_window(dish, next, house.now);
        }
    }

    /// The 99th percentile of what handovers since `from` cost a call above the usual.
    fn extra_p99(&self, way: usize, from: Instant) -> Duration {
        let near = |at: Instant| {
            let into = Duration::from_nanos((at.as_nanos() + SLOT - HANDOVER) % SLOT);
            into < NEAR[1] || into > Duration::from_nanos(SLOT) - NEAR[0]
        };
        let all = self.house.calls[way].delays().filter(|(at, _)| *at >= from && near(*at));
        let mut extra: Vec<_> = all.map(|(_, delay)| delay.saturating_sub(USUAL)).collect();
        extra.sort_unstable();
        extra[extra.len() * 99 / 100]
    }

    fn assert_calm(&self, from: Instant, most_extra: Duration) {
        let until = Instant::from_nanos(self.house.now.as_nanos() - 1_000_000_000);
        assert_eq!(self.house.switches(from), 0, "{:?}", self.house.events);
        for way in [0, 1] {
            assert_eq!(self.house.calls[way].lost(from, until), 0, "way {way}");
            let extra = self.extra_p99(way, from);
            assert!(extra <= most_extra, "way {way}: {extra:?}");
        }
    }
}

#[test]
fn a_box_that_knows_the_time_foresees_every_handover() {
    for seed in seeds() {
        let mut roof = Roof::new(seed, Expectation::Starlink);
        roof.synchronise();
        let from = roof.house.now;
        roof.run(ms(20 * 60_000));
        roof.assert_calm(from, ms(10));
        let counters = roof.house.ends[0].counters();
        let extra = counters.copied_bytes + counters.repaired_bytes;
        // 200 ms of 15 s foreseen, and what this dish loses on the way up: 0.2 %.
        assert!(extra * 100 <= counters.inner_bytes * 3, "seed {seed}: {counters:?}");
    }
}

#[test]
fn a_box_that_does_not_know_the_time_learns_them() {
    for seed in seeds() {
        let mut roof = Roof::new(seed, Expectation::Unknown);
        let from = roof.house.now;
        roof.run(ms(3 * 60_000));
        assert_eq!(roof.house.switches(from), 0, "seed {seed}: {:?}", roof.house.events);
        assert!(matches!(roof.clock.confidence(), Confidence::Learned { .. }), "seed {seed}");
        let learned = roof.house.now;
        roof.run(ms(10 * 60_000));
        roof.assert_calm(learned, ms(10));
    }
}

#[test]
fn a_download_beside_the_call_does_not_change_that() {
    for seed in seeds() {
        let mut roof = Roof::new(seed, Expectation::Starlink);
        roof.synchronise();
        roof.house.download = 3_000;
        let from = roof.house.now;
        roof.run(ms(5 * 60_000));
        // What is in the bottleneck's queue is before the call: 20 ms in this model.
        roof.assert_calm(from, ms(25));
    }
}

#[test]
fn without_the_second_path_the_meter_sees_red() {
    let mut roof = Roof::new(1, Expectation::Starlink);
    roof.synchronise();
    roof.house.cut(0, true);
    let from = roof.house.now;
    roof.run(ms(2 * 60_000));
    assert!(roof.extra_p99(0, from) > ms(60), "{:?}", roof.extra_p99(0, from));
}
