//! A time at which a path is expected to be silent.

use units::Instant;

/// From when to when. A dish that moves to another satellite is silent for 60 to 130 ms at a time
/// that is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When silence may begin.
    pub opens: Instant,
    /// When it should be over.
    pub closes: Instant,
}

impl Window {
    /// Whether `now` is inside.
    #[must_use]
    pub fn contains(&self, now: Instant) -> bool {
        self.opens <= now && now < self.closes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_its_first_instant_and_not_its_last() {
        let at = Instant::from_micros;
        let window = Window { opens: at(100), closes: at(200) };
        let inside = [99, 100, 150, 199, 200].map(|micros| window.contains(at(micros)));
        assert_eq!(inside, [false, true, true, true, false]);
    }
}
