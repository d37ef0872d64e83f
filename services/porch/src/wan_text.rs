//! The lines out of the house as a table for a terminal, and the reasons as sentences.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use bus::wan::{
    Decision, DrainReason, Health, Kind, ManagerStatus, Mode, Outage, Policy, State, UNKNOWN_STEP,
    UplinkStatus, WanStatus, path_of,
};
use units::Instant;

use crate::text::{BOLD, DIM, GREEN, Paint, YELLOW};

/// How many samples a live line shows.
const SAMPLES: usize = 24;

/// How many marks a day is drawn with: one for each hour.
const HOURS: usize = 24;

/// What is less of the sky than this is not worth a line.
const LEAST_BLOCKED_PERCENT: f64 = 0.1;

/// From nothing to all.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last times there and back of one line, in microseconds; 0 where there was none.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<u32>);

impl History {
    /// Notes one sample, and forgets the oldest if there are too many.
    pub(crate) fn note(&mut self, micros: u32) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(micros);
    }

    /// The samples as bars, the tallest the longest of them; a gap where there was none.
    fn bars(&self) -> String {
        let most = self.0.iter().copied().max().unwrap_or(0).max(1);
        let bar = |micros: &u32| match micros {
            0 => ' ',
            micros => bar(u64::from(*micros), u64::from(most)),
        };
        self.0.iter().map(bar).collect()
    }
}

/// The table. With `histories` of more than one sample, it shows how the times moved.
pub(crate) fn table(
    status: &WanStatus,
    histories: &BTreeMap<String, History>,
    now: Instant,
    paint: Paint,
) -> String {
    let mut text = headline(&status.manager, paint);
    let rows: Vec<Row> = status.uplinks.iter().map(|uplink| Row::of(uplink, status)).collect();
    let columns = Row::HEADS.len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().map(|row| row.cells[column].chars().count());
            cells.chain([Row::HEADS[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ")
    };
    let heads = line(&Row::HEADS.map(str::to_owned));
    let _ = writeln!(text, "\n    {}", paint.with(DIM, heads.trim_end()));
    for (row, uplink) in rows.iter().zip(&status.uplinks) {
        let (mark, colour) = mark(uplink, status);
        let cells = line(&row.cells);
        let _ = writeln!(text, "  {} {}", paint.with(colour, mark), cells.trim_end());
    }
    let widest = status.uplinks.iter().map(|uplink| uplink.name.len()).max().unwrap_or(0);
    let dishes = status.uplinks.iter().filter_map(|uplink| Some((uplink, dish(uplink, now)?)));
    for (place, (uplink, words)) in dishes.enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}  {:widest$}  its dish {words}", uplink.name);
    }
    let _ = writeln!(text, "\n  {}", paint.with(DIM, "the last day, an hour each"));
    for uplink in &status.uplinks {
        let _ = write!(text, "  {:widest$}  {}", uplink.name, day(&uplink.availability));
        match histories.get(&uplink.name) {
            Some(history) if history.0.len() > 1 => {
                let _ = writeln!(text, "  {}", history.bars().trim_end());
            }
            Some(_) | None => text.push('\n'),
        }
    }
    text
}

/// The decisions, one line each.
pub(crate) fn reasons(decisions: &[Decision], now: Instant) -> String {
    if decisions.is_empty() {
        return String::from("Nothing had to be decided yet.\n");
    }
    let mut text = String::new();
    for decision in decisions {
        let age = now.saturating_since(Instant::from_micros(decision.when)).as_secs();
        let (hours, minutes, seconds) = (age / 3_600, age / 60 % 60, age % 60);
        let _ = writeln!(
            text,
            "{:>14}  {}, because {}",
            format!("{hours}:{minutes:02}:{seconds:02} ago"),
            decision.action,
            decision.cause
        );
    }
    text
}

/// One line of the table.
struct Row {
    cells: [String; 9],
}

