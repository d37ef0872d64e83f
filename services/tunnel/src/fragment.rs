//! A packet too long for its path goes in two datagrams instead of not at all.
//!
//! Paths shrink while in use: another route, another provider, a tunnel on the way. The inner
//! packets' size must not follow, or every connection of the house would stall. After the header
//! comes which half it is (1 byte: 0 or 1) and the whole packet's length (2 bytes).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::wire::Header;

/// Bytes between the header and the part.
pub const PART_HEAD: usize = 3;
/// Packets waiting for their other half. One that waits longer has lost it.
const MOST_WAITING: usize = 64;
/// Longest inner packet.
pub const LONGEST_PACKET: usize = 9_000;

/// The two halves of a packet, each with room for a header before it.
#[must_use]
pub fn split(packet: &[u8]) -> [BytesMut; 2] {
    let (first, second) = packet.split_at(packet.len().div_ceil(2));
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
    [(0, first), (1, second)].map(|(index, part)| {
        let mut buffer = BytesMut::with_capacity(Header::LENGTH + PART_HEAD + part.len());
        buffer.extend_from_slice(&[0; Header::LENGTH]);
        buffer.extend_from_slice(&[index, length[0], length[1]]);
        buffer.extend_from_slice(part);
        buffer
    })
}

#[derive(Debug)]
struct Waiting {
    session: u64,
    length: u16,
    half: u8,
    part: Bytes,
}

/// Puts halves together. Bounded: the oldest half is forgotten when too many wait.
#[derive(Debug, Default)]
pub struct Reassembly {
    waiting: VecDeque<Waiting>,
}

impl Reassembly {
    /// A part of packet `session` has come: everything after the header. The whole packet with
    /// [`Header::LENGTH`] bytes of room before it, if it is complete now.
    pub fn handle_part(&mut self, session: u64, body: &Bytes) -> Option<BytesMut> {
        let [half, l0, l1] = *body.first_chunk()?;
        let part = body.slice(PART_HEAD..);
        let length = u16::from_be_bytes([l0, l1]);
        let whole = usize::from(length);
        let expected = if half == 0 { whole.div_ceil(2) } else { whole / 2 };
        if half > 1 || part.len() != expected || !(2..=LONGEST_PACKET).contains(&whole) {
            return None;
        }
        let other = self.waiting.iter().position(|other| other.session == session);
        let Some(index) = other else {
            if self.waiting.len() >= MOST_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Waiting { session, length, half, part });
            return None;
        };
        let other = &self.waiting[index];
        if other.half == half || other.length != length {
            return None;
        }
        let other = self.waiting.remove(index)?;
        let (first, second) = if half == 0 { (part, other.part) } else { (other.part, part) };
        let mut packet = BytesMut::with_capacity(Header::LENGTH + whole);
        packet.extend_from_slice(&[0; Header::LENGTH]);
        packet.extend_from_slice(&first);
        packet.extend_from_slice(&second);
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bodies(packet: &[u8]) -> [Bytes; 2] {
        split(packet).map(|part| part.freeze().slice(Header::LENGTH..))
    }

    proptest! {
        #[test]
        fn halves_make_the_whole_in_either_order(
            packet in proptest::collection::vec(any::<u8>(), 2..1_500), swapped: bool,
        ) {
            let [first, second] = bodies(&packet);
            let (one, two) = if swapped { (second, first) } else { (first, second) };
            let mut reassembly = Reassembly::default();
            prop_assert!(reassembly.handle_part(7, &one).is_none());
            prop_assert!(reassembly.handle_part(7, &one).is_none(), "the same half twice");
            let whole = reassembly.handle_part(7, &two).unwrap();
            prop_assert_eq!(&whole[Header::LENGTH..], &packet[..]);
        }

        #[test]
        fn any_bytes_are_put_together_or_refused(
            parts in proptest::collection::vec(
                (0_u64..3, proptest::collection::vec(any::<u8>(), 0..12)), 0..300),
        ) {
            let mut reassembly = Reassembly::default();
            for (session, body) in parts {
                reassembly.handle_part(session, &Bytes::from(body));
                prop_assert!(reassembly.waiting.len() <= MOST_WAITING);
            }
        }
    }
}
