//! The whole machine: the links, the choice, the probes, the caps and what is told of them.
//!
//! Tell it what happened by the `handle_*` methods; after each, take what is to be done from
//! [`Gateway::poll_snapshot`], [`Gateway::poll_action`], [`Gateway::poll_probe`] and
//! [`Gateway::poll_save`], and what others may want to know from [`Gateway::poll_event`],
//! [`Gateway::poll_switch`] and [`Gateway::poll_status`]. Call [`Gateway::handle_deadline`] when
//! [`Gateway::next_deadline`] has come.
//!
//! Nothing is done to the kernel before both the links and what of ours stands there have been
//! listed once: a program that starts again must not first undo what its predecessor left.

mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use core::net::SocketAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use starlink::dish::DishReport;
use tunnel::Modes;
use units::{Instant, LinkId};

use crate::availability::Availability;
use crate::caps::{Caps, Limit, Saved};
use crate::decisions::{Decision, Decisions};
use crate::direct::health::Health;
use crate::direct::kernel::{Change, KernelState, RouteKey, Rule};
use crate::direct::probe::{Evidence, Outcome, Probe, Prober, Targets};
use crate::direct::{Action, Direct, Switch, Why};
use crate::dish::{DishWord, Dishes};
use crate::links::{AddressFact, LinkFact, Links, News, RouteFact, Snapshot};
use crate::measured::Measured;
use crate::modes::to_words;
use crate::resolvers::Resolvers;
use crate::status::Status;
use crate::uplink::{Device, Happening, Policy, Uplink, UplinkEvent};

/// Most events kept for whoever does not fetch them; older ones are dropped.
const MOST_EVENTS: usize = 64;

/// What the machine is made from.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The uplinks, with the owner's changes.
    pub uplinks: Vec<Uplink>,
    /// How each class of traffic is carried by the tunnel, with the owner's changes.
    pub modes: Modes,
    /// Whom to ask whether the world answers.
    pub targets: Targets,
    /// Where the providers' midnight is.
    pub zone: TimeZone,
    /// What was counted before.
    pub saved: Saved,
    /// The kernel's boot id.
    pub boot: String,
}

/// What the tunnel tells of its path over one uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// Over which uplink.
    pub link: LinkId,
    /// How it does; none when there is no path over it any more, and probes count again.
    pub health: Option<Health>,
    /// The time there and back, if it was measured.
    pub rtt: Option<Duration>,
    /// What was lost lately, in millionths.
    pub loss_ppm: u32,
    /// When the sky above it next blinks, if it is a dish's and that is known.
    pub next_boundary: Option<Instant>,
}

impl PathReport {
    /// There is no path over `link`.
    #[must_use]
    pub const fn none(link: LinkId) -> Self {
        Self { link, health: None, rtt: None, loss_ppm: 0, next_boundary: None }
    }
}

/// What is urgent in the tunnel takes another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The uplink of the path it took, if there was one.
    pub from: Option<LinkId>,
    /// The uplink of the path it takes, if there is one.
    pub to: Option<LinkId>,
    /// For how long nothing had passed on the path left.
    pub gap: Duration,
    /// How many packets could not be sent again.
    pub lost: u32,
}

/// The machine.
#[derive(Debug)]
pub struct Gateway {
    uplinks: Vec<Uplink>,
    modes: Modes,
    links: Links,
    seen_links: bool,
    direct: Direct,
    prober: Prober,
    caps: Caps,
    limits: BTreeMap<LinkId, Limit>,
    dishes: Dishes,
    words: BTreeMap<LinkId, DishWord>,
    told_by_tunnel: BTreeMap<LinkId, PathReport>,
    measured: BTreeMap<LinkId, Measured>,
    strips: BTreeMap<LinkId, Availability>,
    decisions: Decisions,
    events: VecDeque<UplinkEvent>,
    switches: VecDeque<Switch>,
    switched: u64,
    status: Status,
    changed: bool,
}

