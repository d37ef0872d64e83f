//! Which way out of the house.

use core::fmt;
use core::num::NonZeroU8;

/// An uplink's number: its place in the settings, from 1. The same at both ends of the tunnel.
///
/// It stands for the same uplink as long as the settings do not change, over restarts of every
/// program, because marks on the kernel's connections are made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(NonZeroU8);

impl LinkId {
    /// Uplinks a box may have. More than any board has ports.
    pub const MOST: u8 = 8;

    /// The uplink at `place` of the settings, from 1 to [`LinkId::MOST`].
    #[must_use]
    pub const fn new(place: u8) -> Option<Self> {
        match NonZeroU8::new(place) {
            Some(number) if place <= Self::MOST => Some(Self(number)),
            _ => None,
        }
    }

    /// The place in the settings, from 1.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The same counted from 0, for lists.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one() {
        assert_eq!(LinkId::new(0), None);
        assert_eq!(LinkId::new(1).map(LinkId::index), Some(0));
        assert_eq!(LinkId::new(LinkId::MOST).map(LinkId::get), Some(8));
        assert_eq!(LinkId::new(LinkId::MOST + 1), None);
    }
}
