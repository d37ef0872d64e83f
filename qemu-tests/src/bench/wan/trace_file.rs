//! A recording that somebody brings along, to see how the house would have fared on their own
//! Starlink. Two CSV formats are read; a column may say that it is an estimate by `_est`.
//!
//! - `t_ms,pkts_1500,owd_ms`: in each bin of 10 ms, how many 1500-byte packets the link could
//!   deliver, and the one-way delay;
//! - `icmp_seq,t_send_unix,rtt_ms`: one line for each ping, its round trip left empty if it was
//!   lost. It says nothing about capacity.

use std::ops::Range;
use std::time::Duration;

use crate::emulator::{
    Capacity, Delay, DelayTrace, DeliveryTrace, LinkSpecification, LossWindow, Probability, Span,
    TraceError,
};

/// A dish moves to another satellite as often as this.
const SLOT: Duration = Duration::from_secs(15);
/// It does at this second of UTC, modulo [`SLOT`].
const HANDOVER_IN_UTC_MS: u64 = 12_000;
/// Bins of a recording.
const BIN_MS: u64 = 10;
/// Lines that are read at most: an hour of bins.
const MAX_LINES: usize = 360_000;
/// What a recording may lack of its last slot.
const LACKING_MS: u64 = 500;
/// Holes of a recording at most, each a run of lost pings.
const MAX_HOLES: usize = 2_000;

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceFileError {
    /// A field is not what its column says.
    #[error("{file}:{line}:{column}: {text:?}: expected {expected}")]
    Field {
        file: String,
        /// Both counted from one.
        line: usize,
        column: usize,
        text: String,
        expected: &'static str,
    },
    /// There is nothing to replay.
    #[error("{file}")]
    Empty { file: String, source: TraceError },
}

/// A recording, ready to be replayed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BroughtTrace {
    /// When it could deliver, if it says so.
    delivery: Option<DeliveryTrace>,
    delay: DelayTrace,
    holes: Vec<LossWindow>,
    /// Where its first handover is.
    pub(super) handover: Span,
}

impl BroughtTrace {
    /// Reads either format; `file` is for messages.
    ///
    /// # Errors
    /// When the first line names neither, or a field is not what its column says.
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, TraceFileError> {
        let mut lines = Lines { file, lines: text.lines().enumerate() };
        let head = text.lines().next().unwrap_or_default();
        let columns: Vec<_> =
            head.split(',').map(|name| name.trim().trim_end_matches("_est")).collect();
        lines.lines.next();
        match columns[..] {
            ["t_ms", "pkts_1500", "owd_ms"] => Self::from_bins(lines),
            ["icmp_seq", "t_send_unix", "rtt_ms"] => Self::from_pings(lines),
            _ => {
                let expected = "t_ms,pkts_1500,owd_ms or icmp_seq,t_send_unix,rtt_ms";
                Err(lines.field(1, 1, head, expected))
            }
        }
    }

    /// Puts it on a link: its capacity on the way down, its delay both ways.
    pub(super) fn put_on(&self, link: &mut LinkSpecification) {
        if let Some(delivery) = &self.delivery {
            link.down.capacity = Capacity::Brought(delivery.clone());
        }
        for way in [&mut link.up, &mut link.down] {
            way.delay = Delay::Brought(self.delay.clone());
        }
        link.up.loss.windows.clone_from(&self.holes);
    }

    fn from_bins(mut lines: Lines<'_>) -> Result<Self, TraceFileError> {
        let (mut counts, mut delays) = (Vec::new(), Vec::new());
        let file = lines.file.to_owned();
        while let Some(line) = lines.next()? {
            let due = counts.len() as u64 * BIN_MS;
            let expected = "the milliseconds since the start, 10 more than in the line before";
            line.read(0, expected, |value: f64| (value - due as f64).abs() < 0.5)?;
            let expected = "a number of packets, 0 to 65535";
            let count = line.read(1, expected, |value: f64| (0.0..=65_535.0).contains(&value))?;
            let expected = "a delay in milliseconds, 0 to 60000";
            let delay = line.read(2, expected, |value: f64| (0.0..=60_000.0).contains(&value))?;
            counts.push(whole(count));
            delays.push(whole(delay));
        }
        let empty = |source| TraceFileError::Empty { file: file.clone(), source };
        let period = period(counts.len() as u64 * BIN_MS);
        let handover = strongest(&counts, &delays);
        let hole = LossWindow {
            from: handover,
            length: Span::from_millis(90),
            every: Some(Span::from_millis(15_000)),
            probability: Probability::ONE,
        };
        Ok(Self {
            delivery: Some(DeliveryTrace::from_bins(&counts, period).map_err(empty)?),
            delay: DelayTrace::new(delays, period).map_err(empty)?,
            holes: vec![hole],
            handover,
        })
    }

