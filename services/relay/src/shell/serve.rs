//! Serving: who comes in is checked and handed to the pump.
//!
//! One thread. Tasks: the pump, one acceptor per address, one that looks whether a box was removed,
//! one per connection that is coming in; of those at most [`MOST_COMING`] at once, and a stranger's
//! address must answer first when there are more than [`MANY_COMING`]. All end with [`serve`].

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::replace::{Readers, replace};
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{interval, timeout};
use tunnel::End;
use tunnel::shell::congestion::Mask;
use tunnel::shell::greeting::{self, GreetingError};
use tunnel::shell::keys::{KeyError, PublicKey, SecretKey};
use tunnel::shell::pump::{Command, Directory, PeerId, Pump};
use tunnel::shell::socket::{self, Leash};
use tunnel::shell::transport;
use tunnel::shell::tun::Tun;
use tunnel::wire::Welcome;

use super::boxes::{Boxes, BoxesError};
use super::command_line::Serve;
use super::firewall::{self, FirewallError};
use super::guests::{Guests, show_out};
use crate::addresses::{BoxNumber, Plan, ends};

/// Longest inner packet: what a path of 1452-byte payloads carries whole.
pub const INNER_MTU: u16 = 1_380;
/// Connections coming in at once.
const MOST_COMING: usize = 256;
/// Above this, a stranger must prove its address before it costs us anything (RFC 9000, 8.1.2).
const MANY_COMING: usize = 32;
/// Longest handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether a box was removed.
const LOOK: Duration = Duration::from_secs(5);

