//! The last five seconds of a path, and which of their moments were trouble.
//!
//! A moment is judged two seconds late, when what came after it is known too: a delay that rises
//! and falls again is trouble, a delay that rises and stays is a longer way.

use super::bins::{self, BINS_PER_SECOND};

/// Bins kept: 5.12 s. [`LAG`] and a second before it and after it need four seconds.
const CELLS: u64 = 512;

/// How long after a bin it is judged: 2 s, so that [`LONGEST_HOLE`] and the second after a bin
/// have been seen.
const LAG: u64 = 2 * BINS_PER_SECOND;

/// How far the neighbourhood of a bin reaches to each side: 1 s, several times the longest hole
/// that belongs to a boundary (544 ms were measured over inter-satellite links).
const NEIGHBOURHOOD: u64 = BINS_PER_SECOND;

/// A hole of more bins is an outage and says nothing about boundaries: 1.5 s.
pub(super) const LONGEST_HOLE: u64 = 3 * BINS_PER_SECOND / 2;

/// A hole of fewer bins is ordinary: 40 ms is two reports of 20 ms that came late.
pub(super) const SHORTEST_HOLE: u64 = 4;

/// Fewest delays in a neighbourhood that let a bin be judged by its delay.
const FEWEST_NEIGHBOURS: usize = 5;

/// A delay less than this above its neighbourhood is no trouble, in microseconds. Inside a slot
/// the 99th percentile is 3 ms above the median; at a boundary the rise is 21 ms and more.
const LEAST_RISE_US: u32 = 8_000;

/// A rise must also be this many times what the upper tenth of the neighbourhood rises.
const RISE_PER_SPREAD: u32 = 3;

/// What happened in one bin.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// The least delay of its samples, in microseconds.
    delay_us: Option<u32>,
    /// A hole covers it.
    silent: bool,
}

/// A bin that has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Its number since boot.
    pub(super) bin: u64,
    /// Whether the path was in trouble.
    pub(super) troubled: bool,
}

/// The ring of bins. Bounded: [`CELLS`] cells of 12 bytes and a scratch of one neighbourhood.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    cells: Box<[Cell]>,
    /// The first bin that has not been judged; `None` before the first sample.
    unjudged: Option<u64>,
    /// Delays of one neighbourhood while they are sorted.
    scratch: Vec<u32>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            cells: vec![Cell::default(); bins::index(CELLS)].into_boxed_slice(),
            unjudged: None,
            scratch: Vec::with_capacity(bins::index(NEIGHBOURHOOD)),
        }
    }

    /// Notes a delay that arrived in `bin`.
    pub(super) fn handle_delay(&mut self, bin: u64, delay_us: u32) {
        if let Some(cell) = self.open_cell(bin) {
            cell.delay_us = Some(cell.delay_us.map_or(delay_us, |least| least.min(delay_us)));
        }
    }

    /// Notes a hole from bin `first` to bin `last`.
    pub(super) fn handle_silence(&mut self, first: u64, last: u64) {
        for bin in first..=last {
            if let Some(cell) = self.open_cell(bin) {
                cell.silent = true;
            }
        }
    }

    /// Judges every bin that `now` is late enough for and that says anything.
    pub(super) fn judge(&mut self, now: u64, mut each: impl FnMut(Verdict)) {
        let Some(mut bin) = self.unjudged else {
            return;
        };
        let end = now.saturating_sub(LAG);
        // Whatever the gap, only what is still in the ring can say anything.
        let last = end.min(bin.saturating_add(CELLS));
        while bin < last {
            if let Some(troubled) = self.is_troubled(bin) {
                each(Verdict { bin, troubled });
            }
            // The cell that leaves the neighbourhood of every bin to come is used again.
            if let Some(oldest) = bin.checked_sub(NEIGHBOURHOOD) {
                self.cells[bins::index(oldest % CELLS)] = Cell::default();
            }
            bin += 1;
        }
        if bin < end {
            self.cells.fill(Cell::default());
            bin = end;
        }
        self.unjudged = Some(bin);
    }

    /// The cell of a bin that is still open; none for what is too old or too far ahead.
    fn open_cell(&mut self, bin: u64) -> Option<&mut Cell> {
        let unjudged = *self.unjudged.get_or_insert(bin.saturating_sub(LAG));
        let open = unjudged..unjudged.saturating_add(CELLS - NEIGHBOURHOOD);
        open.contains(&bin).then(|| &mut self.cells[bins::index(bin % CELLS)])
    }

    fn is_troubled(&mut self, bin: u64) -> Option<bool> {
        let Cell { delay_us, silent } = self.cells[bins::index(bin % CELLS)];
        if silent {
            return Some(true);
        }
        let delay = delay_us?;
        let before = self.level(bin.saturating_sub(NEIGHBOURHOOD)..bin)?;
        if delay <= before.median_us.saturating_add(LEAST_RISE_US) {
            return Some(false);
        }
        let after = self.level(bin + 1..bin + 1 + NEIGHBOURHOOD)?;
        let level = before.median_us.max(after.median_us);
        let spread = before.spread_us.max(after.spread_us);
        let rise = LEAST_RISE_US.max(spread.saturating_mul(RISE_PER_SPREAD));
        Some(delay > level.saturating_add(rise))
    }

    fn level(&mut self, bins: std::ops::Range<u64>) -> Option<Level> {
        self.scratch.clear();
        let cells = bins.map(|bin| self.cells[bins::index(bin % CELLS)]);
        self.scratch.extend(cells.filter_map(|cell| cell.delay_us));
        let count = self.scratch.len();
        if count < FEWEST_NEIGHBOURS {
            return None;
        }
        let (below, median, above) = self.scratch.select_nth_unstable(count / 2);
        let median_us = *median;
        let rank = (count * 9 / 10).saturating_sub(below.len() + 1).min(above.len() - 1);
        let spread_us = *above.select_nth_unstable(rank).1 - median_us;
        Some(Level { median_us, spread_us })
    }
}

