//! Where do two files begin to differ?
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;

/// What is held in memory of each file at a time.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// The first byte that differs between two files, or the end of the shorter one.
pub(super) fn first_difference(one: &Path, other: &Path) -> anyhow::Result<Option<u64>> {
    let (one, other) = (open(one)?, open(other)?);
    let (ours, theirs) = (one.metadata()?.len(), other.metadata()?.len());
    let common = ours.min(theirs);
    let found = first_difference_within(&one, &other, 0..common)?;
    Ok(found.or((ours != theirs).then_some(common)))
}

/// The first byte that differs inside a range both files have.
pub(super) fn first_difference_within(
    one: &File,
    other: &File,
    range: Range<u64>,
) -> anyhow::Result<Option<u64>> {
    let (mut ours, mut theirs) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut at = range.start;
    while at < range.end {
        let piece = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let (ours, theirs) = (&mut ours[..piece], &mut theirs[..piece]);
        one.read_exact_at(ours, at)?;
        other.read_exact_at(theirs, at)?;
        if ours != theirs {
            let within = ours.iter().zip(theirs.iter()).position(|(a, b)| a != b);
            return Ok(within.map(|within| at + within as u64));
        }
        at += piece as u64;
    }
    Ok(None)
}

/// Opens with the name in the error.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{PIECE_BYTES, first_difference};

    #[test]
    fn the_first_differing_byte_is_found_in_any_piece() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let same = vec![7_u8; 2 * PIECE_BYTES + 10];
        fs::write(&one, &same).unwrap();
        fs::write(&other, &same).unwrap();
        assert_eq!(first_difference(&one, &other).unwrap(), None);
        for at in [0, PIECE_BYTES, 2 * PIECE_BYTES + 9] {
            let mut changed = same.clone();
            changed[at] = 8;
            fs::write(&other, &changed).unwrap();
            assert_eq!(first_difference(&one, &other).unwrap(), Some(at as u64));
        }
        fs::write(&other, &same[1..]).unwrap();
        assert_eq!(first_difference(&one, &other).unwrap(), Some(same.len() as u64 - 1));
    }
}
