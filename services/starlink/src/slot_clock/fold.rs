//! The path's trouble folded at 15 s: how often each bin of the slot was seen, and how often it
//! was in trouble. A boundary shows as one place in the slot that is nearly always in trouble.

use std::ops::Range;

use super::bins::{SLOT, ahead};

/// What one slot leaves of the slots before it: a memory of 12 slots, three minutes. Longer would
/// be slow to see that the schedule changed, shorter could not tell chance from rule.
const KEPT_PER_SLOT: f32 = 11.0 / 12.0;

/// Bins to each side over which a share is averaged: 70 ms in all, about the shortest hole with
/// its jitter of 12 ms.
const SMOOTH_PEAK: usize = 3;

/// The same where the ends of the trouble are looked for: 30 ms in all.
const SMOOTH_EDGE: usize = 1;

/// How far from the peak trouble still belongs to the boundary, in bins: the longest window.
const REACH: usize = 65;

/// Share of slots in which a bin must be troubled to belong to the trouble around the peak.
const EDGE_SHARE: f32 = 0.25;

/// Quiet bins that the trouble may have inside: between a hole and the spike after it.
const LONGEST_PAUSE: usize = 6;

/// The background is never believed to be cleaner than this: nobody has seen enough to know.
const LEAST_BACKGROUND: f32 = 0.005;

/// A second peak of this part of the first means a shorter rhythm, not a slot of 15 s.
const RIVAL: f32 = 0.6;

/// A place in the slot that is in trouble more often than the rest of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Signal {
    /// First bin of the trouble, as a place in the slot.
    pub(super) first: usize,
    /// How many bins it lasts, 1 to `2 * REACH + 1`.
    pub(super) bins: usize,
    /// Share of slots in which the peak was in trouble, 0 to 1.
    pub(super) share: f32,
    /// How improbable this is by chance: at least `-ln` of the probability that a background as
    /// troubled as the rest of the slot brings it (Chernoff's bound for a binomial tail).
    pub(super) evidence: f32,
    /// Slots, weighted by age, in which the peak was observed.
    pub(super) looks: f32,
    /// Another place is in trouble about as often.
    pub(super) has_rival: bool,
}

/// Hits and looks for each bin of the slot. 12 KiB, whatever happens.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    hits: Box<[f32]>,
    looks: Box<[f32]>,
}

impl Fold {
    pub(super) fn new() -> Self {
        let empty = || vec![0.0; SLOT].into_boxed_slice();
        Self { hits: empty(), looks: empty() }
    }

    pub(super) fn clear(&mut self) {
        self.hits.fill(0.0);
        self.looks.fill(0.0);
    }

    /// Notes what one bin of the slot was like.
    pub(super) fn note(&mut self, phase: usize, troubled: bool) {
        self.looks[phase] += 1.0;
        if troubled {
            self.hits[phase] += 1.0;
        }
    }

    /// Lets `slots` slots pass.
    pub(super) fn age(&mut self, slots: u64) {
        let kept = KEPT_PER_SLOT.powi(i32::try_from(slots).unwrap_or(i32::MAX));
        self.hits.iter_mut().chain(self.looks.iter_mut()).for_each(|weight| *weight *= kept);
    }

    /// The strongest signal whose peak is among `places` of the slot, counted from any bin and
    /// round the end; `None` where nothing was seen there.
    pub(super) fn strongest(&self, places: Range<usize>) -> Option<Signal> {
        let everywhere = self.share_between(0, SLOT);
        let rank = |place: &usize| (self.evidence(*place, everywhere), self.share(*place));
        let peak = places
            .map(|place| place % SLOT)
            .filter(|place| self.looks_at(*place) > 0.0)
            .map(|place| (rank(&place), place))
            .max_by(|one, other| one.0.0.total_cmp(&other.0.0).then(one.0.1.total_cmp(&other.0.1)))
            .map(|(_, place)| place)?;
        let (first, bins) = self.trouble_around(peak);
        // Twice the reach away from the peak nothing belongs to it.
        let apart = peak + 2 * REACH..peak + SLOT - 2 * REACH;
        let background = self.share_between(apart.start, apart.len());
        let (share, looks) = (self.share(peak), self.looks_at(peak));
        let has_rival = apart
            .map(|place| place % SLOT)
            .any(|place| self.looks_at(place) >= looks / 2.0 && self.share(place) >= share * RIVAL);
        let evidence = self.evidence(peak, background);
        Some(Signal { first, bins, share, evidence, looks, has_rival })
    }

    /// Where the trouble around `peak` begins, and how many bins it lasts.
    fn trouble_around(&self, peak: usize) -> (usize, usize) {
        let reach = |step: fn(usize, usize) -> usize| {
            let troubled = |by: &usize| {
                let place = step(peak + SLOT, *by) % SLOT;
                self.smoothed(place, SMOOTH_EDGE) >= EDGE_SHARE && self.hits[place] > 0.0
            };
            let mut last = 0;
            for by in (1..=REACH).filter(troubled) {
                if by - last > LONGEST_PAUSE + 1 {
                    break;
                }
                last = by;
            }
            last
        };
        let (back, forth) = (reach(|peak, by| peak - by), reach(|peak, by| peak + by));
        ((peak + SLOT - back) % SLOT, back + 1 + forth)
    }

    fn evidence(&self, place: usize, background: f32) -> f32 {
        let background = background.clamp(LEAST_BACKGROUND, 0.999);
        let share = self.share(place).clamp(0.001, 0.999);
        if share <= background {
            return 0.0;
        }
        let quiet = 1.0 - share;
        let divergence =
            share * (share / background).ln() + quiet * (quiet / (1.0 - background)).ln();
        self.looks_at(place) * divergence
    }

    /// Slots in which the 70 ms around `place` were observed, weighted by age.
    fn looks_at(&self, place: usize) -> f32 {
        Self::around(place, SMOOTH_PEAK).map(|bin| self.looks[bin]).fold(0.0, f32::max)
    }

    fn share(&self, place: usize) -> f32 {
        self.smoothed(place, SMOOTH_PEAK)
    }

    fn smoothed(&self, place: usize, sides: usize) -> f32 {
        self.share_between(place + SLOT - sides, 2 * sides + 1)
    }

    fn share_between(&self, first: usize, bins: usize) -> f32 {
        let sum = |weights: &[f32]| -> f32 {
            (first..first + bins).map(|place| weights[place % SLOT]).sum()
        };
        let looks = sum(&self.looks);
        if looks > 0.0 { sum(&self.hits) / looks } else { 0.0 }
    }

    fn around(place: usize, sides: usize) -> impl Iterator<Item = usize> {
        let first = place + SLOT - sides;
        (first..=first + 2 * sides).map(|bin| bin % SLOT)
    }
}

impl Signal {
    /// How far the begin of the trouble lies from `place`, the shorter way round, in bins.
    pub(super) fn distance(&self, place: usize) -> usize {
        ahead(self.first, place).min(ahead(place, self.first))
    }
}
