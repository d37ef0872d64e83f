//! The near end of the tunnel: plugged into the main loop by its [`Junction`].
//!
//! One task, aborted with the main loop. While no relay is joined it looks for the line every
//! [`LOOK`]. Once there is one it owns the pump, one dialling task per uplink and the tunnel's
//! device, and passes news between them and the main loop; a line that changes starts all of it
//! anew. When something of it fails it says so, gives the house back to the uplinks themselves, and
//! tries again: without the tunnel the house is online as it was without a relay.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daemon::clock;
use daemon::replace::{Readers, ReplaceError, replace};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use tunnel::shell::dial::{Dialler, Wish};
use tunnel::shell::enrolment::Enrolment;
use tunnel::shell::keys::{KeyError, SecretKey};
use tunnel::shell::pump::{Command, Directory, Handles, PeerId, Pump};
use tunnel::shell::socket::Leash;
use tunnel::shell::tun::Tun;
use tunnel::wire::Welcome;
use tunnel::{End, Event, Modes, State};
use units::{Instant, LinkId};

use super::join;
use super::junction::{Junction, Report};
use super::routes::Kernel;
use super::sky::Sky;
use super::tunnel_device::{DeviceError, TunnelDevice};
use super::way_back::{find_left_behind, take_away};
use crate::direct::health::Health;
use crate::gateway::{Move, PathReport};
use crate::lan_prefix::LanPrefix;
use crate::status::Status;
use crate::tunnel_words;
use crate::uplink::{Device, Happening, Mark, Policy, Uplink, UplinkEvent};

/// The tunnel's device; the firewall knows it by this name.
pub(super) const DEVICE: &str = "tunnel0";
/// Longest packet of the house in the tunnel: what a path of 1452-byte payloads carries whole.
const INNER_MTU: u16 = 1_380;
/// How often the relay's line is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long the tunnel may carry nothing before the house goes out by the uplinks themselves.
const GIVE_UP: Duration = Duration::from_secs(3);
/// The same for one that takes over from a killed one: it has to start and to dial first, and the
/// first packet by another way ends every connection of the house.
const GIVE_UP_LEFT_BEHIND: Duration = Duration::from_secs(10);
/// How often paths are reported when nothing changes.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Pause after a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// Why the near end stopped.
#[derive(Debug, thiserror::Error)]
enum NearEndError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the device {DEVICE}: {0}")]
    Tun(io::Error),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("no random numbers: {0}")]
    Random(io::Error),
    #[error("the device {DEVICE} is gone: {0:?}")]
    Pump(io::Result<()>),
}

/// What is read and written.
pub(super) struct Files {
    /// The folder of the relay's line and our key.
    pub(super) state: PathBuf,
    /// Which IPv6 prefix the house has from its relay, if somebody wants to know.
    pub(super) lan_prefix: Option<PathBuf>,
    /// What a predecessor that was killed left behind.
    pub(super) left_behind: Option<Device>,
}

impl Files {
    /// What there is when we start.
    pub(super) async fn find(state: PathBuf, lan_prefix: Option<PathBuf>, kernel: &Kernel) -> Self {
        let left_behind = find_left_behind(&state, kernel).await;
        Self { state, lan_prefix, left_behind }
    }

    /// Says that the house has this prefix, or none. One that the internet does not route is none:
    /// the house has such a prefix of its own.
    fn tell_prefix(&self, prefix: Option<Ipv6Addr>) {
        let Some(file) = &self.lan_prefix else { return };
        let prefix = prefix.and_then(|prefix| LanPrefix::try_new(prefix).ok());
        let line = prefix.filter(|prefix| prefix.is_global()).map(|prefix| format!("{prefix}\n"));
        if fs::read_to_string(file).ok() == line {
            return;
        }
        let told = match &line {
            Some(line) => replace(file, line.as_bytes(), Readers::Everybody),
            None => {
                let failed = |source| ReplaceError::Write { file: file.to_owned(), source };
                fs::remove_file(file).map_err(failed)
            }
        };
        if let Err(error) = told {
            tracing::warn!("the LAN's prefix: {error}");
        }
    }
}

