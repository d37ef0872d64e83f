//! The ports a link can have: a TAP device, a QEMU NIC, or memory.

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::errno::Errno;
use tun_rs::SyncDevice;

use crate::emulator::port::QemuPort;

/// What became of a frame handed to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The other side has it.
    Sent,
    /// The other side's buffer is full; try again soon.
    Busy,
    /// Nobody is there: a guest that is off, an interface that is down. The frame is gone, as on an
    /// unplugged cable.
    Absent,
}

/// One end of a link. Neither call ever blocks.
pub trait FramePort: Debug + Send + Sync {
    /// Takes one frame that has come in, if there is one, and says how long it is.
    ///
    /// # Errors
    /// When the port is gone for good.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Hands out one frame.
    ///
    /// # Errors
    /// When the port is gone for good.
    fn send(&self, frame: &[u8]) -> io::Result<SendOutcome>;

    /// What becomes readable when a frame has come in.
    fn readable(&self) -> BorrowedFd<'_>;
}

fn received(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn sent(result: io::Result<usize>) -> io::Result<SendOutcome> {
    let Err(error) = result else { return Ok(SendOutcome::Sent) };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => Ok(SendOutcome::Busy),
        // No such socket, nobody listens on it, or (TAP) the interface is down.
        Some(Errno::ENOENT | Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::ENOTCONN)
        | Some(Errno::EIO | Errno::ENETDOWN | Errno::EINVAL) => Ok(SendOutcome::Absent),
        _ => Err(error),
    }
}

/// A TAP device. Make it in a thread that is in the right network namespace; it stays there.
pub struct Tap {
    device: SyncDevice,
    name: String,
}

impl Tap {
    /// Makes the device, down, with an MTU of 1500.
    ///
    /// # Errors
    /// When the kernel refuses: no `/dev/net/tun`, no right to, or the name is taken.
    pub fn create(name: &str) -> io::Result<Self> {
        let builder = tun_rs::DeviceBuilder::new().name(name).layer(tun_rs::Layer::L2).mtu(1_500);
        let device = builder.enable(false).build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self { device, name: name.to_owned() })
    }
}

impl Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tap").field(&self.name).finish()
    }
}

impl FramePort for Tap {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        received(self.device.recv(buffer))
    }

    fn send(&self, frame: &[u8]) -> io::Result<SendOutcome> {
        sent(self.device.send(frame))
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// The world's end of a QEMU NIC. The guest may come and go.
#[derive(Debug)]
pub struct QemuSocket {
    socket: UnixDatagram,
    qemu_path: PathBuf,
    world_path: PathBuf,
}

impl QemuSocket {
    /// Binds the world's socket; one left over from an earlier run is replaced.
    ///
    /// # Errors
    /// When the path cannot be bound, for one because it is longer than 107 bytes.
    pub fn bind(port: &QemuPort) -> io::Result<Self> {
        match std::fs::remove_file(&port.world_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&port.world_path)?;
        socket.set_nonblocking(true)?;
        let QemuPort { qemu_path, world_path } = port.clone();
        Ok(Self { socket, qemu_path, world_path })
    }
}

impl Drop for QemuSocket {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.world_path);
    }
}

impl FramePort for QemuSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        received(self.socket.recv(buffer))
    }

    fn send(&self, frame: &[u8]) -> io::Result<SendOutcome> {
        sent(self.socket.send_to(frame, &self.qemu_path))
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A port in memory, for tests and measurements: what one sends, the other receives.
#[derive(Debug)]
pub struct SocketPair(UnixDatagram);

impl SocketPair {
    /// Two ends that are joined.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<(Self, Self)> {
        let (one, other) = UnixDatagram::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((Self(one), Self(other)))
    }
}

impl FramePort for SocketPair {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        received(self.0.recv(buffer))
    }

    fn send(&self, frame: &[u8]) -> io::Result<SendOutcome> {
        sent(self.0.send(frame))
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let port = QemuPort { qemu_path: path("qemu"), world_path: path("world") };
        let world = QemuSocket::bind(&port).unwrap();
        assert_eq!(world.send(b"early").unwrap(), SendOutcome::Absent);
        let mut buffer = [0; 16];
        for boot in 0..2 {
            let guest = UnixDatagram::bind(&port.qemu_path).unwrap();
            assert_eq!(world.send(b"hello").unwrap(), SendOutcome::Sent, "boot {boot}");
            assert_eq!(guest.recv(&mut buffer).unwrap(), 5);
            guest.send_to(b"frame", &port.world_path).unwrap();
            assert_eq!(world.receive(&mut buffer).unwrap(), Some(5));
            assert_eq!(world.receive(&mut buffer).unwrap(), None);
            drop(guest);
            assert_eq!(world.send(b"gone").unwrap(), SendOutcome::Absent, "boot {boot}");
            std::fs::remove_file(&port.qemu_path).unwrap();
        }
        drop(QemuSocket::bind(&port).unwrap());
        assert!(!port.world_path.exists(), "the socket stayed behind");
    }

    #[test]
    fn a_full_buffer_is_busy_not_an_error() {
        let (one, _other) = SocketPair::new().unwrap();
        let outcomes: Vec<_> = (0..1_000).map(|_| one.send(&[0; 1_500]).unwrap()).collect();
        assert_eq!(outcomes.first(), Some(&SendOutcome::Sent));
        assert_eq!(outcomes.last(), Some(&SendOutcome::Busy));
    }
}
