//! Package sets: `recipes/<set>.toml`, each package with the reason why it is there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::settings;

/// The set that the tools root is made of; every other set goes into images.
pub(crate) const TOOLS: &str = "tools";

/// A Debian package name, checked against Debian Policy 5.6.7.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct PackageName(String);

impl PackageName {
    /// The name as apt spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PackageName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let rest = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        if first && rest && name.len() >= 2 {
            Ok(Self(name))
        } else {
            Err(format!(
                "\"{name}\" is not a package name: expected two or more of a-z 0-9 + - . \
                 that begin with a letter or digit"
            ))
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a package is in a set; never empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(reason: String) -> Result<Self, String> {
        if reason.trim().is_empty() {
            return Err("an empty reason: expected a phrase that says why it is needed".to_owned());
        }
        Ok(Self(reason))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `recipes/<set>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageSet {
    /// What the set as a whole is for.
    #[expect(dead_code, reason = "people read it; it is here so that no set goes without")]
    pub(crate) summary: Reason,
    /// The packages that are asked for by name, and why. Dependencies are apt's business.
    pub(crate) packages: BTreeMap<PackageName, Reason>,
}

/// Every set in `recipes`, by name (the file's name without `.toml`).
///
/// # Errors
/// The folder or a file cannot be read, or a file is not a package set.
pub(crate) fn read_all(recipes: &Path) -> Result<BTreeMap<String, PackageSet>> {
    let mut sets = BTreeMap::new();
    let entries = std::fs::read_dir(recipes)
        .with_context(|| format!("cannot list the package sets in {}", recipes.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            sets.insert(name, settings::read(&path)?);
        }
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        settings::parse::<PackageSet>(Path::new("s.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_reason_is_not_optional() {
        assert_eq!(
            complaint("summary = \"s\"\n[packages]\nkmod = \" \"\n"),
            "s.toml:3: key \"packages.kmod\": an empty reason: \
             expected a phrase that says why it is needed"
        );
    }

    #[test]
    fn a_name_that_could_be_an_option_is_refused() {
        for bad in ["--purge", "?essential", "A", "a b"] {
            let complaint = complaint(&format!("summary = \"s\"\n[packages]\n\"{bad}\" = \"r\"\n"));
            assert!(complaint.contains("is not a package name"), "{complaint}");
            assert!(complaint.starts_with("s.toml:"), "{complaint}");
        }
    }

    #[test]
    fn the_sets_in_the_tree_parse() {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let sets = read_all(&recipes).unwrap();
        for name in ["base", "kernel-cloud", "kernel-generic", "dev", TOOLS] {
            assert!(sets.contains_key(name), "no recipes/{name}.toml");
        }
    }
}
