//! Both ends of the tunnel under whatever a list of operations does to them: connections that come
//! and go, packets in floods, datagrams that are lost, changed, repeated, or made up by a far end
//! that lies. After each operation every bound of both machines is looked at.
//!
//! The operations are read from the bytes here, not by a library: a seed that is kept today must
//! mean the same with the next version of everything.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tunnel::class::Class;
use tunnel::path::MOST_COPIES;
use tunnel::queue::{MOST_BYTES, MOST_PACKETS};
use tunnel::wire::{Gap, Header, Kind, PathReport, Report, Stamp};
use tunnel::{End, Modes, Policy, Tunnel, Window};
use units::{Instant, LinkId};

/// Operations of one run: enough for any state, and quick.
const MOST_OPERATIONS: usize = 512;
/// Datagrams between the two ends, each way; the oldest is lost.
const MOST_ON_THE_WAY: usize = 64;
/// Events that wait (`MOST_EVENTS`) and packets that do (`MOST_DELIVERED`) in one machine.
const MOST_WAITING: [usize; 2] = [256, 4_096];
/// Datagrams a ring keeps, and their bytes.
const RING: [usize; 2] = [1 << 16, 32 << 20];
/// Longest report, head included.
const LONGEST_REPORT: usize = 1_016;

/// What is done to the end `end`, 0 for the house and 1 for the relay.
#[derive(Debug)]
enum Operation {
    Wait(Duration),
    Connect { end: usize, link: LinkId, generation: u8, longest: usize },
    Close { end: usize, link: LinkId, generation: u8 },
    Longest { end: usize, link: LinkId, generation: u8, longest: usize },
    Rate { end: usize, link: LinkId, rate: u64 },
    Carrier { end: usize, link: LinkId, carrier: bool },
    Policy { end: usize, link: LinkId, policy: Policy, metered: bool },
    Window { end: usize, link: LinkId, window: Option<(u16, u16)> },
    Restart { end: usize },
    Inner { end: usize, port: u16, length: usize, mark: u8, packets: usize },
    Poll { end: usize, link: LinkId, datagrams: usize },
    Deliver { end: usize, index: usize, again: bool, change: Option<(usize, u8)> },
    Lose { end: usize, index: usize },
    Forge { end: usize, link: LinkId, generation: u8, header: Header, body: Bytes },
    Lie { end: usize, link: LinkId, header: Header, report: Report },
}

