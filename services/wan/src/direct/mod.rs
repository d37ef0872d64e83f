//! Direct mode: the house goes out by the uplinks themselves.
//!
//! The machine keeps what each uplink can do and how it does, chooses the one that new flows take,
//! and moves the kernel from what stands there to what should. Tell it what happened by the
//! `handle_*` methods, as much as there is; then [`Direct::decide`] once; then take what is to be
//! done by [`Direct::poll_action`], in that order, and what changed by [`Direct::poll_switch`].
//!
//! It does nothing before it has been told what of ours stands in the kernel, so that it takes over
//! what a dead predecessor left. A step that the kernel refuses is no end: after a while the kernel
//! is read again and the rest of the way is taken from there.
//!
//! - [`choice`]: which uplink new flows take.
//! - [`firewall`]: marks, as text for the packet filter.
//! - [`health`]: how an uplink does.
//! - [`kernel`]: routes and rules, and the steps from one state to another.
//! - [`probe`]: when to ask the world.

pub mod choice;
pub mod firewall;
pub mod health;
pub mod kernel;
pub mod probe;

use std::collections::VecDeque;
use std::time::Duration;

use core::net::{IpAddr, Ipv4Addr};

use units::{Instant, LinkId};

use crate::uplink::{Device, Happening, Kind, Mark, Policy, Reach, Uplink, UplinkEvent};
use choice::{Candidate, choose};
use firewall::Firewall;
use health::{Condition, Health};
use kernel::{Change, KernelState, RouteKey, RouteValue, Rule, Version};

/// Where a dish answers, beyond the uplink it serves.
pub const DISH: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);

/// How soon the kernel is read again after it refused a step; doubles with each refusal.
pub const RETRY: Duration = Duration::from_secs(1);

/// Longest time until the kernel is read again.
pub const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Most switches kept for whoever does not fetch them; older ones are dropped.
const MOST_SWITCHES: usize = 64;

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// List what of ours stands in the kernel, for [`Direct::handle_kernel`].
    ReadKernel,
    /// Put our table of the packet filter there.
    Firewall(Firewall),
    /// Take a step in the kernel's routes and rules.
    Change(Change),
    /// Forget the connections with this mark: their uplink is dead.
    ForgetFlows(Mark),
}

/// Why new flows take another uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was none before.
    FirstUp,
    /// The cable was pulled or its other end died.
    CarrierLost,
    /// The address or the way on was lost.
    AddressLost,
    /// The interface is gone.
    Gone,
    /// Nothing came back.
    Silent,
    /// The provider answers in the place of everybody.
    Captive,
    /// Its dish says that it will not carry.
    Dish,
    /// The owner wants it otherwise, or a cap is reached.
    Policy,
    /// A better one is there.
    Better,
}

impl Why {
    /// The reason in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::FirstUp => "it was the first that could be used",
            Self::CarrierLost => "the other lost its carrier",
            Self::AddressLost => "the other lost its address",
            Self::Gone => "the other's port is gone",
            Self::Silent => "nothing came back over the other",
            Self::Captive => "the other wants somebody to sign in",
            Self::Dish => "the dish of the other says that it will not carry",
            Self::Policy => "its policy or its cap changed",
            Self::Better => "it is preferred and does well",
        }
    }
}

/// New flows take another uplink, or what is urgent in the tunnel takes another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The one they took, if any could be.
    pub from: Option<LinkId>,
    /// The one they take.
    pub to: Option<LinkId>,
    /// Why.
    pub why: Why,
    /// When it was decided.
    pub at: Instant,
    /// For how long nothing had passed on the one left; nothing where nobody measured.
    pub gap: Duration,
    /// How many packets were lost for good; none where nobody counted.
    pub lost: u32,
}

impl Switch {
    /// Why, and what it cost if that is known.
    #[must_use]
    pub fn cause(&self) -> String {
        let mut cause = self.why.words().to_owned();
        if !self.gap.is_zero() {
            cause += &format!(", nothing passed for {} ms", self.gap.as_millis());
        }
        if self.lost > 0 {
            cause += &format!(", packets lost: {}", self.lost);
        }
        cause
    }
}

