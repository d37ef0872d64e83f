//! Which version an image is, and whether a built one is still up to date.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// What ends up in the image when it changes.
const INPUTS: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "hardware",
    "image",
    "overlays",
    "recipes",
    "rust-toolchain.toml",
    "services",
];

/// The version and the moment that every date in the image is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `<workspace version>.<commit date>`, so that a later commit sorts later.
    pub(crate) version: String,
    /// Seconds since 1970: the date of the commit.
    pub(crate) source_date_epoch: u64,
}

impl Identity {
    /// From the commit that is checked out. Uncommitted changes keep the commit's date: the same
    /// sources give the same image, whoever builds them.
    ///
    /// # Errors
    /// Git does not answer and no `SOURCE_DATE_EPOCH` is set.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let source_date_epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => text.parse().context("SOURCE_DATE_EPOCH: expected seconds since 1970")?,
            Err(_) => commit_date(root)?,
        };
        let version = format!("{}.{}", env!("CARGO_PKG_VERSION"), stamp(source_date_epoch));
        Ok(Self { version, source_date_epoch })
    }
}

fn commit_date(root: &Path) -> Result<u64> {
    let output = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root)
        .output()
        .context("cannot run git; set SOURCE_DATE_EPOCH to build without it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| {
        format!(
            "git does not tell the date of the commit ({}); set SOURCE_DATE_EPOCH to build \
             without it",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })
}

/// Seconds since 1970 as `YYYYMMDDhhmm` in UTC (days to civil date: Howard Hinnant's
/// `civil_from_days`).
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}", rest / 3_600, rest % 3_600 / 60)
}

/// A fingerprint of everything an image is made of; a built image that carries the same is fresh.
///
/// # Errors
/// An input cannot be read; the message names it.
pub(crate) fn fingerprint(root: &Path, board: &str, variant: &str) -> Result<String> {
    let identity = Identity::of(root)?;
    let mut hasher = Sha256::new();
    hasher.update(format!("{board}\0{variant}\0{}\0", identity.version));
    for input in INPUTS {
        add(&mut hasher, root, Path::new(input))?;
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add(hasher: &mut Sha256, root: &Path, relative: &Path) -> Result<()> {
    let path = &root.join(relative);
    let describe = || format!("cannot read {}", path.display());
    let kind = fs::symlink_metadata(path).with_context(describe)?;
    hasher.update(relative.as_os_str().as_encoded_bytes());
    if kind.is_dir() {
        let mut names = fs::read_dir(path)
            .with_context(describe)?
            .map(|entry| entry.map(|entry| relative.join(entry.file_name())))
            .collect::<Result<Vec<_>, _>>()?;
        names.sort();
        for name in names {
            add(hasher, root, &name)?;
        }
    } else if kind.is_symlink() {
        hasher.update(fs::read_link(path).with_context(describe)?.as_os_str().as_encoded_bytes());
    } else {
        hasher.update(fs::read(path).with_context(describe)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_civil_date_in_utc() {
        assert_eq!(stamp(0), "197001010000");
        assert_eq!(stamp(951_782_400), "200002290000");
        assert_eq!(stamp(1_767_225_599), "202512312359");
    }
}
