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

    #[test]
    fn halves_of_different_packets_are_not_put_together() {
        let (mut reassembly, packet) = (Reassembly::default(), [7; 100]);
        let [first, second] = bodies(&packet);
        assert!(reassembly.handle_part(1, &first).is_none());
        assert!(reassembly.handle_part(2, &second).is_none(), "of another number");
        assert!(reassembly.handle_part(1, &bodies(&[7; 101])[1]).is_none(), "of another length");
        assert!(reassembly.handle_part(1, &second).is_some(), "the first half still waits");
    }

    #[test]
    fn a_part_that_does_not_fit_its_packet_is_refused() {
        let mut reassembly = Reassembly::default();
        let part = |half: u8, whole: u16, length: usize| {
            let [high, low] = whole.to_be_bytes();
            Bytes::from([&[half, high, low][..], &vec![0; length]].concat())
        };
        let longest = u16::try_from(LONGEST_PACKET).unwrap();
        for wrong in [
            part(2, 10, 5),
            part(0, 10, 4),
            part(1, 11, 6),
            part(0, 0, 0),
            part(0, 1, 1),
            part(0, longest + 1, LONGEST_PACKET / 2 + 1),
        ] {
            assert!(reassembly.handle_part(1, &wrong).is_none());
            assert!(reassembly.waiting.is_empty(), "{wrong:?}");
        }
        reassembly.handle_part(1, &part(0, longest, LONGEST_PACKET / 2));
        reassembly.handle_part(2, &part(1, 2, 1));
        assert_eq!(reassembly.waiting.len(), 2);
    }

    #[test]
    fn the_oldest_half_is_forgotten_and_no_more() {
        let (mut reassembly, [first, second]) = (Reassembly::default(), bodies(&[7; 100]));
        for session in 0..=MOST_WAITING as u64 {
            reassembly.handle_part(session, &first);
        }
        assert!(reassembly.handle_part(1, &second).is_some());
        assert!(reassembly.handle_part(0, &second).is_none());
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