/// Carries the house through the relay whose line is in the folder `state`, whenever there is one.
pub(super) async fn keep(mut junction: Junction, files: Files, uplinks: Vec<Uplink>) {
    let mut left_behind = files.left_behind.is_some();
    let state = &files.state;
    let mut refused = String::new();
    loop {
        let line = join::read(state);
        match line.as_deref().map(str::parse::<Enrolment>) {
            None => {
                // Without a relay the house has no prefix of it.
                files.tell_prefix(None);
                sleep(LOOK).await;
            }
            Some(Ok(relay)) => {
                let at = relay.addresses.join(" or ");
                tracing::info!("the house goes out through the relay at {at}");
                let ended = serve(
                    &mut junction,
                    &files,
                    &uplinks,
                    &relay,
                    std::mem::take(&mut left_behind),
                )
                .await;
                take_away().await;
                if let Err(error) = ended {
                    tracing::error!("the tunnel: {error}");
                    withdraw(&junction, &uplinks).await;
                    sleep(AGAIN).await;
                } else {
                    withdraw(&junction, &uplinks).await;
                }
            }
            Some(Err(error)) => {
                let why = format!("{}: {error}", state.join(join::FILE).display());
                if why != refused {
                    tracing::error!("{why}");
                    refused = why;
                }
                sleep(LOOK).await;
            }
        }
    }
}

/// Everything is as it was before there was a tunnel.
async fn withdraw(junction: &Junction, uplinks: &[Uplink]) {
    let _ = junction.reports.send(Report::Tunnel(None)).await;
    for uplink in uplinks {
        let report = PathReport::none(uplink.id);
        let _ = junction.reports.send(Report::Path(report)).await;
    }
}

/// All packets are for the relay, and the relay may send us any.
struct OneRelay;

impl Directory for OneRelay {
    fn owner(&self, _: &[u8]) -> Option<PeerId> {
        Some(PeerId::default())
    }

    fn admits(&self, _: PeerId, _: &[u8]) -> bool {
        true
    }
}

/// Runs until the line changes.
async fn serve(
    junction: &mut Junction,
    files: &Files,
    uplinks: &[Uplink],
    relay: &Enrolment,
    left_behind: bool,
) -> Result<(), NearEndError> {
    let state = &files.state;
    let key = SecretKey::load_or_make(&state.join("wan.key"), |file, bytes| {
        replace(file, bytes, Readers::Nobody)
    });
    let key = Arc::new(key?);
    let tun = Tun::open(DEVICE, &[], INNER_MTU).map_err(NearEndError::Tun)?;
    // Killed, we leave the house its way out: the next of us is there within seconds.
    tun.outlive().map_err(NearEndError::Tun)?;
    let device = TunnelDevice::find(DEVICE).await?;
    let hash_key = random().map_err(NearEndError::Random)?;
    let (pump, handles) = Pump::new(End::House, hash_key, clock::now, OneRelay, tun);
    let mut near = NearEnd::start(uplinks, relay, &key, handles, device)?;
    if left_behind {
        (near.settled, near.carries) = (true, Some(true));
        near.give_up = GIVE_UP_LEFT_BEHIND;
    }
    let status = junction.status.borrow_and_update().clone();
    near.look_at_status(&status).await;
    let pump = pump.run();
    tokio::pin!(pump);
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            ended = &mut pump => return Err(NearEndError::Pump(ended)),
            event = junction.events.recv() => match event {
                Ok(event) => near.hear(&event).await,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            Ok(()) = junction.status.changed() => {
                let status = junction.status.borrow_and_update().clone();
                near.look_at_status(&status).await;
            }
            Some(notice) = near.handles.notices.recv() => {
                near.note(&notice.event, &junction.reports).await;
            }
            Ok(()) = near.welcomes.changed() => near.settle_in(files).await?,
            Ok(()) = near.handles.views.changed() => {}
            _ = look.tick() => {
                let now = join::read(state).and_then(|line| line.parse().ok());
                if now.as_ref() != Some(relay) {
                    return Ok(());
                }
                near.tell_failures();
            }
        }
        near.report(&junction.reports).await;
    }
}

