//! Paths to learn from: one recorded, the others modelled on published numbers.

use std::time::Duration;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::replay::nanos;

const MILLI: u64 = 1_000_000;
const SLOT: u64 = 15_000 * MILLI;

/// What a path does to a packet sent at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// How late it arrives; `None` when it is lost.
    pub(crate) delay: Option<Duration>,
    /// Lost, or 20 ms later than the path's calm: what a window should hold.
    pub(crate) harmed: bool,
}

/// A path: the fate of what is sent at a number of nanoseconds since its begin.
pub(crate) type Path = Box<dyn FnMut(u64) -> Fate>;

/// The recorded path, two minutes in a loop; boundaries at 8.69 s + 15 s × k.
pub(crate) const RECORDED_BOUNDARY: u64 = 8_690 * MILLI;

/// A probe waits for the next moment at which the recorded link could deliver, then takes the
/// recorded delay.
pub(crate) fn recorded() -> Path {
    const TEXT: &str = include_str!("../../../../qemu-tests/data/leocc_example_10ms.csv");
    const BIN: u64 = 10 * MILLI;
    let bins: Vec<(bool, u64)> = TEXT
        .lines()
        .skip(1)
        .map(|line| {
            let (_, rest) = line.split_once(',').expect("three columns");
            let (packets, delay) = rest.split_once(',').expect("three columns");
            (packets != "0", delay.parse().expect("milliseconds"))
        })
        .collect();
    // The last bin of the two minutes is not in the file.
    let at = move |bin: u64| {
        let index = usize::try_from(bin % 12_000).expect("two minutes of bins");
        bins[index.min(bins.len() - 1)]
    };
    Box::new(move |sent| {
        let first = sent / BIN;
        let leaves = (first..).find(|bin| at(*bin).0).expect("the link never dies for good");
        let waits = (leaves * BIN).saturating_sub(sent);
        let base = at(leaves).1 * MILLI;
        let delay = Duration::from_nanos(waits + base);
        Fate { delay: Some(delay), harmed: delay > Duration::from_millis(31) }
    })
}

/// A path over inter-satellite links, as measured: lost from 148 to 195 ms before the boundary to
/// 332 to 350 ms after it, then 170 ms late and back within 114 to 228 ms; each slot another way
/// of 113 to 200 ms. Boundaries at 15 s × k.
pub(crate) fn over_satellites(seed: u64) -> Path {
    let mut random = Random::new(seed);
    let mut slot = Slot::draw(0, &mut random);
    Box::new(move |sent| {
        let number = (sent + SLOT / 2) / SLOT;
        if number != slot.number {
            slot = Slot::draw(number, &mut random);
        }
        let into = (sent + SLOT / 2) % SLOT / MILLI;
        let boundary = 7_500;
        let (begins, ends) = (boundary - slot.begins, boundary + slot.ends);
        if (begins..ends).contains(&into) {
            return Fate { delay: None, harmed: true };
        }
        let late = (ends + slot.recovers).saturating_sub(into).min(slot.recovers);
        let extra = if into >= ends { 170 * late / slot.recovers } else { 0 };
        let delay = slot.base + extra + random.between(0, 6);
        Fate { delay: Some(Duration::from_millis(delay)), harmed: extra > 20 }
    })
}

/// A slot and the boundary in its middle, in milliseconds.
struct Slot {
    number: u64,
    begins: u64,
    ends: u64,
    recovers: u64,
    base: u64,
}

impl Slot {
    fn draw(number: u64, random: &mut Random) -> Self {
        Self {
            number,
            begins: random.between(148, 195),
            ends: random.between(332, 350),
            recovers: random.between(114, 228),
            base: random.between(113, 200),
        }
    }
}

/// A cable: 9 ms, jitter of 1.5 ms, 0.01 % lost, and every `spike_every` on the average a spike
/// of 30 to 80 ms that lasts 60 ms.
pub(crate) fn cable(seed: u64, spike_every: Duration) -> Path {
    let mut random = Random::new(seed);
    let spike_every = nanos(spike_every);
    let mut spike = (0, 0);
    Box::new(move |sent| {
        if sent >= spike.0 + 60 * MILLI {
            let wait = random.between(0, 2 * spike_every);
            spike = (sent + wait, random.between(30, 80));
        }
        let extra = if (spike.0..spike.0 + 60 * MILLI).contains(&sent) { spike.1 } else { 0 };
        let lost = random.between(0, 10_000) == 0;
        let delay = Duration::from_micros(9_000 + random.between(0, 4_500) + extra * 1_000);
        Fate { delay: (!lost).then_some(delay), harmed: extra > 20 }
    })
}

/// A path that stops for 80 ms at each multiple of `period`, such as a radio that scans.
pub(crate) fn periodic(seed: u64, period: Duration) -> Path {
    let mut random = Random::new(seed);
    let period = nanos(period);
    Box::new(move |sent| {
        let into = (sent + period / 2) % period;
        let stops = (period / 2..period / 2 + 80 * MILLI).contains(&into);
        let wait = if stops { period / 2 + 80 * MILLI - into } else { 0 };
        let delay = Duration::from_nanos(wait + 9 * MILLI + random.between(0, 3 * MILLI));
        Fate { delay: Some(delay), harmed: stops }
    })
}

/// `path`, with each moment of its life `by` earlier.
pub(crate) fn shifted(mut path: Path, by: Duration) -> Path {
    let by = nanos(by);
    Box::new(move |sent| path(sent + by))
}

/// `first` until `at`, then `second`.
pub(crate) fn then(mut first: Path, at: Duration, mut second: Path) -> Path {
    let at = nanos(at);
    Box::new(move |sent| if sent < at { first(sent) } else { second(sent) })
}

struct Random(Pcg64Mcg);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// From `least` to `most`, both included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.next_u64() % (most - least + 1)
    }
}
