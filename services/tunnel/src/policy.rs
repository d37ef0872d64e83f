//! What the household wants of an uplink, and of each class of its traffic.

use crate::class::Class;

/// How an uplink is to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Whenever it works.
    #[default]
    Primary,
    /// When the primary ones are full or gone.
    Secondary,
    /// When nothing else works.
    Backup,
    /// Not at all.
    Never,
}

impl Policy {
    /// As two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// From the low two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Primary,
            1 => Self::Secondary,
            2 => Self::Backup,
            _ => Self::Never,
        }
    }
}

/// How a class of traffic goes where more than one path could carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the best path; by another once that fails.
    Failover,
    /// Each flow by a path of its own; what is full spills over to the others. Only for what can
    /// wait: a call is too small to fill anything.
    Spill,
    /// By the best path and, as a copy, by the next best whose bytes cost nothing. Only for what is
    /// urgent: a download twice is a download at half the speed.
    Duplicate,
}

/// A mode that a class cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// Of a class that is urgent.
    #[error("{0:?} cannot spill; expected failover or duplicate")]
    Urgent(Class),
    /// Of a class that can wait.
    #[error("{0:?} is not carried twice; expected failover or spill")]
    Patient(Class),
}

/// The mode of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes([Mode; 4]);

impl Default for Modes {
    /// Nothing twice, and downloads side by side.
    fn default() -> Self {
        Self([Mode::Failover, Mode::Failover, Mode::Spill, Mode::Spill])
    }
}

impl Modes {
    /// These, but `mode` for `class`.
    ///
    /// # Errors
    /// [`ModeError`] says which modes that class can have.
    pub fn with(mut self, class: Class, mode: Mode) -> Result<Self, ModeError> {
        match (class.is_urgent(), mode) {
            (true, Mode::Spill) => return Err(ModeError::Urgent(class)),
            (false, Mode::Duplicate) => return Err(ModeError::Patient(class)),
            _ => {}
        }
        self.0[class.index()] = mode;
        Ok(self)
    }

    /// The mode of `class`.
    #[must_use]
    pub const fn of(self, class: Class) -> Mode {
        self.0[class.index()]
    }

    /// One bit a class: whether its mode is the one that is not the default.
    #[must_use]
    pub fn bits(self) -> u8 {
        let differs = |class: Class| u8::from(self.of(class) != Self::default().of(class));
        Class::ALL.into_iter().map(|class| differs(class) << class.index()).sum()
    }

    /// From the low four bits.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        let mode = |class: Class| match (bits >> class.index() & 1, class.is_urgent()) {
            (0, _) => Self::default().of(class),
            (_, true) => Mode::Duplicate,
            (_, false) => Mode::Failover,
        };
        Self(Class::ALL.map(mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_travel_in_four_bits() {
        for bits in 0..16 {
            assert_eq!(Modes::from_bits(bits).bits(), bits);
        }
        assert_eq!(Modes::default().bits(), 0);
    }

    #[test]
    fn a_class_takes_the_modes_that_make_sense_for_it() {
        let modes = Modes::default();
        let calls = modes.with(Class::Realtime, Mode::Duplicate).unwrap();
        assert_eq!(calls.of(Class::Realtime), Mode::Duplicate);
        assert_eq!(calls.of(Class::Bulk), Mode::Spill);
        assert_eq!(
            modes.with(Class::Interactive, Mode::Spill),
            Err(ModeError::Urgent(Class::Interactive))
        );
        assert_eq!(modes.with(Class::Bulk, Mode::Duplicate), Err(ModeError::Patient(Class::Bulk)));
    }
}
