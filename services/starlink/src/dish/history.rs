//! The dish's last 15 minutes, second by second, taken as what is new since it was last asked.

use std::time::Duration;

use units::{MilliJoule, MilliWatt};

use super::plausible;
use crate::proto::messages::DishGetHistoryResponse;

/// Seconds that the dish's rings hold. A longer ring is read as if it had this length: what it
/// holds beyond was asked for before.
pub const LONGEST_RING: u64 = 900;

/// What the history says. Counts run since this program began to ask and do not go back when the
/// dish restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct History {
    /// Seconds seen.
    pub seconds: u64,
    /// Seconds that left the ring before they were asked for.
    pub missed: u64,
    /// How often the dish was found to have restarted.
    pub restarts: u64,
    /// Energy drawn in the seconds seen; those without a number count as nothing.
    pub energy: MilliJoule,
    /// The newest round trip to the point of presence.
    pub latency: Option<Duration>,
    /// The share of pings lost in the newest second.
    pub lost_share: Option<f32>,
    /// The share of pings lost in all the seconds of the newest answer, up to 15 minutes.
    pub lost_share_recently: Option<f32>,
    /// The newest draw of power.
    pub power: Option<MilliWatt>,
}

/// Reads the rings. Remembers one number between two answers.
#[derive(Clone, Debug, Default)]
pub(super) struct HistoryReader {
    history: History,
    /// The dish's count of seconds at the last answer.
    current: Option<u64>,
}

impl HistoryReader {
    pub(super) fn history(&self) -> History {
        self.history
    }

    /// Takes in an answer.
    pub(super) fn handle_answer(&mut self, answer: &DishGetHistoryResponse) {
        let Some(current) = answer.current else {
            return;
        };
        let restarted = self.current.is_some_and(|before| current < before);
        let new = match self.current {
            Some(before) if !restarted => current - before,
            _ => current,
        };
        // Before the first answer nobody had asked: that is not missed.
        let first = self.current.is_none();
        let held = new.min(LONGEST_RING);
        self.history.seconds += held;
        self.history.missed =
            self.history.missed.saturating_add(if first { 0 } else { new - held });
        self.history.restarts += u64::from(restarted);
        self.current = Some(current);
        for watts in newest(&answer.power_in, current, held) {
            if let Some(power) = plausible::power(Some(watts)) {
                self.history.energy += power.energy_over(Duration::from_secs(1));
            }
        }
        self.take_the_newest(answer, current);
    }

    fn take_the_newest(&mut self, answer: &DishGetHistoryResponse, current: u64) {
        let recent = |ring| newest(ring, current, LONGEST_RING);
        let first = |ring| recent(ring).next();
        self.history.latency = plausible::latency(first(&answer.pop_ping_latency_ms));
        self.history.lost_share = plausible::share(first(&answer.pop_ping_drop_rate));
        self.history.power = plausible::power(first(&answer.power_in));
        let shares = recent(&answer.pop_ping_drop_rate).filter_map(|lost| {
            let lost = plausible::share(Some(lost))?;
            Some((lost, 1.0))
        });
        let (lost, of) = shares.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.history.lost_share_recently = (of > 0.0).then(|| lost / of);
    }
}

/// The newest `wanted` values of a ring, newest first; fewer where it holds fewer.
fn newest(ring: &[f32], current: u64, wanted: u64) -> impl Iterator<Item = f32> {
    let length = u64::try_from(ring.len()).unwrap_or(u64::MAX);
    let held = wanted.min(length).min(current);
    (1..=held).map(move |back| {
        let slot = usize::try_from((current - back) % length).expect("below the ring's length");
        ring[slot]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer after `current` seconds, each of which had its number as the power.
    fn answer(current: u64) -> DishGetHistoryResponse {
        let mut power_in = vec![0.0; 900];
        for second in current.saturating_sub(900)..current {
            power_in[usize::try_from(second % 900).unwrap()] = f32::from(power(second));
        }
        DishGetHistoryResponse {
            current: Some(current),
            pop_ping_drop_rate: vec![0.25; 900],
            pop_ping_latency_ms: vec![27.0; 900],
            power_in,
            ..DishGetHistoryResponse::default()
        }
    }

    fn power(second: u64) -> u16 {
        u16::try_from(50 + second % 7).unwrap()
    }

    fn energy(seconds: std::ops::Range<u64>) -> MilliJoule {
        MilliJoule::new(seconds.map(|second| u64::from(power(second)) * 1_000).sum())
    }

    #[test]
    fn each_second_is_counted_once() {
        let mut reader = HistoryReader::default();
        for current in [2_000, 2_015, 2_015, 2_031, 2_900] {
            reader.handle_answer(&answer(current));
        }
        let history = reader.history();
        assert_eq!((history.seconds, history.missed, history.restarts), (1_800, 0, 0));
        assert_eq!(history.energy, energy(1_100..2_900));
        assert_eq!(history.lost_share_recently, Some(0.25));
    }

    #[test]
    fn a_gap_is_missed_and_a_restart_begins_anew() {
        let mut reader = HistoryReader::default();
        for current in [2_000, 4_000, 10] {
            reader.handle_answer(&answer(current));
        }
        let history = reader.history();
        assert_eq!((history.seconds, history.missed, history.restarts), (1_810, 1_100, 1));
        assert_eq!(history.power, Some(MilliWatt::new(u32::from(power(9)) * 1_000)));
    }

    #[test]
    fn empty_short_and_absurd_rings_do_no_harm() {
        let mut reader = HistoryReader::default();
        reader.handle_answer(&DishGetHistoryResponse::default());
        assert_eq!(reader.history(), History::default());
        let current = Some(u64::MAX);
        reader.handle_answer(&DishGetHistoryResponse { current, ..answer(5) });
        reader.handle_answer(&DishGetHistoryResponse {
            current: Some(7),
            power_in: vec![f32::NAN, -1.0, 1.0e30],
            pop_ping_drop_rate: vec![f32::NAN],
            ..DishGetHistoryResponse::default()
        });
        let history = reader.history();
        assert_eq!((history.latency, history.lost_share, history.power), (None, None, None));
        assert_eq!((history.lost_share_recently, history.restarts), (None, 1));
    }
}
