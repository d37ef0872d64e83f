//! All of it together.

mod choose;
mod inward;
mod outward;
mod reporting;
mod watch;

use core::hash::{BuildHasher, Hasher};
use core::time::Duration;
use std::collections::VecDeque;
use std::hash::DefaultHasher;

use bytes::{Bytes, BytesMut};
use units::{Instant, LinkId};

use crate::budget::Budget;
use crate::class::Classifier;
use crate::dedup::Dedup;
use crate::fragment::Reassembly;
use crate::packet::PacketError;
use crate::path::{Path, Rhythm, State, Why};
use crate::pins::Pins;
use crate::policy::{Modes, Policy};
use crate::window::Window;
use crate::wire::{HeaderError, ReportError};

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The box: what it says of policies, cables and windows holds.
    House,
    /// The relay.
    Relay,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A path is trusted more, or less.
    Path {
        /// Which.
        link: LinkId,
        /// How far it was trusted.
        from: State,
        /// How far it is.
        to: State,
        /// Why.
        why: Why,
    },
    /// What is urgent goes another way from now on.
    Switched {
        /// The path before, if there was one.
        from: Option<LinkId>,
        /// The path now, if there is one.
        to: Option<LinkId>,
        /// For how long nothing had passed on the path before when it was left, as far as this end
        /// knows; zero where that path still carried. A call notices less: what is urgent is
        /// copied from the first doubt on.
        gap: Duration,
        /// Urgent packets that were on their way there, of which nobody had told that they arrived,
        /// and that could not be sent again.
        lost: u32,
    },
    /// How a path's datagrams arrived in the last moments: what a slot clock learns from.
    Rhythm {
        /// Which.
        link: LinkId,
        /// How.
        rhythm: Rhythm,
    },
}

/// A packet of the house that is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InnerError {
    /// It is not IP.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// No path is there at all.
    #[error("no path to the relay")]
    NoPath,
    /// It is of no hurry, and on every path there is bytes cost money.
    #[error("nothing that can wait is sent while bytes are dear")]
    Spared,
}

/// A datagram that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// No such link, or its connection is another by now.
    #[error("uplink {0} has no such connection")]
    Connection(LinkId),
    /// Its head cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its number is far from all others of its path.
    #[error("path sequence {0} is far from what has arrived")]
    Sequence(u32),
    /// It is a report that cannot be read.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of inner packets taken.
    pub inner_bytes: u64,
    /// Bytes of copies made before anything was known to be lost.
    pub copied_bytes: u64,
    /// Bytes sent again because they were lost or stuck.
    pub repaired_bytes: u64,
    /// Inner packets delivered.
    pub delivered: u64,
    /// Copies that came after the first.
    pub duplicates: u64,
    /// Times that what is urgent changed its path.
    pub switches: u64,
    /// Datagrams refused.
    pub refused: u64,
}

/// The tunnel's machine.
#[derive(Debug)]
pub struct Tunnel {
    end: End,
    hasher: FlowHasher,
    paths: Vec<Path>,
    classifier: Classifier,
    pins: Pins,
    budget: Budget,
    dedup: Dedup,
    reassembly: Reassembly,
    delivered: VecDeque<BytesMut>,
    events: VecDeque<Event>,
    next_session: u64,
    turn: u8,
    best: Option<usize>,
    modes: Modes,
    last_inner: Option<Instant>,
    active_since: Option<Instant>,
    /// When the far end last promised the active pace.
    far_talked: Option<Instant>,
    watched: Instant,
    rhythm_told: Instant,
    counters: Counters,
}

/// Inner packets that wait to be taken by the shell. It takes them after each call that could add
/// one, so this is never reached but by a shell that does not.
const MOST_DELIVERED: usize = 4_096;
/// Events that wait to be taken.
const MOST_EVENTS: usize = 256;
/// How long after the last inner packet the tunnel stays awake, reports at the active pace.
const AWAKE: Duration = Duration::from_secs(1);
/// In the last part of that time an end promises the idle pace already. A promise of the active
/// pace that it cannot keep would look like a fault, and of 15 reports one will arrive.
const DROWSY: Duration = Duration::from_millis(300);
/// Time between looks at the paths, awake.
const WATCH_AWAKE: Duration = Duration::from_millis(5);
/// And asleep.
const WATCH_ASLEEP: Duration = Duration::from_millis(100);

impl Tunnel {
    /// A tunnel without paths. `key` makes the places of flows unguessable.
    #[must_use]
    pub fn new(end: End, key: u64, now: Instant) -> Self {
        Self {
            end,
            hasher: FlowHasher(key),
            paths: Vec::new(),
            classifier: Classifier::default(),
            pins: Pins::default(),
            budget: Budget::default(),
            dedup: Dedup::default(),
            reassembly: Reassembly::default(),
            delivered: VecDeque::new(),
            events: VecDeque::new(),
            next_session: 0,
            turn: 0,
            best: None,
            modes: Modes::default(),
            last_inner: None,
            active_since: None,
            far_talked: None,
            watched: now,
            rhythm_told: now,
            counters: Counters::default(),
        }
    }

