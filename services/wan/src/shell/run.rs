//! The main loop: what happens in, what is to be done out, and the watchdog fed as it goes round.
//!
//! One thread. The loop owns the machine, the socket of the kernel's news, the way to the kernel
//! and three sets of tasks, all aborted when it ends. One set holds what runs as long as the loop:
//! the near end of the tunnel, the two announcers to the bus, the follower of leases, the server of
//! numbers, the keeper of counters and the keeper of the packet filter; they read newest values and
//! the loop never waits for them. Another holds questions to the world, at most two for each
//! uplink; the third, who follows the dishes, one for each while its uplink can be used. The loop
//! itself waits for the kernel's answers, which take microseconds, and for nothing else.
//!
//! Asked to stop, it takes what is ours out of the kernel. Killed, it leaves everything there: the
//! house goes on, and the next start takes it over.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::wan::Switched;
use daemon::clock;
use daemon::readiness::{self, Watchdog};
use daemon::shutdown::Shutdown;
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use units::Instant;
use zbus::Connection;

use super::bus::{Change, Command, Published, Said};
use super::dishes::Dishes;
use super::junction::{Ends, Report, junction};
use super::near_end::{self, Files};
use super::netlink::{Heard, NewsSocket};
use super::owner::Owner;
use super::probes::{Asking, ask};
use super::routes::Kernel;
use super::settings::Settings;
use super::{bus as served, conntrack, firewall, metrics, resolvers, store, translate, way_back};
use crate::caps::Saved;
use crate::direct::Action;
use crate::direct::firewall::{Firewall, removal};
use crate::direct::probe::{Outcome, Probe, Targets};
use crate::gateway::{Configuration, Gateway};
use crate::links::News;
use crate::resolvers::Resolvers;
use crate::uplink::Device;

/// How often the kernel's counters are read.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// How often the clock is looked at.
const CLOCK_EVERY: Duration = Duration::from_secs(30);

