//! What there is to measure, what was promised, and the table.

use std::fmt;

use anyhow::{Context, Result, ensure};

use super::contender::by_name;
use super::faults::{self, FaultKind};
use super::{Options, Say, aggregate, idle, load, sky, soak, throughput};
use crate::bench::Figures;

/// One thing that is measured at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measurement {
    /// A fault, again and again.
    Fault(FaultKind),
    /// The Starlink recording, without a fault.
    Sky,
    /// Two uplinks that add up.
    Aggregate,
    /// A call while everything is full.
    Load,
    /// Nobody uses it.
    Idle,
    /// Half an hour of faults.
    Soak,
    /// One core at each end.
    Throughput,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words()[0])
    }
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) => value >= bar,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bar) => write!(f, "<= {bar}"),
            Self::AtLeast(bar) => write!(f, ">= {bar}"),
        }
    }
}

/// Every promise, in the order of the table.
const PROMISES: [(&str, Bar); 25] = [
    ("blackhole_gap_p99_ms", Bar::AtMost(120.0)),
    ("blackhole_lost", Bar::AtMost(0.0)),
    ("blackhole_tcp_survived_percent", Bar::AtLeast(100.0)),
    ("carrier_gap_p99_ms", Bar::AtMost(30.0)),
    ("boundary_extra_p99_ms", Bar::AtMost(20.0)),
    ("boundary_lost", Bar::AtMost(0.0)),
    ("boundary_extra_bytes_percent", Bar::AtMost(2.0)),
    ("false_switches", Bar::AtMost(0.0)),
    ("oneway_gap_p99_ms", Bar::AtMost(500.0)),
    ("decay_gap_p99_ms", Bar::AtMost(500.0)),
    ("rebinding_gap_p99_ms", Bar::AtMost(500.0)),
    ("address_gap_p99_ms", Bar::AtMost(500.0)),
    ("mtu_gap_p99_ms", Bar::AtMost(500.0)),
    ("return_s", Bar::AtMost(3.0)),
    ("aggregate_percent", Bar::AtLeast(90.0)),
    ("single_flow_percent_of_best", Bar::AtLeast(97.0)),
    ("throughput_vs_raw_quinn", Bar::AtLeast(0.35)),
    ("throughput_vs_boringtun", Bar::AtLeast(2.0)),
    ("throughput_vs_wireguardgo", Bar::AtLeast(1.0)),
    ("load_extra_p95_ms", Bar::AtMost(30.0)),
    ("idle_cpu_percent", Bar::AtMost(1.0)),
    ("idle_rss_mb", Bar::AtMost(30.0)),
    ("soak_stuck", Bar::AtMost(0.0)),
    ("soak_growth_mb", Bar::AtMost(4.0)),
    ("soak_files_growth", Bar::AtMost(0.0)),
];

impl Measurement {
    fn all() -> impl Iterator<Item = Self> {
        let rest =
            [Self::Sky, Self::Aggregate, Self::Load, Self::Idle, Self::Soak, Self::Throughput];
        FaultKind::ALL.into_iter().map(Self::Fault).chain(rest)
    }

    /// The first words of its figures; the first of them is its name.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Fault(kind) => kind.words(),
            Self::Sky => &["boundary", "false"],
            Self::Aggregate => &["aggregate", "single"],
            Self::Load => &["load"],
            Self::Idle => &["idle"],
            Self::Soak => &["soak"],
            Self::Throughput => &["throughput"],
        }
    }

    /// Who can be measured.
    pub(super) const fn contenders(self) -> &'static [&'static str] {
        match self {
            // What an owner who has calls carried twice gets for it.
            Self::Fault(FaultKind::Blackhole | FaultKind::Carrier) => {
                &["porchlight", "twice", "route", "mptcp", "rebind"]
            }
            Self::Fault(_) | Self::Sky => &["porchlight", "route", "mptcp", "rebind"],
            // Those that carry everything that the house sends.
            Self::Aggregate | Self::Load => &["porchlight", "route"],
            // Those with a daemon of their own.
            Self::Idle | Self::Soak => &["porchlight"],
            Self::Throughput => &["porchlight", "boringtun", "wireguardgo"],
        }
    }

    /// Measures one contender.
    ///
    /// # Errors
    /// When it does not start or does not do its work before anything goes wrong.
    pub(super) fn measure(
        self,
        name: &str,
        options: &Options,
        say: &mut Say<'_>,
    ) -> Result<Figures> {
        let contender = || by_name(name).with_context(|| format!("there is no contender {name}"));
        match self {
            Self::Fault(kind) => faults::measure(kind, contender()?, options, say),
            Self::Sky => sky::measure(contender()?, options, say),
            Self::Aggregate => aggregate::measure(contender()?, options, say),
            Self::Load => load::measure(contender()?, options, say),
            Self::Idle => idle::measure(contender()?, options, say),
            Self::Soak => soak::measure(contender()?, options, say),
            Self::Throughput => throughput::measure(name, options, say),
        }
    }
}