    fn from_pings(mut lines: Lines<'_>) -> Result<Self, TraceFileError> {
        let file = lines.file.to_owned();
        let mut first = None;
        let mut last_ms = 0;
        let mut delays: Vec<u16> = Vec::new();
        let mut holes: Vec<Range<u64>> = Vec::new();
        let mut was_lost = false;
        while let Some(line) = lines.next()? {
            line.read(0, "a whole number", |value: f64| value >= 0.0 && value.fract() == 0.0)?;
            let expected = "seconds since 1970, no earlier than in the line before";
            let begin = *first.get_or_insert(line.read(1, expected, |value: f64| value >= 0.0)?);
            let sent = line.read(1, expected, |value: f64| {
                let ms = (value - begin) * 1e3;
                ms >= last_ms as f64 - 1.0 && ms < MAX_LINES as f64 * BIN_MS as f64
            })?;
            let sent_ms = millis((sent - begin).max(0.0));
            if line.fields.get(2).is_none_or(|(_, text)| text.is_empty()) {
                if let Some(hole) = holes.last_mut().filter(|_| was_lost) {
                    hole.end = sent_ms + 1;
                } else if holes.len() == MAX_HOLES {
                    return Err(line.error(2, "at most 2000 runs of lost pings in a file"));
                } else {
                    holes.push(sent_ms..sent_ms + 1);
                }
                was_lost = true;
            } else {
                if let Some(hole) = holes.last_mut().filter(|_| was_lost) {
                    hole.end = sent_ms.max(hole.end);
                }
                was_lost = false;
                let expected = "a round trip in milliseconds, 0 to 60000, or nothing";
                let trip =
                    line.read(2, expected, |value: f64| (0.0..=60_000.0).contains(&value))?;
                let bins = usize::try_from(sent_ms / BIN_MS).unwrap_or(MAX_LINES) + 1;
                // A bin without an answer keeps the delay of the one before.
                let before = delays.last().copied().unwrap_or(whole(trip / 2.0));
                delays.resize(bins.max(delays.len()), before);
                delays[bins - 1] = whole(trip / 2.0);
            }
            last_ms = sent_ms;
        }
        let period = period(last_ms + BIN_MS);
        let empty = |source| TraceFileError::Empty { file: file.clone(), source };
        let begin_ms = millis(first.unwrap_or(0.0)) % 15_000;
        let handover = (HANDOVER_IN_UTC_MS + 15_000 - begin_ms) % 15_000;
        let every = Some(span(u64::try_from(period.as_millis()).unwrap_or(u64::MAX)));
        let hole = |hole: &Range<u64>| LossWindow {
            from: span(hole.start),
            length: span(hole.end - hole.start),
            every,
            probability: Probability::ONE,
        };
        Ok(Self {
            delivery: None,
            delay: DelayTrace::new(delays, period).map_err(empty)?,
            holes: holes.iter().map(hole).collect(),
            handover: span(handover),
        })
    }
}

/// Lines after the first, taken apart.
struct Lines<'a> {
    file: &'a str,
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

/// One of them: each field with the column it begins in.
struct Line<'a> {
    file: &'a str,
    number: usize,
    fields: Vec<(usize, &'a str)>,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<Line<'a>>, TraceFileError> {
        let Some((index, text)) = self.lines.next() else { return Ok(None) };
        if index > MAX_LINES {
            return Err(self.field(index + 1, 1, text, "no more than an hour"));
        }
        let mut column = 1;
        let fields = text.split(',').map(|field| {
            let begin = column;
            column += field.chars().count() + 1;
            (begin, field.trim())
        });
        Ok(Some(Line { file: self.file, number: index + 1, fields: fields.collect() }))
    }

    fn field(
        &self,
        line: usize,
        column: usize,
        text: &str,
        expected: &'static str,
    ) -> TraceFileError {
        let (file, text) = (self.file.to_owned(), text.to_owned());
        TraceFileError::Field { file, line, column, text, expected }
    }
}

impl Line<'_> {
    fn read(
        &self,
        field: usize,
        expected: &'static str,
        accept: impl Fn(f64) -> bool,
    ) -> Result<f64, TraceFileError> {
        let value = self.fields.get(field).and_then(|(_, text)| text.parse::<f64>().ok());
        value.filter(|value| accept(*value)).ok_or_else(|| self.error(field, expected))
    }

    fn error(&self, field: usize, expected: &'static str) -> TraceFileError {
        let end = || (self.fields.last().map_or(1, |(at, text)| at + text.chars().count()), "");
        let (column, text) = self.fields.get(field).copied().unwrap_or_else(end);
        let (file, line, text) = (self.file.to_owned(), self.number, text.to_owned());
        TraceFileError::Field { file, line, column, text, expected }
    }
}

