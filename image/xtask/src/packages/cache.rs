//! The package cache: `debs/<sha256>.deb`, each file verified before it gets that name.
//!
//! Beside each lies `<sha256>.part` while it downloads and `<sha256>.verified` afterwards: size
//! and modification time of the file whose hash was right. A file that still has both is trusted;
//! any other is hashed again, and removed if it is not what its name says.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::lock::LockedPackage;
use super::places::Places;
use super::sha256::Sha256Hex;

/// Left free beside what is to be stored, so that the disk is not filled to the last byte.
pub(crate) const SPARE_BYTES: u64 = 256 << 20;

/// The folder of verified packages.
#[derive(Clone, Debug)]
pub(crate) struct DebCache {
    folder: PathBuf,
}

/// What the cache may hold beside the packages in use: some ten versions of everything.
pub(crate) const KEPT_BYTES: u64 = 4 << 30;

impl DebCache {
    /// Opens the cache, making its folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(crate) fn open(places: &Places) -> Result<Self> {
        let folder = places.debs();
        fs::create_dir_all(&folder).with_context(|| {
            format!("cannot make the package cache {}; PORCHLIGHT_CACHE moves it", folder.display())
        })?;
        Ok(Self { folder })
    }

    /// The cache's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a package lies once it is verified.
    pub(crate) fn deb(&self, package: &LockedPackage) -> PathBuf {
        self.folder.join(format!("{}.deb", package.sha256))
    }

    /// Where it lies while it arrives.
    pub(crate) fn part(&self, package: &LockedPackage) -> PathBuf {
        self.folder.join(format!("{}.part", package.sha256))
    }

    /// Whether the package is here with every byte right.
    ///
    /// # Errors
    /// The file is there but cannot be read or removed.
    pub(crate) fn holds(&self, package: &LockedPackage) -> Result<bool> {
        let deb = self.deb(package);
        let stamp = match Stamp::of(&deb) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| deb.display().to_string()),
        };
        let verified = deb.with_extension("verified");
        if fs::read_to_string(&verified).is_ok_and(|text| text == stamp.0) {
            return Ok(true);
        }
        if Sha256Hex::of_file(&deb).with_context(|| deb.display().to_string())? == package.sha256 {
            self.stamp(package)?;
            return Ok(true);
        }
        fs::remove_file(&deb).with_context(|| deb.display().to_string())?;
        Ok(false)
    }

    /// Takes a verified download in.
    ///
    /// # Errors
    /// The file cannot be renamed or its stamp not written.
    pub(crate) fn adopt(&self, package: &LockedPackage) -> Result<()> {
        let deb = self.deb(package);
        fs::rename(self.part(package), &deb).with_context(|| deb.display().to_string())?;
        self.stamp(package)
    }

    /// Forgets the oldest files beyond [`KEPT_BYTES`], but none of `wanted`. Failing to tidy up is
    /// not worth failing for.
    pub(crate) fn trim(&self, wanted: &[LockedPackage]) {
        let wanted: HashSet<PathBuf> = wanted.iter().map(|package| self.deb(package)).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
            .filter(|(_, path)| !wanted.contains(&path.with_extension("deb")))
            .collect();
        files.sort_by_key(|(metadata, _)| std::cmp::Reverse(metadata.mtime()));
        let mut total = 0;
        for (metadata, path) in files {
            total += metadata.len();
            if total > KEPT_BYTES {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn stamp(&self, package: &LockedPackage) -> Result<()> {
        let deb = self.deb(package);
        let verified = deb.with_extension("verified");
        fs::write(&verified, Stamp::of(&deb)?.0).with_context(|| verified.display().to_string())
    }
}

/// What tells a changed file from an unchanged one without reading it.
struct Stamp(String);

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self(format!("{} {seconds}.{nanoseconds:09}\n", metadata.len())))
    }
}

/// Fails with a plain sentence when `folder`'s disk has no room for `bytes` more.
///
/// # Errors
/// There is too little room; the message says how much is missing, and where.
pub(crate) fn require_space(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    // Without an answer go on: a full disk is noticed when the first write fails.
    let Some(free) = text.lines().last().and_then(|line| line.trim().parse::<u64>().ok()) else {
        return Ok(());
    };
    if free < bytes + SPARE_BYTES {
        bail!(
            "{what} needs {} MB in {}, where {} MB are free: make room there, \
             or set PORCHLIGHT_CACHE to a folder on a bigger disk",
            (bytes + SPARE_BYTES) >> 20,
            folder.display(),
            free >> 20
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path) -> DebCache {
        let places = Places { workspace: folder.to_owned(), cache: folder.to_owned() };
        DebCache::open(&places).unwrap()
    }

    #[test]
    fn a_package_that_changed_on_disk_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, package) = (cache(folder.path()), LockedPackage::of_bytes("aa", b"right"));
        assert!(!cache.holds(&package).unwrap());
        fs::write(cache.part(&package), b"right").unwrap();
        cache.adopt(&package).unwrap();
        assert!(cache.holds(&package).unwrap());
        // The same length, so that only time and content tell.
        fs::write(cache.deb(&package), b"wrong").unwrap();
        assert!(!cache.holds(&package).unwrap());
        assert!(!cache.deb(&package).exists());
    }

    #[test]
    fn a_lost_stamp_costs_a_hash_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, package) = (cache(folder.path()), LockedPackage::of_bytes("aa", b"right"));
        fs::write(cache.deb(&package), b"right").unwrap();
        assert!(cache.holds(&package).unwrap());
        assert!(cache.deb(&package).with_extension("verified").exists());
    }

    #[test]
    fn a_full_disk_is_said_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        require_space(folder.path(), 1, "a byte").unwrap();
        let error = require_space(folder.path(), 1 << 60, "the download").unwrap_err().to_string();
        assert!(error.starts_with("the download needs "), "{error}");
        assert!(error.contains("set PORCHLIGHT_CACHE"), "{error}");
    }
}
