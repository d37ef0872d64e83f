//! Both ends of a tunnel over simulated links, on a virtual clock, with a call going both ways.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use tunnel::wire::Header;
use tunnel::{End, Event, Policy, Rhythm, Tunnel, Window};
use units::{Instant, LinkId};

use super::link::{Link, Way};

/// Between packets of the call: 200 a second.
const BEAT: Duration = Duration::from_millis(5);
/// Bytes of one of its packets.
const CALL_LENGTH: usize = 160;

/// What became of one direction of the call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    sent: Vec<Instant>,
    arrived: HashMap<u64, Instant>,
    arrivals: Vec<Instant>,
    pub(crate) twice: u64,
}

impl Call {
    /// Packets sent in that time that never arrived.
    pub(crate) fn lost(&self, from: Instant, until: Instant) -> usize {
        let sent = self.sent.iter().enumerate().filter(|(_, at)| **at >= from && **at < until);
        sent.filter(|(number, _)| !self.arrived.contains_key(&(*number as u64))).count()
    }

    /// The longest time without a packet between two instants.
    pub(crate) fn longest_gap(&self, from: Instant, until: Instant) -> Duration {
        let inside: Vec<_> =
            self.arrivals.iter().filter(|at| **at >= from && **at < until).copied().collect();
        inside.windows(2).map(|pair| pair[1].saturating_since(pair[0])).max().unwrap_or_default()
    }

    /// When each packet that arrived was sent, and how late it was.
    pub(crate) fn delays(&self) -> impl Iterator<Item = (Instant, Duration)> {
        self.sent.iter().enumerate().filter_map(|(number, at)| {
            self.arrived.get(&(number as u64)).map(|arrived| (*at, arrived.saturating_since(*at)))
        })
    }

    /// The longest delay of a packet sent in that time.
    pub(crate) fn worst_delay(&self, from: Instant, until: Instant) -> Duration {
        let sent = self.sent.iter().enumerate().filter(|(_, at)| **at >= from && **at < until);
        sent.filter_map(|(number, at)| {
            self.arrived.get(&(number as u64)).map(|arrived| arrived.saturating_since(*at))
        })
        .max()
        .unwrap_or_default()
    }
}

/// Both ends and what is between them. End 0 is the box, end 1 the relay.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) now: Instant,
    pub(crate) ends: [Tunnel; 2],
    /// For each link: from the box, and to it.
    pub(crate) links: Vec<[Link; 2]>,
    pub(crate) generation: Vec<u8>,
    /// What the box sends and what it gets.
    pub(crate) calls: [Call; 2],
    /// Who says something: the box, the far end.
    pub(crate) talking: [bool; 2],
    /// A download towards the house, in packets a second.
    pub(crate) download: u64,
    pub(crate) events: Vec<(Instant, usize, Event)>,
    /// How the paths' datagrams arrived at the box.
    pub(crate) rhythms: Vec<(LinkId, Rhythm)>,
    next_beat: Instant,
    next_bulk: Instant,
    pub(crate) downloaded: u64,
}

pub(crate) fn link(number: usize) -> LinkId {
    let place = u8::try_from(number + 1).expect("few links");
    LinkId::new(place).expect("at most eight links")
}

const LONGEST: usize = 1_414;

impl House {
    pub(crate) fn new(ways: &[Way], seed: u64) -> Self {
        let now = Instant::from_secs(1_000);
        let far = now + Duration::from_nanos(seed % 4_000_000_000_000);
        let mut house = Self {
            now,
            ends: [Tunnel::new(End::House, seed, now), Tunnel::new(End::Relay, !seed, far)],
            links: Vec::new(),
            generation: vec![0; ways.len()],
            calls: [Call::default(), Call::default()],
            talking: [true; 2],
            download: 0,
            events: Vec::new(),
            rhythms: Vec::new(),
            next_beat: now,
            next_bulk: now,
            downloaded: 0,
        };
        for (number, way) in ways.iter().enumerate() {
            let number = number as u64;
            house.links.push([0, 1].map(|side| Link::new(way.clone(), seed ^ (number * 2 + side))));
        }
        for number in 0..ways.len() {
            let policy = if number == 0 { Policy::Primary } else { Policy::Secondary };
            house.ends[0].handle_policy(link(number), policy, false, now);
            house.connect(number);
        }
        house
    }

    /// Both ends have a new connection on that link.
    pub(crate) fn connect(&mut self, number: usize) {
        self.generation[number] = self.generation[number].wrapping_add(1);
        for end in &mut self.ends {
            end.handle_connected(link(number), self.generation[number], LONGEST, self.now);
        }
        for side in &mut self.links[number] {
            side.lose_everything();
        }
    }

    pub(crate) fn cut(&mut self, number: usize, cut: bool) {
        self.links[number][0].cut = cut;
        self.links[number][1].cut = cut;
    }

