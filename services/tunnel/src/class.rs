//! What kind of traffic a packet belongs to, told by its mark, its size and its flow's behaviour.

use core::time::Duration;

use units::Instant;

use crate::packet::{Protocol, Summary};

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Calls and games: small packets at a steady beat. Late is as bad as lost.
    Realtime,
    /// Somebody waits for it: names, pages, keystrokes, acknowledgements.
    Interactive,
    /// Downloads and films.
    Bulk,
    /// Marked by its sender as of no hurry (RFC 8622).
    Background,
}

impl Class {
    /// All, in order of precedence.
    pub const ALL: [Self; 4] = [Self::Realtime, Self::Interactive, Self::Bulk, Self::Background];

    /// As two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// From the low two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Realtime,
            1 => Self::Interactive,
            2 => Self::Bulk,
            _ => Self::Background,
        }
    }

    /// As a place in a list.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether a copy on another path is worth its bytes.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Realtime | Self::Interactive)
    }
}

/// Flows remembered. Two flows that meet in one place are judged as one; at 10 000 flows most still
/// have a place of their own, and the memory is 1 MiB whatever a client does.
const PLACES: usize = 1 << 15;

/// A flow's rate is judged over this time.
const MEASURE: Duration = Duration::from_millis(250);

/// Above this a flow is not a call: the dearest video call is below 4 Mbit/s, the dearest voice
/// call at 0.1.
const REALTIME_RATE: u32 = 1_000_000 / 8;
/// Above this nobody is waiting for a single answer any more.
const INTERACTIVE_RATE: u32 = 4_000_000 / 8;
/// Longest packet of a call's or game's beat.
const REALTIME_SIZE: u32 = 400;

/// What is remembered of a flow.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// Start of the running measurement, in milliseconds since boot, modulo 2^32.
    since_millis: u32,
    bytes: u32,
    packets: u32,
    /// Of the last finished measurement, in bytes a second.
    rate: u32,
    /// Mean packet of the last finished measurement.
    size: u32,
    tag: u32,
}

/// Remembers how flows behave.
#[derive(Debug)]
pub struct Classifier {
    flows: Box<[Flow]>,
}

impl Default for Classifier {
    fn default() -> Self {
        Self { flows: vec![Flow::default(); PLACES].into_boxed_slice() }
    }
}

/// Expedited forwarding, voice admit, CS5, `AF4x`: calls (RFC 4594).
const REALTIME_MARKS: [u8; 6] = [46, 44, 40, 34, 36, 38];
/// Lower effort and CS1.
const BACKGROUND_MARKS: [u8; 2] = [1, 8];

impl Classifier {
    /// The class of a packet that was seen at `now`.
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds wrap; sizes are below 2^16")]
    pub fn classify(&mut self, packet: &Summary, now: Instant) -> Class {
        let flow = &mut self.flows[packet.flow as usize % PLACES];
        flow.count((packet.flow >> 32) as u32, packet.length as u32, now);
        if BACKGROUND_MARKS.contains(&packet.dscp) {
            return Class::Background;
        }
        let (rate, size) = flow.behaviour();
        // A mark is a wish. It is granted to what behaves like it, not to a download.
        if REALTIME_MARKS.contains(&packet.dscp) && rate <= INTERACTIVE_RATE {
            return Class::Realtime;
        }
        match packet.protocol {
            Protocol::Udp if rate <= REALTIME_RATE && size <= REALTIME_SIZE => Class::Realtime,
            Protocol::Tcp { payload: false } | Protocol::Icmp => Class::Interactive,
            _ if rate <= INTERACTIVE_RATE => Class::Interactive,
            _ => Class::Bulk,
        }
    }
}

impl Flow {
    #[expect(clippy::cast_possible_truncation, reason = "the wrapping is meant")]
    fn count(&mut self, tag: u32, length: u32, now: Instant) {
        let millis = (now.as_micros() / 1_000) as u32;
        let elapsed = millis.wrapping_sub(self.since_millis);
        let measure = MEASURE.as_millis() as u32;
        if self.tag != tag && elapsed > 4 * measure {
            // Another flow, and the one before it has gone quiet.
            *self = Self { tag, since_millis: millis, ..Self::default() };
        } else if elapsed >= measure {
            let rate = u64::from(self.bytes) * 1_000 / u64::from(elapsed);
            // A pause of seconds does not make a download a call in its first packets.
            let rate = u32::try_from(rate).unwrap_or(u32::MAX);
            self.rate = if elapsed > 8 * measure { rate } else { (self.rate / 2).max(rate) };
            self.size = self.bytes / self.packets.max(1);
            (self.since_millis, self.bytes, self.packets) = (millis, 0, 0);
        }
        self.bytes = self.bytes.saturating_add(length);
        self.packets += 1;
    }

    /// Bytes a second and mean size: of the last measurement, or of this one if it says more.
    fn behaviour(&self) -> (u32, u32) {
        // What has come within a measurement is at least that much in its whole time.
        let running = self.bytes.saturating_mul(4);
        let size = if self.size == 0 { self.bytes / self.packets.max(1) } else { self.size };
        (self.rate.max(running), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::udp_v4;
    use std::hash::{BuildHasherDefault, DefaultHasher};

    /// The class of the last of `packets` packets a second over two seconds.
    fn settled(packets: u64, length: usize, traffic_class: u8) -> Class {
        let mut classifier = Classifier::default();
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let packet = Summary::read(&udp_v4(9, length, traffic_class), &hasher).unwrap();
        (0..2 * packets)
            .map(|n| classifier.classify(&packet, Instant::from_micros(n * 1_000_000 / packets)))
            .last()
            .unwrap()
    }

    #[test]
    fn behaviour_tells_calls_from_downloads() {
        assert_eq!(settled(200, 160, 0), Class::Realtime, "a game, or a voice call");
        assert_eq!(settled(50, 1_300, 0), Class::Interactive, "a slow page");
        assert_eq!(settled(2_000, 1_300, 0), Class::Bulk, "a download over QUIC");
        assert_eq!(settled(2_000, 1_300, 46 << 2), Class::Bulk, "one that claims to be a call");
        assert_eq!(settled(100, 1_200, 46 << 2), Class::Realtime, "a video call");
        assert_eq!(settled(10, 1_300, 1 << 2), Class::Background, "one that says it can wait");
    }

    #[test]
    fn a_download_is_known_within_a_quarter_of_a_second() {
        let mut classifier = Classifier::default();
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let packet = Summary::read(&udp_v4(9, 1_300, 0), &hasher).unwrap();
        let bulk = (0..10_000)
            .map(|n| Instant::from_micros(n * 250))
            .find(|now| classifier.classify(&packet, *now) == Class::Bulk);
        assert!(bulk.unwrap() < Instant::from_micros(250_000));
    }
}
