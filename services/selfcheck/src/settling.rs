//! When the boot is over, seen from inside it.
//!
//! The manager calls the boot over when its queue is empty, and this program is in the queue. So
//! we look at the jobs: those that wait, wait for us; the boot is over when none but ours runs.

/// A job in the manager's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// The unit it is for.
    pub unit: &'a str,
    /// Whether it runs, rather than waits.
    pub running: bool,
}

/// How often in a row the queue must look finished. Between one job's end and the next one's
/// start the queue may look so for a moment.
const IN_A_ROW: u32 = 2;

/// Watches the queue.
#[derive(Debug)]
pub struct Settling {
    quiet: u32,
}

impl Settling {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { quiet: 0 }
    }

    /// The queue was seen as `jobs`. Returns whether the boot is over.
    pub fn handle_jobs(&mut self, jobs: &[Job<'_>]) -> bool {
        let busy = jobs.iter().any(|job| job.running && !is_own(job.unit));
        self.quiet = if busy { 0 } else { self.quiet + 1 };
        self.quiet >= IN_A_ROW
    }
}

impl Default for Settling {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether `unit` is one of ours, whose state says nothing about the rest of the box.
#[must_use]
pub fn is_own(unit: &str) -> bool {
    matches!(unit, "selfcheck.service" | "selfcheck-repeat.service" | "selfcheck.timer")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Job<'_> = Job { unit: "selfcheck.service", running: true };
    const WAITS: Job<'_> = Job { unit: "boot-complete.target", running: false };
    const RUNS: Job<'_> = Job { unit: "home.service", running: true };

    #[test]
    fn what_waits_waits_for_us() {
        let mut settling = Settling::new();
        assert!(!settling.handle_jobs(&[OWN, WAITS]), "once is not enough");
        assert!(settling.handle_jobs(&[OWN, WAITS]));
    }

    #[test]
    fn a_running_job_starts_the_count_again() {
        let mut settling = Settling::new();
        assert!(!settling.handle_jobs(&[OWN]));
        assert!(!settling.handle_jobs(&[OWN, RUNS]));
        assert!(!settling.handle_jobs(&[OWN]));
        assert!(settling.handle_jobs(&[]));
    }
}
