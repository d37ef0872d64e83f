//! What goes wrong with an uplink, and what the house notices.

use std::time::Duration;

use anyhow::{Context, Result};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::contender::{Contender, Policy};
use super::stage::Stage;
use super::trial::{self, FaultPlan, Outcome};
use super::{Options, Say};
use crate::bench::Figures;
use crate::emulator::{Fault, Side};
use crate::meter::Distribution;
use crate::meter::shell::StreamPlan;
use crate::world::Uplink;

/// A kind of fault that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Everything vanishes, the carrier stays.
    Blackhole,
    /// The cable is pulled.
    Carrier,
    /// Everything vanishes in one direction.
    Oneway,
    /// The line withers for a minute, then nothing passes.
    Decay,
    /// The provider's address translation maps every flow anew.
    Rebinding,
    /// The provider gives another address.
    Address,
    /// Large packets vanish without a word.
    Mtu,
}

impl FaultKind {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Blackhole,
        Self::Carrier,
        Self::Oneway,
        Self::Decay,
        Self::Rebinding,
        Self::Address,
        Self::Mtu,
    ];

    /// The first words of its figures; the first of them is its name.
    pub(super) const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Blackhole => &["blackhole", "return"],
            Self::Carrier => &["carrier", "return"],
            Self::Oneway => &["oneway", "return"],
            Self::Decay => &["decay", "return"],
            Self::Rebinding => &["rebinding"],
            Self::Address => &["address", "return"],
            Self::Mtu => &["mtu", "return"],
        }
    }

    /// Whether the better uplink is lost for a while.
    fn returns(self) -> bool {
        self.words().contains(&"return")
    }

    /// Its name.
    const fn word(self) -> &'static str {
        self.words()[0]
    }

    /// The uplink it comes over: only Starlink translates addresses.
    const fn better(self) -> Uplink {
        match self {
            Self::Rebinding => Uplink::Starlink,
            _ => Uplink::Broadband,
        }
    }

    fn plan(self, number: u32) -> FaultPlan {
        let at_once = |fault| vec![(Duration::ZERO, fault)];
        let lasting = |steps, seconds| FaultPlan {
            messages: StreamPlan::CALL,
            steps,
            hold: Duration::from_secs(seconds),
            heals: true,
            dials_after: None,
        };
        match self {
            Self::Blackhole => lasting(at_once(Fault::Cut), 10),
            Self::Carrier => lasting(at_once(Fault::CarrierDown), 5),
            Self::Oneway => {
                let direction = if number.is_multiple_of(2) { Side::Up } else { Side::Down };
                lasting(at_once(Fault::CutOneWay { direction }), 10)
            }
            Self::Decay => {
                let percent = 1.try_into().expect("a percent is a share");
                let over = "60 s".parse().expect("a minute is a span");
                let end = (Duration::from_secs(60), Fault::Cut);
                lasting(vec![(Duration::ZERO, Fault::Decay { percent, over }), end], 65)
            }
            Self::Rebinding => {
                FaultPlan { heals: false, ..lasting(at_once(Fault::NatRebinding), 5) }
            }
            Self::Address => FaultPlan {
                heals: false,
                dials_after: Some(Duration::from_secs(1)),
                ..lasting(at_once(Fault::AddressChange), 6)
            },
            Self::Mtu => {
                let bytes = 1_280.try_into().expect("IPv6 asks for no less");
                // Large enough that a tunnel's packet around one no longer passes.
                let messages = StreamPlan { bytes: StreamPlan::MAX_BYTES, ..StreamPlan::CALL };
                FaultPlan { messages, ..lasting(at_once(Fault::Mtu { bytes, icmp: false }), 8) }
            }
        }
    }

    /// What each uplink is for.
    pub(super) const fn policies(self) -> [Policy; 2] {
        match self.better() {
            Uplink::Broadband => [Policy::Primary, Policy::Secondary],
            Uplink::Starlink => [Policy::Secondary, Policy::Primary],
        }
    }
}