    /// Both ends know of the window; the links stand still in a part of it.
    pub(crate) fn boundary(
        &mut self,
        number: usize,
        window: Window,
        hole: Option<(Instant, Instant)>,
    ) {
        self.ends[0].handle_window(link(number), Some(window), self.now);
        if let Some((from, until)) = hole
            && self.now >= from
        {
            for side in &mut self.links[number] {
                side.stalled_until = until;
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    fn step(&mut self, end: Instant) {
        self.house_sends();
        for number in 0..self.links.len() {
            for side in 0..2 {
                while let Some((generation, datagram)) = self.links[number][side].receive(self.now)
                {
                    let far = 1 - side;
                    let _ = self.ends[far].handle_datagram(
                        link(number),
                        generation,
                        datagram,
                        self.now,
                    );
                }
            }
        }
        for side in 0..2 {
            if self.now >= self.ends[side].next_deadline(self.now) {
                self.ends[side].handle_deadline(self.now);
            }
            self.transmit(side);
            self.deliver(side);
            while let Some(event) = self.ends[side].poll_event() {
                match event {
                    Event::Rhythm { link, rhythm } => self.rhythms.push((link, rhythm)),
                    other => self.events.push((self.now, side, other)),
                }
            }
        }
        self.advance(end);
    }

    fn house_sends(&mut self) {
        while self.next_beat <= self.now {
            for side in (0..2).filter(|side| self.talking[*side]) {
                let number = self.calls[side].sent.len() as u64;
                self.calls[side].sent.push(self.now);
                let _ = self.ends[side].handle_inner(packet(1, number, CALL_LENGTH), self.now);
            }
            self.next_beat = self.next_beat + BEAT;
        }
        while self.download > 0 && self.next_bulk <= self.now {
            let _ = self.ends[1].handle_inner(packet(2, 0, 1_380), self.now);
            self.next_bulk = self.next_bulk + Duration::from_nanos(1_000_000_000 / self.download);
        }
    }

    fn transmit(&mut self, side: usize) {
        for number in 0..self.links.len() {
            while self.links[number][side].has_room(self.now) {
                let Some(datagram) = self.ends[side].poll_datagram(link(number), self.now) else {
                    break;
                };
                self.links[number][side].send(self.generation[number], datagram, self.now);
            }
        }
    }

    fn deliver(&mut self, side: usize) {
        while let Some(packet) = self.ends[side].poll_inner() {
            let packet = &packet[Header::LENGTH..];
            if packet[21] == 2 {
                self.downloaded += 1;
                continue;
            }
            let number = u64::from_be_bytes(*packet[28..].first_chunk().expect("160 bytes"));
            let call = &mut self.calls[1 - side];
            call.arrivals.push(self.now);
            if call.arrived.insert(number, self.now).is_some() {
                call.twice += 1;
            }
        }
    }

    fn advance(&mut self, end: Instant) {
        let mut next = end;
        next = next.min(self.next_beat);
        if self.download > 0 {
            next = next.min(self.next_bulk);
        }
        for side in &self.ends {
            next = next.min(side.next_deadline(self.now));
        }
        for arrival in self.links.iter().flatten().filter_map(Link::next_arrival) {
            next = next.min(arrival);
        }
        self.now = next.max(self.now + Duration::from_micros(50));
    }

    /// When what is urgent changed its path at either end, and what was told of it.
    pub(crate) fn told_switches(&self, from: Instant) -> Vec<(Instant, Duration, u32)> {
        let told = |(at, _, event): &(Instant, usize, Event)| match event {
            Event::Switched { gap, lost, .. } if *at >= from => Some((*at, *gap, *lost)),
            _ => None,
        };
        self.events.iter().filter_map(told).collect()
    }

    /// Changes of the path of what is urgent at either end.
    pub(crate) fn switches(&self, from: Instant) -> usize {
        let switched = |event: &&(Instant, usize, Event)| {
            event.0 >= from && matches!(event.2, Event::Switched { .. })
        };
        self.events.iter().filter(switched).count()
    }
}

/// A packet whose sender says that it is of no hurry (RFC 8622).
pub(crate) fn background() -> BytesMut {
    let mut buffer = packet(3, 0, 1_000);
    buffer[Header::LENGTH + 1] = 1 << 2;
    buffer
}

/// A UDP packet of IPv4 from `port`, with a number in its payload.
pub(crate) fn packet(port: u16, number: u64, length: usize) -> BytesMut {
    let mut buffer = BytesMut::zeroed(Header::LENGTH + length);
    let packet = &mut buffer[Header::LENGTH..];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&u16::try_from(length).expect("a packet").to_be_bytes());
    packet[9] = 17;
    packet[20..22].copy_from_slice(&port.to_be_bytes());
    packet[28..36].copy_from_slice(&number.to_be_bytes());
    buffer
}