/// What has not been read yet. At the end everything is 0.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    fn link(&mut self) -> LinkId {
        LinkId::new(1 + self.byte() % LinkId::MOST).expect("from 1 to MOST")
    }

    fn header(&mut self, kind: Kind) -> Header {
        let [flags, high] = [self.byte(), self.byte()];
        // Mostly near the numbers in use, sometimes at the far end of what can be said.
        let session = u64::from(self.word()) | if high == 255 { 0xffff_ffff_0000 } else { 0 };
        let path = u32::from(self.word()) | if flags & 8 == 0 { 0 } else { self.long() };
        let (class, copy) = (Class::from_bits(flags), flags & 4 != 0);
        Header { kind, class, copy, session, path, sent: Stamp(self.long()) }
    }

    fn report(&mut self) -> Report {
        let interval_millis = self.word();
        let many = self.byte();
        let paths = (0..many % 9).map(|_| self.path()).collect();
        Report { interval_millis, modes: Modes::from_bits(many >> 4), paths }
    }

    fn path(&mut self) -> PathReport {
        let (link, flags) = (self.link(), self.byte());
        let wide = |rest: &mut Self| {
            if flags & 32 == 0 { u32::from(rest.byte()) } else { rest.long() }
        };
        let window = (flags & 16 != 0).then(|| (self.word(), self.word()));
        PathReport {
            link,
            generation: self.byte() % 4,
            carrier: flags & 1 == 0,
            metered: flags & 2 != 0,
            policy: Policy::from_bits(flags >> 2),
            newest: (flags & 64 == 0).then(|| (wide(self), Stamp(self.long()), wide(self))),
            received: wide(self),
            bytes: wide(self),
            queue_micros: wide(self),
            silent_millis: self.word(),
            window: window.map(|(one, two)| (one.cast_signed(), two.cast_signed())),
            gaps: (0..self.byte() % 20)
                .map(|_| Gap { back: wide(self), count: self.word() })
                .collect(),
        }
    }

    fn operation(&mut self) -> Operation {
        let first = self.byte();
        let end = usize::from(first & 1);
        match first >> 1 & 15 {
            0 => Operation::Wait(Duration::from_micros(u64::from(self.word()) * 16)),
            1 => {
                let (link, generation) = (self.link(), self.byte() % 4);
                Operation::Connect { end, link, generation, longest: (self.word() % 2_048).into() }
            }
            2 => Operation::Close { end, link: self.link(), generation: self.byte() % 4 },
            3 => {
                let (link, generation) = (self.link(), self.byte() % 4);
                Operation::Longest { end, link, generation, longest: (self.word() % 2_048).into() }
            }
            4 => Operation::Rate { end, link: self.link(), rate: self.long().into() },
            5 => Operation::Carrier { end, link: self.link(), carrier: self.byte() & 1 == 0 },
            6 => {
                let (link, flags) = (self.link(), self.byte());
                let (policy, metered) = (Policy::from_bits(flags), flags & 4 != 0);
                Operation::Policy { end, link, policy, metered }
            }
            7 => {
                let (link, from, length) = (self.link(), self.word(), self.word());
                let window = (length > 0).then_some((from, length));
                Operation::Window { end, link, window }
            }
            8 if first & 32 == 0 => Operation::Restart { end },
            8 | 9 => {
                let (port, length) = (self.word() % 64, usize::from(self.word() % 9_200));
                let (mark, packets) = (self.byte(), 1 + usize::from(self.byte()));
                Operation::Inner { end, port, length, mark, packets }
            }
            10 | 11 => {
                let (link, datagrams) = (self.link(), 1 + usize::from(self.byte()));
                Operation::Poll { end, link, datagrams }
            }
            12 => {
                let (index, how) = (self.byte().into(), self.byte());
                let change = (how & 2 != 0).then(|| (usize::from(self.word()), self.byte()));
                Operation::Deliver { end, index, again: how & 1 != 0, change }
            }
            13 => Operation::Lose { end, index: self.byte().into() },
            14 => {
                let (link, generation, kind) = (self.link(), self.byte() % 4, self.byte());
                let kind = [Kind::Packet, Kind::Fragment, Kind::Report][usize::from(kind % 3)];
                let header = self.header(kind);
                let length = usize::from(self.byte()).min(self.0.len());
                let body = Bytes::copy_from_slice(self.0.split_off(..length).unwrap_or_default());
                Operation::Forge { end, link, generation, header, body }
            }
            _ => {
                let (link, header) = (self.link(), self.header(Kind::Report));
                Operation::Lie { end, link, header, report: self.report() }
            }
        }
    }
}

/// A datagram on its way to an end.
struct OnTheWay {
    link: LinkId,
    generation: u8,
    datagram: Bytes,
}

struct World {
    now: Instant,
    ends: [Tunnel; 2],
    /// To each end.
    on_the_way: [VecDeque<OnTheWay>; 2],
}

pub(crate) fn check(bytes: &[u8]) {
    let now = Instant::from_secs(1_000);
    let ends = [Tunnel::new(End::House, 7, now), Tunnel::new(End::Relay, 9, now)];
    let mut world = World { now, ends, on_the_way: Default::default() };
    let mut rest = Rest(bytes);
    let mut operations = Vec::new();
    while !rest.0.is_empty() && operations.len() < MOST_OPERATIONS {
        operations.push(rest.operation());
    }
    for operation in operations {
        world.apply(operation);
        world.check_bounds();
    }
}

impl World {
    fn apply(&mut self, operation: Operation) {
        let now = self.now;
        let later = |millis: u16| now + Duration::from_millis(millis.into());
        match operation {
            Operation::Wait(time) => self.wait(time),
            Operation::Connect { end, link, generation, longest } => {
                self.ends[end].handle_connected(link, generation, longest, now);
            }
            Operation::Close { end, link, generation } => {
                self.ends[end].handle_closed(link, generation, now);
            }
            Operation::Longest { end, link, generation, longest } => {
                self.ends[end].handle_longest(link, generation, longest);
            }
            Operation::Rate { end, link, rate } => self.ends[end].handle_rate(link, rate),
            Operation::Carrier { end, link, carrier } => {
                self.ends[end].handle_carrier(link, carrier, now);
            }
            Operation::Policy { end, link, policy, metered } => {
                self.ends[end].handle_policy(link, policy, metered, now);
            }
            Operation::Window { end, link, window } => {
                let window = window.map(|(from, length)| {
                    let opens = later(from);
                    Window { opens, closes: opens + Duration::from_millis(length.into()) }
                });
                self.ends[end].handle_window(link, window, now);
            }
            Operation::Restart { end } => self.ends[end].handle_far_restart(),
            Operation::Inner { end, port, length, mark, packets } => {
                for _ in 0..packets {
                    let _ = self.ends[end].handle_inner(packet(port, length, mark), now);
                }
            }
            Operation::Poll { end, link, datagrams } => self.poll(end, link, datagrams),
            Operation::Deliver { end, index, again, change } => {
                self.deliver(end, index, again, change);
            }
            Operation::Lose { end, index } => {
                self.on_the_way[end].remove(index);
            }
            Operation::Forge { end, link, generation, header, body } => {
                let datagram = [&header.to_bytes()[..], &body].concat();
                self.hand(end, link, generation, datagram.into());
            }
            Operation::Lie { end, link, header, report } => {
                let mut datagram = header.to_bytes().to_vec();
                report.write(&mut datagram);
                for generation in 0..4 {
                    self.hand(end, link, generation, datagram.clone().into());
                }
            }
        }
    }

