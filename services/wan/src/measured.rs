//! What is measured on one uplink without the tunnel: by probes, and by the kernel's counters.

use std::time::Duration;

use units::Instant;

use crate::direct::probe::{Outcome, Probe, Question};
use crate::uplink::Device;

/// How many probes the loss is told from.
const LAST_PROBES: u32 = u64::BITS;

/// What the kernel had counted, and when.
#[derive(Clone, Copy, Debug)]
struct Counters {
    device: Device,
    down: u64,
    up: u64,
    at: Instant,
}

/// The numbers of one uplink.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    rtt: Option<Duration>,
    /// One bit for each of the last probes, the newest lowest: whether it stayed without an answer.
    silent: u64,
    probes: u32,
    counters: Option<Counters>,
    rate_down_bps: u64,
    rate_up_bps: u64,
}

impl Measured {
    /// Something came of a probe, or nothing did. Pages tell nothing here: their servers take
    /// their time.
    pub fn handle_outcome(&mut self, probe: &Probe, outcome: Outcome) {
        if probe.question == Question::Page {
            return;
        }
        self.silent = self.silent << 1 | u64::from(outcome == Outcome::Silence);
        self.probes = (self.probes + 1).min(LAST_PROBES);
        if let Outcome::Answered(rtt) = outcome {
            // As TCP smoothes it (RFC 6298, 2.3).
            self.rtt = Some(self.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
        }
    }

    /// The kernel has counted these bytes on `device`.
    pub fn handle_counters(&mut self, device: Device, down: u64, up: u64, now: Instant) {
        let new = Counters { device, down, up, at: now };
        let old = self.counters.replace(new).filter(|old| old.device == device);
        let Some(old) = old else { return };
        let nanos = now.saturating_since(old.at).as_nanos();
        let rate = |before: u64, after: u64| {
            let bits = u128::from(after.saturating_sub(before)) * 8 * 1_000_000_000;
            bits.checked_div(nanos).map(|rate| u64::try_from(rate).unwrap_or(u64::MAX))
        };
        self.rate_down_bps = rate(old.down, down).unwrap_or(self.rate_down_bps);
        self.rate_up_bps = rate(old.up, up).unwrap_or(self.rate_up_bps);
    }

    /// The smoothed time there and back.
    #[must_use]
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// The share of the last probes that stayed without an answer, in millionths.
    #[must_use]
    pub fn loss_ppm(&self) -> u32 {
        (self.silent.count_ones() * 1_000_000).checked_div(self.probes).unwrap_or(0)
    }

    /// What comes in, in bits per second.
    #[must_use]
    pub const fn rate_down_bps(&self) -> u64 {
        self.rate_down_bps
    }

    /// What goes out, in bits per second.
    #[must_use]
    pub const fn rate_up_bps(&self) -> u64 {
        self.rate_up_bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, SocketAddr};

    fn probe() -> Probe {
        let server = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 53));
        let link = units::LinkId::new(1).expect("from 1");
        Probe { link, question: Question::Server(server) }
    }

    #[test]
    fn loss_is_the_share_of_the_last_probes() {
        let mut measured = Measured::default();
        assert_eq!(measured.loss_ppm(), 0);
        measured.handle_outcome(&probe(), Outcome::Silence);
        assert_eq!(measured.loss_ppm(), 1_000_000);
        for _ in 0..3 {
            measured.handle_outcome(&probe(), Outcome::Answered(Duration::from_millis(20)));
        }
        assert_eq!(measured.loss_ppm(), 250_000);
        for _ in 0..LAST_PROBES {
            measured.handle_outcome(&probe(), Outcome::Answered(Duration::from_millis(20)));
        }
        assert_eq!(measured.loss_ppm(), 0, "what is long ago is forgotten");
        assert_eq!(measured.rtt(), Some(Duration::from_millis(20)));
    }

    #[test]
    fn rates_survive_a_new_interface_and_a_counter_that_starts_again() {
        let mut measured = Measured::default();
        measured.handle_counters(Device(1), 1_000, 0, Instant::from_secs(1));
        measured.handle_counters(Device(1), 2_000, 500, Instant::from_secs(3));
        assert_eq!((measured.rate_down_bps(), measured.rate_up_bps()), (4_000, 2_000));
        measured.handle_counters(Device(1), 0, 500, Instant::from_secs(5));
        assert_eq!(measured.rate_down_bps(), 0);
        measured.handle_counters(Device(2), 9_000_000, 0, Instant::from_secs(6));
        assert_eq!(measured.rate_down_bps(), 0, "that was not in this second");
    }
}
