//! Ending the threads that wait for connections and packets.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

/// A flag that a thread can wait for together with a socket. Copies are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<EventFd>);

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::new()?)))
    }

    /// Waits until `socket` is readable (true) or it is over (false).
    pub(super) fn wait_for(&self, socket: &impl AsFd) -> bool {
        loop {
            let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut watched = [watch(self.0.as_fd()), watch(socket.as_fd())];
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(_) => return false,
                Ok(_) => return watched[0].any() != Some(true),
            }
        }
    }

    /// It is over: wakes up whoever waits, now or later.
    fn raise(&self) {
        let _ = self.0.write(1); // it cannot be full
    }
}

/// Threads that end by one [`Stop`]. Ends them when dropped.
#[derive(Debug)]
pub(super) struct Stoppable {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Stoppable {
    pub(super) const fn new(stop: Stop) -> Self {
        Self { stop, threads: Vec::new() }
    }

    pub(super) fn push(&mut self, thread: JoinHandle<()>) {
        self.threads.push(thread);
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        self.stop.raise();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its panic, if any, is on standard error already
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_socket_and_the_end_are_told_apart() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let stop = Stop::new().unwrap();
        near.send(&[1]).unwrap();
        assert!(stop.wait_for(&far));
        let mut threads = Stoppable::new(stop.clone());
        let (waiting, idle) = (stop.clone(), near);
        threads.push(std::thread::spawn(move || assert!(!waiting.wait_for(&idle))));
        drop(threads);
        assert!(!stop.wait_for(&far), "the end comes first");
    }
}