impl Gateway {
    /// A box of which nothing has been heard yet.
    #[must_use]
    pub fn new(configuration: Configuration, now: Instant) -> Self {
        let Configuration { uplinks, modes, targets, zone, saved, boot } = configuration;
        let mut gateway = Self {
            links: Links::new(&uplinks),
            seen_links: false,
            direct: Direct::new(&uplinks),
            prober: Prober::new(targets),
            caps: Caps::new(&uplinks, zone, saved, &boot, now),
            limits: BTreeMap::new(),
            dishes: Dishes::default(),
            words: BTreeMap::new(),
            told_by_tunnel: BTreeMap::new(),
            measured: uplinks.iter().map(|uplink| (uplink.id, Measured::default())).collect(),
            strips: uplinks.iter().map(|uplink| (uplink.id, Availability::new(now))).collect(),
            decisions: Decisions::default(),
            events: VecDeque::new(),
            switches: VecDeque::new(),
            switched: 0,
            status: Status::default(),
            changed: false,
            modes,
            uplinks,
        };
        gateway.settle(now);
        gateway
    }

    /// The kernel told of a link.
    pub fn handle_link(&mut self, news: News, fact: &LinkFact, now: Instant) {
        self.links.handle_link(news, fact, now);
        self.settle(now);
    }

    /// The kernel told of an address.
    pub fn handle_address(&mut self, news: News, fact: &AddressFact, now: Instant) {
        self.links.handle_address(news, fact, now);
        self.settle(now);
    }

    /// The kernel told of a default route of somebody else.
    pub fn handle_route(&mut self, news: News, fact: &RouteFact, now: Instant) {
        self.links.handle_route(news, fact, now);
        self.settle(now);
    }

    /// The kernel listed all links, addresses and default routes.
    pub fn handle_snapshot(&mut self, snapshot: &Snapshot, now: Instant) {
        self.links.handle_snapshot(snapshot, now);
        self.seen_links = true;
        self.settle(now);
    }

    /// The kernel dropped news that nobody took in time.
    pub fn handle_overrun(&mut self, now: Instant) {
        self.handle_unclear(now);
        self.decisions.note(now, "the kernel's news came too fast", "everything is read again");
    }

    /// The kernel replaced something and did not tell what was there before.
    pub fn handle_unclear(&mut self, now: Instant) {
        self.links.handle_overrun();
        self.direct.handle_overrun(now);
    }

    /// The kernel listed what of ours it has.
    pub fn handle_kernel(&mut self, state: KernelState, now: Instant) {
        self.direct.handle_kernel(state);
        self.settle(now);
    }

    /// The kernel told that one of our routes is gone.
    pub fn handle_route_gone(&mut self, key: &RouteKey, now: Instant) {
        self.direct.handle_route_gone(key, now);
        self.settle(now);
    }

    /// The kernel told that one of our rules is gone.
    pub fn handle_rule_gone(&mut self, rule: &Rule, now: Instant) {
        self.direct.handle_rule_gone(rule, now);
        self.settle(now);
    }

    /// A step in the kernel was refused.
    pub fn handle_refused(&mut self, now: Instant) {
        self.direct.handle_refused(now);
    }

    /// Something came of `probe`, or nothing did.
    pub fn handle_outcome(&mut self, probe: &Probe, outcome: Outcome, now: Instant) {
        if let Some(measured) = self.measured.get_mut(&probe.link) {
            measured.handle_outcome(probe, outcome);
        }
        for evidence in self.prober.handle_outcome(probe, outcome) {
            self.direct.handle_condition(probe.link, |condition| match evidence {
                Evidence::Answer => condition.handle_answer(now),
                Evidence::Silence => condition.handle_silence(now),
                Evidence::Portal => condition.handle_portal(true),
                Evidence::NoPortal => condition.handle_portal(false),
            });
        }
        self.settle(now);
    }

    /// The leases came with these servers of names; an uplink that is not named has none.
    pub fn handle_resolvers(&mut self, resolvers: &[Resolvers], now: Instant) {
        for uplink in &self.uplinks {
            let own = resolvers.iter().find(|(name, _)| *name == uplink.name);
            let own = own.map_or_else(Vec::new, |(_, servers)| servers.clone());
            self.prober.handle_resolvers(uplink.id, own);
        }
        self.settle(now);
    }

    /// The servers to ask over uplink `link`, whoever answered last first.
    #[must_use]
    pub fn servers(&self, link: LinkId) -> Vec<SocketAddr> {
        self.prober.servers(link)
    }

    /// The kernel has counted these bytes on `device`.
    pub fn handle_counters(&mut self, device: Device, down: u64, up: u64, now: Instant) {
        let Some(link) = self.links.of_device(device) else { return };
        if let Some(measured) = self.measured.get_mut(&link) {
            measured.handle_counters(device, down, up, now);
        }
        self.caps.handle_counter(link, device, down.saturating_add(up), now);
        self.settle(now);
    }

