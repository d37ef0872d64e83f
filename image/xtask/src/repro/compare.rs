//! Are two images the same, byte for byte? Where they are not, this names the artefact, the
//! partition and the file, because "they differ" helps nobody who has to find the leak.
//!
//! One thread. Reads both images in pieces of [`bytes::PIECE_BYTES`]; file trees are unpacked
//! into the caller's scratch folder only for a partition that differs, and removed again.
mod bytes;
mod disk;
mod gpt;
mod partition;
mod portable_executable;
mod tree;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context;

/// Endings of the artefacts that must be the same; all others are made from these.
const COMPARED: [&str; 2] = [".raw", ".efi"];

/// Differences told about one artefact: enough to see the pattern, few enough to read.
const DIFFERENCES_MAX: usize = 40;

/// Runs a program of the tools root, as root of its own user namespace, and gives its standard
/// output. Both image folders and the scratch folder have the same paths inside as outside.
pub(crate) type Run<'a> = dyn Fn(&[&str]) -> anyhow::Result<Vec<u8>> + 'a;

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The file in the image folder: `porchlight.raw`.
    pub(crate) artefact: String,
    /// The part of it, from the outside in: partition, file, section.
    pub(crate) place: Vec<String>,
    /// What is not the same there.
    pub(crate) what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.artefact)?;
        for part in &self.place {
            write!(f, "{part}: ")?;
        }
        write!(f, "{}", self.what)
    }
}

/// Differences of one artefact or of a part of it, not yet placed: where, from the outside in,
/// and what.
type Told = Vec<(Vec<String>, String)>;

/// Compares the images in two folders; an empty list means that they are the same.
///
/// # Errors
/// A folder without any image, a file that cannot be read, or a tool that fails.
pub(crate) fn compare(
    one: &Path,
    other: &Path,
    scratch: &Path,
    run: &Run<'_>,
) -> anyhow::Result<Vec<Difference>> {
    let (ours, theirs) = (artefacts(one)?, artefacts(other)?);
    let mut differences = Vec::new();
    for name in ours.union(&theirs) {
        let told = if !theirs.contains(name) {
            vec![(Vec::new(), format!("is missing in {}", other.display()))]
        } else if !ours.contains(name) {
            vec![(Vec::new(), format!("is missing in {}", one.display()))]
        } else {
            compare_artefact(&one.join(name), &other.join(name), scratch, run)
                .with_context(|| format!("cannot compare {name}"))?
        };
        let unsaid = told.len().saturating_sub(DIFFERENCES_MAX);
        differences.extend(
            told.into_iter().take(DIFFERENCES_MAX).map(|(place, what)| Difference {
                artefact: name.clone(),
                place,
                what,
            }),
        );
        if unsaid > 0 {
            let what = format!("and {unsaid} more differences");
            differences.push(Difference { artefact: name.clone(), place: Vec::new(), what });
        }
    }
    Ok(differences)
}

fn compare_artefact(
    one: &Path,
    other: &Path,
    scratch: &Path,
    run: &Run<'_>,
) -> anyhow::Result<Told> {
    let Some(at) = bytes::first_difference(one, other)? else {
        return Ok(Vec::new());
    };
    let mut told = if one.extension().is_some_and(|ending| ending == "raw") {
        disk::explain(one, other, scratch, run)?
    } else {
        portable_executable::explain(&read(one)?, &read(other)?)
    };
    if told.is_empty() {
        told.push((Vec::new(), format!("the first difference is at byte {at}")));
    }
    Ok(told)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn artefacts(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if COMPARED.iter().any(|ending| name.ends_with(ending)) {
            names.insert(name);
        }
    }
    anyhow::ensure!(!names.is_empty(), "{} has neither a .raw nor a .efi", folder.display());
    Ok(names)
}

#[cfg(test)]
mod tests;
