//! Tells which uplinks work, as mwan3's tracker does: a ping each second, two lost in a row and it
//! is down, three answered and it is up again; a lost carrier counts at once.
//!
//! One thread for each uplink runs ping(8), one reads `ip monitor`. All end when dropped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::PING_TARGET;
use crate::world::{Namespace, Uplink};

/// mwan3's `interval`.
const EVERY: Duration = Duration::from_secs(1);
/// mwan3's `down`, as routers for vehicles and vessels set it.
const DOWN_AFTER: u32 = 2;
/// mwan3's `up`.
const UP_AFTER: u32 = 3;

/// Told of every change: which uplink, and whether it works.
pub(super) type OnChange = Box<dyn Fn(Uplink, bool) + Send + Sync>;

/// What is known of one uplink.
#[derive(Clone, Copy, Debug)]
struct Health {
    carrier: bool,
    answers: bool,
}

impl Health {
    const fn works(self) -> bool {
        self.carrier && self.answers
    }
}

struct Shared {
    health: Mutex<[Health; 2]>,
    over: AtomicBool,
    on_change: OnChange,
}

impl Shared {
    fn change(&self, uplink: Uplink, change: impl FnOnce(&mut Health)) {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let health = &mut all[uplink as usize];
        let before = health.works();
        change(health);
        let after = health.works();
        // Told under the lock: changes are told in the order in which they came.
        if before != after {
            (self.on_change)(uplink, after);
        }
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// A watch over both uplinks.
pub(super) struct UplinkWatch {
    shared: Arc<Shared>,
    monitor: Child,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for UplinkWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UplinkWatch").finish_non_exhaustive()
    }
}

impl UplinkWatch {
    /// Watches from `space`; both uplinks work to begin with.
    pub(super) fn start(space: &Namespace, on_change: OnChange) -> Result<Self> {
        let health = Mutex::new([Health { carrier: true, answers: true }; 2]);
        let shared = Arc::new(Shared { health, over: AtomicBool::new(false), on_change });
        let mut monitor = space
            .command("ip")
            .args(["-oneline", "monitor", "link"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("ip monitor")?;
        let lines = BufReader::new(monitor.stdout.take().context("its output was asked for")?);
        let told = Arc::clone(&shared);
        let read = move || {
            for line in lines.lines().map_while(std::result::Result::ok) {
                for uplink in Uplink::ALL {
                    if line.contains(uplink.box_interface()) {
                        let carrier = !line.contains("NO-CARRIER");
                        told.change(uplink, |health| health.carrier = carrier);
                    }
                }
            }
        };
        let mut threads = vec![std::thread::Builder::new().name("carrier".to_owned()).spawn(read)?];
        for uplink in Uplink::ALL {
            let (shared, space) = (Arc::clone(&shared), space.clone());
            let run = move || ping_all_along(uplink, &space, &shared);
            threads.push(std::thread::Builder::new().name("pinger".to_owned()).spawn(run)?);
        }
        Ok(Self { shared, monitor, threads })
    }
}

impl Drop for UplinkWatch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        let _ = self.monitor.kill(); // it may have ended by itself
        let _ = self.monitor.wait();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its panic, if any, is on standard error already
        }
    }
}

fn ping_all_along(uplink: Uplink, space: &Namespace, shared: &Shared) {
    let (mut lost, mut answered) = (0, 0);
    let target = PING_TARGET.to_string();
    while !shared.over() {
        let begun = Instant::now();
        let status = space
            .command("ping")
            .args(["-n", "-q", "-c", "1", "-W", "1", "-I", uplink.box_interface(), &target])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if status.is_ok_and(|status| status.success()) {
            (lost, answered) = (0, answered + 1);
        } else {
            (lost, answered) = (lost + 1, 0);
        }
        if lost == DOWN_AFTER {
            shared.change(uplink, |health| health.answers = false);
        } else if answered == UP_AFTER {
            shared.change(uplink, |health| health.answers = true);
        }
        while begun.elapsed() < EVERY && !shared.over() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
