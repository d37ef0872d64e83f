//! The tools root: a Debian 13 that holds every tool but Rust, made from `recipes/tools.lock`.
//!
//! `host` finds the two programs that the host must have, `bootstrap` makes the tree with
//! mmdebstrap, `enter` runs programs in it with bubblewrap, `ownership` makes both work with a
//! single user id, and `compile` builds the services there. The tree lives in the cache under the
//! hash of its packages, so that a changed lock makes a new one and an unchanged lock none.

mod bootstrap;
mod compile;
mod enter;
mod host;
mod ownership;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::packages::lock::{Lock, LockFile};
use crate::packages::{self, Drift, LockedPackage, Places, Sha256Hex, Which};

pub(crate) use self::compile::{compile, compile_static};
pub(crate) use self::enter::Enter;

/// Raised when trees made by older code must not be used any more.
const RECIPE: u32 = 1;

/// Trees kept in the cache: the one in use, and the one before an update of the lock.
const KEPT: usize = 2;

/// A tools root that is complete and ready to be entered.
#[derive(Debug)]
pub(crate) struct ToolsRoot {
    tree: PathBuf,
    filter: PathBuf,
    drift: Vec<Drift>,
}

impl ToolsRoot {
    /// A description of how to run one program inside; nothing runs yet.
    pub(crate) fn enter(&self) -> Enter {
        Enter::new(&self.tree, &self.filter)
    }

    /// Where the tree is on the host.
    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Tools that are not the locked ones. What such tools build must be called `+drift`.
    pub(crate) fn drift(&self) -> &[Drift] {
        &self.drift
    }
}

/// Makes the tools root if it is not there yet.
///
/// # Errors
/// The host lacks a program or forbids user namespaces, a package cannot be had, the disk is full,
/// or Debian's own installation fails. Running again starts from the packages that are here.
pub(crate) fn ensure(places: &Places) -> Result<ToolsRoot> {
    host::require()?;
    let trees = places.cache.join("tools");
    let _alone = packages::exclusive(&trees)?;
    let filter = ownership::write_filter(&trees)?;
    let locked = trees.join(key(&Lock::read(places, LockFile::Tools)?.packages));
    if locked.is_dir() {
        return Ok(ToolsRoot { tree: locked, filter, drift: Vec::new() });
    }
    remove_unfinished(&trees)?;
    let obtained = packages::obtain(places, Which::Tools)?;
    let tree = trees.join(key(&obtained.packages));
    if !tree.is_dir() {
        bootstrap::build(&trees, &tree, &filter, &obtained)?;
        forget_oldest(&trees, &tree);
    }
    Ok(ToolsRoot { tree, filter, drift: obtained.drift })
}

/// The tree's folder name: a function of the packages and of how they are installed.
fn key(packages: &[LockedPackage]) -> String {
    let list: String = packages.iter().map(|package| format!("{}\n", package.sha256)).collect();
    let hash = Sha256Hex::of(format!("{RECIPE}\n{list}").as_bytes());
    format!("root-{}", &hash.as_str()[..32])
}

/// A tree under construction when its maker was interrupted is worth nothing.
fn remove_unfinished(trees: &Path) -> Result<()> {
    for entry in fs::read_dir(trees)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(bootstrap::UNFINISHED) {
            let path = entry.path();
            fs::remove_dir_all(&path).with_context(|| {
                format!("cannot remove {}, which an interrupted run left", path.display())
            })?;
        }
    }
    Ok(())
}

/// Keeps the newest [`KEPT`] trees. Failing to tidy up is not worth failing for.
fn forget_oldest(trees: &Path, current: &Path) {
    let Ok(entries) = fs::read_dir(trees) else { return };
    let mut others: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("root-"))
        .filter(|entry| entry.path() != current)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(KEPT);
    for (_, tree) in others.into_iter().take(surplus) {
        let _ = fs::remove_dir_all(tree);
    }
}
