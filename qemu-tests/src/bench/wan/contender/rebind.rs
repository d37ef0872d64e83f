//! One QUIC connection that moves: `Endpoint::rebind` onto a socket of the other uplink when the
//! carrier falls or the pinger gives up, and back when it works again. Messages are datagrams.
//!
//! Two threads with a runtime each, one for either end; both end when the channel's last copy is
//! dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use quinn::{Connection, Endpoint, EndpointConfig, TokioRuntime, TransportConfig};
use tokio::sync::mpsc;

use super::quic::{HANDSHAKE_WITHIN, QuicIdentity, client_config, runtime, server_config};
use super::uplink_watch::UplinkWatch;
use super::{Contender, Running, Site};
use crate::meter::shell::{Channel, ChannelEnd, PATIENCE};
use crate::world::{Lease, Uplink, VPS_V4};

/// Messages that wait to be read at most: 5 s of a call.
const MAX_WAITING: usize = 1_024;

/// A connection that is rebound.
#[derive(Clone, Copy, Debug)]
pub struct Rebind;

impl Contender for Rebind {
    fn name(&self) -> &'static str {
        "rebind"
    }

    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>> {
        let state = Arc::new(Mutex::new(State { uplink: site.better(), switches: 0, tell: None }));
        let (better, other) = (site.better(), site.other());
        let changed = Arc::clone(&state);
        let on_change = move |uplink: Uplink, works: bool| {
            let Some(other) = other.filter(|_| uplink == better) else { return };
            let mut state = changed.lock().unwrap_or_else(PoisonError::into_inner);
            state.uplink = if works { better } else { other };
            state.switches += 1;
            state.tell_all();
        };
        let watch = UplinkWatch::start(site.space(), Box::new(on_change))?;
        Ok(Box::new(RunningRebind { _watch: watch, state, identity: QuicIdentity::new()? }))
    }
}

/// Which uplink is used, and who is told when it becomes another.
#[derive(Debug)]
struct State {
    uplink: Uplink,
    switches: u64,
    tell: Option<mpsc::Sender<Uplink>>,
}

impl State {
    fn tell_all(&mut self) {
        // Full: the connection has not yet followed the last words, of which it needs the newest
        // only. Nobody there: between two repetitions.
        if let Some(tell) = &self.tell {
            let _ = tell.try_send(self.uplink);
        }
    }
}

#[derive(Debug)]
struct RunningRebind {
    _watch: UplinkWatch,
    state: Arc<Mutex<State>>,
    identity: QuicIdentity,
}

impl Running for RunningRebind {
    fn carries_the_house(&self) -> bool {
        false
    }

    fn channel(&self, site: &Site<'_>) -> Result<Channel> {
        let server = server_config(&self.identity, TransportConfig::default())?;
        let client = client_config(&self.identity, TransportConfig::default())?;
        let (listening, address) = sync_channel(1);
        let (far_ready, far) = sync_channel(1);
        let serve = move || report(&far_ready, serve(server, &listening, &far_ready));
        drop(site.world.vps().spawn("rebind-far", serve)?); // ends with its connection
        let address = address.recv_timeout(HANDSHAKE_WITHIN).context("the server did not start")?;
        let (tell, told) = mpsc::channel(8);
        let uplink = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.tell = Some(tell);
            state.uplink
        };
        let (near_ready, near) = sync_channel(1);
        let connect =
            move || report(&near_ready, connect(client, address, uplink, told, &near_ready));
        drop(site.space().spawn("rebind-near", connect)?); // ends with its connection
        let near = near.recv_timeout(HANDSHAKE_WITHIN).context("no handshake in time")??;
        let far = far.recv_timeout(HANDSHAKE_WITHIN).context("the server saw no handshake")??;
        Ok(Channel { near: Arc::new(near), far: Arc::new(far) })
    }

    fn handle_lease(&self, _: &Site<'_>, _: Uplink, _: &Lease) -> Result<()> {
        // A socket that is bound to a device takes the device's new address by being made anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tell_all();
        Ok(())
    }

    fn switches(&self) -> Result<Option<u64>> {
        Ok(Some(self.state.lock().unwrap_or_else(PoisonError::into_inner).switches))
    }
}

/// One end of a QUIC connection.
#[derive(Debug)]
struct QuicEnd {
    connection: Connection,
    messages: Mutex<Receiver<Vec<u8>>>,
}

/// Where an end is handed over once there is a connection.
type Ready = SyncSender<Result<QuicEnd>>;

/// What went wrong goes where the end would have gone; after the end, nobody listens any more.
fn report(ready: &Ready, result: Result<()>) {
    if let Err(error) = result {
        let _ = ready.try_send(Err(error));
    }
}

/// Takes one connection and lives as long as it.
fn serve(
    config: quinn::ServerConfig,
    listening: &SyncSender<SocketAddr>,
    ready: &Ready,
) -> Result<()> {
    runtime()?.block_on(async {
        let endpoint = Endpoint::server(config, SocketAddr::new(VPS_V4.into(), 0))?;
        listening.send(endpoint.local_addr()?)?;
        let incoming = endpoint.accept().await.context("the endpoint was closed")?;
        hand_over(incoming.await?, ready).await;
        Ok(())
    })
}

/// Connects by `uplink`, moves whenever it is told, and lives as long as the connection.
fn connect(
    config: quinn::ClientConfig,
    server: SocketAddr,
    uplink: Uplink,
    mut told: mpsc::Receiver<Uplink>,
    ready: &Ready,
) -> Result<()> {
    runtime()?.block_on(async {
        let socket = bound(uplink)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime)?;
        let connection = endpoint.connect_with(config, server, QuicIdentity::NAME)?.await?;
        tokio::spawn(async move {
            while let Some(uplink) = told.recv().await {
                // Without a device or an address there is nowhere to move to; the next word may
                // say otherwise.
                let _ = bound(uplink).and_then(|socket| endpoint.rebind(socket));
            }
        });
        hand_over(connection, ready).await;
        Ok(())
    })
}

/// A socket that speaks through one uplink only.
fn bound(uplink: Uplink) -> io::Result<UdpSocket> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.bind_device(Some(uplink.box_interface().as_bytes()))?;
    socket.bind(&SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0).into())?;
    Ok(socket.into())
}

/// Hands the connection over and passes its messages on until it ends.
async fn hand_over(connection: Connection, ready: &Ready) {
    let (put, messages) = sync_channel(MAX_WAITING);
    let end = QuicEnd { connection: connection.clone(), messages: Mutex::new(messages) };
    if ready.try_send(Ok(end)).is_err() {
        return;
    }
    while let Ok(message) = connection.read_datagram().await {
        // A reader that is 5 s behind loses messages, as it would on a socket.
        let _ = put.try_send(message.to_vec());
    }
}

impl ChannelEnd for QuicEnd {
    fn send(&self, message: &[u8]) {
        // Lost, as the meter will see: the connection is gone or its path is too small.
        let _ = self.connection.send_datagram(message.to_vec().into());
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        match messages.recv_timeout(PATIENCE) {
            Ok(message) => {
                let length = message.len().min(buffer.len());
                buffer[..length].copy_from_slice(&message[..length]);
                Ok(Some(length))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Drop for QuicEnd {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
    }
}