    /// The clock is right and says `wall`; or nobody vouches for it.
    pub fn handle_clock(&mut self, wall: Option<Timestamp>, now: Instant) {
        self.caps.handle_clock(wall, now);
        self.settle(now);
    }

    /// Whoever follows the dish of `link` tells the newest. Nothing in it is evidence of how the
    /// uplink does.
    pub fn handle_dish(&mut self, link: LinkId, report: &DishReport, now: Instant) {
        self.dishes.handle_report(link, report, now);
        self.settle(now);
    }

    /// The tunnel told of its path over one uplink.
    pub fn handle_path(&mut self, report: PathReport, now: Instant) {
        if report.health.is_some() {
            self.told_by_tunnel.insert(report.link, report);
        } else {
            self.told_by_tunnel.remove(&report.link);
        }
        self.direct.handle_condition(report.link, |condition| {
            condition.handle_tunnel(report.health);
        });
        self.settle(now);
    }

    /// The tunnel carries the house by the interface `device`, or not any more.
    pub fn handle_tunnel(&mut self, device: Option<Device>, now: Instant) {
        if self.direct.is_tunnelled() != device.is_some() {
            let (cause, action) = if device.is_some() {
                ("the relay answers", "the house goes out through the tunnel")
            } else {
                ("the tunnel does not carry any more", "the house goes out by the uplinks")
            };
            self.decisions.note(now, cause, action);
        }
        self.direct.handle_tunnel(device);
        self.settle(now);
    }

    /// The owner wants each class of traffic carried so.
    pub fn handle_modes(&mut self, modes: Modes, now: Instant) {
        if self.modes != modes {
            self.modes = modes;
            let rows = to_words(modes).into_iter().map(|(class, word)| format!("{class} {word}"));
            let action = format!("{} from now on", rows.collect::<Vec<_>>().join(", "));
            self.decisions.note(now, "the owner asked for it", action);
        }
        self.settle(now);
    }

    /// The tunnel moved what is urgent. While the house goes out through it, that is the switch
    /// that is told, and not the choice of an uplink for what goes beside it.
    pub fn handle_move(&mut self, moved: Move, now: Instant) {
        if !self.direct.is_tunnelled() {
            return;
        }
        let Move { from, to, gap, lost } = moved;
        let why = match self.direct.why(from) {
            // The word of the path comes after this one.
            Why::Better | Why::Policy if !gap.is_zero() => Why::Silent,
            why => why,
        };
        let switch = Switch { from, to, why, at: now, gap, lost };
        let action = match to {
            Some(to) => format!("what is urgent takes {}", self.name(to)),
            None => String::from("nothing in the tunnel carries what is urgent"),
        };
        self.decisions.note(now, switch.cause(), action);
        self.push_switch(switch);
        self.changed = true;
    }

    /// The owner wants something else of `link`. `false` if there is no such uplink.
    pub fn handle_policy(&mut self, link: LinkId, policy: Policy, now: Instant) -> bool {
        let Some(uplink) = self.uplinks.iter_mut().find(|uplink| uplink.id == link) else {
            return false;
        };
        if uplink.policy != policy {
            uplink.policy = policy;
            let action = format!("{} is {} from now on", uplink.name, policy.word());
            self.decisions.note(now, "the owner asked for it", action);
        }
        self.settle(now);
        true
    }

    /// The owner set another cap for `link`, or none. `false` if there is no such uplink.
    pub fn handle_cap(&mut self, link: LinkId, cap_bytes: Option<u64>, now: Instant) -> bool {
        let Some(uplink) = self.uplinks.iter_mut().find(|uplink| uplink.id == link) else {
            return false;
        };
        uplink.cap_bytes = cap_bytes;
        self.caps.handle_cap(link, cap_bytes);
        self.settle(now);
        true
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Whether all links, addresses and default routes must be listed; asked once for each need.
    pub fn poll_snapshot(&mut self) -> bool {
        self.links.poll_resync()
    }

    /// The next thing to be done to the kernel, in this order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.direct.poll_action()
    }

