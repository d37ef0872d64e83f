//! What the loop is told, and what it tells.

use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use units::{Instant, LinkId};

use super::super::congestion::Mask;
use crate::path::State;
use crate::{Counters, Event, Modes, Policy, Window};

/// Which far end: the relay sees many boxes, a box sees one relay, number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// Who may send and get what.
pub trait Directory {
    /// Whose packet this is that the kernel hands over.
    fn owner(&self, packet: &[u8]) -> Option<PeerId>;
    /// Whether `peer` may send this packet.
    fn admits(&self, peer: PeerId, packet: &[u8]) -> bool;
}

/// What the loop is told.
#[derive(Debug)]
pub enum Command {
    /// A connection is ready, and the first words are exchanged.
    Connected {
        /// With whom.
        peer: PeerId,
        /// On which uplink.
        link: LinkId,
        /// Which of its connections.
        generation: u8,
        /// The far end's session: its numbers begin anew when this changes.
        session: u64,
        /// The connection.
        connection: Connection,
        /// What its congestion controller looks at.
        mask: Arc<Mask>,
    },
    /// The cable of an uplink carries, or not.
    Carrier {
        /// The uplink.
        link: LinkId,
        /// Whether it does.
        carrier: bool,
    },
    /// How an uplink is to be used.
    Policy {
        /// The uplink.
        link: LinkId,
        /// How.
        policy: Policy,
        /// Whether its bytes cost money.
        metered: bool,
    },
    /// How each class is to be carried.
    Modes(Modes),
    /// When an uplink is expected to be silent.
    Window {
        /// The uplink.
        link: LinkId,
        /// When.
        window: Option<Window>,
    },
}

/// What the loop tells.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Of which far end.
    pub peer: PeerId,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Instant,
}

/// What can be seen of one path.
#[derive(Clone, Debug)]
pub struct PathView {
    /// Its uplink.
    pub link: LinkId,
    /// How far it is trusted.
    pub state: State,
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether it is poor for now.
    pub poor: bool,
    /// Smoothed round trip.
    pub round_trip: Option<Duration>,
    /// Delay above the least, towards the far end.
    pub queue: Duration,
    /// Share of datagrams lost.
    pub loss_ppm: u32,
    /// Bytes a second it is thought to carry.
    pub rate: u64,
    /// Bytes handed to QUIC.
    pub sent_bytes: u64,
    /// Bytes that came.
    pub received_bytes: u64,
}

/// What can be seen of one far end.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// Which.
    pub peer: PeerId,
    /// The path of what is urgent.
    pub active: Option<LinkId>,
    /// Its paths.
    pub paths: Vec<PathView>,
    /// What was counted.
    pub counters: Counters,
}
