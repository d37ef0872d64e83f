//! What happened to each frame, on demand.

use std::collections::VecDeque;
use std::fmt;

use units::Instant;

use super::specification::Side;

/// What became of a frame at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It waits for the bottleneck.
    Queued,
    /// It did not fit into the queue.
    QueueFull,
    /// The link is down.
    NoCarrier,
    /// It is longer than the link's MTU.
    TooBig,
    /// A cut took it.
    Cut,
    /// The link's ordinary loss took it.
    Lost,
    /// More is on the way than the emulator holds.
    WayFull,
    /// It came out.
    Delivered,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::QueueFull => "queue-full",
            Self::NoCarrier => "no-carrier",
            Self::TooBig => "too-big",
            Self::Cut => "cut",
            Self::Lost => "lost",
            Self::WayFull => "way-full",
            Self::Delivered => "delivered",
        })
    }
}

/// One line of the packet log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When it happened, on the emulator's clock.
    pub time: Instant,
    /// Which way the frame was going.
    pub side: Side,
    /// The frame's length without its Ethernet header, in bytes.
    pub packet_bytes: u32,
    /// What happened.
    pub verdict: Verdict,
    /// Frames in the queue afterwards.
    pub queue_packets: u32,
    /// Packet bytes in the queue afterwards.
    pub queue_bytes: u32,
}

impl fmt::Display for LogEntry {
    /// `seconds direction bytes verdict queue-packets queue-bytes`, with nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.time.as_nanos();
        write!(
            f,
            "{}.{:09} {} {} {} {} {}",
            nanos / 1_000_000_000,
            nanos % 1_000_000_000,
            self.side,
            self.packet_bytes,
            self.verdict,
            self.queue_packets,
            self.queue_bytes
        )
    }
}

/// Entries that wait to be written.
#[derive(Debug, Default)]
pub(super) struct PacketLog {
    entries: Option<VecDeque<LogEntry>>,
}

impl PacketLog {
    /// Entries that wait at most; the writer comes after every frame, so only a few ever do.
    /// Older ones give way.
    const MAX_ENTRIES: usize = 8_192;

    pub(super) fn set_wanted(&mut self, wanted: bool) {
        self.entries = wanted.then(VecDeque::new);
    }

    pub(super) fn push(&mut self, entry: LogEntry) {
        let Some(entries) = &mut self.entries else { return };
        if entries.len() == Self::MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    pub(super) fn poll(&mut self) -> Option<LogEntry> {
        self.entries.as_mut()?.pop_front()
    }
}
