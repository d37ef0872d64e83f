//! The status as numbers, in the text format of Prometheus (version 0.0.4).

use core::fmt::Write;

use crate::direct::health::Health;
use crate::status::{Mode, State, Status, UplinkStatus};

/// What the format calls itself.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One number of an uplink: its name, its kind, what it is, and where it comes from.
type Row = (&'static str, &'static str, &'static str, fn(&UplinkStatus) -> f64);

const ROWS: [Row; 13] = [
    ("up", "gauge", "Whether what is sent comes back.", |uplink| {
        flag(matches!(uplink.health, Health::Up | Health::Suspect))
    }),
    ("usable", "gauge", "Whether it has a carrier, an address and a way on.", |uplink| {
        flag(uplink.state.reach().is_some())
    }),
    ("rtt_seconds", "gauge", "The smoothed time to the world and back.", |uplink| {
        uplink.rtt.map_or(f64::NAN, |rtt| rtt.as_secs_f64())
    }),
    ("loss_ratio", "gauge", "The share of the last probes or packets lost.", |uplink| {
        f64::from(uplink.loss_ppm) / 1e6
    }),
    ("receive_bits_per_second", "gauge", "What comes in.", |uplink| {
        approximate(uplink.rate_down_bps)
    }),
    ("transmit_bits_per_second", "gauge", "What goes out.", |uplink| {
        approximate(uplink.rate_up_bps)
    }),
    ("bytes_total", "counter", "Bytes ever counted, both ways.", |uplink| {
        approximate(uplink.standing.carried_bytes)
    }),
    ("month_bytes", "gauge", "Bytes of this billing month, both ways.", |uplink| {
        approximate(uplink.standing.used_bytes)
    }),
    ("cap_bytes", "gauge", "Most bytes in a billing month; 0 without a cap.", |uplink| {
        approximate(uplink.uplink.cap_bytes.unwrap_or(0))
    }),
    ("last_resort", "gauge", "Whether its dish says that it will not carry.", |uplink| {
        flag(uplink.dish.last_resort.is_some())
    }),
    ("sparing", "gauge", "Whether nothing is sent over it that need not be.", |uplink| {
        flag(uplink.allowance.sparing)
    }),
    ("dish_obstructed_ratio", "gauge", "The share of its dish's sky that is blocked.", |uplink| {
        uplink.dish.obstructed.map_or(f64::NAN, f64::from)
    }),
    ("dish_power_watts", "gauge", "What its dish draws.", |uplink| {
        uplink.dish.draw.map_or(f64::NAN, |draw| f64::from(draw.get()) / 1e3)
    }),
];

/// `status` as text. It is as long as there are uplinks: below 16 KiB for as many as there can be.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let online = matches!(status.state, State::Online | State::Degraded);
    let tunnelled = status.mode == Mode::Tunnel;
    for (name, help, value) in [
        ("online", "Whether the house is online.", online),
        ("tunnel", "Whether it goes out through the tunnel.", tunnelled),
    ] {
        head(&mut text, name, "gauge", help);
        let _ = writeln!(text, "porchlight_wan_{name} {}", flag(value));
    }
    head(&mut text, "switches_total", "counter", "Times the house left one uplink for another.");
    let _ = writeln!(text, "porchlight_wan_switches_total {}", status.switches);
    head(&mut text, "uplink_carries", "gauge", "Whether it carries the house.");
    for uplink in &status.uplinks {
        let carries = status.active.contains(&uplink.uplink.id);
        line(&mut text, "carries", uplink, flag(carries));
    }
    for (name, kind, help, value) in ROWS {
        head(&mut text, &format!("uplink_{name}"), kind, help);
        for uplink in &status.uplinks {
            line(&mut text, name, uplink, value(uplink));
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP porchlight_wan_{name} {help}");
    let _ = writeln!(text, "# TYPE porchlight_wan_{name} {kind}");
}

fn line(text: &mut String, name: &str, uplink: &UplinkStatus, value: f64) {
    let port = uplink.uplink.name;
    // A port's name needs no quoting (see `units::PortName`).
    let _ = writeln!(text, "porchlight_wan_uplink_{name}{{uplink=\"{port}\"}} {value}");
}

const fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// The format has no other numbers; above 2^53 the last digits are lost, after eight petabytes.
fn approximate(value: u64) -> f64 {
    let (high, low) = (value >> 32, value & 0xffff_ffff);
    let half = |half: u64| f64::from(u32::try_from(half).expect("half of 64 bits"));
    half(high) * 4_294_967_296.0 + half(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_stay_whole() {
        assert!((approximate((1 << 53) - 1) - 9_007_199_254_740_991.0).abs() < f64::EPSILON);
        assert_eq!(format!("{}", approximate(5_000_000_000)), "5000000000");
    }

    #[test]
    fn every_number_is_explained_and_every_line_is_a_number() {
        let text = text(&Status::default());
        assert!(text.starts_with("# HELP porchlight_wan_online "), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.ends_with(" 0")), "{text}");
        assert_eq!(text.matches("# TYPE").count(), ROWS.len() + 4);
    }
}
