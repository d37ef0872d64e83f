//! Packages: from the names in `recipes/` to a repository of verified bytes on this disk.
//!
//! `sets` reads what people write, `resolve` asks apt what that means, `lock` writes it down.
//! `fetch` brings the locked bytes (`download` one file, `http` one request, `mirrors` and
//! `snapshot` where from) into the `cache`, and `repository` makes them installable offline.

mod absolute_form;
mod cache;
mod download;
mod exclusive;
mod fetch;
mod http;
pub(crate) mod lock;
mod mirrors;
pub(crate) mod places;
mod proxy;
mod repository;
mod resolve;
mod sets;
mod sha256;
mod snapshot;
#[cfg(test)]
mod test_server;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

use self::cache::DebCache;
use self::fetch::Sources;
use self::http::{Client, Patience};
use self::lock::{Lock, LockFile};
use self::mirrors::Mirrors;
use self::proxy::Proxy;
use self::resolve::Resolver;
use crate::output;

pub(crate) use self::cache::require_space;
pub(crate) use self::exclusive::exclusive;
pub(crate) use self::lock::LockedPackage;
pub(crate) use self::places::Places;
pub(crate) use self::resolve::RELEASE;
pub(crate) use self::sets::{PackageName, read_all as read_sets};
pub(crate) use self::sha256::Sha256Hex;

/// Which packages to obtain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// What these image sets need and no more, so that one board does not wait for the firmware
    /// of another.
    ImageSets(&'a [&'a str]),
    /// The tools root.
    Tools,
}

/// A package that is not the locked one, because nobody has the locked one any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Its name.
    pub(crate) name: PackageName,
    /// The version in the lock; `None` for a package that only the newer ones need.
    pub(crate) locked: Option<String>,
    /// The version that is used; `None` for a package that is needed no more.
    pub(crate) used: Option<String>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |v: &Option<String>| v.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}: {} instead of {}", self.name, version(&self.used), version(&self.locked))
    }
}

/// Packages on this disk, every byte verified.
#[derive(Debug)]
pub(crate) struct Obtained {
    /// An unsigned apt repository: `deb [trusted=yes] copy:<repository> trixie main`.
    pub(crate) repository: PathBuf,
    /// What is not as locked. Empty, or the result must be called `+drift`.
    pub(crate) drift: Vec<Drift>,
    /// What the repository holds.
    pub(crate) packages: Vec<LockedPackage>,
}

/// Brings the locked packages here.
///
/// # Errors
/// The lock does not cover the sets, no mirror can be reached, the disk is full, or a mirror sent
/// wrong bytes. Running again continues.
pub(crate) fn obtain(places: &Places, which: Which<'_>) -> Result<Obtained> {
    let file = match which {
        Which::ImageSets(_) => LockFile::Image,
        Which::Tools => LockFile::Tools,
    };
    let lock = Lock::read(places, file)?;
    let debs = DebCache::open(places)?;
    let _alone = exclusive(debs.folder())?;
    let sources = sources_of_this_machine();
    let packages = selected(&lock, which)?;
    let gone = fetch::fetch(&packages, &debs, &sources)?;
    let repositories = places.cache.join("repositories");
    if gone.is_empty() {
        let repository = repository::ensure(&repositories, &packages, &debs)?;
        return Ok(Obtained { repository, drift: Vec::new(), packages });
    }
    for package in &gone {
        output::warn(format!(
            "no mirror has {} {} of recipes/{} any more; a newer one is used",
            package.name,
            package.version,
            file.file_name()
        ));
    }
    // The newer version may need newer neighbours, so the whole lock is resolved anew: only apt
    // knows a combination that fits.
    let newer = Resolver::open(places)?.lock(&lock.requested)?;
    let newer = selected(&newer, which)?;
    let gone = fetch::fetch(&newer, &debs, &sources)?;
    if let Some(package) = gone.first() {
        bail!(
            "the mirror's index names {} {}, which the mirror does not have: it is being updated, \
             so run again in a few minutes",
            package.name,
            package.version
        );
    }
    let drift = drift(&packages, &newer);
    for one in &drift {
        output::warn(format!("drift: {one}"));
    }
    let repository = repository::ensure(&repositories, &newer, &debs)?;
    Ok(Obtained { repository, drift, packages: newer })
}

fn sources_of_this_machine() -> Sources {
    let proxy = Proxy::of_this_machine();
    Sources {
        mirrors: Mirrors::of_this_machine(),
        client: Client::new(Patience::MIRROR, proxy.clone()),
        snapshot: snapshot::SNAPSHOT.to_owned(),
        snapshot_client: Client::new(Patience::SNAPSHOT, proxy),
    }
}

/// The packages of `which`, as the lock's order has them.
fn selected(lock: &Lock, which: Which<'_>) -> Result<Vec<LockedPackage>> {
    let Which::ImageSets(sets) = which else { return Ok(lock.packages.clone()) };
    for set in sets {
        if !lock.requested.contains_key(*set) {
            let known: Vec<&str> = lock.requested.keys().map(String::as_str).collect();
            bail!(
                "recipes/packages.lock has no package set \"{set}\": expected one of {}",
                known.join(", ")
            );
        }
    }
    Ok(lock.packages_of(sets))
}

fn drift(locked: &[LockedPackage], used: &[LockedPackage]) -> Vec<Drift> {
    let versions = |packages: &[LockedPackage]| -> BTreeMap<PackageName, String> {
        packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect()
    };
    let (locked, mut used) = (versions(locked), versions(used));
    let mut drift = Vec::new();
    for (name, version) in locked {
        let used = used.remove(&name);
        if used.as_ref() != Some(&version) {
            drift.push(Drift { name, locked: Some(version), used });
        }
    }
    drift.extend(used.into_iter().map(|(name, used)| Drift {
        name,
        locked: None,
        used: Some(used),
    }));
    drift
}
