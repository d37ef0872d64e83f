//! Sending on time.

use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use units::Instant;

use crate::emulator::shell::{Clock, be_punctual};

/// Keeps the calling thread, and those it will start, on one core.
///
/// # Errors
/// When there is no such core.
pub fn pin_to(core: usize) -> nix::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}

/// A beat: moments at equal distances, waited for one after the other.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    next: Instant,
    every: Duration,
}

impl Pace {
    /// What a sleeping thread on an idle core needs to wake up; that long before a beat it spins.
    const SPIN: Duration = Duration::from_micros(80);

    /// Beats each `every` from now on, for this thread, which asks the kernel to be on time.
    #[must_use]
    pub fn start(clock: Clock, every: Duration) -> Self {
        be_punctual();
        Self { clock, next: clock.now(), every }
    }

    /// Waits for the next beat and says when it was due. A late thread catches up at once: no beat
    /// is left out, and what is late counts from when it was due.
    pub fn wait(&mut self) -> Instant {
        let due = self.next;
        self.next = due + self.every;
        loop {
            let left = due.saturating_since(self.clock.now());
            if left.is_zero() {
                return due;
            }
            if left > Self::SPIN {
                std::thread::sleep(left - Self::SPIN);
            } else {
                std::hint::spin_loop();
            }
        }
    }
}
