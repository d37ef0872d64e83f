//! What a real dish said, second by second (`data/README.md`).

use std::io::Read;

use flate2::read::GzDecoder;

const PACKED: &[u8] = include_bytes!("../../../data/fjordlink_4h_1hz.csv.gz");

/// One second of a dish's life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    /// The outage's cause by its number; 0 is none.
    pub(crate) outage: i32,
    /// Share of pings lost, 0 to 1.
    pub(crate) drop_rate: f32,
    pub(crate) latency_ms: f32,
    pub(crate) downlink_bps: f32,
    pub(crate) uplink_bps: f32,
    /// Of the sky, 0 to 1.
    pub(crate) fraction_obstructed: f32,
}

/// Four hours, in a loop.
#[derive(Debug)]
pub(crate) struct Recording(Vec<Second>);

impl Recording {
    /// Unpacks the recording that this program carries.
    ///
    /// # Panics
    /// When the program was built with another file: it is read once, at the start.
    pub(crate) fn unpack() -> Self {
        let mut text = String::new();
        GzDecoder::new(PACKED).read_to_string(&mut text).expect("the recording is packed text");
        Self(text.lines().skip(1).map(parse).collect())
    }

    pub(crate) fn at(&self, second: u64) -> Second {
        let length = u64::try_from(self.0.len()).expect("a length fits");
        self.0[usize::try_from(second % length).expect("below a length")]
    }
}

fn parse(line: &str) -> Second {
    let (outage, numbers) = line.split_once(',').expect("the recording has six columns");
    let mut numbers = numbers.split(',');
    let mut number = || -> f32 {
        let column = numbers.next().expect("the recording has six columns");
        column.parse().expect("the recording holds numbers")
    };
    Second {
        outage: outage.parse().expect("the recording begins with a cause"),
        drop_rate: number(),
        latency_ms: number(),
        downlink_bps: number() * 1_000.0,
        uplink_bps: number() * 1_000.0,
        fraction_obstructed: number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_is_whole() {
        let recording = Recording::unpack();
        assert_eq!(recording.0.len(), 4 * 3_600);
        assert_eq!(recording.0.iter().filter(|second| second.outage != 0).count(), 2);
        assert!(recording.0.iter().all(|second| (0.0..=1.0).contains(&second.drop_rate)));
        assert!(recording.0.iter().all(|second| second.latency_ms > 10.0));
    }
}