    /// Time passes; every deadline in it is kept.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        for tunnel in &mut self.ends {
            let mut now = self.now;
            loop {
                let next = tunnel.next_deadline(now).max(now);
                if next > until {
                    break;
                }
                tunnel.handle_deadline(next);
                assert!(tunnel.next_deadline(next) > next, "it would never sleep");
                now = next;
            }
        }
        self.now = until;
    }

    fn poll(&mut self, end: usize, link: LinkId, datagrams: usize) {
        for _ in 0..datagrams {
            let Some(datagram) = self.ends[end].poll_datagram(link, self.now) else { break };
            let path = self.ends[end].paths().iter().find(|path| path.link == link);
            let path = path.expect("what a path sends, a path has");
            let header = Header::read(&datagram).expect("what is sent can be read");
            if header.kind == Kind::Report {
                assert!(datagram.len() <= LONGEST_REPORT);
                Report::read(&datagram[Header::LENGTH..]).expect("reports too");
            }
            let (link, generation) = (path.link, path.generation);
            let way = &mut self.on_the_way[1 - end];
            if way.len() >= MOST_ON_THE_WAY {
                way.pop_front();
            }
            way.push_back(OnTheWay { link, generation, datagram });
        }
    }

    fn deliver(&mut self, end: usize, index: usize, again: bool, change: Option<(usize, u8)>) {
        let way = &mut self.on_the_way[end];
        let Some(index) = index.checked_rem(way.len()) else { return };
        let (link, generation) = (way[index].link, way[index].generation);
        let mut datagram = way[index].datagram.clone();
        if !again {
            way.remove(index);
        }
        if let Some((at, with)) = change {
            let mut changed = BytesMut::from(&datagram[..]);
            let at = at % changed.len();
            changed[at] ^= with;
            datagram = changed.freeze();
        }
        self.hand(end, link, generation, datagram);
    }

    /// Gives a datagram to an end. A refused one leaves no trace.
    fn hand(&mut self, end: usize, link: LinkId, generation: u8, datagram: Bytes) {
        let before = self.ends[end].counters();
        let refused = self.ends[end].handle_datagram(link, generation, datagram, self.now).is_err();
        let after = self.ends[end].counters();
        assert_eq!(after.refused, before.refused + u64::from(refused));
        assert!(after.delivered <= before.delivered + 1);
        assert!(!refused || after.delivered == before.delivered);
    }

    fn check_bounds(&mut self) {
        for tunnel in &mut self.ends {
            assert!(tunnel.paths().len() <= LinkId::MOST.into());
            for path in tunnel.paths() {
                for queue in &path.queues {
                    assert!(queue.bytes() <= MOST_BYTES, "{} bytes wait", queue.bytes());
                    assert!(queue.packets() <= MOST_PACKETS, "{} packets wait", queue.packets());
                }
                assert!(path.copies.len() <= MOST_COPIES && path.ready.len() <= 1);
                let kept = path.sent.unreported();
                let (count, bytes) = kept
                    .fold((0, 0), |(count, bytes), sent| (count + 1, bytes + sent.datagram.len()));
                assert!(count <= RING[0] && bytes <= RING[1], "{count} kept, {bytes} bytes");
                assert!(path.loss_ppm <= 1_000_000);
            }
            let events = std::iter::from_fn(|| tunnel.poll_event()).count();
            let packets = std::iter::from_fn(|| tunnel.poll_inner()).count();
            assert!(events <= MOST_WAITING[0] && packets <= MOST_WAITING[1]);
        }
    }
}

/// A UDP packet of IPv4 with room before it, or something that is none.
fn packet(port: u16, length: usize, mark: u8) -> BytesMut {
    let mut buffer = BytesMut::zeroed(Header::LENGTH + length);
    let packet = &mut buffer[Header::LENGTH..];
    if let Some(head) = packet.first_chunk_mut::<28>() {
        (head[0], head[1], head[9]) = (0x45, mark, 17);
        head[20..22].copy_from_slice(&port.to_be_bytes());
    }
    buffer
}
