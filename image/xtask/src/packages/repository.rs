//! A local apt repository made of verified packages: what mmdebstrap and mkosi install from with
//! the network off.
//!
//! The same packages give the same files. The indexes carry no signature: whoever uses them says
//! `trusted=yes`, because the lock has vouched for every byte already.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use super::cache::DebCache;
use super::lock::LockedPackage;
use super::resolve::{ARCHITECTURE, RELEASE};
use super::sha256::Sha256Hex;
use crate::output;

/// Repositories kept in the cache: two locks, two boards, the version before each.
const KEPT: usize = 8;

/// How the folder of a repository under construction begins.
const UNFINISHED: &str = ".making-";

/// The repository of exactly these packages, made if it is not there yet. The caller sees to it
/// that nobody else makes one at the same time.
///
/// # Errors
/// A package's control data cannot be read, or the folder cannot be written.
pub(crate) fn ensure(
    repositories: &Path,
    packages: &[LockedPackage],
    debs: &DebCache,
) -> Result<PathBuf> {
    let list: String = packages.iter().map(|p| format!("{} {}\n", p.sha256, p.path)).collect();
    let folder = repositories.join(&Sha256Hex::of(list.as_bytes()).as_str()[..32]);
    if folder.join("dists").is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(repositories)
        .with_context(|| format!("cannot make {}", repositories.display()))?;
    forget(repositories);
    let _step = output::step(format!("indexing {} packages", packages.len()));
    let scratch = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(repositories)?;
    build(scratch.path(), packages, debs)
        .with_context(|| format!("cannot make a package repository in {}", folder.display()))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch.path(), mode)?;
    fs::rename(scratch.path(), &folder).with_context(|| folder.display().to_string())?;
    drop(scratch.keep());
    Ok(folder)
}

fn build(root: &Path, packages: &[LockedPackage], debs: &DebCache) -> Result<()> {
    for package in packages {
        let target = root.join(&package.path);
        fs::create_dir_all(target.parent().context("a pool path has a folder")?)?;
        let deb = debs.deb(package);
        // A hard link costs nothing; on a file system without them a copy does as well.
        if fs::hard_link(&deb, &target).is_err() {
            fs::copy(&deb, &target).with_context(|| target.display().to_string())?;
        }
    }
    let index = stanzas(packages, debs)?;
    let folder = format!("main/binary-{ARCHITECTURE}");
    let suite = root.join("dists").join(RELEASE);
    fs::create_dir_all(suite.join(&folder))?;
    fs::write(suite.join(&folder).join("Packages"), &index)?;
    // The date is fixed: the repository is a function of the lock alone.
    let release = format!(
        "Origin: Porchlight\nLabel: Debian\nSuite: {RELEASE}\nCodename: {RELEASE}\n\
         Date: Thu, 01 Jan 1970 00:00:00 UTC\nArchitectures: {ARCHITECTURE}\nComponents: main\n\
         Description: the locked packages\nSHA256:\n {} {} {folder}/Packages\n",
        Sha256Hex::of(index.as_bytes()),
        index.len()
    );
    fs::write(suite.join("Release"), release)?;
    Ok(())
}

/// The `Packages` index, in the lock's order.
fn stanzas(packages: &[LockedPackage], debs: &DebCache) -> Result<String> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, String)> = std::thread::scope(|scope| {
        let work = || -> Result<Vec<(usize, String)>> {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(package) = packages.get(index) else { return Ok(done) };
                done.push((index, stanza(package, &debs.deb(package))?));
            }
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for handle in handles {
            all.extend(handle.join().expect("a worker does not panic")?);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, stanza)| stanza).collect())
}

/// One paragraph of the index: the package's own control data, and where its bytes are.
fn stanza(package: &LockedPackage, deb: &Path) -> Result<String> {
    let output = Command::new("dpkg-deb")
        .arg("--field")
        .arg(deb)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .context("cannot run dpkg-deb, which every Debian has")?;
    if !output.status.success() {
        bail!(
            "{} in the package cache is not a Debian package: {}",
            package.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut text = String::from_utf8(output.stdout)
        .with_context(|| format!("the control data of {} is not UTF-8", package.name))?;
    text.truncate(text.trim_end().len());
    let _ = write!(
        text,
        "\nFilename: {}\nSize: {}\nSHA256: {}\n\n",
        package.path, package.size, package.sha256
    );
    Ok(text)
}

/// Removes what an interrupted run left, and all but the newest [`KEPT`] repositories. They are
/// hard links: the package cache keeps the bytes. Failing to tidy up is not worth failing for.
fn forget(repositories: &Path) {
    let Ok(entries) = fs::read_dir(repositories) else { return };
    let mut whole = Vec::new();
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        } else if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
            whole.push((modified, entry.path()));
        }
    }
    whole.sort();
    let surplus = (whole.len() + 1).saturating_sub(KEPT);
    for (_, folder) in whole.into_iter().take(surplus) {
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::Places;
    use super::*;

    /// A real package, made with dpkg-deb, taken into the cache.
    fn package(name: &str, debs: &DebCache) -> LockedPackage {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("tree/DEBIAN");
        fs::create_dir_all(&control).unwrap();
        // dpkg-deb refuses what a strict umask makes of it.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&control, mode).unwrap();
        let text = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <n@example.org>\n\
             Depends: libc6\nDescription: nothing\n Nothing at all.\n"
        );
        fs::write(control.join("control"), text).unwrap();
        let deb = folder.path().join("x.deb");
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([folder.path().join("tree"), deb.clone()])
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        let package = LockedPackage::of_bytes(name, &fs::read(&deb).unwrap());
        fs::copy(&deb, debs.part(&package)).unwrap();
        debs.adopt(&package).unwrap();
        package
    }

    #[test]
    fn the_same_packages_make_the_same_repository() {
        let folder = tempfile::tempdir().unwrap();
        let places =
            Places { workspace: folder.path().to_owned(), cache: folder.path().to_owned() };
        let debs = DebCache::open(&places).unwrap();
        let packages = [package("aa", &debs), package("bb", &debs)];
        let read = |root: &Path| -> Vec<String> {
            ["dists/trixie/Release", "dists/trixie/main/binary-amd64/Packages"]
                .iter()
                .map(|file| fs::read_to_string(root.join(file)).unwrap())
                .collect()
        };
        let one = ensure(&folder.path().join("one"), &packages, &debs).unwrap();
        let two = ensure(&folder.path().join("two"), &packages, &debs).unwrap();
        assert_eq!(read(&one), read(&two));
        assert_eq!(one.file_name(), two.file_name());
        let [release, index] = read(&one).try_into().unwrap();
        assert!(index.starts_with("Package: aa\nVersion: 1.0\n"), "{index}");
        assert!(index.contains(" Nothing at all.\nFilename: pool/main/aa_1.0+b1_amd64.deb\n"));
        assert!(release.contains(Sha256Hex::of(index.as_bytes()).as_str()), "{release}");
        assert!(one.join("pool/main/bb_1.0+b1_amd64.deb").exists());
        // A second call finds it; another selection makes another.
        assert_eq!(ensure(&folder.path().join("one"), &packages, &debs).unwrap(), one);
        assert_ne!(ensure(&folder.path().join("one"), &packages[..1], &debs).unwrap(), one);
    }
}