/// Why the relay cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its boxes.
    #[error(transparent)]
    Boxes(#[from] BoxesError),
    /// The firewall.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// An address.
    #[error("{address}: {source}")]
    Listen {
        /// Where it should listen.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The tunnel's device.
    #[error("the device {device}: {source}; it needs /dev/net/tun and the right to it")]
    Device {
        /// Its name.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel gave no random numbers.
    #[error("no random numbers")]
    Random,
    /// Signals cannot be heard.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// The relay's key, which is made if there is none: once, though `serve` and `enroll` ask together.
///
/// # Errors
/// When its file cannot be read or written, or holds something else.
pub fn key(state: &Path) -> Result<SecretKey, KeyError> {
    let failed = |source| KeyError::File { file: state.to_owned(), source };
    // The folder is there already; the lock goes with the handle.
    let folder = File::open(state).map_err(failed)?;
    folder.lock().map_err(failed)?;
    SecretKey::load_or_make(&state.join("relay.key"), |file, bytes| {
        replace(file, bytes, Readers::Nobody)
    })
}

/// Serves until told to stop.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(state: &Path, settings: &Serve) -> Result<(), ServeError> {
    let mut shutdown = daemon::shutdown::Shutdown::listen().map_err(ServeError::Signals)?;
    let plan = Plan { v4: settings.inner_v4, v6: settings.inner_v6 };
    let boxes = Boxes::open(state)?;
    let key = key(state)?;
    let in_device = |source| ServeError::Device { device: settings.device.clone(), source };
    let (v4, v6) = plan.relay();
    let tun = Tun::open(&settings.device, &[(v4.into(), 16), (v6.into(), 48)], INNER_MTU)
        .map_err(in_device)?;
    if !settings.no_firewall {
        firewall::set_up(&plan, &settings.device)?;
    }
    let (pump, mut handles) =
        Pump::new(End::Relay, random()?, daemon::clock::now, Inner(plan), tun);
    let mut tasks = JoinSet::new();
    let door = Arc::new(Door {
        key,
        boxes,
        plan,
        session: random()?,
        commands: handles.commands.clone(),
        coming: Semaphore::new(MOST_COMING),
        guests: Guests::default(),
    });
    tasks.spawn(Arc::clone(&door).show_out_removed());
    for address in &settings.listen {
        let listen = |source| ServeError::Listen { address: *address, source };
        let socket = socket::bind(*address, &Leash::default()).map_err(listen)?;
        let config = door.key.server()?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime);
        let endpoint = endpoint.map_err(listen)?;
        tasks.spawn(Arc::clone(&door).accept(endpoint));
        tracing::info!("listening on {address}");
    }
    daemon::readiness::ready();
    let mut watchdog = daemon::readiness::Watchdog::from_environment();
    let pump = pump.run();
    tokio::pin!(pump);
    loop {
        tokio::select! {
            ended = &mut pump => {
                ended.map_err(in_device)?;
                break;
            }
            () = shutdown.requested() => break,
            () = watchdog.due() => watchdog.feed(),
            Some(notice) = handles.notices.recv() => {
                tracing::info!("box {}: {:?}", notice.peer.0, notice.event);
            }
        }
    }
    daemon::readiness::stopping();
    if !settings.no_firewall {
        firewall::take_down()?;
    }
    Ok(())
}

/// Packets belong to whose inner address they bear.
struct Inner(Plan);

impl Directory for Inner {
    fn owner(&self, packet: &[u8]) -> Option<PeerId> {
        let (_, to) = ends(packet)?;
        self.0.owner(to).map(peer)
    }

    fn admits(&self, id: PeerId, packet: &[u8]) -> bool {
        // Boxes are strangers to each other, also where the firewall is somebody else's.
        ends(packet).is_some_and(|(from, to)| {
            self.0.owner(from).map(peer) == Some(id) && self.0.owner(to).is_none()
        })
    }
}

fn peer(number: BoxNumber) -> PeerId {
    PeerId(number.get().into())
}

/// Who lets connections in.
struct Door {
    key: SecretKey,
    boxes: Boxes,
    plan: Plan,
    session: u64,
    commands: mpsc::Sender<Command>,
    coming: Semaphore,
    guests: Guests,
}

/// Why a connection was not let in.
#[derive(Debug, thiserror::Error)]
enum RefusedError {
    #[error("{0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Boxes(#[from] BoxesError),
    #[error("it shows no key")]
    NoKey,
    #[error("{0:?} is not enrolled, or its token is used up")]
    Unknown(PublicKey),
    #[error("no handshake within {PATIENCE:?}")]
    Silence,
}

impl Door {
    async fn accept(self: Arc<Self>, endpoint: Endpoint) {
        let mut guests = JoinSet::new();
        while let Some(incoming) = endpoint.accept().await {
            while guests.try_join_next().is_some() {}
            let busy = MOST_COMING - self.coming.available_permits() > MANY_COMING;
            if busy && !incoming.remote_address_validated() && incoming.may_retry() {
                // An address that cannot be asked again is a stranger's who went away.
                let _ = incoming.retry();
                continue;
            }
            let door = Arc::clone(&self);
            guests.spawn(async move {
                let Ok(_permit) = door.coming.try_acquire() else {
                    incoming.ignore();
                    return;
                };
                let from = incoming.remote_address();
                match timeout(PATIENCE, door.let_in(incoming)).await {
                    Ok(Ok(name)) => tracing::info!("{name} comes in from {from}"),
                    Ok(Err(error)) => tracing::info!("{from} is not let in: {error}"),
                    Err(_) => tracing::info!("{from} is not let in: {}", RefusedError::Silence),
                }
            });
        }
    }

    /// Looks now and then who is still enrolled. While the folder cannot be read, everybody stays.
    async fn show_out_removed(self: Arc<Self>) {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            let boxes = self.boxes.clone();
            let Ok(read) = spawn_blocking(move || boxes.keys()).await else { return };
            match read.map(|known| self.guests.keep_only(&known)) {
                Ok(0) => {}
                Ok(gone) => tracing::info!("{gone} connections of boxes that were removed"),
                Err(error) => tracing::warn!("who is enrolled cannot be read: {error}"),
            }
        }
    }

    async fn let_in(&self, incoming: Incoming) -> Result<String, RefusedError> {
        let mask = Arc::new(Mask::default());
        let mut config = self.key.server()?;
        config.transport_config(Arc::new(transport::config(Arc::clone(&mask))));
        let connection = incoming.accept_with(Arc::new(config))?.await?;
        let key = PublicKey::of(&connection).ok_or(RefusedError::NoKey)?;
        let (hello, to) = greeting::hear(&connection).await?;
        let Some((name, number)) = self.boxes.admit(key, hello.token.as_ref())? else {
            show_out(&connection);
            return Err(RefusedError::Unknown(key));
        };
        let welcome = Welcome {
            session: self.session,
            inner_v4: self.plan.box_v4(number),
            inner_v6: Some(self.plan.box_v6(number)),
            inner_mtu: INNER_MTU,
        };
        let (link, generation, session) = (hello.link, hello.generation, hello.session);
        let peer = peer(number);
        self.guests.enter(key, connection.clone());
        let command = Command::Connected { peer, link, generation, session, connection, mask };
        // Before the welcome: the box's first datagrams find us ready. A pump that is gone takes
        // this task with it.
        let _ = self.commands.send(command).await;
        greeting::welcome(to, &welcome).await?;
        Ok(name)
    }
}

fn random() -> Result<u64, ServeError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ServeError::Random)?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests;