/// One uplink.
#[derive(Debug)]
struct Line {
    uplink: Uplink,
    policy: Policy,
    reach: Option<Reach>,
    condition: Condition,
    /// Whether its dish says that it will not carry.
    last_resort: bool,
    /// Why it cannot be used, when it cannot.
    lost: Why,
    /// Whether its flows have been forgotten since it was last alive.
    forgotten: bool,
}

impl Line {
    fn candidate(&self, version: Version) -> Option<Candidate> {
        let reach = self.reach?;
        let has = match version {
            Version::V4 => reach.ipv4.is_some(),
            Version::V6 => reach.ipv6.is_some(),
        };
        has.then_some(Candidate {
            link: self.uplink.id,
            policy: self.policy,
            last_resort: self.last_resort,
            metered: self.uplink.metered,
            health: self.condition.health(),
        })
    }

    /// Where packets of `version` go by this uplink.
    fn way(&self, version: Version) -> Option<RouteValue> {
        let reach = self.reach?;
        let (source, gateway) = match version {
            Version::V4 => {
                reach.ipv4.map(|leg| (IpAddr::V4(leg.address), leg.gateway.map(IpAddr::V4)))?
            }
            Version::V6 => {
                reach.ipv6.map(|leg| (IpAddr::V6(leg.address), leg.gateway.map(IpAddr::V6)))?
            }
        };
        Some(RouteValue { device: reach.device, gateway, source: Some(source) })
    }
}

/// The machine.
#[derive(Debug)]
pub struct Direct {
    lines: Vec<Line>,
    chosen: Option<LinkId>,
    /// The uplink of the default route, by family.
    carriers: [Option<LinkId>; 2],
    tunnel: Option<Device>,
    /// What of ours we believe stands in the kernel.
    believed: KernelState,
    /// Whether the kernel has been read.
    knows_kernel: bool,
    read_at: Option<Instant>,
    retry: Duration,
    refused_at: Option<Instant>,
    firewall: Option<Firewall>,
    policy_changed: bool,
    actions: VecDeque<Action>,
    switches: VecDeque<Switch>,
}

impl Direct {
    /// A box with `uplinks`, of which none can be used yet.
    #[must_use]
    pub fn new(uplinks: &[Uplink]) -> Self {
        let line = |uplink: &Uplink| Line {
            uplink: *uplink,
            policy: uplink.policy,
            reach: None,
            condition: Condition::new(),
            last_resort: false,
            lost: Why::Gone,
            forgotten: false,
        };
        Self {
            lines: uplinks.iter().map(line).collect(),
            chosen: None,
            carriers: [None; 2],
            tunnel: None,
            believed: KernelState::default(),
            knows_kernel: false,
            read_at: None,
            retry: RETRY,
            refused_at: None,
            firewall: None,
            policy_changed: false,
            actions: VecDeque::from([Action::ReadKernel]),
            switches: VecDeque::new(),
        }
    }

    /// Something happened to an uplink.
    pub fn handle_event(&mut self, event: &UplinkEvent) {
        let Some(line) = self.lines.iter_mut().find(|line| line.uplink.id == event.link) else {
            return;
        };
        match event.what {
            Happening::Usable(reach) => {
                line.reach = Some(reach);
                line.condition.handle_usable(event.at);
            }
            Happening::AddressChanged(reach) => {
                let same = line.reach.is_some_and(|old| old.addresses().eq(reach.addresses()));
                line.reach = Some(reach);
                if !same {
                    // What was translated to the old address will never be answered.
                    self.actions.push_back(Action::ForgetFlows(Mark::of(event.link)));
                }
            }
            lost @ (Happening::AddressLost | Happening::CarrierLost | Happening::Gone) => {
                line.reach = None;
                line.lost = match lost {
                    Happening::CarrierLost => Why::CarrierLost,
                    Happening::AddressLost => Why::AddressLost,
                    _ => Why::Gone,
                };
                line.condition.handle_unusable(event.at);
            }
        }
    }

