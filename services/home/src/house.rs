//! The machine: it holds the newest readings and shows the light.
//!
//! Call [`House::handle_network`], [`House::handle_system`] and [`House::handle_wan`] with what was
//! seen, and [`House::handle_deadline`] when [`House::next_deadline`] has come. After each,
//! [`House::poll_status`] returns the status if it has changed. Evidence grows old by itself:
//! a source that falls silent takes the light off "all is well" without anybody noticing it die.

use std::time::Duration;

use bus::wan::{Mode, State};
use units::Instant;

use crate::light::{self, Facts, Light};
use crate::port::{Port, Role};
use crate::reading::{NetworkReading, SystemReading, SystemState};
use crate::uplink::{self, Uplink};
use crate::way_out::WanReading;

/// How old evidence may be and still count. The sources are asked every 10 s, so this is two
/// answers missed and the third awaited.
pub const FRESH: Duration = Duration::from_secs(30);

/// How long a box whose boot is over may look for the internet before that needs somebody. Modems
/// that start together with the box after a power cut take longer than the box does.
pub const SEARCH: Duration = Duration::from_secs(90);

/// How long the boot may take before that needs somebody.
pub const BOOT: Duration = Duration::from_secs(300);

const _: () = assert!(SEARCH.as_secs() < BOOT.as_secs() && FRESH.as_secs() < SEARCH.as_secs());

/// What the light says, why, since when, and the uplinks under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the light says.
    pub light: Light,
    /// Why, in one sentence for the household.
    pub why: String,
    /// Since when the light says so.
    pub since: Instant,
    /// Whether the house is online, as `wan` says; unknown without a recent word of it.
    pub internet: State,
    /// How it goes out; unknown likewise.
    pub mode: Mode,
    /// The ways out of the house, in order of preference.
    pub uplinks: Vec<Uplink>,
}

/// A reading and when it was made.
#[derive(Debug)]
struct Seen<T> {
    what: T,
    at: Instant,
}

/// The box as far as this program has seen it.
#[derive(Debug)]
pub struct House {
    ports: Vec<Port>,
    started: Instant,
    settled: bool,
    network: Option<Seen<NetworkReading>>,
    system: Option<Seen<SystemReading>>,
    wan: Option<Seen<WanReading>>,
    status: Status,
    changed: bool,
}

impl House {
    /// A house of which nothing has been seen yet. `ports` are those of the board, uplinks in
    /// order of preference.
    #[must_use]
    pub fn new(ports: Vec<Port>, now: Instant) -> Self {
        let uplinks = uplink::uplinks(&ports).map(|port| Uplink::unheard(port, now)).collect();
        let status = Status {
            light: Light::Starting,
            why: String::new(),
            since: now,
            internet: State::Unknown,
            mode: Mode::Unknown,
            uplinks,
        };
        let mut house = Self {
            ports,
            started: now,
            settled: false,
            network: None,
            system: None,
            wan: None,
            status,
            changed: true,
        };
        house.judge(now);
        house
    }

    /// The network manager told what it sees.
    pub fn handle_network(&mut self, what: NetworkReading, now: Instant) {
        self.network = Some(Seen { what, at: now });
        self.judge(now);
    }

    /// The service manager told what it sees.
    pub fn handle_system(&mut self, what: SystemReading, now: Instant) {
        self.system = Some(Seen { what, at: now });
        self.judge(now);
    }

    /// `wan` told how the house goes out.
    pub fn handle_wan(&mut self, what: WanReading, now: Instant) {
        self.wan = Some(Seen { what, at: now });
        self.judge(now);
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.judge(now);
    }

    /// When the light may change without anything being seen, or never.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        // One nanosecond past, because evidence exactly as old as FRESH still counts.
        let past = |at: Instant, span: Duration| at + span + Duration::from_nanos(1);
        let ages = [
            self.network.as_ref().map(|seen| past(seen.at, FRESH)),
            self.system.as_ref().map(|seen| past(seen.at, FRESH)),
            self.wan.as_ref().map(|seen| past(seen.at, FRESH)),
            (!self.settled).then(|| past(self.started, SEARCH)),
            (!self.settled).then(|| past(self.started, BOOT)),
        ];
        ages.into_iter().flatten().filter(|deadline| *deadline > now).min()
    }

    /// What is shown.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What is shown, if it has changed since the last call.
    pub fn poll_status(&mut self) -> Option<Status> {
        std::mem::take(&mut self.changed).then(|| self.status.clone())
    }

    fn judge(&mut self, now: Instant) {
        let network = recent(self.network.as_ref(), now);
        let wan = recent(self.wan.as_ref(), now);
        let fresh = network.is_some() && recent(self.system.as_ref(), now).is_some();
        let mut next = self.status.clone();
        for uplink in &mut next.uplinks {
            uplink.see(network, wan, now);
        }
        next.internet = wan.map_or(State::Unknown, |wan| wan.state);
        next.mode = wan.map_or(Mode::Unknown, |wan| wan.mode);
        let facts = self.facts(fresh, &next, now);
        let (row, why) = light::judge(&facts);
        self.settled = facts.settled;
        if row.light() != next.light {
            (next.light, next.since) = (row.light(), now);
        }
        next.why = why;
        if next != self.status {
            self.status = next;
            self.changed = true;
        }
    }

    fn facts(&self, fresh: bool, next: &Status, now: Instant) -> Facts<'_> {
        let system = self.system.as_ref().map(|seen| &seen.what);
        let state = system.map_or(SystemState::Starting, |reading| reading.state);
        let lan = self.ports.iter().filter(|port| port.role == Role::Lan);
        let home = self.network.as_ref().map_or_else(Vec::new, |seen| {
            lan.map(|port| seen.what.link(port.name).state).collect()
        });
        let mut facts = Facts {
            fresh,
            settled: true,
            system: state,
            failed: system.map_or(&[], |reading| reading.failed.as_slice()),
            home,
            internet: next.internet,
            uplinks: next.uplinks.iter().map(|uplink| (uplink.port.role, uplink.state)).collect(),
        };
        facts.settled = self.settled || self.settles(&facts, now);
        facts
    }

    /// Whether the box has come up, or has had the time for it. Once it has, it stays so: a box
    /// that loses its lines later is offline, not starting.
    fn settles(&self, facts: &Facts<'_>, now: Instant) -> bool {
        let age = now.saturating_since(self.started);
        let searched = facts.fresh && facts.system == SystemState::Up && age > SEARCH;
        let well = facts.fresh && light::judge(facts).0.light() == Light::Serving;
        well || searched || age > BOOT
    }
}

/// What was seen, unless it is too old to count.
fn recent<T>(seen: Option<&Seen<T>>, now: Instant) -> Option<&T> {
    seen.filter(|seen| now.saturating_since(seen.at) <= FRESH).map(|seen| &seen.what)
}