impl Row {
    const HEADS: [&'static str; 9] =
        ["line", "kind", "health", "policy", "time", "loss", "down", "up", "this month"];

    fn of(uplink: &UplinkStatus, status: &WanStatus) -> Self {
        let kind = match uplink.kind {
            Kind::Broadband => "broadband",
            Kind::Starlink => "starlink",
            Kind::Cellular => "cellular",
            Kind::Unknown => "another",
        };
        let carries = status.manager.active.contains(&path_of(&uplink.name));
        let health = match uplink.health {
            Health::Up if carries => "in use",
            Health::Up => "ready",
            Health::Suspect => "suspect",
            Health::Down => "down",
            Health::Probation => "on probation",
            Health::Captive => "wants a login",
            Health::Unknown => "not known",
        };
        let policy = match uplink.policy {
            Policy::Primary => "primary",
            Policy::Secondary => "secondary",
            Policy::Backup => "backup",
            Policy::Never => "never",
            Policy::Unknown => "not known",
        };
        let time = match uplink.rtt_micros {
            0 => String::from("-"),
            micros => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        };
        let loss = format!("{}.{} %", uplink.loss_ppm / 10_000, uplink.loss_ppm / 1_000 % 10);
        Self {
            cells: [
                uplink.name.clone(),
                kind.to_owned(),
                health.to_owned(),
                policy.to_owned(),
                time,
                loss,
                rate(uplink.rate_down_bps),
                rate(uplink.rate_up_bps),
                month(uplink),
            ],
        }
    }
}

fn headline(manager: &ManagerStatus, paint: Paint) -> String {
    let (mark, colour, words) = match manager.state {
        State::Online => ("●", GREEN, "Online"),
        State::Degraded => ("●", GREEN, "Online, and a line needs looking at"),
        State::Offline => ("▲", YELLOW, "Offline"),
        State::Captive => ("▲", YELLOW, "A provider wants somebody to sign in"),
        State::Unknown => ("◌", DIM, "No word yet"),
    };
    let twice = manager.modes.get("realtime").is_some_and(|word| word == "duplicate");
    let mode = match manager.mode {
        Mode::Tunnel if twice => "through the relay, calls by two lines at once",
        Mode::Tunnel => "through the relay",
        Mode::Direct => "by the lines themselves",
        Mode::Unknown => "in a way not known here",
    };
    format!("{} {}  {}\n", paint.with(colour, mark), paint.with(BOLD, words), paint.with(DIM, mode))
}

fn mark(uplink: &UplinkStatus, status: &WanStatus) -> (&'static str, &'static str) {
    match uplink.health {
        Health::Up if status.manager.active.contains(&path_of(&uplink.name)) => ("●", GREEN),
        Health::Up => ("○", GREEN),
        Health::Suspect | Health::Probation | Health::Unknown => ("◌", DIM),
        Health::Down | Health::Captive => ("✕", YELLOW),
    }
}

fn rate(bits: u64) -> String {
    match bits {
        0..=999 => format!("{bits} bit/s"),
        1_000..=999_999 => format!("{} kbit/s", bits / 1_000),
        1_000_000..=999_999_999 => format!("{}.{} Mbit/s", bits / 1_000_000, bits / 100_000 % 10),
        _ => format!("{}.{} Gbit/s", bits / 1_000_000_000, bits / 100_000_000 % 10),
    }
}

/// What the dish of `uplink` says that is worth a line: why it is out, what is in its way, when it
/// goes by plan.
fn dish(uplink: &UplinkStatus, now: Instant) -> Option<String> {
    let outage = match uplink.outage {
        Outage::None => None,
        Outage::ActuatorActivity => Some("moves"),
        Outage::Booting => Some("is starting"),
        Outage::CableTest => Some("tests its cable"),
        Outage::InhibitRf => Some("was told not to send"),
        Outage::NoDownlink => Some("hears nothing"),
        Outage::NoPings => Some("gets no answer"),
        Outage::NoSatellites => Some("sees no satellite"),
        Outage::NoSchedule => Some("waits for a satellite to have time"),
        Outage::Obstructed => Some("has something in its way right now"),
        Outage::SkySearch => Some("searches the sky"),
        Outage::Sleeping => Some("sleeps"),
        Outage::Stowed => Some("is folded"),
        Outage::ThermalShutdown => Some("is off for heat"),
        Outage::Unknown => Some("is out of touch"),
    };
    let mut parts: Vec<String> = outage.map(str::to_owned).into_iter().collect();
    let blocked = uplink.obstructed * 100.0;
    if blocked >= LEAST_BLOCKED_PERCENT {
        parts.push(format!("has {blocked:.1} % of its sky blocked"));
    }
    let drain = match uplink.drain_reason {
        _ if uplink.planned_drain == 0 => None,
        DrainReason::Heat => Some("is too hot"),
        DrainReason::Reboot => Some("restarts for an update"),
        DrainReason::Sleep => Some("sleeps to save power"),
        DrainReason::None | DrainReason::Unknown => Some("goes by plan"),
    };
    if let Some(drain) = drain {
        let wait = Instant::from_micros(uplink.planned_drain).saturating_since(now);
        parts.push(match wait.as_secs().div_ceil(60) {
            0 => format!("{drain}; the house leaves it"),
            minutes @ 1..90 => format!("{drain}; the house leaves it in {minutes} min"),
            minutes => format!("{drain}; the house leaves it in {} h", (minutes + 30) / 60),
        });
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What was used, of what, and what it comes to.
fn month(uplink: &UplinkStatus) -> String {
    let mut text = amount(uplink.used_bytes);
    if uplink.cap_bytes > 0 {
        let _ = write!(text, " of {}", amount(uplink.cap_bytes));
    }
    if uplink.forecast_bytes > 0 {
        let _ = write!(text, ", {} by its end", amount(uplink.forecast_bytes));
    }
    text
}

/// Bytes as providers count them, in thousands.
fn amount(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{} kB", bytes / 1_000),
        1_000_000..=999_999_999 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// A day as bars: the worst step of each hour, a dot where nothing is known.
fn day(steps: &[u8]) -> String {
    let hours = steps.chunks(steps.len().div_ceil(HOURS).max(1));
    hours
        .map(|hour| match hour.iter().filter(|step| **step != UNKNOWN_STEP).min() {
            Some(worst) => bar(u64::from(*worst), 100),
            None => '·',
        })
        .collect()
}

fn bar(part: u64, whole: u64) -> char {
    let steps = BARS.len() as u64 - 1;
    let place = usize::try_from(part.min(whole) * steps / whole).unwrap_or(0);
    BARS[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink(name: &str, kind: Kind, health: Health) -> UplinkStatus {
        UplinkStatus {
            name: name.into(),
            kind,
            health,
            rtt_micros: 12_345,
            loss_ppm: 15_625,
            rate_down_bps: 48_300_000,
            rate_up_bps: 900_000,
            policy: Policy::Primary,
            metered: false,
            cap_bytes: 0,
            used_bytes: 5_200_000_000,
            forecast_bytes: 0,
            carried_bytes: 0,
            availability: [vec![UNKNOWN_STEP; 144], vec![100; 140], vec![50; 4]].concat(),
            outage: Outage::None,
            obstructed: 0.0,
            next_boundary: 0,
            planned_drain: 0,
            drain_reason: DrainReason::None,
            draw_milliwatts: 0,
        }
    }

    fn status() -> WanStatus {
        let starlink = UplinkStatus {
            rtt_micros: 0,
            cap_bytes: 50_000_000_000,
            forecast_bytes: 61_000_000_000,
            policy: Policy::Secondary,
            ..uplink("starlink0", Kind::Starlink, Health::Probation)
        };
        WanStatus {
            manager: ManagerStatus {
                state: State::Degraded,
                mode: Mode::Direct,
                active: vec![path_of("broadband0")],
                modes: BTreeMap::new(),
                uplinks: vec![path_of("broadband0"), path_of("starlink0")],
            },
            uplinks: vec![uplink("broadband0", Kind::Broadband, Health::Up), starlink],
        }
    }

    #[test]
    fn the_table_says_it_all_without_colours() {
        let expected = concat!(
            "● Online, and a line needs looking at  by the lines themselves\n\n",
            "    line        kind       health        policy     time     loss   ",
            "down         up          this month\n",
            "  ● broadband0  broadband  in use        primary    12.3 ms  1.5 %  ",
            "48.3 Mbit/s  900 kbit/s  5.2 GB\n",
            "  ◌ starlink0   starlink   on probation  secondary  -        1.5 %  ",
            "48.3 Mbit/s  900 kbit/s  5.2 GB of 50.0 GB, 61.0 GB by its end\n\n",
            "  the last day, an hour each\n",
            "  broadband0  ············███████████▄\n",
            "  starlink0   ············███████████▄\n",
        );
        assert_eq!(table(&status(), &BTreeMap::new(), Instant::BOOT, Paint::Plain), expected);
    }

    #[test]
    fn calls_that_are_carried_twice_are_told() {
        let mut manager = status().manager;
        manager.mode = Mode::Tunnel;
        assert!(headline(&manager, Paint::Plain).ends_with("through the relay\n"));
        manager.modes.insert(String::from("realtime"), String::from("duplicate"));
        let told = headline(&manager, Paint::Plain);
        assert!(told.ends_with("through the relay, calls by two lines at once\n"), "{told}");
    }

    #[test]
    fn a_dish_has_a_line_where_it_says_something() {
        let well = uplink("starlink0", Kind::Starlink, Health::Up);
        let now = Instant::from_secs(1_000);
        assert_eq!(dish(&well, now), None);
        let blocked =
            UplinkStatus { obstructed: 0.0321, outage: Outage::Obstructed, ..well.clone() };
        let words = "has something in its way right now, has 3.2 % of its sky blocked";
        assert_eq!(dish(&blocked, now).as_deref(), Some(words));
        assert_eq!(dish(&UplinkStatus { obstructed: 0.000_9, ..well.clone() }, now), None);
        let leaves = |at: u64, drain_reason| {
            let planned_drain = Instant::from_secs(at).as_micros();
            dish(&UplinkStatus { planned_drain, drain_reason, ..well.clone() }, now)
        };
        for (at, why, words) in [
            (1_200, DrainReason::Reboot, "restarts for an update; the house leaves it in 4 min"),
            (37_000, DrainReason::Sleep, "sleeps to save power; the house leaves it in 10 h"),
            (990, DrainReason::Heat, "is too hot; the house leaves it"),
        ] {
            assert_eq!(leaves(at, why).as_deref(), Some(words));
        }
        let mut status = status();
        status.uplinks[1] = blocked;
        let table = table(&status, &BTreeMap::new(), now, Paint::Plain);
        let line = "\n\n  starlink0   its dish has something in its way right now, has 3.2 % of";
        assert!(table.contains(line), "{table}");
    }

    #[test]
    fn a_live_line_shows_how_its_time_moved() {
        let mut history = History::default();
        for micros in [0, 10_000, 40_000, 80_000] {
            history.note(micros);
        }
        assert_eq!(history.bars(), " ▁▄█");
        for _ in 0..100 {
            history.note(1);
        }
        assert_eq!(history.bars().chars().count(), SAMPLES);
    }

    #[test]
    fn reasons_are_sentences_with_their_age() {
        let decision = Decision {
            when: 60_000_000,
            cause: "the other lost its carrier".into(),
            action: "new flows take starlink0".into(),
        };
        let text = reasons(&[decision], Instant::from_secs(3_725));
        let expected =
            "   1:01:05 ago  new flows take starlink0, because the other lost its carrier\n";
        assert_eq!(text, expected);
        assert_eq!(reasons(&[], Instant::BOOT), "Nothing had to be decided yet.\n");
    }
}
