//! What an IP packet says of itself: enough to classify it, and no more.

use core::hash::{BuildHasher, Hash};

/// Explicit congestion notification (RFC 3168): the low two bits of the traffic class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// The sender does not take part.
    NotCapable,
    /// The sender slows down when marked.
    Capable,
    /// Marked already.
    Marked,
}

/// The transport protocols that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP; whether the packet carries payload.
    Tcp {
        /// False for bare acknowledgements, and for the packets that open and close.
        payload: bool,
    },
    /// UDP, and UDP-Lite.
    Udp,
    /// ICMP of either family.
    Icmp,
    /// Anything else, and all but the first part of a fragmented packet.
    Other,
}

/// What was read of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The same for every packet of one flow, different for most others.
    pub flow: u64,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Explicit congestion notification.
    pub ecn: Ecn,
    /// What it carries.
    pub protocol: Protocol,
    /// Bytes, headers included.
    pub length: usize,
}

/// Why a packet is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Neither IPv4 nor IPv6.
    #[error("IP version {0}; expected 4 or 6")]
    Version(u8),
    /// It ends before its header does, or its header is shorter than a header can be.
    #[error("{0} bytes do not hold the IP header")]
    Short(usize),
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_LITE: u8 = 136;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

impl Summary {
    /// Reads the headers of `packet`. `hasher` makes flow numbers that a stranger cannot steer.
    ///
    /// # Errors
    /// When it is not an IP packet.
    pub fn read(packet: &[u8], hasher: &impl BuildHasher) -> Result<Self, PacketError> {
        match packet.first().map(|first| first >> 4) {
            Some(4) => Self::read_v4(packet, hasher),
            Some(6) => Self::read_v6(packet, hasher),
            Some(other) => Err(PacketError::Version(other)),
            None => Err(PacketError::Short(0)),
        }
    }

    fn read_v4(packet: &[u8], hasher: &impl BuildHasher) -> Result<Self, PacketError> {
        let short = PacketError::Short(packet.len());
        let head: &[u8; 20] = packet.first_chunk().ok_or(short)?;
        let header_length = usize::from(head[0] & 0xf) * 4;
        if header_length < 20 || packet.len() < header_length {
            return Err(short);
        }
        // More fragments, or not the first: ports are there in the first part only, so none of a
        // packet's parts uses them.
        let in_parts = u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0;
        let transport = if in_parts { &[] } else { &packet[header_length..] };
        Ok(Self::new(packet, head[1], head[9], &head[12..20], transport, hasher))
    }

    /// Extension headers are not walked: such packets are rare and count as one flow of their
    /// pair of addresses.
    fn read_v6(packet: &[u8], hasher: &impl BuildHasher) -> Result<Self, PacketError> {
        let head: &[u8; 40] = packet.first_chunk().ok_or(PacketError::Short(packet.len()))?;
        let traffic_class = head[0] << 4 | head[1] >> 4;
        Ok(Self::new(packet, traffic_class, head[6], &head[8..40], &packet[40..], hasher))
    }

    fn new(
        packet: &[u8],
        traffic_class: u8,
        protocol: u8,
        addresses: &[u8],
        transport: &[u8],
        hasher: &impl BuildHasher,
    ) -> Self {
        let ports: Option<[u8; 4]> = match protocol {
            TCP | UDP | UDP_LITE => transport.first_chunk().copied(),
            _ => None,
        };
        let kind = match protocol {
            TCP if ports.is_some() => Protocol::Tcp { payload: tcp_payload(transport) },
            UDP | UDP_LITE if ports.is_some() => Protocol::Udp,
            ICMP | ICMP_V6 => Protocol::Icmp,
            _ => Protocol::Other,
        };
        Self {
            flow: hasher.hash_one(FlowKey { addresses, ports, protocol }),
            dscp: traffic_class >> 2,
            ecn: match traffic_class & 3 {
                0 => Ecn::NotCapable,
                3 => Ecn::Marked,
                _ => Ecn::Capable,
            },
            protocol: kind,
            length: packet.len(),
        }
    }
}