/// What is ordinary in a neighbourhood.
#[derive(Clone, Copy, Debug)]
struct Level {
    median_us: u32,
    /// From the median to the 90th percentile.
    spread_us: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bins in trouble of a path with the delay `delay_ms` gives for each bin.
    fn troubled(bins: u64, delay_ms: impl Fn(u64) -> Option<u32>) -> Vec<u64> {
        let mut recent = Recent::new();
        let mut troubled = Vec::new();
        for bin in 1_000..1_000 + bins {
            if let Some(delay_ms) = delay_ms(bin) {
                recent.handle_delay(bin, delay_ms * 1_000);
            }
            recent.judge(bin, |verdict| troubled.extend(verdict.troubled.then_some(verdict.bin)));
        }
        troubled
    }

    #[test]
    fn a_spike_is_trouble_and_a_longer_way_is_not() {
        let spike = |bin| Some(if (1_500..1_506).contains(&bin) { 40 } else { 12 });
        assert_eq!(troubled(1_200, spike), (1_500..1_506).collect::<Vec<_>>());
        let longer = |bin| Some(if bin < 1_500 { 12 } else { 60 });
        assert_eq!(troubled(1_200, longer), []);
        let shorter = |bin| Some(if bin < 1_500 { 60 } else { 12 });
        assert_eq!(troubled(1_200, shorter), []);
    }

    #[test]
    fn a_path_too_quiet_to_judge_is_not_judged() {
        let each_second = |bin: u64| bin.is_multiple_of(100).then_some(12);
        let mut recent = Recent::new();
        for bin in 1_000..3_000 {
            if let Some(delay) = each_second(bin) {
                recent.handle_delay(bin, delay);
            }
            recent.judge(bin, |verdict| panic!("{verdict:?}"));
        }
    }

    #[test]
    fn a_hole_is_trouble_and_a_long_pause_forgets() {
        let mut recent = Recent::new();
        recent.handle_delay(1_000, 12_000);
        recent.handle_silence(1_001, 1_009);
        let mut seen = Vec::new();
        recent.judge(1_000_000, |verdict| seen.push(verdict.bin));
        assert_eq!(seen, (1_001..=1_009).collect::<Vec<_>>());
        recent.handle_silence(5, 9);
        recent.judge(2_000_000, |verdict| panic!("{verdict:?} is long past"));
    }
}
