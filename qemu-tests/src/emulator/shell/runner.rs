//! The thread of one direction.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use units::Instant;

use super::clock::Clock;
use super::port::{FramePort, SendOutcome};
use super::timing::Timing;
use crate::emulator::{Counters, Direction, Fault, Frame};

/// Where both directions of a link write their packet log.
pub(super) type LogFile = Arc<Mutex<BufWriter<File>>>;

/// What a direction has done so far.
#[derive(Clone, Debug)]
pub struct DirectionStatus {
    /// Frames by what became of them.
    pub counters: Counters,
    /// How late the frames left that had to wait for nobody else.
    pub timing: Timing,
    /// Frames that waited because the receiver's buffer was full.
    pub held_back: u64,
    /// Frames for which nobody was there.
    pub absent: u64,
}

/// What the thread is told.
pub(super) enum Command {
    Fault(Fault, SyncSender<()>),
    Status(SyncSender<DirectionStatus>),
    Log(Option<LogFile>),
    Stop,
}

/// Everything the thread owns.
pub(super) struct Runner {
    direction: Direction,
    clock: Clock,
    from: Arc<dyn FramePort>,
    to: Arc<dyn FramePort>,
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    log: Option<LogFile>,
    timing: Timing,
    /// Frames that are due while the receiver's buffer is full.
    held: VecDeque<Frame>,
    held_back: u64,
    absent: u64,
    /// The port frames come from is gone for good.
    from_gone: bool,
    /// When a frame was last taken or handed out.
    worked: Instant,
}

impl Runner {
    /// The last stretch before a deadline that is spent spinning: what a sleeping thread on an
    /// idle core needs to wake up. Only a direction that has been quiet for [`Self::QUIET`] does
    /// so: one that carries a download would never stop, ahead of everything that is measured.
    const SPIN: Duration = Duration::from_micros(80);
    const QUIET: Duration = Duration::from_millis(1);
    /// After work this much is left to come together, as a NIC does before it interrupts. Frames
    /// of a crowd are at most so much late, once when taken and once when handed out.
    const REST: Duration = Duration::from_micros(200);
    /// Frames taken in one go, so that deliveries are never far behind.
    const BATCH: usize = 32;
    /// Frames held for a receiver whose buffer is full, at most: a second of 12 Mbit/s. More are
    /// dropped and counted as absent.
    const MAX_HELD: usize = 1_024;
    /// How long until a full buffer is tried again.
    const RETRY: Duration = Duration::from_micros(200);

    pub(super) fn new(
        direction: Direction,
        clock: Clock,
        from: Arc<dyn FramePort>,
        to: Arc<dyn FramePort>,
        commands: Receiver<Command>,
        wake: Arc<EventFd>,
    ) -> Self {
        Self {
            direction,
            clock,
            from,
            to,
            commands,
            wake,
            log: None,
            timing: Timing::new(),
            held: VecDeque::new(),
            held_back: 0,
            absent: 0,
            from_gone: false,
            worked: Instant::BOOT,
        }
    }