/// Those that give a figure that was asked for, or all.
///
/// # Errors
/// When a figure is not known.
pub(super) fn choose(only: &[String]) -> Result<Vec<Measurement>> {
    let gives = |measurement: &Measurement, figure: &String| {
        let word = figure.split('_').next().unwrap_or_default();
        measurement.words().contains(&word)
    };
    for figure in only {
        let known = Measurement::all().any(|measurement| gives(&measurement, figure));
        let words = || Measurement::all().flat_map(Measurement::words).copied().collect::<Vec<_>>();
        ensure!(
            known,
            "no figure {figure:?}: expected one that begins with {}",
            words().join(", ")
        );
    }
    let wanted = |measurement: &Measurement| {
        only.is_empty() || only.iter().any(|figure| gives(measurement, figure))
    };
    Ok(Measurement::all().filter(wanted).collect())
}

/// The longest return of all faults that were measured, of that contender.
pub(super) fn longest_return(figures: &Figures) -> Option<f64> {
    let returns = figures.iter().filter(|(name, _)| name.ends_with("_return_s"));
    returns.map(|(_, seconds)| *seconds).reduce(f64::max)
}

/// Figures under their names: ours as they are, those with calls twice and a peer's behind its own.
pub(super) fn named(contender: &str, figures: Figures) -> Figures {
    if contender == "porchlight" {
        return figures;
    }
    let own = |(name, value): (String, f64)| {
        // The yardstick is nobody's.
        let is_yardstick = name.starts_with("calibration_");
        (if is_yardstick { name } else { format!("{}_{name}", prefix(contender)) }, value)
    };
    figures.into_iter().map(own).collect()
}

/// What the figures of another contender than ours begin with.
fn prefix(contender: &str) -> String {
    if contender == "twice" { contender.to_owned() } else { format!("peer_{contender}") }
}

/// Ours against the peers that do the same job.
pub(super) fn compare(figures: &mut Figures) {
    for peer in ["boringtun", "wireguardgo"] {
        let theirs = figures.get(&format!("peer_{peer}_throughput_gbps"));
        if let Some((ours, theirs)) = figures.get("throughput_gbps").zip(theirs) {
            figures.insert(format!("throughput_vs_{peer}"), ours / theirs);
        }
    }
}

/// Prints the promises with ours beside the peers, then every other figure.
pub(super) fn tell(figures: &Figures, say: &mut Say<'_>) {
    const PEERS: [&str; 6] = ["twice", "route", "mptcp", "rebind", "boringtun", "wireguardgo"];
    let cell = |name: &str| figures.get(name).map_or("-".to_owned(), |value| format!("{value:.2}"));
    let mut head = format!("{:<32} {:>10} {:>9} {:>7}", "", "porchlight", "bar", "");
    for peer in PEERS {
        head.push_str(&format!(" {peer:>11}"));
    }
    say(&head);
    for (name, bar) in PROMISES {
        let verdict = match figures.get(name) {
            Some(value) if bar.is_met(*value) => "met",
            Some(_) => "MISSED",
            None => "",
        };
        let mut line = format!("{name:<32} {:>10} {:>9} {verdict:>7}", cell(name), bar.to_string());
        for peer in PEERS {
            line.push_str(&format!(" {:>11}", cell(&format!("{}_{name}", prefix(peer)))));
        }
        say(&line);
    }
    let promised = |name: &str| PROMISES.iter().any(|(promise, _)| name.ends_with(promise));
    for (name, value) in figures.iter().filter(|(name, _)| !promised(name)) {
        say(&format!("{name:<48} {value:>12.2}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_chosen_by_name_or_first_word() {
        let only = |names: &[&str]| {
            choose(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(only(&["blackhole_lost"]).unwrap().len(), 1);
        assert_eq!(only(&["carrier", "mtu_gap_p99_ms"]).unwrap().len(), 2);
        assert!(only(&["storm"]).unwrap_err().to_string().contains("blackhole"));
        assert_eq!(only(&[]).unwrap().len(), Measurement::all().count());
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let figures = Figures::from([
            ("blackhole_gap_p99_ms".to_owned(), 90.0),
            ("carrier_gap_p99_ms".to_owned(), 90.0),
            ("peer_route_carrier_gap_p99_ms".to_owned(), 900.0),
        ]);
        let mut lines = Vec::new();
        tell(&figures, &mut |line| lines.push(line.to_owned()));
        let line = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap();
        assert!(line("blackhole_gap_p99_ms").contains(" met "));
        let carrier = line("carrier_gap_p99_ms");
        assert!(carrier.contains("MISSED") && carrier.contains("900.00"), "{carrier}");
    }
}
