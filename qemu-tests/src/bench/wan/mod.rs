//! How well a house stays online when an uplink does not: Porchlight beside the peers, in the same
//! world and the same run.
//!
//! Each measurement builds a world around a namespace that plays the box, starts one contender in
//! it, and lets the [meter](crate::meter) run through it while things go wrong. What is seen is
//! seen from outside, so that every contender is seen alike.
mod aggregate;
pub mod contender;
mod faults;
mod idle;
mod load;
mod measurement;
mod sky;
mod soak;
mod stage;
mod throughput;
mod trace_file;
mod traffic;
mod trial;
mod wire;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::Figures;
use crate::meter::shell::StreamReport;
use crate::world::Scenario;
use trace_file::BroughtTrace;

/// `world bench wan`: measures failover.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to write the table
    #[arg(long)]
    json: PathBuf,
    /// Only these figures, and what is measured with them: names as in the table, or their first
    /// word
    #[arg(long, value_delimiter = ',', value_name = "FIGURE")]
    only: Vec<String>,
    /// Only these contenders: porchlight, twice (porchlight with calls carried twice), route,
    /// mptcp, rebind, boringtun, wireguardgo
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    contender: Vec<String>,
    /// How often each fault is put on
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repetitions: u32,
    /// Where the random moments of faults come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Another recording of Starlink, as CSV: `t_ms,pkts_1500,owd_ms` or
    /// `icmp_seq,t_send_unix,rtt_ms`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How many minutes the Starlink recording is watched without a fault
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=80))]
    minutes: u64,
    /// How many minutes of faults the soak takes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    soak_minutes: u64,
    /// The folder of our programs, if it is not that of this one
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// The folder of peers that are no part of the system, such as boringtun-cli
    #[arg(long, value_name = "FOLDER")]
    peer_programs: Option<PathBuf>,
    /// Write what became of each message to files here
    #[arg(long, value_name = "FOLDER")]
    messages: Option<PathBuf>,
}

/// Tells a person something.
type Say<'a> = dyn FnMut(&str) + 'a;

/// What every measurement is told.
struct Options {
    repetitions: u32,
    seed: u64,
    watch: Duration,
    soak: Duration,
    programs: PathBuf,
    peer_programs: Option<PathBuf>,
    messages: Option<PathBuf>,
    trace: Option<BroughtTrace>,
}

impl Options {
    /// The links of most measurements.
    fn scenario(&self) -> Result<Scenario> {
        let mut scenario = Scenario { seed: self.seed, ..Scenario::load("two-uplinks")? };
        if let Some(trace) = &self.trace {
            trace.put_on(&mut scenario.starlink);
            scenario.handover = trace.handover;
        }
        Ok(scenario)
    }

    /// Writes a line for each message, if that was asked for.
    fn keep_messages(&self, name: &str, stream: &StreamReport) -> Result<()> {
        let Some(folder) = &self.messages else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        for (way, journal) in [("up", &stream.up), ("down", &stream.down)] {
            let path = folder.join(format!("{name}.{way}"));
            let text = journal.lines().collect::<Vec<_>>().join("\n");
            std::fs::write(&path, text + "\n").with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }
}

/// Measures, tells `say` what it sees, and writes the table. What cannot be measured is told and
/// left out; the others go on.
///
/// # Errors
/// When a name is not known, nothing could be measured, or the table cannot be written.
pub fn run(arguments: &Arguments, say: &mut Say<'_>) -> Result<()> {
    let measurements = measurement::choose(&arguments.only)?;
    let contenders = choose_contenders(&arguments.contender)?;
    let own = std::env::current_exe()?;
    let beside = own.parent().context("this program is in a folder")?.to_owned();
    let options = Options {
        repetitions: arguments.repetitions,
        seed: arguments.seed,
        watch: Duration::from_secs(60 * arguments.minutes),
        soak: Duration::from_secs(60 * arguments.soak_minutes),
        programs: arguments.programs.clone().unwrap_or(beside),
        peer_programs: arguments.peer_programs.clone(),
        messages: arguments.messages.clone(),
        trace: arguments.trace.as_deref().map(read_trace).transpose()?,
    };
    let mut all = vec![Figures::new(); contenders.len()];
    let mut failures = Vec::new();
    for measurement in measurements {
        let taking_part = |name: &str| measurement.contenders().contains(&name);
        for (name, figures) in contenders.iter().zip(&mut all) {
            if !taking_part(name) {
                continue;
            }
            match measurement.measure(name, &options, say) {
                Ok(found) => figures.extend(found),
                Err(error) => {
                    let failure = format!("{measurement}, {name}: {error:#}");
                    say(&failure);
                    failures.push(failure);
                }
            }
        }
    }
    let mut figures = Figures::new();
    for (name, mut own) in contenders.iter().zip(all) {
        let longest = measurement::longest_return(&own);
        own.extend(longest.map(|seconds| ("return_s".to_owned(), seconds)));
        figures.extend(measurement::named(name, own));
    }
    measurement::compare(&mut figures);
    measurement::tell(&figures, say);
    for failure in &failures {
        say(&format!("not measured: {}", failure.lines().next().unwrap_or_default()));
    }
    let path = arguments.json.display();
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("{path}"))?;
    anyhow::ensure!(!figures.is_empty(), "nothing could be measured");
    Ok(())
}

/// The longest file that is read, in bytes: an hour of bins is 5 MB.
const MAX_TRACE_BYTES: u64 = 64 * 1_024 * 1_024;

fn read_trace(path: &Path) -> Result<BroughtTrace> {
    let name = path.display().to_string();
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("recording {name}"))?;
    let read = file.take(MAX_TRACE_BYTES).read_to_string(&mut text);
    read.with_context(|| format!("recording {name}: expected text"))?;
    Ok(BroughtTrace::parse(&text, &name)?)
}

/// Ours, then the peers.
const CONTENDERS: [&str; 7] =
    ["porchlight", "twice", "route", "mptcp", "rebind", "boringtun", "wireguardgo"];

/// Those named, or all.
fn choose_contenders(names: &[String]) -> Result<Vec<&'static str>> {
    for name in names {
        let known = CONTENDERS.contains(&name.as_str());
        anyhow::ensure!(known, "{name:?} is none of {}", CONTENDERS.join(", "));
    }
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|given| given == name);
    Ok(CONTENDERS.into_iter().filter(wanted).collect())
}
