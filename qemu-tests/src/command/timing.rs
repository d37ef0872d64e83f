//! `world timing`: measures how late the link emulator delivers on this machine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::emulator::shell::measure_timing;

/// The promise, with two idle cores.
const PROMISED_P99_MS: f64 = 0.5;

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Where to write the figures as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures and says it.
///
/// # Errors
/// When the link cannot be made or the file cannot be written.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let report = measure_timing(Duration::from_secs(arguments.seconds))?;
    say(&format!(
        "delivery of {} frames, actual minus scheduled: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms \
         (promised: p99 below {PROMISED_P99_MS} ms with two idle cores)",
        report.frames,
        report.emulator_timing_error_p50_ms,
        report.emulator_timing_error_p99_ms,
        report.emulator_timing_error_max_ms,
    ));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("figures {}", path.display()))?;
    }
    Ok(())
}
