//! The last day of an uplink, as a strip to be drawn and as words.

use std::time::Duration;

use serde::Serialize;

use crate::view::lasting;
use crate::wan::UNKNOWN_STEP;

/// How many steps a day has.
pub const STEPS: usize = 288;

/// How much time one step stands for.
const STEP: Duration = Duration::from_secs(300);

const _: () = assert!(STEP.as_secs() * STEPS as u64 == 86_400);

/// How an uplink was in a stretch of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// Up all the time.
    Up,
    /// Up for a part of it.
    Partly,
    /// Down all the time.
    Down,
}

/// Neighbouring steps in which the uplink was alike. What nobody knows is in no stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// How it was.
    pub was: Was,
    /// The first step, 0 the oldest.
    pub from: usize,
    /// How many steps.
    pub steps: usize,
}

/// The stretches of `availability`, the oldest first; at most [`STEPS`] steps are looked at.
#[must_use]
pub fn stretches(availability: &[u8]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (from, step) in availability.iter().take(STEPS).enumerate() {
        let was = match *step {
            UNKNOWN_STEP => continue,
            0 => Was::Down,
            1..100 => Was::Partly,
            _ => Was::Up,
        };
        match stretches.last_mut() {
            Some(last) if last.was == was && last.from + last.steps == from => last.steps += 1,
            _ => stretches.push(Stretch { was, from, steps: 1 }),
        }
    }
    stretches
}

/// "down for 12 minutes in the last 6 hours"; empty where nothing is known.
#[must_use]
pub fn words(availability: &[u8]) -> String {
    let known = || availability.iter().take(STEPS).filter(|step| **step != UNKNOWN_STEP);
    let steps = known().count();
    // A step of which a second was lost says 99: the words round an outage up, never away.
    let lost: u32 = known().map(|step| u32::from(100 - step.min(&100))).sum();
    let span = match u32::try_from(steps).unwrap_or_default() {
        0 => return String::new(),
        288.. => String::from("day"),
        steps => match lasting(STEP * steps) {
            one if one.starts_with("1 ") => one[2..].to_owned(),
            many => many,
        },
    };
    match lost {
        0 => format!("no outage in the last {span}"),
        lost => format!("down for {} in the last {span}", lasting(STEP * lost / 100)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_as_long_as_what_is_alike_and_leave_out_what_nobody_knows() {
        let day = [255, 255, 100, 100, 99, 0, 0, 255, 100];
        let found: Vec<_> = stretches(&day).iter().map(|s| (s.was, s.from, s.steps)).collect();
        let expected = [(Was::Up, 2, 2), (Was::Partly, 4, 1), (Was::Down, 5, 2), (Was::Up, 8, 1)];
        assert_eq!(found, expected);
        assert_eq!(stretches(&[100; 1_000]).iter().map(|s| s.steps).sum::<usize>(), STEPS);
    }

    #[test]
    fn an_outage_is_said_and_never_rounded_away() {
        assert_eq!(words(&[]), "");
        assert_eq!(words(&[255; STEPS]), "");
        assert_eq!(words(&[100; STEPS]), "no outage in the last day");
        assert_eq!(words(&[100; 12]), "no outage in the last hour");
        assert_eq!(words(&[100]), "no outage in the last 5 minutes");
        let mut day = vec![100; STEPS];
        day[7] = 99;
        assert_eq!(words(&day), "down for less than a minute in the last day");
        day[8..12].fill(0);
        assert_eq!(words(&day), "down for 20 minutes in the last day");
    }
}
