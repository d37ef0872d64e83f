//! The recordings that come with the simulated world, by name. They are part of the program, so a
//! replay needs no file.

use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DelayTrace, DeliveryTrace, TraceError};

/// Eight handover slots of 15 s; see `data/README.md`.
const PERIOD: Duration = Duration::from_secs(120);

/// A recording of a real link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedTrace {
    /// Two minutes of Starlink by the authors of `LeoCC`, each delivery opportunity by itself.
    Leocc,
    /// The same in 10 ms bins, opportunities spread evenly over each.
    #[serde(rename = "leocc-10ms")]
    LeoccBins,
}

impl RecordedTrace {
    /// When it could deliver.
    #[must_use]
    pub fn delivery(self) -> DeliveryTrace {
        static LEOCC: OnceLock<DeliveryTrace> = OnceLock::new();
        static BINS: OnceLock<DeliveryTrace> = OnceLock::new();
        let sound = "the recordings in data/ are sound; a test reads them";
        match self {
            Self::Leocc => LEOCC.get_or_init(|| leocc_delivery().expect(sound)).clone(),
            Self::LeoccBins => BINS.get_or_init(|| bins().expect(sound).0).clone(),
        }
    }

    /// How long the way was.
    #[must_use]
    pub fn delay(self) -> DelayTrace {
        static LEOCC: OnceLock<DelayTrace> = OnceLock::new();
        static BINS: OnceLock<DelayTrace> = OnceLock::new();
        let sound = "the recordings in data/ are sound; a test reads them";
        match self {
            Self::Leocc => LEOCC.get_or_init(|| leocc_delay().expect(sound)).clone(),
            Self::LeoccBins => BINS.get_or_init(|| bins().expect(sound).1).clone(),
        }
    }
}

fn leocc_delivery() -> Result<DeliveryTrace, TraceError> {
    const PACKED: &[u8] = include_bytes!("../../../data/leocc_example_bw.mahimahi.gz");
    /// 487,652 lines of at most seven bytes.
    const LONGEST: u64 = 4_000_000;
    let mut text = String::new();
    flate2::read::GzDecoder::new(PACKED)
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|_| TraceError::Empty)?;
    DeliveryTrace::from_mahimahi(&text, PERIOD)
}

fn leocc_delay() -> Result<DelayTrace, TraceError> {
    DelayTrace::from_lines(include_str!("../../../data/leocc_example_delay_10ms.txt"), PERIOD)
}

fn bins() -> Result<(DeliveryTrace, DelayTrace), TraceError> {
    let (mut counts, mut delays) = (Vec::new(), Vec::new());
    let text = include_str!("../../../data/leocc_example_10ms.csv");
    for (number, line) in text.lines().enumerate().skip(1) {
        let mut columns = line.split(',').skip(1).map(|column| column.trim().parse::<u16>());
        let (Some(Ok(count)), Some(Ok(delay))) = (columns.next(), columns.next()) else {
            let expected = "t_ms,pkts_1500,owd_ms";
            return Err(TraceError::Line { line: number + 1, text: line.to_owned(), expected });
        };
        counts.push(count);
        delays.push(delay);
    }
    let delivery = DeliveryTrace::from_bins(&counts, PERIOD)?;
    Ok((delivery, DelayTrace::new(delays, PERIOD)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One loop of the recording carries this much, by the columns of the 10 ms table.
    const MEGABITS_PER_SECOND: f64 = 48.7;

    #[test]
    fn the_recordings_are_sound_and_agree() {
        let (raw, bins) = (RecordedTrace::Leocc.delivery(), RecordedTrace::LeoccBins.delivery());
        for trace in [&raw, &bins] {
            #[expect(clippy::cast_precision_loss, reason = "half a million fits a double")]
            let megabits = trace.len() as f64 * 1_500.0 * 8.0 / 120.0 / 1e6;
            assert!((megabits - MEGABITS_PER_SECOND).abs() < 0.2, "{megabits} Mbit/s");
        }
        let at = Duration::from_millis(60_000);
        assert_eq!(RecordedTrace::Leocc.delay().at(at), RecordedTrace::LeoccBins.delay().at(at));
    }
}