/// How long until something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the kernel says which boot this is (`proc_sys_kernel(5)`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why `wan` ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus cannot be reached, or refuses our name.
    #[error("the system bus: {0}")]
    Bus(#[from] zbus::Error),
    /// A socket or signal could not be used.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The bus has gone; systemd starts us again when it is back.
    #[error("the connection to the system bus is gone")]
    BusGone,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// Runs until systemd asks to stop.
///
/// # Errors
/// [`RunError`], when `wan` cannot start or the bus goes away.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let mut shutdown = Shutdown::listen().map_err(failed("signals"))?;
    let mut watchdog = Watchdog::from_environment();
    let (mut world, mut gateway) = World::start(settings).await?;
    let mut count = interval(COUNT_EVERY);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval(CLOCK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    world.act(&mut gateway).await;
    readiness::ready();
    let names: Vec<&str> = gateway.uplinks().iter().map(|uplink| uplink.name.as_str()).collect();
    tracing::info!("keeping the house online by {}", names.join(" and "));
    loop {
        let deadline = world.next_deadline(&gateway);
        tokio::select! {
            () = watchdog.due() => watchdog.feed(),
            () = shutdown.requested() => break,
            () = closed(world.connection.as_ref()) => return Err(RunError::BusGone),
            heard = world.news.next() => match heard {
                Ok(heard) => handle(&mut gateway, heard),
                Err(source) => return Err(failed("the kernel's news")(source)),
            },
            Some(Ok((probe, outcome))) = world.probes.join_next() => {
                gateway.handle_outcome(&probe, outcome, clock::now());
            }
            Some(command) = world.commands.recv() => obey(&mut gateway, command),
            Some(report) = world.junction.reports.recv() => match report {
                Report::Path(report) => gateway.handle_path(report, clock::now()),
                Report::Move(moved) => gateway.handle_move(moved, clock::now()),
                Report::Tunnel(device) => gateway.handle_tunnel(device, clock::now()),
            },
            (link, report) = world.dishes.next() => {
                gateway.handle_dish(link, &report, clock::now());
            }
            Ok(()) = world.resolvers.changed() => {
                let resolvers = world.resolvers.borrow_and_update().clone();
                gateway.handle_resolvers(&resolvers, clock::now());
            }
            _ = count.tick() => world.count(&mut gateway).await,
            _ = look.tick() => gateway.handle_clock(super::clock::wall(), clock::now()),
            () = until(deadline) => world.wake(&mut gateway),
        }
        world.act(&mut gateway).await;
    }
    readiness::stopping();
    world.withdraw(&mut gateway).await;
    Ok(())
}

/// Everything that the loop does things to.
struct World {
    kernel: Kernel,
    news: NewsSocket,
    connection: Option<Connection>,
    published: watch::Sender<Arc<Said>>,
    commands: mpsc::Receiver<Command>,
    switches: mpsc::Sender<Switched>,
    junction: Ends,
    resolvers: watch::Receiver<Vec<Resolvers>>,
    firewall: watch::Sender<Option<Firewall>>,
    saved: watch::Sender<Option<Saved>>,
    usage: PathBuf,
    host: Option<String>,
    probes: JoinSet<(Probe, Outcome)>,
    dishes: Dishes,
    snapshot_at: Option<Instant>,
    tasks: JoinSet<()>,
}

impl World {
    async fn start(settings: Settings) -> Result<(Self, Gateway), RunError> {
        // Listening comes first: what happens while we list is heard afterwards.
        let news = NewsSocket::open().map_err(failed("the kernel's news"))?;
        let kernel = Kernel::open().map_err(failed("the way to the kernel"))?;
        let owner = Owner::load(&settings.state);
        let mut uplinks = settings.uplinks;
        owner.apply(&mut uplinks);
        let usage = settings.state.join("usage.json");
        let (servers, host) = (settings.probe.servers, settings.probe.host);
        let page = host.is_some() && !servers.is_empty();
        let configuration = Configuration {
            uplinks: uplinks.clone(),
            modes: owner.modes(settings.modes),
            targets: Targets { servers, page },
            zone: settings.time_zone,
            saved: store::load(&usage),
            boot: std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned(),
        };
        let files = Files::find(settings.state.clone(), settings.lan.prefix, &kernel).await;
        let mut gateway = take_over(configuration, files.left_behind);
        look_first(&kernel, &mut gateway).await;

        let (published, said) = watch::channel(Arc::new(Said::of(&gateway)));
        let (command, commands) = mpsc::channel(served::COMMANDS);
        let (switches, switched) = mpsc::channel(served::SWITCHES);
        let (plug, junction) = junction();
        let (firewall, wanted) = watch::channel(None);
        let (saved, counted) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(way_back::stand(settings.state.clone()));
        tasks.spawn(keep_firewall(wanted));
        tasks.spawn(keep_counters(usage.clone(), counted));
        if let Some(path) = &settings.metrics {
            let listener = metrics::listen(path).map_err(failed("the socket for numbers"))?;
            tasks.spawn(metrics::serve(listener, plug.status.clone()));
        }
        tasks.spawn(near_end::keep(plug, files, uplinks.clone()));
        let mut connection = None;
        let (found, resolvers) = watch::channel(Vec::new());
        if settings.bus {
            let owner = Arc::new(Mutex::new(owner));
            let state = settings.state.clone();
            let published = Published { said: said.clone(), commands: command, owner, state };
            let served = served::serve(&published, &uplinks).await?;
            tasks.spawn(served::announce(served.clone(), said));
            tasks.spawn(served::announce_switches(served.clone(), switched));
            tasks.spawn(resolvers::follow(served.clone(), found));
            connection = Some(served);
        }
        let world = Self {
            kernel,
            news,
            connection,
            published,
            commands,
            switches,
            junction,
            resolvers,
            firewall,
            saved,
            usage,
            host,
            probes: JoinSet::new(),
            dishes: Dishes::new(settings.dish.address),
            snapshot_at: None,
            tasks,
        };
        Ok((world, gateway))
    }

    /// Does everything that the machine wants done.
    async fn act(&mut self, gateway: &mut Gateway) {
        // First, because a lost cable is worth milliseconds there, and the kernel takes its time.
        self.tell_near_end(gateway);
        if gateway.poll_snapshot() {
            match self.kernel.snapshot().await {
                Ok(snapshot) => gateway.handle_snapshot(&snapshot, clock::now()),
                Err(error) => {
                    tracing::warn!("the kernel cannot be read: {error}");
                    self.snapshot_at = Some(clock::now() + AGAIN);
                }
            }
        }
        while let Some(action) = gateway.poll_action() {
            self.perform(gateway, action).await;
        }
        self.tell_near_end(gateway);
        while let Some(probe) = gateway.poll_probe(clock::now()) {
            let uplinks = gateway.uplinks();
            if let Some(uplink) = uplinks.iter().find(|uplink| uplink.id == probe.link) {
                let servers = gateway.servers(probe.link);
                let asking = Asking { host: self.host.clone(), servers };
                self.probes.spawn(ask(probe, uplink.name, asking));
            }
        }
        if let Some(saved) = gateway.poll_save(clock::now()) {
            self.saved.send_replace(Some(saved));
        }
        while let Some(switch) = gateway.poll_switch() {
            match switch.to {
                Some(to) => {
                    tracing::info!("the house takes {}: {}", gateway.name(to), switch.cause());
                }
                None => tracing::warn!("nothing carries the house: {}", switch.cause()),
            }
            // The newest status tells the outcome to whoever missed it.
            let _ = self.switches.try_send(served::switched(&switch, gateway.uplinks()));
        }
        if let Some(status) = gateway.poll_status() {
            self.dishes.follow(&status);
            self.junction.status.send_replace(Arc::new(status));
            self.published.send_replace(Arc::new(Said::of(gateway)));
        }
    }

    fn tell_near_end(&self, gateway: &mut Gateway) {
        while let Some(event) = gateway.poll_event() {
            let name = gateway.name(event.link);
            tracing::info!("{name} {}", event.what.words());
            // Without a near end nobody listens.
            let _ = self.junction.events.send(event);
        }
    }

    async fn perform(&mut self, gateway: &mut Gateway, action: Action) {
        match action {
            Action::ReadKernel => match self.kernel.own().await {
                Ok(state) => gateway.handle_kernel(state, clock::now()),
                Err(error) => {
                    tracing::warn!("the kernel cannot be read: {error}");
                    gateway.handle_refused(clock::now());
                }
            },
            Action::Firewall(wanted) => {
                self.firewall.send_replace(Some(wanted));
            }
            Action::Change(change) => {
                if let Err(error) = self.kernel.change(&change).await {
                    tracing::warn!("a step was refused: {error}");
                    gateway.handle_refused(clock::now());
                }
            }
            Action::ForgetFlows(mark) => {
                if let Err(error) = conntrack::forget(mark).await {
                    tracing::warn!("flows with mark {mark} could not be forgotten: {error}");
                }
            }
        }
    }

    async fn count(&self, gateway: &mut Gateway) {
        match self.kernel.counters().await {
            Ok(counted) => {
                for link in counted {
                    gateway.handle_counters(link.device, link.down, link.up, clock::now());
                }
            }
            Err(error) => tracing::warn!("counters cannot be read: {error}"),
        }
    }

    fn next_deadline(&self, gateway: &Gateway) -> Option<Instant> {
        gateway.next_deadline().into_iter().chain(self.snapshot_at).min()
    }

    fn wake(&mut self, gateway: &mut Gateway) {
        let now = clock::now();
        if self.snapshot_at.is_some_and(|at| at <= now) {
            self.snapshot_at = None;
            gateway.handle_overrun(now);
        }
        gateway.handle_deadline(now);
    }

    /// Takes what is ours out of the kernel and writes the last counters.
    async fn withdraw(mut self, gateway: &mut Gateway) {
        self.tasks.shutdown().await;
        for change in gateway.withdraw() {
            if let Err(error) = self.kernel.change(&change).await {
                tracing::warn!("a step was refused: {error}");
            }
        }
        way_back::take_away().await;
        self.usage.parent().into_iter().for_each(way_back::has_not_fallen);
        if let Err(error) = firewall::apply(&removal()).await {
            tracing::warn!("{error}");
        }
        if let Err(error) = store::save(&self.usage, &gateway.save(clock::now())) {
            tracing::error!("the counters are lost since they were last written: {error}");
        }
    }
}

/// Reads the kernel before anything is said: whoever reads our first word may light a lamp by it.
async fn look_first(kernel: &Kernel, gateway: &mut Gateway) {
    if gateway.poll_snapshot() {
        match kernel.snapshot().await {
            Ok(snapshot) => gateway.handle_snapshot(&snapshot, clock::now()),
            // The loop reads it again, and says why it cannot.
            Err(_) => gateway.handle_unclear(clock::now()),
        }
    }
}

/// The machine, in a house that may still go out through what a predecessor left behind.
fn take_over(configuration: Configuration, left_behind: Option<Device>) -> Gateway {
    let mut gateway = Gateway::new(configuration, clock::now());
    gateway.handle_tunnel(left_behind, clock::now());
    gateway
}

/// Passes on what the kernel told.
fn handle(gateway: &mut Gateway, heard: Heard) {
    let now = clock::now();
    match heard {
        Heard::News(news) => {
            for message in &news {
                learn(gateway, message, now);
            }
        }
        Heard::Replaced => gateway.handle_unclear(now),
        Heard::Overrun => {
            tracing::warn!("the kernel's news came too fast; everything is read again");
            gateway.handle_overrun(now);
        }
    }
}

fn learn(gateway: &mut Gateway, message: &RouteNetlinkMessage, now: Instant) {
    let news = match message {
        RouteNetlinkMessage::DelLink(_)
        | RouteNetlinkMessage::DelAddress(_)
        | RouteNetlinkMessage::DelRoute(_) => News::Gone,
        _ => News::There,
    };
    match message {
        RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
            if let Some(fact) = translate::link(link) {
                gateway.handle_link(news, &fact, now);
            }
        }
        RouteNetlinkMessage::NewAddress(address) | RouteNetlinkMessage::DelAddress(address) => {
            if let Some(fact) = translate::address(address) {
                gateway.handle_address(news, &fact, now);
            }
        }
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            if let Some(fact) = translate::default_route(route) {
                gateway.handle_route(news, &fact, now);
            } else if let (News::Gone, Some((key, _))) = (news, translate::own_route(route)) {
                gateway.handle_route_gone(&key, now);
            }
        }
        RouteNetlinkMessage::DelRule(rule) => {
            if let Some(rule) = translate::own_rule(rule) {
                gateway.handle_rule_gone(&rule, now);
            }
        }
        _ => {}
    }
}

