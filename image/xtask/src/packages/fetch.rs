//! Brings every package of a lock into the cache, or says plainly why it cannot.
//!
//! Threads: [`CONNECTIONS`] workers inside one scope; the first hard error makes the others stop
//! after their current file. Nothing outlives the call. What has arrived stays in the cache, so
//! running again continues.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::cache::{self, DebCache};
use super::download::{self, DownloadError, Expected, Outcome};
use super::http::Client;
use super::lock::LockedPackage;
use super::mirrors::Mirrors;
use super::snapshot;
use crate::output;

/// Connections to one mirror at a time: enough to hide a request's round trip, few enough to be a
/// polite guest.
pub(crate) const CONNECTIONS: usize = 8;

/// How often progress is said.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Packages asked of snapshot.debian.org before the lock counts as out of date as a whole: the
/// service answers slowly and limits its guests, and past this many a new lock is the better help.
pub(crate) const SNAPSHOT_PACKAGES: usize = 64;

/// Where packages are asked for.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The mirrors of this machine.
    pub(crate) mirrors: Mirrors,
    /// The client for them.
    pub(crate) client: Client,
    /// The base URL of snapshot.debian.org.
    pub(crate) snapshot: String,
    /// The client for it, less patient.
    pub(crate) snapshot_client: Client,
}

/// What became of a fetch without hard errors.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where the wanted packages lie, in their order; those in `gone` lie nowhere.
    pub(crate) debs: Vec<PathBuf>,
    /// Packages that nobody has in the locked version any more.
    pub(crate) gone: Vec<LockedPackage>,
}

/// Fetches and verifies `wanted`.
///
/// # Errors
/// Wrong bytes from a mirror, no mirror reachable, no room on the disk: nothing may be built.
pub(crate) fn fetch(
    wanted: &[LockedPackage],
    debs: &DebCache,
    sources: &Sources,
) -> Result<Fetched> {
    let mut missing = Vec::new();
    for package in wanted {
        if !debs.holds(package)? {
            missing.push(package);
        }
    }
    let mut gone = Vec::new();
    if !missing.is_empty() {
        let bytes: u64 = missing.iter().map(|package| package.size).sum();
        let _step = output::step(format!(
            "fetching {} of {} packages, {}",
            missing.len(),
            wanted.len(),
            megabytes(bytes)
        ));
        cache::require_space(debs.folder(), bytes, "the download of packages")?;
        // The biggest first, so that no worker starts a long one when the others are done.
        missing.sort_by_key(|package| std::cmp::Reverse(package.size));
        let absent = from_mirrors(&missing, debs, sources)?;
        gone = from_snapshot(absent, debs, sources)?;
    }
    Ok(Fetched { debs: wanted.iter().map(|package| debs.deb(package)).collect(), gone })
}

/// Runs the workers; returns what no mirror has.
fn from_mirrors(
    missing: &[&LockedPackage],
    debs: &DebCache,
    sources: &Sources,
) -> Result<Vec<LockedPackage>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let absent = Mutex::new(Vec::new());
    let failure = Mutex::new(None);
    let progress = Mutex::new(Progress::new(missing));
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(missing.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(package) = missing.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    match from_any_mirror(package, debs, sources) {
                        Ok(Outcome::Complete) => lock(&progress).add(package),
                        Ok(Outcome::Absent) => lock(&absent).push((*package).clone()),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            lock(&failure).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    let here = lock(&progress).done;
    match lock(&failure).take() {
        Some(error) => Err(error.context(format!(
            "the download stopped; {here} of {} packages arrived and are kept",
            missing.len()
        ))),
        None => Ok(std::mem::take(&mut lock(&absent))),
    }
}

/// A worker that panics has already failed the scope; its state is still sound.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn from_any_mirror(package: &LockedPackage, debs: &DebCache, sources: &Sources) -> Result<Outcome> {
    let mut unreachable: Option<anyhow::Error> = None;
    for base in sources.mirrors.of(package.archive) {
        let url = format!("{base}/{}", package.path.replace('+', "%2b"));
        match store(&sources.client, &url, package, debs) {
            Ok(Outcome::Complete) => return Ok(Outcome::Complete),
            Ok(Outcome::Absent) => {}
            Err(Stopped::Unreachable(error)) => unreachable = Some(error),
            Err(Stopped::Hard(error)) => return Err(error),
        }
    }
    match unreachable {
        None => Ok(Outcome::Absent),
        Some(error) => Err(error.context(
            "no Debian mirror can be reached: check the network, the proxy and the mirrors in \
             /etc/apt, then run again; it goes on where it stopped",
        )),
    }
}

