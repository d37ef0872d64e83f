//! What the household wants of an uplink.

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
