//! Recordings of real links: when they could deliver, and how long the way was.

mod recorded;

use std::sync::Arc;
use std::time::Duration;

pub use recorded::RecordedTrace;

/// A recording that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line that is not what the format says.
    #[error("line {line}: {text:?}: expected {expected}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// Nothing to replay.
    #[error("the recording holds no delivery opportunity or delay before its end")]
    Empty,
}

/// Packet bytes that may leave at each delivery opportunity (mahimahi's `mm-link`).
pub(super) const OPPORTUNITY_BYTES: u32 = 1_500;

/// When a link could deliver: a mahimahi packet-delivery trace. Repeats for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTrace {
    /// Microseconds since the start of the recording, ascending, each below `period`.
    opportunities_us: Arc<[u32]>,
    period: Duration,
}

impl DeliveryTrace {
    /// Reads the mahimahi format: one line for each 1500-byte opportunity, its value the
    /// millisecond at which it comes. What lies at or after `period` is left out, so that a loop is
    /// `period` long and keeps its phase.
    ///
    /// # Errors
    /// When a line is not a number, goes back in time, or nothing is left.
    pub fn from_mahimahi(text: &str, period: Duration) -> Result<Self, TraceError> {
        let mut opportunities = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let expected = "a millisecond, no earlier than the line before";
            let wrong = || TraceError::Line { line: number + 1, text: line.to_owned(), expected };
            let millis: u32 = line.trim().parse().map_err(|_| wrong())?;
            let micros = millis.checked_mul(1_000).ok_or_else(wrong)?;
            if opportunities.last().is_some_and(|last| *last > micros) {
                return Err(wrong());
            }
            if Duration::from_micros(micros.into()) < period {
                opportunities.push(micros);
            }
        }
        Self::new(opportunities, period)
    }

    /// From opportunities counted in bins of 10 ms, spread evenly over each. What lies at or after
    /// `period` is left out.
    ///
    /// # Errors
    /// When there is no opportunity at all.
    pub fn from_bins(counts: &[u16], period: Duration) -> Result<Self, TraceError> {
        const BIN_US: u32 = 10_000;
        let starts = (0_u32..).step_by(BIN_US as usize);
        let mut opportunities = Vec::new();
        for (start, count) in starts.zip(counts.iter().map(|count| u32::from(*count))) {
            if Duration::from_micros(start.into()) < period {
                opportunities.extend((0..count).map(|which| start + BIN_US * which / count));
            }
        }
        Self::new(opportunities, period)
    }

    fn new(opportunities: Vec<u32>, period: Duration) -> Result<Self, TraceError> {
        if opportunities.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Self { opportunities_us: opportunities.into(), period })
    }

    /// How many opportunities come in one loop.
    #[must_use]
    pub fn len(&self) -> usize {
        self.opportunities_us.len()
    }

    /// Never: a trace without an opportunity cannot be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opportunities_us.is_empty()
    }

    /// How long one loop is.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// How many opportunities come in that part of the recording, counting through the loops.
    #[must_use]
    pub fn opportunities_between(&self, from: Duration, to: Duration) -> usize {
        let count = self.first_at_or_after(to).saturating_sub(self.first_at_or_after(from));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// When the opportunity of that number comes, counting through the loops, since the start of
    /// the first loop.
    pub(super) fn time_of(&self, number: u64) -> Duration {
        let each = self.opportunities_us.len() as u64;
        let within = usize::try_from(number % each).expect("below the length");
        let loops = u32::try_from(number / each).unwrap_or(u32::MAX);
        let offset = Duration::from_micros(self.opportunities_us[within].into());
        self.period.saturating_mul(loops) + offset
    }

    /// The number of the first opportunity at or after `position`.
    pub(super) fn first_at_or_after(&self, position: Duration) -> u64 {
        let period = self.period.as_nanos();
        let loops = u64::try_from(position.as_nanos() / period).unwrap_or(u64::MAX);
        let within = position.as_nanos() % period;
        let index = self.opportunities_us.partition_point(|us| u128::from(*us) * 1_000 < within);
        loops.saturating_mul(self.opportunities_us.len() as u64).saturating_add(index as u64)
    }
}

/// How long the way was, in steps of 10 ms. Repeats for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayTrace {
    /// One-way milliseconds, one for each step.
    millis: Arc<[u16]>,
    period: Duration,
}

impl DelayTrace {
    /// How long each delay holds.
    pub const STEP: Duration = Duration::from_millis(10);

    /// Reads one integer millisecond per line and 10 ms. A recording shorter than `period` holds
    /// its last value until then.
    ///
    /// # Errors
    /// When a line is not a number, or there is none.
    pub fn from_lines(text: &str, period: Duration) -> Result<Self, TraceError> {
        let mut millis = Vec::new();
        for (number, line) in text.lines().enumerate() {
            millis.push(line.trim().parse().map_err(|_| TraceError::Line {
                line: number + 1,
                text: line.to_owned(),
                expected: "a one-way delay in milliseconds",
            })?);
        }
        Self::new(millis, period)
    }

    /// From one delay in milliseconds for each 10 ms.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(millis: Vec<u16>, period: Duration) -> Result<Self, TraceError> {
        if millis.is_empty() || period.is_zero() {
            return Err(TraceError::Empty);
        }
        Ok(Self { millis: millis.into(), period })
    }

    /// The one-way delay at that place of the recording, counting through the loops.
    #[must_use]
    pub fn at(&self, position: Duration) -> Duration {
        let step = (position.as_nanos() % self.period.as_nanos()) / Self::STEP.as_nanos();
        let last = self.millis.len() - 1;
        let step = usize::try_from(step).unwrap_or(last).min(last);
        Duration::from_millis(self.millis[step].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_MS: Duration = Duration::from_millis(10);

    #[test]
    fn a_loop_follows_a_loop() {
        let trace = DeliveryTrace::from_mahimahi("0\n3\n3\n8\n12\n", TEN_MS).unwrap();
        assert_eq!(trace.len(), 4, "the line at 12 ms is beyond the period");
        let times: Vec<_> = (0..6).map(|number| trace.time_of(number).as_micros()).collect();
        assert_eq!(times, [0, 3_000, 3_000, 8_000, 10_000, 13_000]);
    }

    #[test]
    fn the_next_opportunity_is_never_in_the_past() {
        let trace = DeliveryTrace::from_mahimahi("0\n3\n3\n8\n", TEN_MS).unwrap();
        for micros in 0..40_000 {
            let position = Duration::from_micros(micros);
            let number = trace.first_at_or_after(position);
            assert!(trace.time_of(number) >= position);
            assert!(number == 0 || trace.time_of(number - 1) < position);
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = DeliveryTrace::from_mahimahi("5\n4\n", TEN_MS).unwrap_err();
        assert!(matches!(error, TraceError::Line { line: 2, .. }), "{error}");
        assert_eq!(DeliveryTrace::from_mahimahi("10\n", TEN_MS), Err(TraceError::Empty));
        let error = DelayTrace::from_lines("9\nfast\n", TEN_MS).unwrap_err();
        assert!(matches!(error, TraceError::Line { line: 2, .. }), "{error}");
    }

    #[test]
    fn the_last_delay_holds_to_the_end_of_the_period() {
        let trace = DelayTrace::new(vec![5, 9], Duration::from_millis(40)).unwrap();
        let delays: Vec<_> = (0..5).map(|step| trace.at(TEN_MS * step).as_millis()).collect();
        assert_eq!(delays, [5, 9, 9, 9, 5]);
    }
}