/// Puts the fault on as often as asked for, one repetition after the other in one world.
///
/// # Errors
/// When the contender does not start, or there is no traffic before a fault.
pub(super) fn measure(
    kind: FaultKind,
    contender: &dyn Contender,
    options: &Options,
    say: &mut Say<'_>,
) -> Result<Figures> {
    let scenario = options.scenario()?;
    let stage = Stage::set(contender, scenario, kind.policies(), &options.programs)?;
    let mut random = Pcg64Mcg::seed_from_u64(options.seed.wrapping_add(kind as u64));
    let mut outcomes = Vec::new();
    for number in 0..options.repetitions {
        let what = || format!("{} of {}, repetition {number}", kind.word(), contender.name());
        let (outcome, stream) =
            trial::run(&stage, &kind.plan(number), number + 1, &mut random).with_context(what)?;
        let returned = outcome.return_s.map_or("never".to_owned(), |time| format!("{time:.1} s"));
        say(&format!(
            "{}: gap {:.0} ms{}{} ({:.0} later), lost {} ({} in all), back after {returned} with a \
             gap of {:.0} ms",
            what(),
            outcome.gap_ms,
            if outcome.open { " and no end" } else { "" },
            if outcome.at_handover { " at a handover" } else { "" },
            outcome.later_gap_ms,
            outcome.lost,
            outcome.lost_in_all,
            outcome.return_gap_ms,
        ));
        let name = format!("{}-{}-{number}", contender.name(), kind.word());
        options.keep_messages(&name, &stream)?;
        outcomes.push(outcome);
    }
    Ok(figures(kind, &outcomes, kind.returns() && !stage.running().carries_twice()))
}

/// The figures of all repetitions; `returns` if the traffic has a place to return to. A gap that
/// never ended counts as long as was watched. Faults at a moment in which the dish, the only way
/// left, is silent itself are counted like any other, and left out of the figure called clear.
#[expect(clippy::cast_precision_loss, reason = "counts of messages and connections are small")]
fn figures(kind: FaultKind, outcomes: &[Outcome], returns: bool) -> Figures {
    let word = kind.word();
    let of = |value: fn(&Outcome) -> f64| Distribution::of(outcomes.iter().map(value));
    let sum = |value: fn(&Outcome) -> u64| outcomes.iter().map(value).sum::<u64>() as f64;
    let mut figures = Figures::new();
    let mut put = |name: &str, value: Option<f64>| {
        figures.extend(value.map(|value| (format!("{word}_{name}"), value)));
    };
    put("gap_p50_ms", of(|each| each.gap_ms).percentile(50));
    put("gap_p99_ms", of(|each| each.gap_ms).percentile(99));
    let clear = outcomes.iter().filter(|each| !each.at_handover).map(|each| each.gap_ms);
    put("clear_gap_p99_ms", Distribution::of(clear).percentile(99));
    put("at_handover", Some(sum(|each| each.at_handover.into())));
    put("later_gap_p99_ms", of(|each| each.later_gap_ms).percentile(99));
    put("return_gap_p99_ms", of(|each| each.return_gap_ms).percentile(99));
    put("gaps_without_end", Some(sum(|each| each.open.into())));
    put("lost", Some(sum(|each| each.lost)));
    put("lost_in_all", Some(sum(|each| each.lost_in_all)));
    put("duplicates", Some(sum(|each| each.duplicated)));
    put("reordered", Some(sum(|each| each.reordered)));
    put("delay_before_p50_ms", of(|each| each.delay_ms[0]).percentile(50));
    put("delay_during_p50_ms", of(|each| each.delay_ms[1]).percentile(50));
    let openings = outcomes.iter().filter_map(|each| each.openings_gap_ms);
    put("openings_gap_p99_ms", Distribution::of(openings).percentile(99));
    let (alive, all) = outcomes
        .iter()
        .filter_map(|each| each.connections)
        .fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
    put("tcp_survived_percent", (all > 0).then(|| 100.0 * alive as f64 / all as f64));
    // What never came back within the time it was given counts as that time.
    let given = trial::RETURN_WITHIN.as_secs_f64();
    let back = outcomes.iter().map(|each| each.return_s.unwrap_or(given));
    put("return_s", Distribution::of(back).max().filter(|_| returns));
    put("repetitions", Some(outcomes.len() as f64));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_thirty_is_their_99th_percentile() {
        let outcome = |gap_ms: f64| Outcome {
            gap_ms,
            lost: 2,
            connections: Some((7, 8)),
            return_s: Some(gap_ms / 100.0),
            ..Outcome::default()
        };
        let outcomes: Vec<_> = (1..=30).map(|each| outcome(f64::from(each))).collect();
        let table = figures(FaultKind::Blackhole, &outcomes, true);
        assert_eq!(table["blackhole_gap_p99_ms"], 30.0);
        assert_eq!(table["blackhole_gap_p50_ms"], 15.0);
        assert_eq!(table["blackhole_lost"], 60.0);
        assert_eq!(table["blackhole_tcp_survived_percent"], 87.5);
        assert_eq!(table["blackhole_return_s"], 0.3);
        assert!(!table.contains_key("blackhole_openings_gap_p99_ms"), "none were opened");
        let never = figures(FaultKind::Carrier, &[Outcome::default()], true);
        assert_eq!(never["carrier_return_s"], trial::RETURN_WITHIN.as_secs_f64());
    }
}
