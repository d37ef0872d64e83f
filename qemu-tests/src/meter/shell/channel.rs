//! Ways for messages between the house and the internet.

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use super::PATIENCE;
use crate::world::Namespace;

/// One end of a way for messages. Neither call may keep the others waiting.
pub trait ChannelEnd: Debug + Send + Sync {
    /// Sends one message, or loses it as a network does.
    fn send(&self, message: &[u8]);

    /// Waits a moment ([`PATIENCE`]) for a message and says how long it is.
    ///
    /// # Errors
    /// When none can come any more.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>>;
}

/// A way for messages, both ends of it.
#[derive(Clone, Debug)]
pub struct Channel {
    /// In the house. It sends first.
    pub near: Arc<dyn ChannelEnd>,
    /// On the internet.
    pub far: Arc<dyn ChannelEnd>,
}

/// Where the far end of [`udp_channel`] listens.
pub const METER_PORT: u16 = 5_200;

/// UDP from a computer in `near` to `address` in `far`.
///
/// # Errors
/// When a socket cannot be made or bound.
pub fn udp_channel(near: &Namespace, far: &Namespace, address: IpAddr) -> io::Result<Channel> {
    let server = SocketAddr::new(address, METER_PORT);
    let far = far.run(|| UdpSocket::bind(server))?;
    let wildcard: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let near = near.run(|| UdpSocket::bind((wildcard, 0)))?;
    for socket in [&near, &far] {
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    Ok(Channel {
        near: Arc::new(UdpEnd { socket: near, peer: Mutex::new(Some(server)), follows: false }),
        far: Arc::new(UdpEnd { socket: far, peer: Mutex::new(None), follows: true }),
    })
}

/// A UDP socket and who is talked to.
#[derive(Debug)]
struct UdpEnd {
    socket: UdpSocket,
    peer: Mutex<Option<SocketAddr>>,
    /// Whether it answers to wherever the last message came from: through address translation the
    /// house is not where it says.
    follows: bool,
}

impl UdpEnd {
    fn peer(&self) -> std::sync::MutexGuard<'_, Option<SocketAddr>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChannelEnd for UdpEnd {
    fn send(&self, message: &[u8]) {
        let peer = *self.peer();
        if let Some(peer) = peer {
            // No route, no buffer: lost, as the meter will see.
            let _ = self.socket.send_to(message, peer);
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.socket.recv_from(buffer) {
            Ok((length, from)) => {
                if self.follows {
                    *self.peer() = Some(from);
                }
                Ok(Some(length))
            }
            // Without a route an ICMP error may come instead of a message.
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::Interrupted
                | ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable => Ok(None),
                _ => Err(error),
            },
        }
    }
}