    /// Works until told to stop, or until nobody can tell it anything any more.
    pub(super) fn run(mut self) {
        be_punctual();
        let mut buffer = vec![0; Frame::MAX_BYTES];
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(command) => {
                        if !self.obey(command) {
                            return;
                        }
                    }
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            self.take_frames(&mut buffer);
            self.deliver();
            self.sleep();
        }
    }

    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Fault(fault, done) => {
                self.direction.handle_fault(&fault, self.clock.now());
                self.write_log();
                let _ = done.send(()); // nobody waits any more: fine
            }
            Command::Status(reply) => {
                self.flush_log();
                let status = DirectionStatus {
                    counters: self.direction.counters(),
                    timing: self.timing.clone(),
                    held_back: self.held_back,
                    absent: self.absent,
                };
                let _ = reply.send(status); // likewise
            }
            Command::Log(log) => {
                self.flush_log();
                self.direction.handle_log_wanted(log.is_some());
                self.log = log;
            }
            Command::Stop => {
                self.flush_log();
                return false;
            }
        }
        true
    }

    /// Takes what has come in.
    fn take_frames(&mut self, buffer: &mut [u8]) {
        for _ in 0..Self::BATCH {
            if self.from_gone {
                return;
            }
            match self.from.receive(buffer) {
                Ok(Some(length)) => {
                    let frame = Frame::new(buffer[..length].to_vec());
                    self.worked = self.clock.now();
                    self.direction.handle_frame(frame, self.worked);
                }
                Ok(None) => return,
                Err(_) => self.from_gone = true,
            }
        }
    }

    /// Hands out what is due.
    fn deliver(&mut self) {
        while let Some(frame) = self.held.pop_front() {
            if matches!(self.to.send(frame.bytes()), Ok(SendOutcome::Busy)) {
                self.held.push_front(frame);
                break;
            }
        }
        while let Some((frame, due)) = self.direction.poll_deliver(self.clock.now()) {
            self.hand_out(frame, due);
        }
        while let Some(answer) = self.direction.poll_answer() {
            // An answer that does not fit now is dropped, as a router would.
            let _ = self.from.send(answer.bytes());
        }
        self.write_log();
    }

    fn hand_out(&mut self, frame: Frame, due: Instant) {
        self.worked = self.clock.now();
        let outcome = if self.held.is_empty() {
            self.to.send(frame.bytes()).unwrap_or(SendOutcome::Absent)
        } else {
            SendOutcome::Busy
        };
        match outcome {
            SendOutcome::Sent => self.timing.record(self.clock.now().saturating_since(due)),
            SendOutcome::Busy if self.held.len() < Self::MAX_HELD => {
                self.held_back += 1;
                self.held.push_back(frame);
            }
            SendOutcome::Busy | SendOutcome::Absent => self.absent += 1,
        }
    }

    /// Sleeps until a frame or a command comes or the next deadline is near; after work a moment in
    /// any case.
    fn sleep(&mut self) {
        let now = self.clock.now();
        let rest = (self.worked + Self::REST).saturating_since(now);
        if rest > Duration::ZERO {
            self.wait(Some(rest), false);
            return;
        }
        let retry = (!self.held.is_empty()).then(|| now + Self::RETRY);
        let deadline = [self.direction.next_deadline(), retry].into_iter().flatten().min();
        let left = deadline.map(|deadline| deadline.saturating_since(now));
        let quiet = now.saturating_since(self.worked) >= Self::QUIET;
        let spin = if quiet { Self::SPIN } else { Duration::ZERO };
        if left.is_some_and(|left| left <= spin) {
            std::hint::spin_loop();
            return;
        }
        if quiet {
            self.flush_log();
        }
        self.wait(left.map(|left| left - spin), true);
    }

    /// Sleeps for so long at most, until a command comes or, if asked for, a frame.
    fn wait(&self, at_most: Option<Duration>, frames: bool) {
        let timeout = at_most.map(TimeSpec::from_duration);
        let mut watched = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        if frames && !self.from_gone {
            watched.push(PollFd::new(self.from.readable(), PollFlags::POLLIN));
        }
        // Interrupted or not: the loop looks at everything anew.
        let _ = ppoll(&mut watched, timeout, None);
        if watched[0].any() == Some(true) {
            let _ = self.wake.read();
        }
    }

    fn write_log(&mut self) {
        while let Some(entry) = self.direction.poll_log() {
            let Some(log) = &self.log else { continue };
            let mut file = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A full disk must not stop the link; the log then ends early.
            let _ = writeln!(file, "{entry}");
        }
    }

    fn flush_log(&self) {
        if let Some(log) = &self.log {
            let _ = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).flush();
        }
    }
}

/// Asks the kernel to run this thread on time. Where it refuses, frames leave later on a busy
/// machine, and the timing error says so.
pub(crate) fn be_punctual() {
    // A sleep may otherwise run 50 us over.
    let _ = nix::sys::prctl::set_timerslack(1);
    // Ahead of everything that is not real-time, compilers and the guest among it. Allowed to root,
    // and in a user namespace to whoever was given a real-time limit (prlimit --rtprio). The tool,
    // because this system call has no safe wrapper here.
    const PRIORITY: &str = "5";
    let thread = nix::unistd::gettid().to_string();
    let _ = std::process::Command::new("chrt")
        .args(["--fifo", "--pid", PRIORITY, &thread])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