    /// What is known of how uplink `link` does changed, as `change` does it.
    pub fn handle_condition(&mut self, link: LinkId, change: impl FnOnce(&mut Condition)) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.uplink.id == link) {
            change(&mut line.condition);
        }
    }

    /// What may be done with uplink `link` changed: by the owner, or by its cap.
    pub fn handle_policy(&mut self, link: LinkId, policy: Policy) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.uplink.id == link) {
            self.policy_changed |= line.policy != policy;
            line.policy = policy;
        }
    }

    /// The dish of uplink `link` says that it will not carry, or does not say so any more.
    pub fn handle_last_resort(&mut self, link: LinkId, last_resort: bool) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.uplink.id == link) {
            line.last_resort = last_resort;
        }
    }

    /// The tunnel carries the house by the interface `device`, or not any more.
    pub fn handle_tunnel(&mut self, device: Option<Device>) {
        self.tunnel = device;
    }

    /// The kernel listed what of ours it has.
    pub fn handle_kernel(&mut self, state: KernelState) {
        self.believed = state;
        self.knows_kernel = true;
    }

    /// News was dropped: routes of ours may have gone with an address that came back since.
    pub fn handle_overrun(&mut self, now: Instant) {
        self.read_soon(now);
    }

    /// The kernel told that one of our routes is gone. That is nothing new if we removed it.
    pub fn handle_route_gone(&mut self, key: &RouteKey, now: Instant) {
        if self.believed.routes.contains_key(key) {
            self.read_soon(now);
        }
    }

    /// The kernel told that one of our rules is gone. That is nothing new if we removed it.
    pub fn handle_rule_gone(&mut self, rule: &Rule, now: Instant) {
        if self.believed.rules.contains(rule) {
            self.read_soon(now);
        }
    }

    /// The kernel refused a step.
    pub fn handle_refused(&mut self, now: Instant) {
        if self.read_at.is_some() {
            // The rest of the way is taken up again in any case.
            return;
        }
        let calm = self.refused_at.is_none_or(|at| now.saturating_since(at) > LONGEST_RETRY * 2);
        self.retry = if calm { RETRY } else { (self.retry * 2).min(LONGEST_RETRY) };
        self.refused_at = Some(now);
        self.read_at = Some(now + self.retry);
    }

    /// Draws the conclusions from everything told since the last time.
    pub fn decide(&mut self, now: Instant) {
        for line in &mut self.lines {
            line.condition.handle_deadline(now);
        }
        if self.read_at.is_some_and(|at| at <= now) {
            self.read_at = None;
            self.actions.push_back(Action::ReadKernel);
        }
        let best = |version, carrying| {
            choose(self.lines.iter().filter_map(|line| line.candidate(version)), carrying)
        };
        self.carriers = [best(Version::V4, self.chosen), best(Version::V6, self.chosen)];
        let chosen = self.carriers[0].or(self.carriers[1]);
        if chosen != self.chosen {
            let (from, why) = (self.chosen, self.why(self.chosen));
            let switch = Switch { from, to: chosen, why, at: now, gap: Duration::ZERO, lost: 0 };
            self.chosen = chosen;
            if self.switches.len() == MOST_SWITCHES {
                self.switches.pop_front();
            }
            self.switches.push_back(switch);
        }
        self.policy_changed = false;
        if self.knows_kernel {
            self.act();
        }
    }

    fn act(&mut self) {
        let firewall = self.desired_firewall();
        if self.firewall.as_ref() != Some(&firewall) {
            self.firewall = Some(firewall.clone());
            self.actions.push_back(Action::Firewall(firewall));
        }
        let changes = self.move_to(self.desired());
        self.actions.extend(changes.into_iter().map(Action::Change));
        for line in &mut self.lines {
            let dead = line.condition.health() == Health::Down;
            let elsewhere = self.chosen.is_some_and(|chosen| chosen != line.uplink.id);
            if dead && elsewhere && !line.forgotten {
                line.forgotten = true;
                self.actions.push_back(Action::ForgetFlows(Mark::of(line.uplink.id)));
            }
            line.forgotten &= dead;
        }
    }

    /// The steps that take everything of ours away, because this program ends and others shall
    /// carry the house.
    pub fn withdraw(&mut self) -> Vec<Change> {
        if self.knows_kernel { self.move_to(KernelState::default()) } else { Vec::new() }
    }

    /// The steps to `desired`, which are from now on believed to have been taken.
    fn move_to(&mut self, desired: KernelState) -> Vec<Change> {
        let changes = self.believed.steps_to(&desired);
        self.believed = desired;
        changes
    }

    /// The next thing to be done, in this order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next change of the uplink that new flows take.
    pub fn poll_switch(&mut self) -> Option<Switch> {
        self.switches.pop_front()
    }

    /// When [`Direct::decide`] is due although nothing happened.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let conditions = self.lines.iter().filter_map(|line| line.condition.next_deadline());
        conditions.chain(self.read_at).min()
    }

    /// The uplink that new flows take.
    #[must_use]
    pub const fn chosen(&self) -> Option<LinkId> {
        self.chosen
    }

    /// Whether the tunnel carries the house.
    #[must_use]
    pub const fn is_tunnelled(&self) -> bool {
        self.tunnel.is_some()
    }

    /// How uplink `link` does.
    #[must_use]
    pub fn health(&self, link: LinkId) -> Health {
        let line = self.lines.iter().find(|line| line.uplink.id == link);
        line.map_or(Health::Down, |line| line.condition.health())
    }

    /// What should stand in the kernel.
    #[must_use]
    pub fn desired(&self) -> KernelState {
        let mut state = KernelState::default();
        for version in Version::BOTH {
            for line in &self.lines {
                state.rules.insert(Rule::of(version, line.uplink.id));
                if let Some(way) = line.way(version) {
                    state.routes.insert(RouteKey::own(version, line.uplink.id), way);
                }
            }
            if let Some(way) = self.main(version) {
                state.routes.insert(RouteKey::main(version), way);
            }
        }
        let dish = self.lines.iter().find(|line| line.uplink.kind == Kind::Starlink);
        if let Some(way) = dish.and_then(|line| line.way(Version::V4)) {
            let key = RouteKey::host(IpAddr::V4(DISH));
            state.routes.insert(key, RouteValue { gateway: None, ..way });
        }
        state
    }

    fn main(&self, version: Version) -> Option<RouteValue> {
        if let Some(device) = self.tunnel {
            return Some(RouteValue { device, gateway: None, source: None });
        }
        let carrier = match version {
            Version::V4 => self.carriers[0],
            Version::V6 => self.carriers[1],
        };
        self.lines.iter().find(|line| Some(line.uplink.id) == carrier)?.way(version)
    }

    fn desired_firewall(&self) -> Firewall {
        let named = |line: &Line| (line.uplink.name, Mark::of(line.uplink.id));
        let barred = self.lines.iter().filter(|line| line.policy == Policy::Never);
        Firewall {
            uplinks: self.lines.iter().map(named).collect(),
            barred: barred.map(|line| line.uplink.name).collect(),
        }
    }

    /// Why the house leaves the uplink that it took so far.
    /// Why the uplink `left` is left, as it does now.
    pub(crate) fn why(&self, left: Option<LinkId>) -> Why {
        let left = self.lines.iter().find(|line| Some(line.uplink.id) == left);
        let Some(left) = left else { return Why::FirstUp };
        match left.condition.health() {
            _ if left.reach.is_none() => left.lost,
            Health::Down => Why::Silent,
            Health::Captive => Why::Captive,
            _ if left.last_resort => Why::Dish,
            Health::Up | Health::Suspect | Health::Probation if self.policy_changed => Why::Policy,
            Health::Up | Health::Suspect | Health::Probation => Why::Better,
        }
    }

    fn read_soon(&mut self, now: Instant) {
        self.read_at = Some(self.read_at.map_or(now, |at| at.min(now)));
    }
}
