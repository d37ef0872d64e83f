//! The sockets that systemd listens on for us (`sd_listen_fds(3)`).

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// Most sockets taken. A socket unit of ours has one per address of the box, and boxes have few.
const MOST: usize = 8;

/// Why the sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// There are none.
    #[error("systemd passed no socket: start the service through its .socket unit")]
    None,
    /// There are more than a unit of ours has.
    #[error("systemd passed {0} sockets; at most {MOST} were expected")]
    TooMany(usize),
    /// One is of another kind.
    #[error("socket {index} passed by systemd is not a listening TCP socket")]
    NotTcp {
        /// Its place in the unit, from 0.
        index: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Takes all sockets that systemd passed, ready for use without blocking. To be called once.
///
/// # Errors
/// [`SocketsError`] when there is none, too many, or one that is not a TCP listener.
pub fn take_tcp_listeners() -> Result<Vec<TcpListener>, SocketsError> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => return Err(SocketsError::None),
        1..=MOST => {}
        more => return Err(SocketsError::TooMany(more)),
    }
    let mut listeners = Vec::with_capacity(passed.len());
    for index in 0..passed.len() {
        let not_tcp = |source| SocketsError::NotTcp { index, source };
        let listener = passed.take_tcp_listener(index).map_err(not_tcp)?;
        let listener = listener.ok_or(SocketsError::None)?;
        listener.set_nonblocking(true).map_err(not_tcp)?;
        listeners.push(listener);
    }
    Ok(listeners)
}
