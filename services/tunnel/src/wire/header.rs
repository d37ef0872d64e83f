//! The first 16 bytes of every datagram.
//!
//! ```text
//!  0      version (4 bits), kind (4 bits)
//!  1      class (2 bits), 1 if it is a copy (1 bit), zero (5 bits)
//!  2..8   session sequence: the number of the inner packet, the same in all its copies
//!  8..12  path sequence: the number of the datagram on its path, modulo 2^32
//! 12..16  when it was handed to QUIC, in microseconds of the sender's clock, modulo 2^32
//! ```
//!
//! Sixteen bytes leave 1380 for the inner packet on any path that carries 1434-byte datagrams.

use crate::class::Class;

use super::stamp::Stamp;

/// What follows the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole IP packet.
    Packet,
    /// A part of one: see [`crate::fragment`].
    Fragment,
    /// A report of what has arrived.
    Report,
}

/// How far a session sequence reaches: 25 years at 350 000 packets a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRange;

impl SequenceRange {
    /// The first number that does not fit any more.
    pub const END: u64 = 1 << 48;
}

/// The head of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Which class the inner packet belongs to.
    pub class: Class,
    /// Whether the same packet has been sent before, on this or another path.
    pub copy: bool,
    /// Number of the inner packet, below [`SequenceRange::END`].
    pub session: u64,
    /// Number of the datagram on its path, modulo 2^32.
    pub path: u32,
    /// When it was handed to QUIC.
    pub sent: Stamp,
}

/// Why a datagram's head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It ends before the header does.
    #[error("{0} bytes; expected at least {length}", length = Header::LENGTH)]
    Short(usize),
    /// Another version.
    #[error("version {0}; expected {version}", version = Header::VERSION)]
    Version(u8),
    /// An unknown kind.
    #[error("kind {0}; expected 0 to 2")]
    Kind(u8),
    /// Bits that must be zero are not.
    #[error("flags {0:#04x}; expected the low five bits to be zero")]
    Flags(u8),
}

impl Header {
    /// Bytes.
    pub const LENGTH: usize = 16;
    /// The version of the format.
    pub const VERSION: u8 = 1;

    /// Reads the head of `datagram`.
    ///
    /// # Errors
    /// When it is short or says what no sender of this version says.
    pub fn read(datagram: &[u8]) -> Result<Self, HeaderError> {
        let head: &[u8; Self::LENGTH] =
            datagram.first_chunk().ok_or(HeaderError::Short(datagram.len()))?;
        let [first, flags, s0, s1, s2, s3, s4, s5, p0, p1, p2, p3, t0, t1, t2, t3] = *head;
        if first >> 4 != Self::VERSION {
            return Err(HeaderError::Version(first >> 4));
        }
        let kind = match first & 0xf {
            0 => Kind::Packet,
            1 => Kind::Fragment,
            2 => Kind::Report,
            other => return Err(HeaderError::Kind(other)),
        };
        if flags & 0x1f != 0 {
            return Err(HeaderError::Flags(flags));
        }
        Ok(Self {
            kind,
            class: Class::from_bits(flags >> 6),
            copy: flags & 0x20 != 0,
            session: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            path: u32::from_be_bytes([p0, p1, p2, p3]),
            sent: Stamp(u32::from_be_bytes([t0, t1, t2, t3])),
        })
    }

    /// The 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let kind = match self.kind {
            Kind::Packet => 0,
            Kind::Fragment => 1,
            Kind::Report => 2,
        };
        let mut bytes = [0; Self::LENGTH];
        bytes[0..8].copy_from_slice(&(self.session % SequenceRange::END).to_be_bytes());
        bytes[0] = Self::VERSION << 4 | kind;
        bytes[1] = self.class.bits() << 6 | u8::from(self.copy) << 5;
        bytes[8..12].copy_from_slice(&self.path.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.sent.0.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            kind in 0_u8..3, class in 0_u8..4, copy: bool,
            session in 0..SequenceRange::END, path: u32, sent: u32,
        ) {
            let kind = [Kind::Packet, Kind::Fragment, Kind::Report][usize::from(kind)];
            let class = Class::from_bits(class);
            let header = Header { kind, class, copy, session, path, sent: Stamp(sent) };
            prop_assert_eq!(Header::read(&header.to_bytes()), Ok(header));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(header) = Header::read(&bytes) {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..Header::LENGTH]);
            }
        }
    }
}
