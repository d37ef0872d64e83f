//! Removes what packages bring and a box does not use (`image/removed.toml`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::Deserialize;

/// A list of groups of paths, each with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    #[serde(rename = "group")]
    groups: Vec<Group>,
}

/// Paths that go for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) why: String,
    pub(super) paths: Vec<String>,
}

impl Removed {
    /// Removes everything listed from the tree at `root`.
    ///
    /// # Errors
    /// A pattern matches nothing, or a file cannot be removed.
    pub(super) fn apply(&self, root: &Path) -> Result<()> {
        let mut untrue = Vec::new();
        for group in &self.groups {
            ensure!(
                !group.why.trim().is_empty(),
                "removed.toml: {:?}: expected a reason",
                group.paths
            );
            for pattern in &group.paths {
                let matches = expand(root, pattern)?;
                if matches.is_empty() {
                    untrue.push(pattern.as_str());
                }
                for path in matches {
                    remove(&path)?;
                }
            }
        }
        ensure!(
            untrue.is_empty(),
            "removed.toml: nothing in the image matches {}",
            untrue.join(", ")
        );
        Ok(())
    }
}

/// Removes a file, link or tree.
pub(super) fn remove(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)?;
    } else {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The paths below `root` that `pattern` names; `*` stands for any part of one path component.
pub(super) fn expand(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.to_path_buf()];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        for folder in found {
            if !component.contains('*') {
                let path = folder.join(component);
                if fs::symlink_metadata(&path).is_ok() {
                    next.push(path);
                }
            } else if folder.is_dir() {
                for entry in fs::read_dir(&folder)? {
                    let entry = entry?;
                    if matches(component, &entry.file_name().to_string_lossy()) {
                        next.push(entry.path());
                    }
                }
            }
        }
        next.sort();
        found = next;
    }
    Ok(found)
}

/// Whether `name` fits `pattern`, in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_one_name() {
        for (pattern, name, expected) in [
            ("dpkg*", "dpkg-deb", true),
            ("dpkg*", "xdpkg", false),
            ("*initramfs*", "update-initramfs", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let removed = Removed {
            groups: vec![Group { why: "no use".into(), paths: vec!["/usr/no*".into()] }],
        };
        let error = removed.apply(root.path()).expect_err("nothing matches").to_string();
        assert!(error.contains("/usr/no*"), "{error}");
    }
}
