//! UDP sockets that stay on their uplink.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// Room for packets that wait in the kernel: 30 ms at 1 Gbit/s. The kernel gives less if its limit
/// (`net.core.rmem_max`) is lower.
const BUFFER: usize = 4 << 20;

/// Which way a socket's packets take.
#[derive(Clone, Debug, Default)]
pub struct Leash {
    /// The device they leave by, whatever the routes say.
    pub device: Option<String>,
    /// The mark they carry, for routing rules and counters.
    pub mark: Option<u32>,
}

/// A socket for packets to `remote`.
///
/// # Errors
/// The kernel's, when the device is gone or this program may not set marks.
pub fn towards(remote: SocketAddr, leash: &Leash) -> io::Result<UdpSocket> {
    let any: SocketAddr = if remote.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    bind(any, leash)
}

/// A socket at `local`.
///
/// # Errors
/// The kernel's, when the address is taken or not ours, or as in [`towards`].
pub fn bind(local: SocketAddr, leash: &Leash) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(device) = &leash.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(mark) = leash.mark {
        socket.set_mark(mark)?;
    }
    // More is better, none is needed.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    Ok(socket.into())
}