/// Why a package is not in the cache.
enum Stopped {
    Unreachable(anyhow::Error),
    Hard(anyhow::Error),
}

/// Downloads one package and takes it into the cache.
fn store(
    client: &Client,
    url: &str,
    package: &LockedPackage,
    debs: &DebCache,
) -> Result<Outcome, Stopped> {
    let expected = Expected { size: package.size, sha256: package.sha256.clone() };
    match download::download(client, url, &expected, &debs.part(package)) {
        Ok(Outcome::Complete) => {
            debs.adopt(package).map(|()| Outcome::Complete).map_err(Stopped::Hard)
        }
        Ok(Outcome::Absent) => Ok(Outcome::Absent),
        Err(DownloadError::Unreachable(error)) => Err(Stopped::Unreachable(error)),
        Err(DownloadError::WrongBytes(what)) => Err(Stopped::Hard(anyhow!(
            "{what}. The bytes are deleted and nothing is built. A proxy or login page in between \
             does this too"
        ))),
        Err(DownloadError::Storage(error)) => Err(Stopped::Hard(anyhow!(error).context(format!(
            "cannot store {} in the package cache {}",
            package.name,
            debs.folder().display()
        )))),
    }
}

/// Asks snapshot.debian.org, one by one; returns what it does not have either.
fn from_snapshot(
    absent: Vec<LockedPackage>,
    debs: &DebCache,
    sources: &Sources,
) -> Result<Vec<LockedPackage>> {
    let mut gone = Vec::new();
    let mut reachable = absent.len() <= SNAPSHOT_PACKAGES;
    for package in absent {
        if reachable {
            match ask_snapshot(&package, debs, sources) {
                Ok(Outcome::Complete) => continue,
                Ok(Outcome::Absent) => {}
                Err(Stopped::Hard(error)) => return Err(error),
                Err(Stopped::Unreachable(error)) => {
                    reachable = false;
                    output::warn(format!(
                        "snapshot.debian.org, which keeps old versions, cannot be reached ({error})"
                    ));
                }
            }
        }
        gone.push(package);
    }
    Ok(gone)
}

fn ask_snapshot(
    package: &LockedPackage,
    debs: &DebCache,
    sources: &Sources,
) -> Result<Outcome, Stopped> {
    let client = &sources.snapshot_client;
    let url = snapshot::locate(client, &sources.snapshot, package).map_err(Stopped::Unreachable)?;
    url.map_or(Ok(Outcome::Absent), |url| store(client, &url, package, debs))
}

struct Progress {
    packages: usize,
    bytes: u64,
    done: usize,
    done_bytes: u64,
    said: Instant,
}

impl Progress {
    fn new(missing: &[&LockedPackage]) -> Self {
        let bytes = missing.iter().map(|package| package.size).sum();
        Self { packages: missing.len(), bytes, done: 0, done_bytes: 0, said: Instant::now() }
    }

    fn add(&mut self, package: &LockedPackage) {
        self.done += 1;
        self.done_bytes += package.size;
        if self.said.elapsed() >= REPORT_EVERY {
            self.said = Instant::now();
            output::say(format!(
                "  {} of {} packages, {} of {}",
                self.done,
                self.packages,
                megabytes(self.done_bytes),
                megabytes(self.bytes)
            ));
        }
    }
}

/// Megabytes as people count downloads, rounded up.
fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
