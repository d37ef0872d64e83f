//! What starts by itself: the links that packages bring are dropped, and those listed are made.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A target and the units it wants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    name: String,
    /// Unit → why it starts.
    units: BTreeMap<String, String>,
}

/// `image/started.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    #[serde(rename = "target")]
    pub(super) targets: Vec<Target>,
}

/// Removes every `*.wants` and `*.requires` folder below `units`, so that nothing starts unlisted.
///
/// # Errors
/// A folder cannot be read or removed.
pub(super) fn drop_inherited(units: &Path) -> Result<()> {
    for entry in fs::read_dir(units).with_context(|| format!("cannot read {}", units.display()))? {
        let path = entry?.path();
        let inherited = path.extension().is_some_and(|e| e == "wants" || e == "requires");
        if inherited && path.is_dir() {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Makes the links of `targets` in the unit folder `units`.
///
/// # Errors
/// A reason is empty, or a link cannot be made.
pub(super) fn link(targets: &[Target], units: &Path) -> Result<()> {
    for target in targets {
        let folder = units.join(format!("{}.wants", target.name));
        fs::create_dir_all(&folder)?;
        for (unit, why) in &target.units {
            ensure!(!why.trim().is_empty(), "{} in {}: expected a reason", unit, target.name);
            let link = folder.join(unit);
            symlink(format!("../{unit}"), &link)
                .with_context(|| format!("cannot make the link {}", link.display()))?;
        }
    }
    Ok(())
}

/// Fails if a link in a `*.wants` folder leads nowhere: a unit that was meant to start would not.
///
/// # Errors
/// Names the first dangling link.
pub(super) fn check(units: &Path) -> Result<()> {
    for folder in fs::read_dir(units)? {
        let folder = folder?.path();
        if !folder.extension().is_some_and(|e| e == "wants" || e == "requires") {
            continue;
        }
        for link in fs::read_dir(&folder)? {
            let link = link?.path();
            let unit = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let template = unit.split_once('@').map(|(name, rest)| {
                format!("{name}@.{}", rest.rsplit('.').next().unwrap_or_default())
            });
            ensure!(
                units.join(&unit).exists()
                    || template.is_some_and(|name| units.join(name).exists()),
                "{}: no such unit in the image; expected one of its packages or trees to bring it",
                link.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_start_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let units = folder.path();
        let wants = units.join("multi-user.target.wants");
        fs::create_dir(&wants).unwrap();
        fs::write(units.join("home.service"), "").unwrap();
        fs::write(units.join("fsck@.service"), "").unwrap();
        for present in ["home.service", "fsck@vda1.service"] {
            symlink("anywhere", wants.join(present)).unwrap();
        }
        check(units).unwrap();
        symlink("anywhere", wants.join("hme.service")).unwrap();
        let error = check(units).unwrap_err().to_string();
        assert!(error.contains("hme.service: no such unit"), "{error}");
    }
}
