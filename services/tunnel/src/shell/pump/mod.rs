//! The loop between the TUN device and the connections: it owns the machines and moves packets.
//!
//! One task, which ends when [`Pump::run`] is dropped. For every connection there is one reader
//! task, aborted when another connection takes its link's place or the pump ends. They reach the
//! loop through one queue of [`INBOX`] datagrams; a reader that finds it full waits, and QUIC then
//! drops the oldest of its own buffer. Nothing else is queued here: what waits, waits in the
//! machine's fair queues, because that is where calls overtake downloads.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn::Connection;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use units::{Instant, LinkId};

use super::congestion::Mask;
use super::transport::SEND_BUFFER;
use super::tun::Tun;
use crate::wire::Header;
use crate::{End, Tunnel};

mod message;
mod peer;

pub use message::{Command, Directory, Notice, PathView, PeerId, PeerView};
use peer::{Arrival, Live, Peer, on_the_other_clock, read};

/// Datagrams on their way from the readers to the loop.
const INBOX: usize = 1_024;
/// Datagrams taken from it at once, and packets of the device between two looks at it.
const BATCH: usize = 256;
/// Events that wait for whoever wants to know; the oldest wins.
const NOTICES: usize = 256;
/// How often a connection that had no room is asked again. QUIC does not say when it has.
const ASK_AGAIN: Duration = Duration::from_millis(1);
/// How often connections are asked how fast they are.
const MEASURE: Duration = Duration::from_millis(20);
/// How much may wait inside QUIC: what it sends in 4 ms, this part of what it sends in a second,
const WAITING_SHARE: u64 = 250;
/// and at least this much, or it would stand still between two looks.
const LEAST_WAITING: usize = 6 * 1_452;
/// A far end without a connection is forgotten after this.
const FORGET: Duration = Duration::from_secs(120);

/// The loop's end of its channels, and the other ends.
#[derive(Debug)]
pub struct Handles {
    /// To tell the loop.
    pub commands: mpsc::Sender<Command>,
    /// To hear from it.
    pub notices: mpsc::Receiver<Notice>,
    /// To see how things stand, renewed five times a second.
    pub views: watch::Receiver<Vec<PeerView>>,
}

/// The loop.
pub struct Pump<D> {
    end: End,
    key: u64,
    clock: fn() -> Instant,
    directory: D,
    tun: Tun,
    peers: HashMap<PeerId, Peer>,
    readers: JoinSet<()>,
    inbox: (mpsc::Sender<Arrival>, mpsc::Receiver<Arrival>),
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
    views: watch::Sender<Vec<PeerView>>,
    outgoing: Vec<BytesMut>,
    measured: Instant,
    shown: Instant,
}

impl<D> std::fmt::Debug for Pump<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").field("end", &self.end).finish_non_exhaustive()
    }
}

/// How often the view is renewed.
const SHOW: Duration = Duration::from_millis(200);
/// Commands that wait for the loop.
const COMMANDS: usize = 64;

impl<D: Directory> Pump<D> {
    /// A loop around `tun`. `key` makes the places of flows unguessable.
    #[must_use]
    pub fn new(
        end: End,
        key: u64,
        clock: fn() -> Instant,
        directory: D,
        tun: Tun,
    ) -> (Self, Handles) {
        let (to_loop, commands) = mpsc::channel(COMMANDS);
        let (notices, from_loop) = mpsc::channel(NOTICES);
        let (views, seen) = watch::channel(Vec::new());
        let now = clock();
        let pump = Self {
            end,
            key,
            clock,
            directory,
            tun,
            peers: HashMap::new(),
            readers: JoinSet::new(),
            inbox: mpsc::channel(INBOX),
            commands,
            notices,
            views,
            outgoing: Vec::with_capacity(BATCH),
            measured: now,
            shown: now,
        };
        (pump, Handles { commands: to_loop, notices: from_loop, views: seen })
    }

    /// Runs until the device is gone or nobody can tell it anything any more.
    ///
    /// # Errors
    /// The kernel's, when the device is gone.
    pub async fn run(mut self) -> io::Result<()> {
        let mut arrivals = Vec::with_capacity(BATCH);
        let mut packets = Vec::with_capacity(BATCH);
        loop {
            let blocked = self.flush();
            self.hand_over().await?;
            let wait = self.next_deadline(blocked).saturating_since((self.clock)());
            tokio::select! {
                _ = self.inbox.1.recv_many(&mut arrivals, BATCH) => {}
                received = self.tun.receive(|packet| packets.push(packet)) => received?,
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                () = sleep(wait) => {}
            }
            for arrival in arrivals.drain(..) {
                self.take_arrival(arrival);
            }
            for packet in packets.drain(..) {
                self.take_packet(packet);
            }
            // Also when there is so much to do that the wait is never chosen.
            self.look();
            // The connections' own tasks must run, however much there is to do here.
            tokio::task::yield_now().await;
        }
    }

    fn next_deadline(&self, blocked: bool) -> Instant {
        let now = (self.clock)();
        let deadlines = self.peers.values().map(|peer| peer.tunnel.next_deadline(now));
        let next = deadlines.min().unwrap_or(now + FORGET);
        if blocked { next.min(now + ASK_AGAIN) } else { next }
    }

    /// Time has passed.
    fn look(&mut self) {
        let now = (self.clock)();
        for peer in self.peers.values_mut() {
            if peer.tunnel.next_deadline(now) <= now {
                peer.tunnel.handle_deadline(now);
            }
            if !peer.lives.is_empty() {
                peer.seen = now;
            }
        }
        if now.saturating_since(self.measured) >= MEASURE {
            self.measured = now;
            self.measure();
        }
        if now.saturating_since(self.shown) >= SHOW {
            self.shown = now;
            self.peers.values_mut().for_each(|peer| peer.close_retired(now));
            self.peers.retain(|_, peer| now.saturating_since(peer.seen) < FORGET);
            self.show();
        }
        while self.readers.try_join_next().is_some() {}
    }

