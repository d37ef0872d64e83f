//! Time in bins of 10 ms, and where in the 15 s a bin lies.

use units::Instant;

/// Length of a bin, in nanoseconds. Short against the shortest hole seen at a boundary (58 ms).
pub(super) const NANOS_PER_BIN: u64 = 10_000_000;

/// Bins in a second.
pub(super) const BINS_PER_SECOND: u64 = 100;

/// Bins in a slot of 15 s.
pub(super) const BINS_PER_SLOT: u64 = 15 * BINS_PER_SECOND;

/// The same as the length of an array.
pub(super) const SLOT: usize = 1_500;

/// The bin that holds `at`.
pub(super) fn of(at: Instant) -> u64 {
    at.as_nanos() / NANOS_PER_BIN
}

/// Where in its slot `bin` lies.
pub(super) fn phase(bin: u64) -> usize {
    index(bin % BINS_PER_SLOT)
}

/// `small` as an index. All numbers here are below [`SLOT`].
pub(super) fn index(small: u64) -> usize {
    usize::try_from(small).expect("a remainder fits any machine's address")
}

/// How far `to` lies after `from`, once round at most.
pub(super) fn ahead(from: usize, to: usize) -> usize {
    (to + SLOT - from) % SLOT
}
