//! One far end and its connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, SendDatagramError, VarInt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use units::{Instant, LinkId};

use super::super::congestion::Mask;
use super::super::transport::SEND_BUFFER;
use super::message::{PathView, PeerId};
use crate::path::Path;
use crate::{Tunnel, Window};

/// One far end.
pub(super) struct Peer {
    pub(super) tunnel: Tunnel,
    pub(super) session: u64,
    pub(super) lives: Vec<Live>,
    /// Connections that others have replaced, oldest first: closed after [`LINGER`], because the
    /// far end may not have heard of the others yet and would take the close for a fault.
    retired: VecDeque<(Instant, Connection)>,
    pub(super) seen: Instant,
}

/// One connection in use.
pub(super) struct Live {
    pub(super) link: LinkId,
    pub(super) generation: u8,
    pub(super) connection: Connection,
    pub(super) mask: Arc<Mask>,
    pub(super) reader: AbortHandle,
    /// Bytes that may wait inside QUIC.
    pub(super) limit: usize,
    pub(super) received: u64,
}

pub(super) struct Arrival {
    pub(super) peer: PeerId,
    pub(super) link: LinkId,
    pub(super) generation: u8,
    /// Nothing when the connection has ended.
    pub(super) datagram: Option<Bytes>,
}

/// How long a replaced connection stays open: a round trip over the slowest usable path.
const LINGER: Duration = Duration::from_secs(2);
/// Replaced connections that stay open: one for each link a box can have.
const MOST_RETIRED: usize = 8;

impl Peer {
    pub(super) fn new(tunnel: Tunnel, now: Instant) -> Self {
        Self { tunnel, session: 0, lives: Vec::new(), retired: VecDeque::new(), seen: now }
    }

    pub(super) fn retire(&mut self, link: LinkId, now: Instant) {
        for gone in self.lives.extract_if(.., |live| live.link == link) {
            gone.reader.abort();
            self.retired.push_back((now + LINGER, gone.connection));
        }
        self.close_retired(now);
    }

    /// Closes those that have lingered long enough, or are too many.
    pub(super) fn close_retired(&mut self, now: Instant) {
        while let Some((until, connection)) = self.retired.front()
            && (*until <= now || self.retired.len() > MOST_RETIRED)
        {
            connection.close(VarInt::from_u32(0), b"replaced");
            self.retired.pop_front();
        }
    }

    pub(super) fn view(&self, path: &Path) -> PathView {
        let live = self.lives.iter().find(|live| live.link == path.link);
        PathView {
            link: path.link,
            state: path.health.state(),
            connected: path.connected,
            poor: path.poor,
            round_trip: path.round_trip,
            queue: path.far_queue,
            loss_ppm: path.loss_ppm,
            rate: path.rate,
            sent_bytes: path.carried,
            received_bytes: live.map_or(0, |live| live.received),
        }
    }
}

impl Live {
    /// Whether something has to wait for room.
    pub(super) fn flush(&self, tunnel: &mut Tunnel, now: Instant) -> bool {
        let mut waiting = SEND_BUFFER.saturating_sub(self.connection.datagram_send_buffer_space());
        while waiting < self.limit {
            let Some(datagram) = tunnel.poll_datagram(self.link, now) else { return false };
            waiting += datagram.len();
            match self.connection.send_datagram(datagram) {
                Ok(()) => {}
                Err(SendDatagramError::TooLarge) => {
                    // Lost here; the report will say so and it goes again, in parts.
                    let longest = self.connection.max_datagram_size().unwrap_or(0);
                    tunnel.handle_longest(self.link, self.generation, longest);
                }
                Err(_) => {
                    tunnel.handle_closed(self.link, self.generation, now);
                    return false;
                }
            }
        }
        true
    }
}

pub(super) async fn read(
    connection: Connection,
    inbox: mpsc::Sender<Arrival>,
    peer: PeerId,
    link: LinkId,
    generation: u8,
) {
    loop {
        let datagram = connection.read_datagram().await.ok();
        let ended = datagram.is_none();
        if inbox.send(Arrival { peer, link, generation, datagram }).await.is_err() || ended {
            return;
        }
    }
}

/// A window on the clock that QUIC uses.
pub(super) fn on_the_other_clock(
    window: Window,
    now: Instant,
) -> (std::time::Instant, std::time::Instant) {
    let here = std::time::Instant::now();
    let there = |at: Instant| {
        let earlier = here.checked_sub(now.saturating_since(at)).unwrap_or(here);
        earlier + at.saturating_since(now)
    };
    (there(window.opens), there(window.closes))
}
