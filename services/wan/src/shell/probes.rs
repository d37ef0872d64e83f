//! Asks the world over one uplink: a name of a server by a datagram, and a page by plain HTTP.
//!
//! Each question is a task of its own in the main loop's set; it ends by itself after
//! [`PATIENCE`] or [`PAGE_PATIENCE`] and holds one socket, which is bound to the uplink's interface
//! and carries its mark, so that it can leave by no other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question as DnsQuestion, RCODE, TYPE};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::timeout;
use units::PortName;

use crate::direct::probe::{Outcome, PATIENCE, Probe, Question};
use crate::uplink::Mark;

/// Longest wait for a page: a name, a connection and an answer.
const PAGE_PATIENCE: Duration = Duration::from_secs(3);

/// The port of plain HTTP, which is what portals answer in the place of everybody.
const HTTP: u16 = 80;

/// Longest answer of a name server over UDP without extensions (RFC 1035, 2.3.4).
const LONGEST_ANSWER: usize = 512;

/// What is asked for where no host is set: the root of all names.
const ROOT: &str = ".";

/// What every question needs.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// The name that is asked for.
    pub(super) host: Option<String>,
    /// The servers, for the address of the page.
    pub(super) servers: Vec<SocketAddr>,
}

/// Asks `probe` over the uplink whose interface is `name`.
pub(super) async fn ask(probe: Probe, name: PortName, asking: Asking) -> (Probe, Outcome) {
    let way = Way { name, mark: Mark::of(probe.link) };
    let started = Instant::now();
    let outcome = match probe.question {
        Question::Server(server) => {
            let answer = timeout(PATIENCE, way.ask_server(server, asking.host.as_deref())).await;
            match answer {
                Ok(Ok(_)) => Outcome::Answered(started.elapsed()),
                Ok(Err(_)) | Err(_) => Outcome::Silence,
            }
        }
        Question::Resolver(server) => {
            let host = asking.host.as_deref().unwrap_or(ROOT);
            // Numbered by the time since boot: no memory between here and the world has it.
            let name = format!("{:x}.{host}", daemon::clock::now().as_micros());
            match timeout(PATIENCE, way.ask_server(server, Some(&name))).await {
                Ok(Ok(answer)) if answer.is_of_nothing() => Outcome::Answered(started.elapsed()),
                Ok(_) | Err(_) => Outcome::Silence,
            }
        }
        Question::Page => match timeout(PAGE_PATIENCE, way.ask_page(&asking)).await {
            Ok(Ok(StatusCode::NO_CONTENT)) => Outcome::Answered(started.elapsed()),
            Ok(Ok(_)) => Outcome::Portal,
            Ok(Err(_)) | Err(_) => Outcome::Silence,
        },
    };
    (probe, outcome)
}

/// One way out.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: PortName,
    mark: Mark,
}

impl Way {
    /// A socket that can leave by this way only.
    fn socket(self, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(to), kind.nonblocking(), Some(protocol))?;
        socket.bind_device(Some(self.name.as_str().as_bytes()))?;
        socket.set_mark(self.mark.get())?;
        Ok(socket)
    }

    /// What `server` says of `host`.
    async fn ask_server(self, server: SocketAddr, host: Option<&str>) -> io::Result<Answer> {
        let socket = self.socket(server, Type::DGRAM, Protocol::UDP)?;
        // Connected, it takes datagrams of this server only.
        socket.connect(&server.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        // The source port tells this question from the last one; the number only has to be echoed.
        let id = socket.local_addr()?.port();
        socket.send(&question(id, host, server.is_ipv4())?).await?;
        let mut answer = [0; LONGEST_ANSWER];
        loop {
            let length = socket.recv(&mut answer).await?;
            if let Some(answer) = read(&answer[..length], id) {
                return Ok(answer);
            }
        }
    }

    /// How the page's host answers.
    async fn ask_page(self, asking: &Asking) -> io::Result<StatusCode> {
        let host = asking.host.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let server = *asking.servers.first().ok_or(io::ErrorKind::NotFound)?;
        let address = self.ask_server(server, Some(host)).await?.addresses.into_iter().next();
        let to = SocketAddr::new(address.ok_or(io::ErrorKind::NotFound)?, HTTP);
        let socket = self.socket(to, Type::STREAM, Protocol::TCP)?;
        let stream = TcpSocket::from_std_stream(socket.into()).connect(to).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let request = Request::get("/").header("host", host).body(String::new());
        let request = request.map_err(io::Error::other)?;
        let mut answer = std::pin::pin!(sender.send_request(request));
        // The connection only works while somebody drives it. It may end in the same moment as the
        // answer is complete.
        let answer = tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        };
        Ok(answer.map_err(io::Error::other)?.status())
    }
}

fn question(id: u16, host: Option<&str>, ipv4: bool) -> io::Result<Vec<u8>> {
    let kind = match host {
        None => TYPE::NS,
        Some(_) if ipv4 => TYPE::A,
        Some(_) => TYPE::AAAA,
    };
    let name = Name::new_unchecked(host.unwrap_or(ROOT));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(DnsQuestion::new(name, QTYPE::TYPE(kind), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(io::Error::other)
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// Whether it found out, be it that there is no such name.
    found_out: bool,
    /// The addresses; there may be none.
    addresses: Vec<IpAddr>,
}

impl Answer {
    /// Whether the world itself said that there is no such name. A server that could not ask it
    /// says that it failed; one that answers for everybody makes an address up.
    const fn is_of_nothing(&self) -> bool {
        self.found_out && self.addresses.is_empty()
    }
}

/// What the answer to question `id` says; none if it is something else.
fn read(answer: &[u8], id: u16) -> Option<Answer> {
    let packet = Packet::parse(answer).ok()?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let address = |data: &RData<'_>| match data {
        RData::A(a) => Some(IpAddr::V4(Ipv4Addr::from_bits(a.address))),
        RData::AAAA(aaaa) => Some(IpAddr::V6(Ipv6Addr::from_bits(aaaa.address))),
        _ => None,
    };
    let found_out = matches!(packet.rcode(), RCODE::NoError | RCODE::NameError);
    let addresses = packet.answers.iter().filter_map(|record| address(&record.rdata)).collect();
    Some(Answer { found_out, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_our_question_counts() {
        for host in [None, Some("check.example")] {
            let mut bytes = question(7, host, true).unwrap();
            assert_eq!(read(&bytes, 7), None, "that is the question");
            bytes[2] |= 0x80;
            assert_eq!(read(&bytes, 7), Some(Answer { found_out: true, addresses: Vec::new() }));
            assert_eq!(read(&bytes, 8), None, "that is to another question");
            assert_eq!(read(&bytes[..5], 7), None);
        }
    }

    #[test]
    fn only_the_world_s_word_that_there_is_nothing_counts_of_a_lease_s_server() {
        let mut bytes = question(7, Some("17.check.example"), true).unwrap();
        bytes[2] |= 0x80;
        // No error, no such name, failure, refusal (RFC 1035, 4.1.1).
        for (code, counts) in [(0, true), (3, true), (2, false), (5, false)] {
            bytes[3] = (bytes[3] & 0xf0) | code;
            assert_eq!(read(&bytes, 7).map(|said| said.is_of_nothing()), Some(counts), "{code}");
        }
        bytes[3] &= 0xf0;
        bytes[7] = 1;
        bytes.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
        let made_up = read(&bytes, 7).expect("it is an answer");
        assert!(!made_up.is_of_nothing() && !made_up.addresses.is_empty(), "{made_up:?}");
    }
}
