//! Brings every package of a lock into the cache, or says plainly why it cannot.
//!
//! Threads: [`CONNECTIONS`] workers inside one scope; the first hard error makes the others stop
//! after their current file. Nothing outlives the call. What has arrived stays in the cache, so
//! running again continues.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// Fetches and verifies `wanted`. Returns the packages that nobody has in the locked version any
/// more; all others are in the cache.
///
/// # Errors
/// Wrong bytes from a mirror, no mirror reachable, no room on the disk: nothing may be built.
pub(crate) fn fetch(
    wanted: &[LockedPackage],
    debs: &DebCache,
    sources: &Sources,
) -> Result<Vec<LockedPackage>> {
    let mut missing = Vec::new();
    for package in wanted {
        if !debs.holds(package)? {
            missing.push(package);
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let bytes: u64 = missing.iter().map(|package| package.size).sum();
    let _step = output::step(format!(
        "fetching {} of {} packages, {}",
        missing.len(),
        wanted.len(),
        output::spoken_bytes(bytes)
    ));
    cache::require_space(debs.folder(), bytes, "the download of packages")?;
    // The biggest first, so that no worker starts a long one when the others are done.
    missing.sort_by_key(|package| std::cmp::Reverse(package.size));
    let absent = from_mirrors(&missing, debs, sources)?;
    let gone = from_snapshot(absent, debs, sources)?;
    debs.trim(wanted);
    Ok(gone)
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
    let progress = Mutex::new(Arrived::new(missing));
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
    let here = lock(&progress).packages;
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
    let mut answered = false;
    for base in sources.mirrors.of(package.archive) {
        let url = format!("{base}/{}", package.path.replace('+', "%2b"));
        match store(&sources.client, &url, package, debs) {
            Ok(Outcome::Complete) => return Ok(Outcome::Complete),
            Ok(Outcome::Absent) => answered = true,
            Err(Stopped::Unreachable(error)) => unreachable = unreachable.or(Some(error)),
            Err(Stopped::Hard(error)) => return Err(error),
        }
    }
    match unreachable {
        Some(error) if !answered => Err(error.context(
            "no Debian mirror can be reached: check the network, the proxy and the mirrors in \
             /etc/apt, then run again; it goes on where it stopped",
        )),
        _ => Ok(Outcome::Absent),
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

/// What is here so far, told to the person who waits.
struct Arrived {
    packages: usize,
    bytes: u64,
    bar: output::Progress,
}

impl Arrived {
    fn new(missing: &[&LockedPackage]) -> Self {
        let bytes = missing.iter().map(|package| package.size).sum();
        Self { packages: 0, bytes: 0, bar: output::progress("packages", bytes) }
    }

    fn add(&mut self, package: &LockedPackage) {
        self.packages += 1;
        self.bytes += package.size;
        self.bar.reached(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Patience;
    use super::super::places::Places;
    use super::super::proxy::Proxy;
    use super::super::test_server::{Reply, Server};
    use super::*;
    use std::time::Duration;

    struct Bench {
        debs: DebCache,
        sources: Sources,
        _cache: tempfile::TempDir,
    }

    /// A fresh cache, and sources at these base URLs.
    fn bench(mirrors: &[&str], snapshot: &str, proxy: Option<Proxy>) -> Bench {
        let cache = tempfile::tempdir().unwrap();
        let places = Places { workspace: cache.path().to_owned(), cache: cache.path().to_owned() };
        let second = Duration::from_secs(1);
        let client = Client::new(Patience { connect: second, silence: 20 * second }, proxy);
        let sources = Sources {
            mirrors: Mirrors::with(mirrors, &[]),
            client: client.clone(),
            snapshot: snapshot.to_owned(),
            snapshot_client: client,
        };
        Bench { debs: DebCache::open(&places).unwrap(), sources, _cache: cache }
    }

    /// Nobody listens on port 1 of the loopback.
    const NOBODY: &str = "http://127.0.0.1:1";

    #[test]
    fn a_second_mirror_helps_out() {
        let empty = Server::with_files([]);
        let full = Server::with_files([("/pool/main/aa_1.0%2bb1_amd64.deb", b"aa")]);
        let bench = bench(&[NOBODY, &empty.url(), &full.url()], NOBODY, None);
        let wanted = [LockedPackage::of_bytes("aa", b"aa")];
        let gone = fetch(&wanted, &bench.debs, &bench.sources).unwrap();
        assert!(gone.is_empty());
        assert!(bench.debs.holds(&wanted[0]).unwrap());
        // A second time nobody is asked.
        fetch(&wanted, &bench.debs, &bench.sources).unwrap();
        assert_eq!((empty.requests().len(), full.requests().len()), (1, 1));
    }

    #[test]
    fn wrong_bytes_stop_everything_but_keep_what_is_right() {
        let server = Server::with_files([
            ("/pool/main/aa_1.0%2bb1_amd64.deb", b"aa"),
            ("/pool/main/bb_1.0%2bb1_amd64.deb", b"BB"),
        ]);
        let bench = bench(&[&server.url()], NOBODY, None);
        let right = [LockedPackage::of_bytes("aa", b"aa")];
        fetch(&right, &bench.debs, &bench.sources).unwrap();
        let wanted = [LockedPackage::of_bytes("aa", b"aa"), LockedPackage::of_bytes("bb", b"bb")];
        let error = fetch(&wanted, &bench.debs, &bench.sources).unwrap_err();
        assert!(format!("{error:#}").contains("is not what the lock says"), "{error:#}");
        assert!(bench.debs.holds(&wanted[0]).unwrap());
        assert!(!bench.debs.holds(&wanted[1]).unwrap());
        assert!(!bench.debs.part(&wanted[1]).exists());
    }

    #[test]
    fn what_the_mirrors_dropped_comes_from_snapshot() {
        let empty = Server::with_files([]);
        let answer = br#"{"result": [{"hash": "0123", "architecture": "arm64"},
            {"hash": "89ab", "architecture": "amd64"}],
            "fileinfo": {"89ab": [{"name": "aa.deb", "size": 2}]}}"#;
        let snapshot = Server::with_files([
            ("/mr/binary/aa/1%3a1.0%2bb1/binfiles?fileinfo=1", answer),
            ("/file/89ab", b"aa"),
        ]);
        let bench = bench(&[NOBODY, &empty.url()], &snapshot.url(), None);
        let wanted = [LockedPackage::of_bytes("aa", b"aa"), LockedPackage::of_bytes("bb", b"bb")];
        let gone = fetch(&wanted, &bench.debs, &bench.sources).unwrap();
        assert!(bench.debs.holds(&wanted[0]).unwrap());
        assert_eq!(gone, [wanted[1].clone()]);
    }

    #[test]
    fn an_unreachable_snapshot_is_asked_once() {
        let empty = Server::with_files([]);
        let snapshot = Server::start(|_, _| Reply::Status(503));
        let bench = bench(&[&empty.url()], &snapshot.url(), None);
        let wanted = [LockedPackage::of_bytes("aa", b"aa"), LockedPackage::of_bytes("bb", b"bb")];
        let gone = fetch(&wanted, &bench.debs, &bench.sources).unwrap();
        assert_eq!(gone.len(), 2);
        assert_eq!(snapshot.requests().len(), 1);
    }

    #[test]
    fn without_a_network_the_sentence_says_what_to_do() {
        let bench = bench(&[NOBODY], NOBODY, None);
        let wanted = [LockedPackage::of_bytes("aa", b"aa")];
        let error = fetch(&wanted, &bench.debs, &bench.sources).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("0 of 1 packages arrived"), "{text}");
        assert!(text.contains("check the network, the proxy and the mirrors"), "{text}");
    }

    #[test]
    fn a_proxy_is_asked_for_the_whole_url() {
        let proxy = Server::start(|_, _| Reply::File(b"aa".to_vec()));
        let bench =
            bench(&["http://mirror.invalid/debian"], NOBODY, Proxy::parse(&proxy.url(), ""));
        fetch(&[LockedPackage::of_bytes("aa", b"aa")], &bench.debs, &bench.sources).unwrap();
        let request = &proxy.requests()[0];
        assert_eq!(request.target, "http://mirror.invalid/debian/pool/main/aa_1.0%2bb1_amd64.deb");
        assert_eq!(request.host, "mirror.invalid");
    }
}
