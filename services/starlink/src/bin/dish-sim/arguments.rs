//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// A Starlink dish that lies exactly like the real one.
///
/// Serves the dish's gRPC interface over plaintext HTTP/2: status, history and map of the sky, from
/// four recorded hours and a script of what goes wrong. Says on its first line where it listens.
#[derive(Clone, Debug, Parser)]
#[command(name = "dish-sim", after_help = SCRIPT_HELP)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9200")]
    pub(crate) listen: SocketAddr,

    /// What goes wrong and when, see below; nothing, if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,

    /// Seconds of the dish's life in one real second
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,

    /// Second of the recording to start at, up to 14399; the recording begins at a boundary, so
    /// a multiple of 15 started at UTC second 12, 27, 42 or 57 agrees with the sky
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = offset)]
    pub(crate) start: Duration,
}

const SCRIPT_HELP: &str = "\
The script is TOML; times are seconds of the dish's life since the start:

  lag_s = 3                  # how late the dish reports; 0 if left out
  metered = false            # traffic costs by the byte

  [[event]]                  # as many as you like, also at the same time
  what = \"outage\"            # see below
  at_s = 60
  for_s = 20
  cause = \"obstructed\"       # of an outage
  announced_s = 300          # of a reboot: how long before it is told

what:   outage, reboot (dead, then booting), sleep (known all along), heating, thermal (throttled,
        then off), overage, disabled, permission-denied, zero-latency, absurd, empty,
        unknown-fields, nonsense, huge, dead, hung, garbage
cause:  unknown, booting, stowed, thermal-shutdown, no-schedule, no-sats, obstructed, no-downlink,
        no-pings, actuator-activity, cable-test, sleeping, sky-search, inhibit-rf";

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| String::from("a number was expected"))?;
    if (0.01..=10_000.0).contains(&speed) {
        Ok(speed)
    } else {
        Err(String::from("0.01 to 10000 was expected"))
    }
}

fn offset(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds < 14_400 => Ok(Duration::from_secs(seconds)),
        _ => Err(String::from("a whole number below 14400 was expected")),
    }
}
