//! Two unpacked file trees: what is only in one, and which file differs in what.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Told, bytes, portable_executable};

/// What the file system that was unpacked keeps; the rest is what unpacking left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Modes and times of everything.
    Everything,
    /// FAT: the times of files alone.
    FileTimes,
}

#[derive(Debug)]
enum Kind {
    File,
    Folder,
    Link(PathBuf),
    Other,
}

impl Kind {
    fn spoken(&self) -> String {
        match self {
            Self::File => "a file".to_owned(),
            Self::Folder => "a folder".to_owned(),
            Self::Link(target) => format!("a link to {}", target.display()),
            Self::Other => "neither file, folder nor link".to_owned(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    mode: u32,
    /// Nanoseconds since 1970.
    modified_ns: i128,
    length: u64,
}

/// Tells two trees apart; each difference is placed at its path from the tree's root.
pub(super) fn differences(one: &Path, other: &Path, keeps: Keeps) -> anyhow::Result<Told> {
    let (ours, theirs) = (entries(one)?, entries(other)?);
    let mut told = Told::new();
    for (path, our_entry) in &ours {
        let place = vec![format!("/{}", path.display())];
        let Some(their_entry) = theirs.get(path) else {
            told.push((place, "is only in the first".to_owned()));
            continue;
        };
        told.extend(
            metadata_differences(our_entry, their_entry, keeps)
                .into_iter()
                .map(|what| (place.clone(), what)),
        );
        if matches!((&our_entry.kind, &their_entry.kind), (Kind::File, Kind::File)) {
            told.extend(content_differences(&one.join(path), &other.join(path), &place)?);
        }
    }
    for path in theirs.keys().filter(|path| !ours.contains_key(*path)) {
        told.push((vec![format!("/{}", path.display())], "is only in the second".to_owned()));
    }
    Ok(told)
}

fn metadata_differences(one: &Entry, other: &Entry, keeps: Keeps) -> Vec<String> {
    let mut list = Vec::new();
    let (ours, theirs) = (one.kind.spoken(), other.kind.spoken());
    if ours != theirs {
        list.push(format!("is {ours} and {theirs}"));
        return list;
    }
    if keeps == Keeps::Everything && one.mode != other.mode {
        list.push(format!("its mode is {:04o} and {:04o}", one.mode, other.mode));
    }
    let timed = keeps == Keeps::Everything || matches!(one.kind, Kind::File);
    if timed && one.modified_ns != other.modified_ns {
        let seconds = |ns: i128| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
        let (ours, theirs) = (seconds(one.modified_ns), seconds(other.modified_ns));
        list.push(format!("its time is {ours} and {theirs} (seconds since 1970)"));
    }
    if matches!(one.kind, Kind::File) && one.length != other.length {
        list.push(format!("it is {} and {} bytes long", one.length, other.length));
    }
    list
}

fn content_differences(one: &Path, other: &Path, place: &[String]) -> anyhow::Result<Told> {
    let Some(at) = bytes::first_difference(one, other)? else {
        return Ok(Told::new());
    };
    if one.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("efi")) {
        let told = portable_executable::explain(&fs::read(one)?, &fs::read(other)?);
        return Ok(told
            .into_iter()
            .map(|(inner, what)| ([place.to_vec(), inner].concat(), what))
            .collect());
    }
    Ok(vec![(place.to_vec(), format!("its content differs from byte {at} on"))])
}

fn entries(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let listing =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for item in listing {
            let path = item?.path();
            let metadata = fs::symlink_metadata(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let kind = if metadata.is_dir() {
                folders.push(path.clone());
                Kind::Folder
            } else if metadata.is_symlink() {
                Kind::Link(fs::read_link(&path)?)
            } else if metadata.is_file() {
                Kind::File
            } else {
                Kind::Other
            };
            let entry = Entry {
                kind,
                mode: metadata.permissions().mode() & 0o7777,
                modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                    + i128::from(metadata.mtime_nsec()),
                length: metadata.len(),
            };
            let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            entries.insert(relative, entry);
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Keeps, differences};

    fn plant(root: &Path) {
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/name"), "porch").unwrap();
        symlink("name", root.join("etc/link")).unwrap();
        settle(root);
    }

    /// Everything was changed at the same moment.
    fn settle(root: &Path) {
        for path in ["etc/name", "etc"] {
            let at = UNIX_EPOCH + Duration::from_secs(1);
            File::open(root.join(path)).unwrap().set_modified(at).unwrap();
        }
    }

    /// What is told after `change` was made in the second of two equal trees. The links have
    /// times nobody set here: those alone are left out.
    fn after(keeps: Keeps, change: impl Fn(&Path)) -> Vec<String> {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        plant(one.path());
        plant(other.path());
        change(other.path());
        let told = differences(one.path(), other.path(), keeps).unwrap();
        let spoken = told.into_iter().map(|(place, what)| format!("{}: {what}", place.join(": ")));
        spoken.filter(|line| !line.starts_with("/etc/link: its time")).collect()
    }

    #[test]
    fn equal_trees_have_no_differences() {
        assert!(after(Keeps::Everything, |_| ()).is_empty());
    }

    #[test]
    fn each_change_is_told_at_its_path() {
        let all = Keeps::Everything;
        let list = after(all, |root| {
            fs::write(root.join("etc/name"), "torch").unwrap();
            settle(root);
        });
        assert_eq!(list, ["/etc/name: its content differs from byte 0 on"]);
        let list = after(all, |root| {
            fs::set_permissions(root.join("etc/name"), Permissions::from_mode(0o600)).unwrap();
        });
        assert_eq!(list.len(), 1);
        assert!(list[0].starts_with("/etc/name: its mode is") && list[0].ends_with("and 0600"));
        let list = after(all, |root| {
            let at = UNIX_EPOCH + Duration::from_secs(2);
            File::open(root.join("etc/name")).unwrap().set_modified(at).unwrap();
        });
        assert!(list[0].starts_with("/etc/name: its time is 1.000000000 and 2.000000000"));
        let list = after(all, |root| {
            fs::remove_file(root.join("etc/link")).unwrap();
            symlink("other", root.join("etc/link")).unwrap();
            settle(root);
        });
        assert_eq!(list, ["/etc/link: is a link to name and a link to other"]);
    }

    #[test]
    fn what_is_in_one_tree_only_is_told() {
        let list = after(Keeps::Everything, |root| {
            fs::rename(root.join("etc/name"), root.join("etc/nom")).unwrap();
            let at = UNIX_EPOCH + Duration::from_secs(1);
            File::open(root.join("etc")).unwrap().set_modified(at).unwrap();
        });
        assert_eq!(list, ["/etc/name: is only in the first", "/etc/nom: is only in the second"]);
    }

    #[test]
    fn what_fat_does_not_keep_is_not_told() {
        let list = after(Keeps::FileTimes, |root| {
            fs::set_permissions(root.join("etc/name"), Permissions::from_mode(0o600)).unwrap();
            let at = UNIX_EPOCH + Duration::from_secs(2);
            File::open(root.join("etc")).unwrap().set_modified(at).unwrap();
        });
        assert!(list.is_empty());
    }
}