/// Does what the owner asked for, and says so.
fn obey(gateway: &mut Gateway, command: Command) {
    let now = clock::now();
    let link = |gateway: &Gateway, name: &str| {
        let mut uplinks = gateway.uplinks().iter();
        uplinks.find(|uplink| uplink.name.as_str() == name).map(|uplink| uplink.id)
    };
    let done = match command.what {
        Change::Policy(name, policy) => {
            link(gateway, &name).is_some_and(|link| gateway.handle_policy(link, policy, now))
        }
        Change::Cap(name, bytes) => {
            link(gateway, &name).is_some_and(|link| gateway.handle_cap(link, bytes, now))
        }
        Change::Modes(modes) => {
            gateway.handle_modes(modes, now);
            true
        }
    };
    if !done {
        return;
    }
    // Whoever asked may have gone.
    let _ = command.done.send(());
}

/// Keeps the newest rules in the packet filter; tries again until it takes them.
async fn keep_firewall(mut wanted: watch::Receiver<Option<Firewall>>) {
    while wanted.changed().await.is_ok() {
        loop {
            let rules = wanted.borrow_and_update().as_ref().map(Firewall::rules);
            let Some(rules) = rules else { break };
            match firewall::apply(&rules).await {
                Ok(()) => break,
                Err(error) => tracing::error!("{error}"),
            }
            sleep(AGAIN * 5).await;
        }
    }
}

/// Writes the newest counters. A disk that is full or slow holds up nobody, and is told once: it
/// may stay full for months.
async fn keep_counters(file: PathBuf, mut counted: watch::Receiver<Option<Saved>>) {
    let mut refused = false;
    while counted.changed().await.is_ok() {
        let Some(saved) = counted.borrow_and_update().clone() else { continue };
        let file = file.clone();
        let written = tokio::task::spawn_blocking(move || store::save(&file, &saved)).await;
        let Ok(written) = written else { continue };
        let before = std::mem::replace(&mut refused, written.is_err());
        match written {
            Err(error) if !before => tracing::error!("the counters are not on disk: {error}"),
            Ok(()) if before => tracing::info!("the counters are on disk again"),
            _ => {}
        }
    }
}

async fn closed(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.closed().await,
        None => std::future::pending().await,
    }
}

/// Waits until `deadline`, or for ever.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep(deadline.saturating_since(clock::now())).await,
        None => std::future::pending().await,
    }
}
