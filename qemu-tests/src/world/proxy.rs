//! The way from the host to a page on the LAN: a UNIX socket whose connections come out in the LAN
//! client's namespace.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::namespace::Namespace;
use super::stop::{Stop, Stoppable};

/// Connections carried at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// How long the far side may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// A listening UNIX socket. Closes and removes itself when dropped; connections that are open live
/// on until either side ends them.
#[derive(Debug)]
pub struct Proxy {
    path: PathBuf,
    _threads: Stoppable,
}

impl Proxy {
    /// Listens at `path` and carries each connection to `target`, as seen from `namespace`.
    ///
    /// # Errors
    /// When the path cannot be bound.
    pub fn start(namespace: &Namespace, path: &Path, target: SocketAddr) -> anyhow::Result<Self> {
        let listener =
            UnixListener::bind(path).with_context(|| format!("socket {}", path.display()))?;
        let stop = Stop::new()?;
        let mut threads = Stoppable::new(stop.clone());
        threads.push(namespace.spawn("proxy", move || accept(&listener, &stop, target))?);
        Ok(Self { path: path.to_owned(), _threads: threads })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, stop: &Stop, target: SocketAddr) {
    let count = Arc::new(AtomicUsize::new(0));
    while stop.wait_for(listener) {
        let Ok((near, _)) = listener.accept() else { continue };
        if count.fetch_add(1, Ordering::AcqRel) >= MAX_CONNECTIONS {
            count.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let count = Arc::clone(&count);
        // Threads of a thread are in its namespace.
        std::thread::spawn(move || {
            let _ = carry(&near, target); // either side may just end it
            count.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn carry(near: &UnixStream, target: SocketAddr) -> io::Result<()> {
    let far = TcpStream::connect_timeout(&target, CONNECT)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*near, &mut &far);
            let _ = far.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &far, &mut &*near);
        let _ = near.shutdown(Shutdown::Write);
    });
    Ok(())
}
