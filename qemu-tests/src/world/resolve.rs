//! Questions to name servers, and to the whole LAN.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

use super::address_plan::AddressFamily;

/// The group of multicast DNS (RFC 6762 section 3).
const MULTICAST: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const MULTICAST_PORT: u16 = 5_353;
/// After how long without an answer a question is asked again.
const AGAIN: Duration = Duration::from_millis(700);
/// The longest answer that is read.
const MAX_ANSWER: usize = 9_000;

fn question(name: &str, family: AddressFamily, id: u16) -> anyhow::Result<Vec<u8>> {
    let kind = match family {
        AddressFamily::V4 => TYPE::A,
        AddressFamily::V6 => TYPE::AAAA,
    };
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|error| anyhow::anyhow!("{name:?}: {error:?}"))?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(|error| anyhow::anyhow!("a question: {error:?}"))
}

/// The addresses in an answer, or why there are none.
fn addresses(answer: &[u8], name: &str) -> anyhow::Result<Vec<IpAddr>> {
    let packet = Packet::parse(answer).map_err(|error| anyhow::anyhow!("an answer: {error:?}"))?;
    if packet.rcode() != RCODE::NoError {
        bail!("{name}: {:?}", packet.rcode());
    }
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(Ipv4Addr::from_bits(a.address))),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into())),
        _ => None,
    };
    Ok(packet.answers.iter().filter_map(|record| address(&record.rdata)).collect())
}

/// Asks `server` until it answers, at most for `deadline`.
pub(super) fn ask_server(
    server: IpAddr,
    name: &str,
    family: AddressFamily,
    deadline: Duration,
) -> anyhow::Result<Vec<IpAddr>> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    let to = SocketAddr::new(server, 53);
    let found = exchange(&socket, to, name, family, deadline, |_, from| from == to)
        .with_context(|| format!("{name} from name server {server}"))?;
    Ok(found)
}

/// Asks everybody on the LAN of `own` by multicast DNS.
pub(super) fn ask_everybody(
    own: Ipv4Addr,
    name: &str,
    deadline: Duration,
) -> anyhow::Result<Vec<IpAddr>> {
    // From port 5353, so that an answer to the group counts as well as one to us.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MULTICAST_PORT))?;
    socket.join_multicast_v4(&MULTICAST, &own)?;
    socket.set_multicast_loop_v4(false)?;
    let to = SocketAddr::from((MULTICAST, MULTICAST_PORT));
    let about = |found: &[IpAddr], from: SocketAddr| !found.is_empty() && from.ip() != own;
    exchange(&socket, to, name, AddressFamily::V4, deadline, about)
        .with_context(|| format!("{name} by multicast DNS"))
}

/// Asks again and again until there is an answer that `counts`.
fn exchange(
    socket: &UdpSocket,
    to: SocketAddr,
    name: &str,
    family: AddressFamily,
    deadline: Duration,
    counts: impl Fn(&[IpAddr], SocketAddr) -> bool,
) -> anyhow::Result<Vec<IpAddr>> {
    let start = Instant::now();
    let mut last = anyhow::anyhow!("no answer in {deadline:?}");
    let mut buffer = [0; MAX_ANSWER];
    let mut id = 0;
    while let Some(left) = deadline.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        id += 1;
        if let Err(error) = socket.send_to(&question(name, family, id)?, to) {
            // No route just now: it may come back.
            last = error.into();
            std::thread::park_timeout(left.min(AGAIN));
            continue;
        }
        let until = start.elapsed() + left.min(AGAIN);
        while let Some(wait) = until.checked_sub(start.elapsed()).filter(|wait| !wait.is_zero()) {
            socket.set_read_timeout(Some(wait))?;
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            match addresses(&buffer[..length], name) {
                Ok(found) if counts(&found, from) => return Ok(found),
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::A;

    #[test]
    fn an_answer_is_read_and_a_refusal_is_named() {
        let mut packet = Packet::new_reply(7);
        let data = RData::A(A { address: 0xc000_0250 });
        packet.answers.push(ResourceRecord::new(Name::new_unchecked("w"), CLASS::IN, 9, data));
        let bytes = packet.build_bytes_vec().unwrap();
        assert_eq!(addresses(&bytes, "w").unwrap(), [IpAddr::from([192, 0, 2, 80])]);
        *packet.rcode_mut() = RCODE::NameError;
        let bytes = packet.build_bytes_vec().unwrap();
        assert!(addresses(&bytes, "w").unwrap_err().to_string().contains("NameError"));
        assert!(addresses(&[1, 2, 3], "w").is_err());
    }
}