/// A loop keeps the phase of the handovers if it is a whole number of slots; one that lacks a
/// little of the last stays silent for it.
fn period(recorded_ms: u64) -> Duration {
    let recorded = Duration::from_millis(recorded_ms);
    let slots = (recorded_ms + LACKING_MS) / 15_000;
    if slots == 0 { recorded } else { SLOT * u32::try_from(slots).unwrap_or(u32::MAX) }
}

/// Where in a slot of 15 s the link delivers least and its delay is longest: the handover.
fn strongest(counts: &[u16], delays: &[u16]) -> Span {
    /// A handover is silent for about this many bins.
    const HOLE_BINS: usize = 9;
    const SLOT_BINS: usize = 1_500;
    let mut trouble = vec![0_u64; SLOT_BINS];
    for (bin, (count, delay)) in counts.iter().zip(delays).enumerate() {
        trouble[bin % SLOT_BINS] += u64::from(*delay) + if *count == 0 { 100 } else { 0 };
    }
    let sum =
        |from: usize| -> u64 { (from..from + HOLE_BINS).map(|bin| trouble[bin % SLOT_BINS]).sum() };
    let worst = (0..SLOT_BINS).max_by_key(|from| (sum(*from), SLOT_BINS - from)).unwrap_or(0);
    span(worst as u64 * BIN_MS)
}

fn span(millis: u64) -> Span {
    Span::from_millis(u32::try_from(millis).unwrap_or(u32::MAX))
}

/// The nearest whole number; the caller has checked that it fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
fn whole(value: f64) -> u16 {
    value.round() as u16
}

/// Seconds to whole milliseconds; the caller has checked that they are few enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::RecordedTrace;

    fn message(text: &str) -> String {
        format!("{:#}", anyhow::Error::from(BroughtTrace::parse(text, "mine.csv").unwrap_err()))
    }

    #[test]
    fn our_own_recording_may_be_brought_along() {
        let text = include_str!("../../../data/leocc_example_10ms.csv");
        let trace = BroughtTrace::parse(text, "leocc").unwrap();
        assert!(trace.delivery == Some(RecordedTrace::LeoccBins.delivery()), "another capacity");
        assert!(trace.delay == RecordedTrace::LeoccBins.delay(), "another delay");
        let handover = trace.handover.duration().as_millis();
        assert!(handover.abs_diff(8_690) <= 100, "{handover} ms");
    }

    #[test]
    fn pings_give_delay_holes_and_the_handovers() {
        // 30 s, a ping each 15 ms, sent at a UTC second that is 3 s after a handover; those from
        // 9 s on are lost for 90 ms.
        let lines = (0..2_000).map(|seq| {
            let lost = (600..606).contains(&seq);
            let trip = if lost { String::new() } else { "40.4".to_owned() };
            format!("{seq},{:.3},{trip}\n", 1_800_000_000.0 + f64::from(seq) * 0.015)
        });
        let text = format!("icmp_seq,t_send_unix,rtt_ms_est\n{}", lines.collect::<String>());
        let trace = BroughtTrace::parse(&text, "pings").unwrap();
        assert_eq!(trace.delivery, None);
        assert_eq!(trace.delay.at(Duration::from_secs(1)), Duration::from_millis(20));
        assert_eq!(trace.handover, Span::from_millis(12_000));
        let [hole] = trace.holes[..] else { panic!("{:?}", trace.holes) };
        assert_eq!((hole.from, hole.length), (Span::from_millis(9_000), Span::from_millis(90)));
        assert_eq!(hole.every, Some(Span::from_millis(30_000)));
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        let head = "t_ms,pkts_1500,owd_ms\n";
        for (text, place) in [
            ("time,rate\n1,2\n".to_owned(), "mine.csv:1:1: "),
            (format!("{head}0,4,11\n10,four,11\n"), "mine.csv:3:4: "),
            (format!("{head}0,4,11\n20,4,11\n"), "mine.csv:3:1: "),
            (format!("{head}0,4,NaN\n"), "mine.csv:2:5: "),
            (format!("{head}0,4\n"), "mine.csv:2:4: "),
            ("icmp_seq,t_send_unix,rtt_ms\n1,7,5\n2,6,5\n".to_owned(), "mine.csv:3:3: "),
            ("icmp_seq,t_send_unix,rtt_ms\n1,7,-5\n".to_owned(), "mine.csv:2:5: "),
        ] {
            let message = message(&text);
            assert!(message.starts_with(place), "{message}");
            assert!(message.contains("expected"), "{message}");
        }
        assert!(message(head).contains("no delivery"), "{}", message(head));
    }
}