    /// The next question to be sent.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        self.prober.poll_probe(now)
    }

    /// What to write to disk, when it is time to.
    pub fn poll_save(&mut self, now: Instant) -> Option<Saved> {
        self.caps.poll_save(now)
    }

    /// What to write to disk before this program ends.
    pub fn save(&mut self, now: Instant) -> Saved {
        self.caps.save(now)
    }

    /// The steps that take everything of ours out of the kernel, because this program ends.
    pub fn withdraw(&mut self) -> Vec<Change> {
        self.direct.withdraw()
    }

    /// The next thing that happened to an uplink, for the tunnel.
    pub fn poll_event(&mut self) -> Option<UplinkEvent> {
        self.events.pop_front()
    }

    /// The next change of the uplink that new flows take or, in the tunnel, what is urgent.
    pub fn poll_switch(&mut self) -> Option<Switch> {
        self.switches.pop_front()
    }

    /// What is told of the box, if it has changed since the last call.
    pub fn poll_status(&mut self) -> Option<Status> {
        std::mem::take(&mut self.changed).then(|| self.status.clone())
    }

    /// What is told of the box.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// The uplinks, with the owner's changes.
    #[must_use]
    pub fn uplinks(&self) -> &[Uplink] {
        &self.uplinks
    }

    /// The name of uplink `link`.
    #[must_use]
    pub fn name(&self, link: LinkId) -> String {
        let uplink = self.uplinks.iter().find(|uplink| uplink.id == link);
        uplink.map_or_else(|| link.to_string(), |uplink| uplink.name.to_string())
    }

    /// The last decisions, the newest last.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.decisions.iter()
    }

    /// What of ours should stand in the kernel.
    #[must_use]
    pub fn desired(&self) -> KernelState {
        self.direct.desired()
    }

    /// When [`Gateway::handle_deadline`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.direct.next_deadline(),
            self.prober.next_deadline(),
            self.caps.next_deadline(),
            self.dishes.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Draws all conclusions.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.links.poll_event() {
            self.direct.handle_event(&event);
            self.note_event(&event);
            if self.events.len() == MOST_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        self.apply_caps(now);
        self.apply_words(now);
        if self.seen_links {
            self.direct.decide(now);
        }
        while let Some(switch) = self.direct.poll_switch() {
            self.note_switch(&switch);
            self.switched += u64::from(switch.from.is_some() && switch.to.is_some());
            if !self.direct.is_tunnelled() {
                self.push_switch(switch);
            }
        }
        self.tell(now);
    }

    fn push_switch(&mut self, switch: Switch) {
        if self.switches.len() == MOST_EVENTS {
            self.switches.pop_front();
        }
        self.switches.push_back(switch);
    }

    fn apply_caps(&mut self, now: Instant) {
        for uplink in &self.uplinks {
            let limit = self.caps.standing(uplink.id, now).limit;
            let before = self.limits.insert(uplink.id, limit).unwrap_or(Limit::Free);
            if before != limit {
                let action = match limit {
                    Limit::Free => "carries as before",
                    Limit::Soft => "carries nothing twice and nothing that can wait",
                    Limit::Hard => "carries only when nothing else does",
                };
                let cause = format!("the cap of {} was looked at", uplink.name);
                self.decisions.note(now, cause, format!("{} {action}", uplink.name));
            }
            self.direct.handle_policy(uplink.id, limit.applied_to(uplink.policy));
        }
    }

    fn apply_words(&mut self, now: Instant) {
        self.dishes.handle_deadline(now);
        for uplink in &self.uplinks {
            let (name, word) = (uplink.name, self.dishes.word(uplink.id));
            let before = self.words.insert(uplink.id, word).unwrap_or_default();
            self.direct.handle_last_resort(uplink.id, word.last_resort.is_some());
            for (said, action) in word.news(&before) {
                let cause = format!("the dish of {name} {said}");
                self.decisions.note(now, cause, format!("{name} {action}"));
            }
        }
    }

    fn note_event(&mut self, event: &UplinkEvent) {
        let name = self.name(event.link);
        let action = match event.what {
            Happening::Usable(_) => "can be used",
            Happening::AddressChanged(_) => {
                "is reached in another way; its old flows are forgotten"
            }
            Happening::AddressLost | Happening::CarrierLost | Happening::Gone => "is not used",
        };
        let cause = event.what.words();
        self.decisions.note(event.at, format!("{name} {cause}"), format!("{name} {action}"));
    }

    fn note_switch(&mut self, switch: &Switch) {
        let action = match switch.to {
            Some(to) => format!("new flows take {}", self.name(to)),
            None => String::from("nothing carries the house"),
        };
        self.decisions.note(switch.at, switch.cause(), action);
    }
}
