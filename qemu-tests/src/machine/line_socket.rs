//! A UNIX stream that carries lines, read against a deadline: what QMP, the guest agent and the
//! self-check record have in common.
//!
//! We listen and QEMU connects while it starts, so there is never a socket to wait for. No threads:
//! what the other side sends stays in the kernel's socket buffer until somebody asks.
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The longest line taken. The guest agent's are the longest: `guest-exec` may answer with
/// [`MAX_OUTPUT`](super::guest_agent::MAX_OUTPUT_BYTES) of output in base64 (4/3), twice.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// How long one attempt to accept waits before it looks whether QEMU is still alive.
const ACCEPT_SLICE: Duration = Duration::from_millis(200);

/// Why no line came.
#[derive(Debug, Error)]
pub enum LineError {
    /// Nothing came in time.
    #[error("no answer within the deadline")]
    Deadline,
    /// The other side is gone; for a socket of QEMU's this means that QEMU exited.
    #[error("the connection was closed")]
    Closed,
    /// The other side does not keep to lines of reasonable length.
    #[error("a line of more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// One end of a stream of lines.
#[derive(Debug)]
pub(super) struct LineSocket {
    stream: UnixStream,
    received: Vec<u8>,
}

impl LineSocket {
    /// Takes QEMU's connection; `alive` is asked now and then and ends the wait with its error.
    pub(super) fn accept(
        listener: &UnixListener,
        deadline: Instant,
        mut alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(LineError::Deadline.into());
            }
            let timeout = PollTimeout::try_from(remaining.min(ACCEPT_SLICE))?;
            if poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout)? > 0 {
                let (stream, _) = listener.accept()?;
                return Ok(Self { stream, received: Vec::new() });
            }
            alive()?;
        }
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next line without its end. A deadline in the past takes what has already come.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, LineError> {
        /// The kernel takes a timeout of zero for "none": ask for the shortest it keeps.
        const SHORTEST: Duration = Duration::from_millis(1);
        let mut searched = 0;
        loop {
            if let Some(found) = self.received[searched..].iter().position(|&byte| byte == b'\n') {
                let end = searched + found;
                let mut line: Vec<u8> = self.received.drain(..=end).collect();
                line.truncate(end);
                return Ok(line);
            }
            searched = self.received.len();
            if self.received.len() > MAX_LINE_BYTES {
                return Err(LineError::TooLong);
            }
            let remaining = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
            self.stream.set_read_timeout(Some(remaining))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(LineError::Closed),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(LineError::Deadline);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(LineError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// For tests of the protocols on top: both ends of a connection.
    #[cfg(test)]
    pub(super) fn pair() -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Self { stream: ours, received: Vec::new() }, theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_in_order() {
        let (mut ours, mut theirs) = LineSocket::pair();
        theirs.write_all(b"one\ntwo\nthr").unwrap();
        let now = Instant::now();
        assert_eq!(ours.receive(now).unwrap(), b"one");
        assert_eq!(ours.receive(now).unwrap(), b"two");
        assert!(matches!(ours.receive(now), Err(LineError::Deadline)));
        theirs.write_all(b"ee\n").unwrap();
        assert_eq!(ours.receive(now).unwrap(), b"three");
        drop(theirs);
        assert!(matches!(ours.receive(now), Err(LineError::Closed)));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let (mut ours, mut theirs) = LineSocket::pair();
        let writer = std::thread::spawn(move || {
            let chunk = [b'x'; 64 * 1024];
            while theirs.write_all(&chunk).is_ok() {}
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        assert!(matches!(ours.receive(deadline), Err(LineError::TooLong)));
        drop(ours);
        writer.join().unwrap();
    }
}
