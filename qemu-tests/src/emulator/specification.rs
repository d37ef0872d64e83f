//! What a link is like when nothing is wrong with it.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loss::LossSpecification;
use super::quantity::{Rate, Span};
use super::trace::{DelayTrace, DeliveryTrace, RecordedTrace};

/// Which way a frame travels, seen from the house: `up` leaves the box, `down` comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// From the box to its provider.
    Up,
    /// From the provider to the box.
    Down,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Both ways of a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkSpecification {
    /// From the box to its provider.
    pub up: DirectionSpecification,
    /// From the provider to the box.
    pub down: DirectionSpecification,
}

/// One way of a link. The default is a perfect wire: no limit, no delay, no loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DirectionSpecification {
    /// How fast frames leave the queue.
    pub capacity: Capacity,
    /// How long a frame is on the way once it has left the queue.
    pub delay: Delay,
    /// How much waits before the bottleneck.
    pub queue: QueueLimit,
    /// What gets lost after it.
    pub loss: LossSpecification,
}

/// How fast frames leave the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capacity {
    /// At once.
    #[default]
    Unlimited,
    /// At a constant bit rate.
    Rate(Rate),
    /// At the delivery opportunities of a recording: 1500 bytes at each.
    Trace(RecordedTrace),
    /// The same of a recording that somebody brought along.
    #[serde(skip)]
    Brought(DeliveryTrace),
}

/// How long a frame is on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delay {
    /// Always the same, one way.
    Constant(Span),
    /// A little different for each frame, one way; frames keep their order.
    Normal(NormalDelay),
    /// As recorded, one way, in steps of 10 ms.
    Trace(RecordedTrace),
    /// The same of a recording that somebody brought along.
    #[serde(skip)]
    Brought(DelayTrace),
}

/// A delay with a bell curve, cut off at 3.5 standard deviations and at nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NormalDelay {
    /// Its middle.
    pub mean: Span,
    /// Its standard deviation.
    pub deviation: Span,
}

impl Default for Delay {
    fn default() -> Self {
        Self::Constant(Span::default())
    }
}

/// What a drop-tail queue holds at most, the frame in service included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct QueueLimit {
    /// Frames.
    pub packets: u32,
    /// Packet bytes, without Ethernet headers.
    pub bytes: u32,
}

impl Default for QueueLimit {
    /// 500 packets, as `LeoCC` found on the Starlink uplink, of 1500 bytes each.
    fn default() -> Self {
        Self { packets: 500, bytes: 500 * 1_500 }
    }
}

/// Where in its recording a replay stands when the emulator starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayPhase(Duration);

impl ReplayPhase {
    /// UTC seconds of a minute at which the real dishes do, modulo 15 s.
    const HANDOVER_IN_UTC: Duration = Duration::from_secs(12);
    const SLOT_NANOS: u128 = 15_000_000_000;

    /// Starts that far into the recording.
    #[must_use]
    pub const fn at(position: Duration) -> Self {
        Self(position)
    }

    /// Starts where the replayed handovers fall on the real ones, if the emulator starts `utc`
    /// after the Unix epoch and the recording's first is at `handover`.
    #[must_use]
    pub fn in_step_with_utc(utc: Duration, handover: Duration) -> Self {
        let slot = Self::SLOT_NANOS;
        let nanos = utc.as_nanos() + handover.as_nanos() + slot - Self::HANDOVER_IN_UTC.as_nanos();
        Self(Duration::from_nanos(u64::try_from(nanos % slot).expect("less than 15 s")))
    }

    /// How far into the recording the replay stood at the emulator's start.
    #[must_use]
    pub const fn position(self) -> Duration {
        self.0
    }
}

/// Whose addresses the ICMP "too big" messages of a link carry: a router on the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBigSender {
    /// For IPv4 packets (RFC 1191).
    pub v4: Ipv4Addr,
    /// For IPv6 packets (RFC 8201).
    pub v6: Ipv6Addr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_handover_falls_on_utc_seconds_12_27_42_57() {
        for second in [0, 3, 11, 12, 13, 59] {
            let utc = Duration::from_secs(1_800_000_000 + second);
            let phase = ReplayPhase::in_step_with_utc(utc, Duration::from_millis(8_690)).position();
            // From now to the next recorded handover, and to the next one in the sky.
            let recorded = (15_000 + 8_690 - phase.as_millis()) % 15_000;
            let sky = (60_000 + 12_000 - utc.as_millis() % 60_000) % 15_000;
            assert_eq!(recorded, sky, "at UTC second {second}");
        }
    }
}
