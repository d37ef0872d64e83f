//! The name of a network port, which is also the name of its kernel interface.

use core::fmt;

/// Longest interface name the kernel takes: `IFNAMSIZ` (16, linux/if.h) less its final zero.
const LONGEST: usize = 15;

/// A network port's name, such as `lan0`: 1 to 15 bytes of `a-z A-Z 0-9 . _ -`.
///
/// Narrower than what the kernel accepts, so that a name can stand in a log line, a JSON record or
/// a page without quoting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName {
    bytes: [u8; LONGEST],
    length: u8,
}

/// Why a text is not a [`PortName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortNameError {
    /// It has this many bytes; 1 to 15 were expected.
    Length(usize),
    /// It holds this character, which is none of `a-z A-Z 0-9 . _ -`.
    Character(char),
}

impl PortName {
    /// Checks `text` and keeps a copy of it.
    ///
    /// # Errors
    /// [`PortNameError`] says what is wrong with `text`.
    pub fn try_new(text: &str) -> Result<Self, PortNameError> {
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(character) = text.chars().find(|c| !allowed(c)) {
            return Err(PortNameError::Character(character));
        }
        let length = match u8::try_from(text.len()) {
            Ok(length) if (1..=LONGEST).contains(&text.len()) => length,
            _ => return Err(PortNameError::Length(text.len())),
        };
        let mut bytes = [0; LONGEST];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.length)])
            .expect("try_new admits ASCII only")
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for PortNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a port name has 1 to {LONGEST} bytes, not {length}"),
            Self::Character(c) => {
                write!(f, "a port name is made of a-z, A-Z, 0-9, '.', '_' and '-', not {c:?}")
            }
        }
    }
}

impl core::error::Error for PortNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_boards_use() {
        for name in ["lan0", "broadband0", "starlink0", "enp0s31f6", "a", "fifteen-letters"] {
            assert_eq!(PortName::try_new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_the_kernel_or_a_log_line_cannot_hold() {
        assert_eq!(PortName::try_new(""), Err(PortNameError::Length(0)));
        assert_eq!(PortName::try_new("sixteen-letters-"), Err(PortNameError::Length(16)));
        assert_eq!(PortName::try_new("lan 0"), Err(PortNameError::Character(' ')));
        assert_eq!(PortName::try_new("lan/0"), Err(PortNameError::Character('/')));
        assert_eq!(PortName::try_new("lån0"), Err(PortNameError::Character('å')));
    }
}
