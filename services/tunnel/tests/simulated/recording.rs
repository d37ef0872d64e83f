//! A recorded dish: what it carried and how late it was, in bins of 10 ms, again and again.

use std::path::Path;
use std::time::Duration;

use units::Instant;

/// Length of a bin, in nanoseconds.
const BIN: u64 = 10_000_000;
/// When the handovers of the recording are, into each 15 s, and how long they are silent upwards.
pub(crate) const HANDOVER: u64 = 8_690_000_000;
const SILENT: u64 = 90_000_000;
pub(crate) const SLOT: u64 = 15_000_000_000;

/// The recording.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Bytes that may leave, and one-way delay in milliseconds.
    bins: Vec<(u64, u64)>,
}

impl Recording {
    /// From a table of `t_ms,pkts_1500,owd_ms`.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the recording is in the repository");
        let bins = text.lines().skip(1).map(|line| {
            let fields: Vec<u64> =
                line.split(',').map(|field| field.parse().expect("numbers")).collect();
            (fields[1] * 1_500, fields[2])
        });
        let mut bins: Vec<_> = bins.collect();
        // A bin short of two minutes, of which each repetition would shift the handovers.
        bins.resize(12_000, bins[bins.len() - 1]);
        Self { bins }
    }

    fn place(&self, bin: u64) -> (u64, u64) {
        self.bins[usize::try_from(bin).expect("bins are few") % self.bins.len()]
    }

    /// When `length` bytes have left that may begin to at `start`.
    pub(crate) fn leaves_at(&self, start: Instant, length: u64) -> Instant {
        let mut at = start.as_nanos();
        let mut rest = length;
        loop {
            let (bytes, _) = self.place(at / BIN);
            let end = (at / BIN + 1) * BIN;
            let left = bytes * (end - at) / BIN;
            if left >= rest && bytes > 0 {
                return Instant::from_nanos(at + (rest * BIN).div_ceil(bytes));
            }
            rest -= left.min(rest);
            at = end;
        }
    }

    pub(crate) fn delay(&self, at: Instant) -> Duration {
        Duration::from_millis(self.place(at.as_nanos() / BIN).1)
    }

    pub(crate) fn is_silent(&self, at: Instant) -> bool {
        let into = (at.as_nanos() + SLOT - HANDOVER) % SLOT;
        into < SILENT
    }
}
