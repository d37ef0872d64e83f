//! Both directions of a link, running.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::EventFd;

use super::clock::Clock;
use super::port::FramePort;
use super::runner::{Command, DirectionStatus, Runner};
use crate::emulator::{
    Direction, DirectionSpecification, Fault, LinkSpecification, ReplayPhase, Side, TooBigSender,
};

/// A link that cannot be made, or has died.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No descriptor for waking or for a port.
    #[error("no descriptor for a link")]
    Descriptors(#[source] io::Error),
    /// No thread.
    #[error("no thread for link {name}")]
    Thread {
        /// The link's name.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The packet log cannot be written.
    #[error("packet log {path}")]
    Log {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What a link needs besides its specification and its ports.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// For threads and messages, at most 12 bytes.
    pub name: String,
    /// Where the random draws of both directions come from.
    pub seed: u64,
    /// Where recordings stand when the clock starts.
    pub phase: ReplayPhase,
    /// The clock of the link.
    pub clock: Clock,
    /// Who answers packets that are too big to go up; nobody, if left out.
    pub up_too_big: Option<TooBigSender>,
    /// Who answers packets that are too big to come down.
    pub down_too_big: Option<TooBigSender>,
}

/// What both directions have done so far.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// From the box to its provider.
    pub up: DirectionStatus,
    /// From the provider to the box.
    pub down: DirectionStatus,
}

/// Two threads that carry frames between two ports. Ends when dropped.
#[derive(Debug)]
pub struct Link {
    up: Worker,
    down: Worker,
}

impl Link {
    /// Joins two ports: `near` is the box's, `far` its provider's.
    ///
    /// # Errors
    /// When there is no descriptor or thread left.
    pub fn start(
        specification: LinkSpecification,
        options: LinkOptions,
        near: Arc<dyn FramePort>,
        far: Arc<dyn FramePort>,
    ) -> Result<Self, LinkError> {
        let LinkSpecification { up, down } = specification;
        let up_ports = (Arc::clone(&near), Arc::clone(&far));
        Ok(Self {
            up: Worker::start(up, Side::Up, &options, up_ports)?,
            down: Worker::start(down, Side::Down, &options, (far, near))?,
        })
    }

    /// Puts a fault on both directions; returns when it is on.
    pub fn fault(&self, fault: &Fault) {
        for worker in [&self.up, &self.down] {
            worker.ask(|done| Command::Fault(fault.clone(), done));
        }
    }

    /// What has been done so far.
    ///
    /// # Panics
    /// When a direction's thread has died, which only a bug can make it do.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        let alive = "a direction lives as long as its link";
        LinkStatus {
            up: self.up.ask(Command::Status).expect(alive),
            down: self.down.ask(Command::Status).expect(alive),
        }
    }

    /// From now on, writes a line for each step of each frame to `path`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn log_to(&self, path: &Path) -> Result<(), LinkError> {
        let file = File::create(path)
            .map_err(|source| LinkError::Log { path: path.to_owned(), source })?;
        let file = Arc::new(Mutex::new(BufWriter::new(file)));
        for worker in [&self.up, &self.down] {
            worker.tell(Command::Log(Some(Arc::clone(&file))));
        }
        Ok(())
    }
}

/// One direction's thread, from outside.
#[derive(Debug)]
struct Worker {
    commands: SyncSender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Commands that wait at most; whoever sends more waits with them.
    const MAX_COMMANDS: usize = 16;
    /// A direction answers within microseconds; one that does not in this time is dead.
    const PATIENCE: Duration = Duration::from_secs(5);

    fn start(
        specification: DirectionSpecification,
        side: Side,
        options: &LinkOptions,
        (from, to): (Arc<dyn FramePort>, Arc<dyn FramePort>),
    ) -> Result<Self, LinkError> {
        let too_big = match side {
            Side::Up => options.up_too_big,
            Side::Down => options.down_too_big,
        };
        let direction = Direction::new(specification, side, options.seed, options.phase, too_big);
        let wake = EventFd::new().map_err(|errno| LinkError::Descriptors(errno.into()))?;
        let wake = Arc::new(wake);
        let (commands, received) = sync_channel(Self::MAX_COMMANDS);
        let runner = Runner::new(direction, options.clock, from, to, received, Arc::clone(&wake));
        let thread = std::thread::Builder::new()
            .name(format!("{}-{side}", options.name))
            .spawn(|| runner.run())
            .map_err(|source| LinkError::Thread { name: options.name.clone(), source })?;
        Ok(Self { commands, wake, thread: Some(thread) })
    }

    fn tell(&self, command: Command) {
        // A dead direction shows when it is asked.
        let _ = self.commands.send(command);
        let _ = self.wake.write(1);
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (reply, replied) = sync_channel(1);
        self.tell(command(reply));
        replied.recv_timeout(Self::PATIENCE).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic, if any, is on standard error already
        }
    }
}

#[cfg(test)]
mod tests;