    /// A connection is ready on `link`; it carries datagrams of up to `longest` bytes. The
    /// connection that was there before, if any, is gone.
    pub fn handle_connected(&mut self, link: LinkId, generation: u8, longest: usize, now: Instant) {
        let index = self.index_or_insert(link, now);
        self.paths[index].connect(generation, longest, now);
        self.watch(now);
    }

    /// The connection of `link` has ended.
    pub fn handle_closed(&mut self, link: LinkId, generation: u8, now: Instant) {
        if let Some(path) = self.path_of(link, generation) {
            path.connected = false;
            self.watch(now);
        }
    }

    /// The path now carries datagrams of up to `longest` bytes.
    pub fn handle_longest(&mut self, link: LinkId, generation: u8, longest: usize) {
        if let Some(path) = self.path_of(link, generation) {
            path.longest = longest;
        }
    }

    /// The path is thought to carry that many bytes a second.
    pub fn handle_rate(&mut self, link: LinkId, bytes_per_second: u64) {
        if let Some(path) = self.paths.iter_mut().find(|path| path.link == link) {
            path.rate = bytes_per_second;
        }
    }

    /// The cable of `link` carries, or not. The far end is told at once.
    pub fn handle_carrier(&mut self, link: LinkId, carrier: bool, now: Instant) {
        let index = self.index_or_insert(link, now);
        if self.paths[index].carrier != carrier {
            self.paths[index].carrier = carrier;
            self.report_at_once();
            self.watch(now);
        }
    }

    /// The household wants `link` used so.
    pub fn handle_policy(&mut self, link: LinkId, policy: Policy, metered: bool, now: Instant) {
        let index = self.index_or_insert(link, now);
        let path = &mut self.paths[index];
        if (path.policy, path.metered) != (policy, metered) {
            (path.policy, path.metered) = (policy, metered);
            self.report_at_once();
            self.watch(now);
        }
    }

    /// The household wants its classes carried so. The far end is told.
    pub fn handle_modes(&mut self, modes: Modes) {
        if self.modes != modes {
            self.modes = modes;
            self.report_at_once();
        }
    }

    /// `link` is expected to be silent in `window`. The far end is told.
    pub fn handle_window(&mut self, link: LinkId, window: Option<Window>, now: Instant) {
        let index = self.index_or_insert(link, now);
        self.paths[index].expect(window, now);
    }

    /// The far end has started anew: its numbers begin again.
    pub fn handle_far_restart(&mut self) {
        self.dedup = Dedup::default();
        self.reassembly = Reassembly::default();
    }

    /// The next packet for the house: [`crate::wire::Header::LENGTH`] bytes of room, then IP.
    pub fn poll_inner(&mut self) -> Option<BytesMut> {
        self.delivered.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Tunnel::handle_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Instant {
        let asleep = !self.is_awake(now);
        self.watched + if asleep { WATCH_ASLEEP } else { WATCH_AWAKE }
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.forgive_own_delay(now);
        self.watch(now);
    }

    /// The paths, in the order in which they were first heard of.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// The path of what is urgent.
    #[must_use]
    pub fn active(&self) -> Option<LinkId> {
        self.best.map(|index| self.paths[index].link)
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether reports go out at the active pace: inner packets have flowed lately, or the far end
    /// says that some have there. One of them may have been lost on its way here.
    #[must_use]
    pub fn is_awake(&self, now: Instant) -> bool {
        let within =
            |at: Option<Instant>, span| at.is_some_and(|at| now.saturating_since(at) < span);
        within(self.last_inner, AWAKE) || within(self.far_talked, DROWSY)
    }

    /// Whether inner packets have flowed so lately that the active pace is promised, and expected
    /// of the far end.
    fn is_talking(&self, now: Instant) -> bool {
        self.last_inner.is_some_and(|last| now.saturating_since(last) < AWAKE - DROWSY)
    }

    fn note_inner(&mut self, now: Instant) {
        if !self.is_talking(now) {
            self.active_since = Some(now);
            self.report_at_once();
        }
        self.last_inner = Some(now);
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn deliver(&mut self, packet: Bytes, now: Instant) {
        self.note_inner(now);
        self.counters.delivered += 1;
        if self.delivered.len() >= MOST_DELIVERED {
            self.delivered.pop_front();
        }
        // The connection's last owner of these bytes is usually gone: then nothing is copied.
        let packet = packet.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        self.delivered.push_back(packet);
    }

    fn path_of(&mut self, link: LinkId, generation: u8) -> Option<&mut Path> {
        let current = |path: &&mut Path| path.link == link && path.generation == generation;
        self.paths.iter_mut().find(current)
    }

    fn index_or_insert(&mut self, link: LinkId, now: Instant) -> usize {
        if let Some(index) = self.paths.iter().position(|path| path.link == link) {
            return index;
        }
        self.paths.push(Path::new(link, Policy::Primary, now));
        self.paths.len() - 1
    }
}

/// Flow numbers that a stranger cannot make collide.
#[derive(Clone, Copy, Debug)]
struct FlowHasher(u64);

impl BuildHasher for FlowHasher {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
