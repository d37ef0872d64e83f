//! "Your packet is too big": what a router with a small MTU ahead answers.

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{
    EtherType, Ethernet2Slice, Icmpv4Type, Icmpv6Type, Ipv4Slice, Ipv6Slice, PacketBuilder,
};

use super::frame::Frame;
use super::quantity::Mtu;
use super::specification::TooBigSender;

/// Bytes of the packet that an ICMP error for IPv4 quotes: the whole error stays within 576 bytes
/// (RFC 1812 section 4.3.2.3): 20 of IPv4 and 8 of ICMP come before.
const QUOTED_V4: usize = 576 - 20 - 8;
/// The same for IPv6, within 1280 bytes (RFC 4443 section 3.2): 40 of IPv6 and 8 before.
const QUOTED_V6: usize = 1_280 - 40 - 8;
/// Hop limit of what the link itself sends.
const HOPS: u8 = 64;

/// The frame that goes back to whoever sent `frame`: fragmentation needed (RFC 1191) or packet too
/// big (RFC 8201). None for anything but IP, for multicast, and for IPv4 that allows fragments: a
/// link does not make them, such a packet is only lost.
pub(super) fn answer(frame: &Frame, mtu: Mtu, sender: TooBigSender) -> Option<Frame> {
    let ethernet = Ethernet2Slice::from_slice_without_fcs(frame.bytes()).ok()?;
    if ethernet.destination()[0] & 1 == 1 {
        return None;
    }
    let link = PacketBuilder::ethernet2(ethernet.destination(), ethernet.source());
    let packet = ethernet.payload_slice();
    let mut answer = Vec::new();
    match ethernet.ether_type() {
        EtherType::IPV4 => {
            let ip = Ipv4Slice::from_slice(packet).ok()?;
            if !ip.header().dont_fragment() {
                return None;
            }
            let next_hop_mtu = mtu.bytes();
            let reason = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu };
            link.ipv4(sender.v4.octets(), ip.header().source(), HOPS)
                .icmpv4(Icmpv4Type::DestinationUnreachable(reason))
                .write(&mut answer, &packet[..packet.len().min(QUOTED_V4)])
                .ok()?;
        }
        EtherType::IPV6 => {
            let ip = Ipv6Slice::from_slice(packet).ok()?;
            link.ipv6(sender.v6.octets(), ip.header().source(), HOPS)
                .icmpv6(Icmpv6Type::PacketTooBig { mtu: mtu.bytes().into() })
                .write(&mut answer, &packet[..packet.len().min(QUOTED_V6)])
                .ok()?;
        }
        _ => return None,
    }
    Some(Frame::new(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IpHeaders, Ipv4Header, SlicedPacket, TransportSlice, ip_number};

    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn sender() -> TooBigSender {
        TooBigSender { v4: [100, 64, 0, 2].into(), v6: "2001:db8:5::2".parse().unwrap() }
    }

    fn mtu() -> Mtu {
        Mtu::try_from(1_300).unwrap()
    }

    fn v4(dont_fragment: bool) -> Frame {
        let mut header =
            Ipv4Header::new(1_408, HOPS, ip_number::UDP, [100, 64, 0, 50], [192, 0, 2, 80])
                .unwrap();
        header.dont_fragment = dont_fragment;
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2(HOST, ROUTER)
            .ip(IpHeaders::Ipv4(header, Default::default()))
            .udp(1, 2)
            .write(&mut bytes, &[0; 1_400])
            .unwrap();
        Frame::new(bytes)
    }

    #[test]
    fn ipv4_with_dont_fragment_learns_the_mtu() {
        let answer = answer(&v4(true), mtu(), sender()).unwrap();
        let packet = SlicedPacket::from_ethernet(answer.bytes()).unwrap();
        let Some(TransportSlice::Icmpv4(icmp)) = packet.transport else { panic!("{packet:?}") };
        let reason = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1_300 };
        assert_eq!(icmp.icmp_type(), Icmpv4Type::DestinationUnreachable(reason));
        assert_eq!(answer.bytes()[..6], HOST, "it goes back to the sender");
        assert!(answer.packet_bytes() <= 576);
    }

    #[test]
    fn ipv4_that_allows_fragments_hears_nothing() {
        assert_eq!(answer(&v4(false), mtu(), sender()), None);
    }

    #[test]
    fn ipv6_learns_the_mtu() {
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2(HOST, ROUTER)
            .ipv6([0x20; 16], [0x21; 16], HOPS)
            .udp(1, 2)
            .write(&mut bytes, &[0; 1_400])
            .unwrap();
        let answer = answer(&Frame::new(bytes), mtu(), sender()).unwrap();
        let packet = SlicedPacket::from_ethernet(answer.bytes()).unwrap();
        let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("{packet:?}") };
        assert_eq!(icmp.icmp_type(), Icmpv6Type::PacketTooBig { mtu: 1_300 });
        assert!(answer.packet_bytes() <= 1_280);
    }

    #[test]
    fn neither_arp_nor_rubbish_is_answered() {
        for bytes in [vec![], vec![0; 13], vec![0; 60], vec![0xff; 1_514]] {
            assert_eq!(answer(&Frame::new(bytes), mtu(), sender()), None);
        }
    }
}