/// One uplink, as the near end sees it.
struct Line {
    name: String,
    wish: watch::Sender<Wish>,
    failure: watch::Receiver<Option<String>>,
    told_failure: Option<String>,
    policy: Option<(tunnel::Policy, bool)>,
    reported: Option<PathReport>,
}

struct NearEnd {
    handles: Handles,
    welcomes: watch::Receiver<Option<Welcome>>,
    device: TunnelDevice,
    sky: Sky,
    lines: BTreeMap<LinkId, Line>,
    modes: Option<Modes>,
    settled: bool,
    carries: Option<bool>,
    carried_at: Instant,
    /// How long it may carry nothing now.
    give_up: Duration,
    reported_at: Instant,
    _diallers: JoinSet<()>,
}

impl NearEnd {
    fn start(
        uplinks: &[Uplink],
        relay: &Enrolment,
        key: &Arc<SecretKey>,
        handles: Handles,
        device: TunnelDevice,
    ) -> Result<Self, NearEndError> {
        let session = random().map_err(NearEndError::Random)?;
        let (welcome, welcomes) = watch::channel(None);
        let mut diallers = JoinSet::new();
        let mut lines = BTreeMap::new();
        for uplink in uplinks {
            let (wish, wishes) = watch::channel(Wish::default());
            let (failures, failure) = watch::channel(None);
            let name = uplink.name.to_string();
            let leash = Leash { device: Some(name.clone()), mark: Some(Mark::of(uplink.id).get()) };
            let dialler = Dialler {
                link: uplink.id,
                leash,
                key: Arc::clone(key),
                relay: relay.clone(),
                session,
                wishes,
                commands: handles.commands.clone(),
                welcomes: welcome.clone(),
                failures,
                known: Vec::new(),
            };
            diallers.spawn(dialler.keep());
            let line =
                Line { name, wish, failure, told_failure: None, policy: None, reported: None };
            lines.insert(uplink.id, line);
        }
        let now = clock::now();
        Ok(Self {
            handles,
            welcomes,
            device,
            sky: Sky::new(uplinks),
            lines,
            modes: None,
            settled: false,
            carries: None,
            carried_at: now,
            give_up: GIVE_UP,
            reported_at: now,
            _diallers: diallers,
        })
    }

    /// The kernel told of an uplink.
    async fn hear(&mut self, event: &UplinkEvent) {
        let link = event.link;
        let Some(line) = self.lines.get(&link) else { return };
        let (usable, carrier) = match event.what {
            Happening::Usable(_) | Happening::AddressChanged(_) => (true, true),
            Happening::AddressLost => (false, true),
            Happening::CarrierLost | Happening::Gone => (false, false),
        };
        line.wish.send_modify(|wish| wish.usable = usable);
        self.command(Command::Carrier { link, carrier: carrier && usable }).await;
    }

    /// What the owner, the caps and the dishes allow, and whether uplinks can be used at all.
    async fn look_at_status(&mut self, status: &Status) {
        if self.modes != Some(status.modes) {
            self.modes = Some(status.modes);
            self.command(Command::Modes(status.modes)).await;
        }
        for told in &status.uplinks {
            let link = told.uplink.id;
            let Some(line) = self.lines.get_mut(&link) else { continue };
            let usable = told.state.reach().is_some();
            line.wish
                .send_if_modified(|wish| std::mem::replace(&mut wish.usable, usable) != usable);
            let policy = match told.allowance.policy {
                Policy::Primary => tunnel::Policy::Primary,
                Policy::Secondary => tunnel::Policy::Secondary,
                Policy::Backup => tunnel::Policy::Backup,
                Policy::Never => tunnel::Policy::Never,
            };
            let metered = told.allowance.sparing;
            if line.policy != Some((policy, metered)) {
                line.policy = Some((policy, metered));
                self.command(Command::Policy { link, policy, metered }).await;
            }
        }
    }

