//! Multipath TCP of the kernel (RFC 8684): one connection with a subflow over each uplink, the
//! other one marked as backup. Messages are framed in its byte stream, so that a lost packet
//! delays those behind it, as it would for any program that switched to it.
//!
//! One thread for each end writes, so that a connection that stalls keeps nobody waiting; it ends
//! when the end is dropped.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Contender, Running, Site};
use crate::meter::shell::{Channel, ChannelEnd, PATIENCE};
use crate::world::{Lease, Namespace, Uplink, VPS_V4};

/// How long the connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Messages that wait to be written at most: 20 s of a call; more are lost.
const MAX_WAITING: usize = 4_096;
/// Bytes before each message: its length.
const FRAME_HEAD: usize = 2;

/// The kernel's own.
#[derive(Clone, Copy, Debug)]
pub struct Mptcp;

impl Contender for Mptcp {
    fn name(&self) -> &'static str {
        "mptcp"
    }

    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>> {
        let space = site.space();
        space.ip("mptcp limits set subflow 4 add_addr_accepted 4")?;
        site.world.vps().ip("mptcp limits set subflow 4 add_addr_accepted 4")?;
        for uplink in Uplink::ALL {
            set_source(space, uplink, site.lease(uplink))?;
        }
        if let Some(other) = site.other() {
            set_endpoint(space, other, site.lease(other), "subflow backup")?;
        }
        Ok(Box::new(RunningMptcp))
    }
}

#[derive(Debug)]
struct RunningMptcp;

impl Running for RunningMptcp {
    fn carries_the_house(&self) -> bool {
        false
    }

    fn channel(&self, site: &Site<'_>) -> Result<Channel> {
        let listener = site.world.vps().run(|| listen(SocketAddr::new(VPS_V4.into(), 0)))?;
        let server = listener.local_addr()?;
        let address = site.lease(site.better()).address;
        let near = site.space().run(|| connect(SocketAddr::new(address.into(), 0), server));
        let near = near.context("MPTCP connection")?;
        let (far, _) = listener.accept()?;
        let near = Framed::new(near, None)?;
        Ok(Channel { near: Arc::new(near), far: Arc::new(Framed::new(far, Some(listener))?) })
    }

    fn handle_lease(&self, site: &Site<'_>, uplink: Uplink, lease: &Lease) -> Result<()> {
        set_source(site.space(), uplink, lease)?;
        // The first subflow was bound to the old address; a new one takes its place.
        let flags = if uplink == site.better() { "subflow" } else { "subflow backup" };
        set_endpoint(site.space(), uplink, lease, flags)
    }
}

/// What carries an uplink's address leaves by it.
fn set_source(space: &Namespace, uplink: Uplink, lease: &Lease) -> Result<()> {
    let router = lease.router.context("the provider named no router")?;
    let (interface, table) = (uplink.box_interface(), 101 + uplink as u32);
    space.ip(&format!("route replace default via {router} dev {interface} table {table}"))?;
    let preference = 900 + table;
    // That of an earlier address, if there was one.
    let _ = space.ip(&format!("rule del pref {preference}"));
    space.ip(&format!("rule add from {} lookup {table} pref {preference}", lease.address))?;
    Ok(())
}

fn set_endpoint(space: &Namespace, uplink: Uplink, lease: &Lease, flags: &str) -> Result<()> {
    let (address, interface) = (lease.address, uplink.box_interface());
    for line in space.ip("mptcp endpoint show")?.lines().filter(|line| line.contains(interface)) {
        let mut words = line.split_whitespace().skip_while(|word| *word != "id");
        if let Some(id) = words.nth(1) {
            space.ip(&format!("mptcp endpoint delete id {id}"))?;
        }
    }
    space.ip(&format!("mptcp endpoint add {address} dev {interface} {flags}"))?;
    Ok(())
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket()?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    Ok(socket.into())
}

fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket()?;
    socket.bind(&from.into())?;
    socket.connect_timeout(&to.into(), CONNECT_WITHIN)?;
    Ok(socket.into())
}

/// Messages in a byte stream, each behind its length.
#[derive(Debug)]
struct Framed {
    outgoing: SyncSender<Vec<u8>>,
    incoming: Mutex<(TcpStream, Vec<u8>)>,
    /// The kernel lets further subflows join only while somebody listens.
    _listener: Option<TcpListener>,
}

impl Framed {
    fn new(stream: TcpStream, listener: Option<TcpListener>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (outgoing, waiting) = sync_channel::<Vec<u8>>(MAX_WAITING);
        let mut writer = stream.try_clone()?;
        std::thread::Builder::new().name("mptcp-out".to_owned()).spawn(move || {
            while let Ok(frame) = waiting.recv() {
                if writer.write_all(&frame).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { outgoing, incoming: Mutex::new((stream, Vec::new())), _listener: listener })
    }
}

impl ChannelEnd for Framed {
    fn send(&self, message: &[u8]) {
        let length = u16::try_from(message.len()).expect("messages are shorter than a packet");
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(message);
        let _ = self.outgoing.try_send(frame); // a queue of 20 s is full: lost
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let (stream, pending) = &mut *incoming;
        loop {
            if let Some(message) = take_frame(pending) {
                let length = message.len().min(buffer.len());
                buffer[..length].copy_from_slice(&message[..length]);
                return Ok(Some(length));
            }
            let mut block = [0; 16_384];
            match stream.read(&mut block) {
                Ok(0) => return Err(ErrorKind::ConnectionAborted.into()),
                Ok(count) => pending.extend_from_slice(&block[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                        return Ok(None);
                    }
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Drop for Framed {
    fn drop(&mut self) {
        let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = incoming.0.shutdown(std::net::Shutdown::Both); // it may be gone already
    }
}

/// The first whole message in what has come so far.
fn take_frame(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (head, _) = pending.split_first_chunk::<FRAME_HEAD>()?;
    let end = FRAME_HEAD + usize::from(u16::from_be_bytes(*head));
    let message = pending.get(FRAME_HEAD..end)?.to_vec();
    pending.drain(..end);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole() {
        let mut pending = vec![0, 3, b'a', b'b', b'c', 0, 2, b'd'];
        assert_eq!(take_frame(&mut pending), Some(b"abc".to_vec()));
        assert_eq!(take_frame(&mut pending), None);
        pending.push(b'e');
        assert_eq!(take_frame(&mut pending), Some(b"de".to_vec()));
        assert!(pending.is_empty());
    }
}
