//! Which path each download is on. A flow that is spread over unequal paths arrives out of order
//! and is slower than on the better one alone, so a flow stays where it is.

use core::time::Duration;

use units::{Instant, LinkId};

/// Flows kept apart. Two that meet in one place move together.
const PLACES: usize = 1 << 12;
/// A flow that has sent nothing for so long has ended.
const FORGET: Duration = Duration::from_secs(5);
/// A flow that sent within this time takes part in sharing the paths.
const RUNNING: Duration = Duration::from_secs(1);
/// A flow stays on its path at least this long.
const REST: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Pin {
    link: LinkId,
    seen: Instant,
    moved: Instant,
}

/// The paths of the downloads.
#[derive(Debug)]
pub struct Pins {
    places: Box<[Option<Pin>]>,
    running: [u32; LinkId::MOST as usize],
    counted: Instant,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            places: vec![None; PLACES].into_boxed_slice(),
            running: [0; LinkId::MOST as usize],
            counted: Instant::BOOT,
        }
    }
}

/// How often running flows are counted.
const COUNT_INTERVAL: Duration = Duration::from_millis(100);

impl Pins {
    /// The path of `flow`, if it has one and has not rested too long.
    pub fn find(&mut self, flow: u64, now: Instant) -> Option<LinkId> {
        let pin = self.places[place(flow)].as_mut()?;
        if now.saturating_since(pin.seen) > FORGET {
            return None;
        }
        pin.seen = now;
        Some(pin.link)
    }

    /// Whether `flow` has been on its path long enough to be moved.
    #[must_use]
    pub fn may_move(&self, flow: u64, now: Instant) -> bool {
        self.places[place(flow)].is_none_or(|pin| now.saturating_since(pin.moved) > REST)
    }

    /// `flow` is on `link` from now on.
    pub fn pin(&mut self, flow: u64, link: LinkId, now: Instant) {
        let before = self.places[place(flow)].replace(Pin { link, seen: now, moved: now });
        if let Some(before) = before.filter(|pin| now.saturating_since(pin.seen) < RUNNING) {
            let count = &mut self.running[before.link.index()];
            *count = count.saturating_sub(1);
        }
        self.running[link.index()] += 1;
    }

    /// Flows that are sending on `link`.
    #[must_use]
    pub const fn running(&self, link: LinkId) -> u32 {
        self.running[link.index()]
    }

    /// Counts anew which flows are sending, now and then.
    pub fn count(&mut self, now: Instant) {
        if now.saturating_since(self.counted) < COUNT_INTERVAL {
            return;
        }
        self.counted = now;
        self.running = [0; LinkId::MOST as usize];
        for pin in self.places.iter().flatten() {
            if now.saturating_since(pin.seen) < RUNNING {
                self.running[pin.link.index()] += 1;
            }
        }
    }
}

const fn place(flow: u64) -> usize {
    ((flow >> 16) % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_rests_before_it_may_move_and_is_forgotten_when_it_stops() {
        let mut pins = Pins::default();
        let (one, start) = (LinkId::new(1).unwrap(), Instant::from_secs(10));
        let flow = 7 << 16;
        assert!(pins.may_move(flow, start), "it is nowhere yet");
        pins.pin(flow, one, start);
        assert!(!pins.may_move(flow, start) && !pins.may_move(flow, start + REST));
        assert!(pins.may_move(flow, start + REST + Duration::from_millis(1)));
        assert_eq!(pins.find(flow, start + FORGET), Some(one));
        assert_eq!(pins.find(flow, start + 2 * FORGET), Some(one), "it was seen in between");
        let late = start + 3 * FORGET + Duration::from_millis(1);
        assert_eq!(pins.find(flow, late), None);
        assert_eq!(pins.find(8 << 16, start), None, "another flow");
    }

    #[test]
    fn a_flow_that_has_stopped_is_not_missed_when_another_takes_its_place() {
        let mut pins = Pins::default();
        let [one, two] = [1, 2].map(|number| LinkId::new(number).unwrap());
        let start = Instant::from_secs(10);
        pins.pin(7 << 16, one, start);
        let later = start + RUNNING;
        pins.count(later);
        assert_eq!(pins.running(one), 0, "it has stopped");
        pins.pin(8 << 16, one, later);
        pins.pin(7 << 16, two, later);
        assert_eq!((pins.running(one), pins.running(two)), (1, 1));
        // Not counted again so soon.
        pins.count(later + COUNT_INTERVAL / 2);
        pins.pin(8 << 16, two, later + RUNNING);
        assert_eq!((pins.running(one), pins.running(two)), (1, 2));
        pins.count(later + RUNNING);
        assert_eq!((pins.running(one), pins.running(two)), (0, 1));
    }

    #[test]
    fn flows_are_counted_where_they_run() {
        let mut pins = Pins::default();
        let (one, two) = (LinkId::new(1).unwrap(), LinkId::new(2).unwrap());
        let start = Instant::from_secs(10);
        for flow in 0..10_u64 {
            pins.pin(flow << 16, if flow < 6 { one } else { two }, start);
        }
        assert_eq!((pins.running(one), pins.running(two)), (6, 4));
        pins.pin(0, two, start);
        assert_eq!((pins.running(one), pins.running(two)), (5, 5));
        let later = start + Duration::from_millis(1_500);
        assert_eq!(pins.find(1 << 16, later), Some(one));
        pins.count(later);
        assert_eq!((pins.running(one), pins.running(two)), (1, 0));
        assert_eq!(pins.find(2 << 16, start + Duration::from_secs(6)), None);
    }
}