    /// The tunnel told of a path: a fresh connection is wanted while it is down.
    async fn note(&mut self, event: &Event, reports: &mpsc::Sender<Report>) {
        match event {
            Event::Rhythm { link, rhythm } => {
                self.sky.hear(*link, rhythm);
                for (link, window) in self.sky.poll_windows(clock::now()) {
                    self.command(Command::Window { link, window }).await;
                }
            }
            Event::Path { link, from, to, why } => {
                let name = self.name(*link);
                let (was, is) = (tunnel_words::state(*from), tunnel_words::state(*to));
                let why = tunnel_words::why(*why);
                tracing::info!("{name} was {was} in the tunnel and is {is}: {why}");
                if let Some(line) = self.lines.get(link) {
                    line.wish.send_modify(|wish| wish.renew = *to == State::Down);
                }
            }
            Event::Switched { from, to, gap, lost } => {
                let moved = Move { from: *from, to: *to, gap: *gap, lost: *lost };
                let _ = reports.send(Report::Move(moved)).await;
                match to {
                    Some(to) => tracing::info!("what is urgent takes {}", self.name(*to)),
                    None => {
                        tracing::info!("what is urgent takes no uplink: none is up in the tunnel");
                    }
                }
            }
        }
    }

    fn name(&self, link: LinkId) -> String {
        self.lines.get(&link).map_or_else(|| link.to_string(), |line| line.name.to_string())
    }

    /// The relay told which addresses are ours inside.
    async fn settle_in(&mut self, files: &Files) -> Result<(), NearEndError> {
        let welcome = self.welcomes.borrow_and_update().clone();
        if let Some(welcome) = welcome {
            self.device.put_addresses(welcome.inner_v4, welcome.inner_v6).await?;
            files.tell_prefix(welcome.inner_v6);
            self.settled = true;
        }
        Ok(())
    }

    fn tell_failures(&mut self) {
        for line in self.lines.values_mut() {
            let failure = line.failure.borrow_and_update().clone();
            if failure != line.told_failure {
                if let Some(failure) = &failure {
                    tracing::warn!("no connection over {}: {failure}", line.name);
                }
                line.told_failure = failure;
            }
        }
    }

    /// Tells the main loop how the paths do, and whether the tunnel carries the house.
    async fn report(&mut self, reports: &mpsc::Sender<Report>) {
        let now = clock::now();
        let view = self.handles.views.borrow().first().cloned();
        let paths = view.map(|view| view.paths).unwrap_or_default();
        let alive = paths.iter().any(|path| path.connected && path.state != State::Down);
        let carries = self.carries(alive, now);
        let again = now.saturating_since(self.reported_at) >= REPORT_EVERY;
        if again {
            self.reported_at = now;
        }
        for path in &paths {
            let Some(line) = self.lines.get_mut(&path.link) else { continue };
            let report = PathReport {
                link: path.link,
                health: Some(health(path.state)),
                rtt: path.round_trip,
                loss_ppm: path.loss_ppm,
                next_boundary: self.sky.next_boundary(path.link, now),
            };
            // A tunnel that carries nothing says nothing of the uplinks: its relay may be dead, and
            // only questions to the world tell how they do.
            let report = if carries { report } else { PathReport::none(path.link) };
            let changed = line.reported.is_none_or(|before| before.health != report.health);
            if changed || again {
                line.reported = Some(report);
                let _ = reports.send(Report::Path(report)).await;
            }
        }
        if self.carries != Some(carries) {
            self.carries = Some(carries);
            let device = carries.then(|| self.device.device());
            let _ = reports.send(Report::Tunnel(device)).await;
        }
    }

    /// Whether the house goes out through the tunnel, of which a path is `alive` or none.
    fn carries(&mut self, alive: bool, now: Instant) -> bool {
        if alive && self.settled {
            (self.carried_at, self.give_up) = (now, GIVE_UP);
        }
        // One bad moment on every path is no reason to break every connection of the house.
        self.settled && now.saturating_since(self.carried_at) < self.give_up
    }

    async fn command(&self, command: Command) {
        // A pump that has ended ends us as well.
        let _ = self.handles.commands.send(command).await;
    }
}

const fn health(state: State) -> Health {
    match state {
        State::Up => Health::Up,
        State::Suspect => Health::Suspect,
        State::Probation => Health::Probation,
        State::Down => Health::Down,
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
