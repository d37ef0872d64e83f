//! What one direction has done so far.

use serde::{Deserialize, Serialize};

use super::packet_log::Verdict;

/// Frames since the start, by what became of them. Every frame that came in is in exactly one of
/// the others, waits, or is on its way; copies count apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames that came in.
    pub received: u64,
    /// Packet bytes that came in.
    pub received_bytes: u64,
    /// Frames that came out, copies included.
    pub delivered: u64,
    /// Packet bytes that came out, copies included.
    pub delivered_bytes: u64,
    /// Frames that did not fit into the queue.
    pub queue_full: u64,
    /// Frames that met a link without carrier.
    pub no_carrier: u64,
    /// Frames longer than the MTU.
    pub too_big: u64,
    /// Frames that a cut took.
    pub cut: u64,
    /// Frames that ordinary loss took.
    pub lost: u64,
    /// Frames for which the way held too many others.
    pub way_full: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Frames with a bit inverted.
    pub corrupted: u64,
    /// Frames held back behind later ones.
    pub reordered: u64,
    /// Frames in the queue now.
    pub queue_packets: u32,
    /// Packet bytes in the queue now.
    pub queue_bytes: u32,
}

impl Counters {
    pub(super) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Queued => {}
            Verdict::Delivered => self.delivered += 1,
            Verdict::QueueFull => self.queue_full += 1,
            Verdict::NoCarrier => self.no_carrier += 1,
            Verdict::TooBig => self.too_big += 1,
            Verdict::Cut => self.cut += 1,
            Verdict::Lost => self.lost += 1,
            Verdict::WayFull => self.way_full += 1,
        }
    }
}
