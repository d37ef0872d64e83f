//! The last decisions and why they were made, for `porch wan why`.

use std::collections::VecDeque;

use units::Instant;

/// How many decisions are kept. A line that flaps every minute fills them in four hours; each takes
/// some 150 bytes, so all take below 64 KiB.
pub const KEPT: usize = 256;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it was made.
    pub at: Instant,
    /// What happened before.
    pub cause: String,
    /// What was done about it.
    pub action: String,
}

/// The last [`KEPT`] decisions.
#[derive(Clone, Debug, Default)]
pub struct Decisions(VecDeque<Decision>);

impl Decisions {
    /// Notes a decision, and forgets the oldest if there are too many.
    pub fn note(&mut self, at: Instant, cause: impl Into<String>, action: impl Into<String>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Decision { at, cause: cause.into(), action: action.into() });
    }

    /// The decisions, the newest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut decisions = Decisions::default();
        for number in 0..KEPT as u64 + 10 {
            decisions.note(Instant::from_secs(number), "a cable", "a route");
        }
        assert_eq!(decisions.iter().count(), KEPT);
        assert_eq!(decisions.iter().next().map(|first| first.at), Some(Instant::from_secs(10)));
    }
}
