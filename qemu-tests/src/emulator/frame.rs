//! One Ethernet frame on its way.

/// Bytes of an Ethernet II header: destination, source, type.
pub(super) const ETHERNET_HEADER_BYTES: usize = 14;

/// One Ethernet frame without its checksum, at most [`Frame::MAX_BYTES`] long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// The longest frame a port hands over: a 64 KiB packet, its Ethernet header and a VLAN tag.
    pub const MAX_BYTES: usize = 65_535 + ETHERNET_HEADER_BYTES + 4;

    /// Takes the bytes of one frame.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The frame as it goes to a port.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that count against a link's capacity: the packet without its Ethernet header, so that
    /// a full-sized packet is the 1500 bytes of one delivery opportunity.
    #[must_use]
    pub fn packet_bytes(&self) -> u32 {
        u32::try_from(self.0.len().saturating_sub(ETHERNET_HEADER_BYTES)).unwrap_or(u32::MAX)
    }

    /// Inverts one bit of the packet; `choice` picks which. A frame without a packet stays whole.
    pub(super) fn flip_bit(&mut self, choice: u64) {
        let bits = u64::from(self.packet_bytes()) * 8;
        if bits == 0 {
            return;
        }
        let bit = choice % bits;
        let byte = ETHERNET_HEADER_BYTES + usize::try_from(bit / 8).expect("within the frame");
        self.0[byte] ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_never_in_the_ethernet_header() {
        for choice in 0..200 {
            let mut frame = Frame::new(vec![0; 20]);
            frame.flip_bit(choice);
            assert_eq!(frame.bytes()[..ETHERNET_HEADER_BYTES], [0; ETHERNET_HEADER_BYTES]);
            assert_eq!(frame.bytes().iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        }
    }

    #[test]
    fn a_runt_has_no_packet_and_stays_whole() {
        let mut frame = Frame::new(vec![7; 9]);
        frame.flip_bit(3);
        assert_eq!(frame, Frame::new(vec![7; 9]));
        assert_eq!(frame.packet_bytes(), 0);
    }
}