    fn measure(&mut self) {
        let now = (self.clock)();
        for peer in self.peers.values_mut() {
            for live in &mut peer.lives {
                let path = live.connection.stats().path;
                let micros = u64::try_from(path.rtt.as_micros()).unwrap_or(u64::MAX).max(1);
                let rate = path.cwnd.saturating_mul(1_000_000) / micros;
                let waiting = rate / WAITING_SHARE;
                live.limit = usize::try_from(waiting)
                    .unwrap_or(SEND_BUFFER)
                    .clamp(LEAST_WAITING, SEND_BUFFER - 2_048);
                peer.tunnel.handle_rate(live.link, rate);
                let longest = live.connection.max_datagram_size().unwrap_or(0);
                peer.tunnel.handle_longest(live.link, live.generation, longest);
                let mut paths = peer.tunnel.paths().iter();
                let window = paths.find(|path| path.link == live.link).and_then(|path| path.window);
                live.mask.set(window.map(|window| on_the_other_clock(window, now)));
            }
        }
    }

    fn show(&self) {
        let view = |(id, peer): (&PeerId, &Peer)| PeerView {
            peer: *id,
            active: peer.tunnel.active(),
            paths: peer.tunnel.paths().iter().map(|path| peer.view(path)).collect(),
            counters: peer.tunnel.counters(),
        };
        self.views.send_replace(self.peers.iter().map(view).collect());
    }

    fn obey(&mut self, command: Command) {
        let now = (self.clock)();
        match command {
            Command::Connected { peer, link, generation, session, connection, mask } => {
                self.connect(peer, link, generation, session, connection, mask);
            }
            Command::Carrier { link, carrier } => {
                self.only_peer(now).tunnel.handle_carrier(link, carrier, now);
            }
            Command::Policy { link, policy, metered } => {
                self.only_peer(now).tunnel.handle_policy(link, policy, metered, now);
            }
            Command::Modes(modes) => self.only_peer(now).tunnel.handle_modes(modes),
            Command::Window { link, window } => {
                self.only_peer(now).tunnel.handle_window(link, window, now);
            }
        }
    }

    /// The relay, as a box sees it.
    fn only_peer(&mut self, now: Instant) -> &mut Peer {
        self.peer(PeerId::default(), now)
    }

    fn peer(&mut self, id: PeerId, now: Instant) -> &mut Peer {
        let (end, key) = (self.end, self.key);
        self.peers
            .entry(id)
            .or_insert_with(|| Peer::new(Tunnel::new(end, key ^ u64::from(id.0), now), now))
    }

    fn connect(
        &mut self,
        id: PeerId,
        link: LinkId,
        generation: u8,
        session: u64,
        connection: Connection,
        mask: Arc<Mask>,
    ) {
        let now = (self.clock)();
        let inbox = self.inbox.0.clone();
        let reader = self.readers.spawn(read(connection.clone(), inbox, id, link, generation));
        let peer = self.peer(id, now);
        if peer.session != session {
            peer.session = session;
            peer.tunnel.handle_far_restart();
        }
        peer.retire(link, now);
        let longest = connection.max_datagram_size().unwrap_or(0);
        peer.tunnel.handle_connected(link, generation, longest, now);
        let limit = LEAST_WAITING;
        peer.lives.push(Live { link, generation, connection, mask, reader, limit, received: 0 });
    }

    fn take_arrival(&mut self, arrival: Arrival) {
        let Arrival { peer: id, link, generation, datagram } = arrival;
        let now = (self.clock)();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let current = |live: &&mut Live| live.link == link && live.generation == generation;
        match datagram {
            Some(datagram) => {
                if let Some(live) = peer.lives.iter_mut().find(current) {
                    live.received += datagram.len() as u64;
                }
                // What is refused is counted by the machine; a log line for each would be a gift
                // to whoever sends them.
                let _ = peer.tunnel.handle_datagram(link, generation, datagram, now);
            }
            None => {
                peer.tunnel.handle_closed(link, generation, now);
                if peer.lives.iter_mut().any(|live| current(&live)) {
                    peer.retire(link, now);
                }
            }
        }
    }

    fn take_packet(&mut self, packet: BytesMut) {
        let owner = self.directory.owner(&packet[Header::LENGTH..]);
        let peer = owner.and_then(|owner| self.peers.get_mut(&owner));
        if let Some(peer) = peer {
            // Without a path the packet is lost, as on any link that is down.
            let _ = peer.tunnel.handle_inner(packet, (self.clock)());
        }
    }

    /// Sends what can be sent. Whether something has to wait for room.
    fn flush(&mut self) -> bool {
        let now = (self.clock)();
        let mut blocked = false;
        for (id, peer) in &mut self.peers {
            for live in &mut peer.lives {
                blocked |= live.flush(&mut peer.tunnel, now);
            }
            while let Some(event) = peer.tunnel.poll_event() {
                // Nobody listening, or too slow: the state itself is in the view.
                let _ = self.notices.try_send(Notice { peer: *id, event, at: now });
            }
        }
        blocked
    }

    /// Gives the kernel what has come for it.
    async fn hand_over(&mut self) -> io::Result<()> {
        for (id, peer) in &mut self.peers {
            while let Some(packet) = peer.tunnel.poll_inner() {
                if self.directory.admits(*id, &packet[Header::LENGTH..]) {
                    self.outgoing.push(packet);
                }
            }
        }
        if self.outgoing.is_empty() {
            return Ok(());
        }
        self.tun.send(&mut self.outgoing).await
    }
}