#[derive(Hash)]
struct FlowKey<'a> {
    addresses: &'a [u8],
    ports: Option<[u8; 4]>,
    protocol: u8,
}

fn tcp_payload(segment: &[u8]) -> bool {
    let header = segment.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
    segment.len() > header.max(20)
}

/// Marks `packet` as having met congestion (RFC 3168), if its sender takes part. Whether it did.
pub fn mark_congestion(packet: &mut [u8]) -> bool {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= 20 && matches!(packet[1] & 3, 1 | 2) => {
            let before = u16::from_be_bytes([packet[0], packet[1]]);
            packet[1] |= 3;
            let after = u16::from_be_bytes([packet[0], packet[1]]);
            let checksum = u16::from_be_bytes([packet[10], packet[11]]);
            let checksum = updated(checksum, before, after).to_be_bytes();
            packet[10..12].copy_from_slice(&checksum);
            true
        }
        Some(6) if packet.len() >= 40 && matches!(packet[1] >> 4 & 3, 1 | 2) => {
            packet[1] |= 0x30;
            true
        }
        _ => false,
    }
}

/// A checksum after one word of what it covers has changed (RFC 1624, equation 3).
#[must_use]
pub fn updated(checksum: u16, before: u16, after: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!before) + u32::from(after);
    !fold(sum)
}

/// A sum of words as ones' complement in 16 bits (RFC 1071).
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "two folds leave 16 bits")]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{BuildHasherDefault, DefaultHasher};

    type Fixed = BuildHasherDefault<DefaultHasher>;

    /// A UDP packet of IPv4 with that many bytes, from that port, with that traffic class.
    pub(crate) fn udp_v4(port: u16, length: usize, traffic_class: u8) -> Vec<u8> {
        let mut packet = vec![0; length.max(28)];
        packet[0] = 0x45;
        packet[1] = traffic_class;
        packet[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        packet[8] = 64;
        packet[9] = UDP;
        packet[12..20].copy_from_slice(&[10, 77, 0, 5, 192, 0, 2, 80]);
        packet[20..22].copy_from_slice(&port.to_be_bytes());
        let sum = packet[..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        let checksum = (!fold(sum)).to_be_bytes();
        packet[10..12].copy_from_slice(&checksum);
        packet
    }

    pub(crate) fn checksum_holds(packet: &[u8]) -> bool {
        fold(packet[..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum()) == 0xffff
    }

    #[test]
    fn flows_are_told_apart_by_their_ports() {
        let read = |port| Summary::read(&udp_v4(port, 100, 0), &Fixed::default()).unwrap();
        assert_eq!(read(1).flow, read(1).flow);
        assert_ne!(read(1).flow, read(2).flow);
        assert_eq!(read(1).protocol, Protocol::Udp);
    }

    #[test]
    fn parts_of_a_packet_are_one_flow() {
        let mut first = udp_v4(1, 100, 0);
        let mut second = udp_v4(2, 100, 0);
        (first[6], second[7]) = (0x20, 5);
        let read = |packet: &[u8]| Summary::read(packet, &Fixed::default()).unwrap();
        assert_eq!(read(&first).flow, read(&second).flow);
        assert_eq!(read(&first).protocol, Protocol::Other);
    }

    #[test]
    fn marking_keeps_the_checksum() {
        for (class, marked) in [(0, false), (1, true), (2, true), (3, false), (0xb9, true)] {
            let mut packet = udp_v4(1, 100, class);
            assert!(checksum_holds(&packet));
            assert_eq!(mark_congestion(&mut packet), marked, "traffic class {class:#x}");
            assert!(checksum_holds(&packet));
            let expected = if marked { class | 3 } else { class };
            assert_eq!(packet[1], expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = Summary::read(&bytes, &Fixed::default());
            let _ = mark_congestion(&mut bytes.clone());
        }
    }
}
