//! Moves the bytes: writes them, makes sure they arrived, reads them back.
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::output;
use crate::packages::Sha256Hex;

/// What is moved at a time.
const PIECE_BYTES: usize = 4 << 20;

/// `O_EXCL` of `asm-generic/fcntl.h`. On a disk it makes the kernel refuse the opening while
/// anything on it is mounted or held (open(2)), whatever `lsblk` said a moment before.
const O_EXCL: i32 = 0o200;

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A block device, opened for nobody else.
    Disk,
    /// A plain file, made or emptied first.
    File,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: Sha256Hex,
}

/// Writes the whole image to the start of the target and waits until it has arrived.
///
/// # Errors
/// A file that cannot be opened, read or written, by name and place.
pub(super) fn write(image: &Path, target: &Path, kind: Target) -> anyhow::Result<Written> {
    let mut source =
        File::open(image).with_context(|| format!("cannot open {}", image.display()))?;
    let total = source.metadata()?.len();
    let disk = open(target, kind)?;
    if kind == Target::File {
        disk.set_len(total).with_context(|| format!("cannot size {}", target.display()))?;
    }
    let mut digest = Sha256::new();
    let mut progress = output::progress("writing", total);
    let (mut piece, mut before) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let zeros = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < total {
        let length = piece_length(total - at);
        let piece = &mut piece[..length];
        source.read_exact(piece).with_context(|| format!("cannot read {}", image.display()))?;
        digest.update(&piece);
        // Most of an image is empty slots. Reading is faster than writing on most disks and
        // wears nothing, so zeros are written only over something else.
        let (zeros, before) = (&zeros[..length], &mut before[..length]);
        let already_there =
            *piece == *zeros && disk.read_exact_at(before, at).is_ok() && *before == *zeros;
        if !already_there {
            disk.write_all_at(piece, at)
                .with_context(|| format!("cannot write {} at byte {at}", target.display()))?;
        }
        at += length as u64;
        progress.reached(at);
    }
    let _step = output::step("Waiting until the last byte has arrived");
    disk.sync_all().with_context(|| format!("{} did not take it all", target.display()))?;
    Ok(Written { bytes: total, sha256: Sha256Hex::spell(&digest.finalize()) })
}

/// Reads back as many bytes as were written.
///
/// # Errors
/// The target does not hold what was written to it.
pub(super) fn verify(target: &Path, written: &Written) -> anyhow::Result<()> {
    let disk = File::open(target).with_context(|| format!("cannot open {}", target.display()))?;
    let mut digest = Sha256::new();
    let mut progress = output::progress("reading back", written.bytes);
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < written.bytes {
        let piece = &mut piece[..piece_length(written.bytes - at)];
        disk.read_exact_at(piece, at)
            .with_context(|| format!("cannot read {} at byte {at}", target.display()))?;
        digest.update(&piece);
        at += piece.len() as u64;
        progress.reached(at);
    }
    let found = Sha256Hex::spell(&digest.finalize());
    ensure!(
        found == written.sha256,
        "{} does not hold what was written: its sha256 is {found}, not {}; the disk is failing, \
         use another",
        target.display(),
        written.sha256
    );
    Ok(())
}

fn piece_length(rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)
}

fn open(target: &Path, kind: Target) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match kind {
        Target::Disk => options.custom_flags(O_EXCL),
        Target::File => options.create(true).truncate(true),
    };
    options.open(target).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "; run as root, or as a member of the group that owns the disk"
            }
            std::io::ErrorKind::ResourceBusy => "; something on it is still in use",
            _ => "",
        };
        anyhow::anyhow!("cannot open {} for writing: {error}{advice}", target.display())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{PIECE_BYTES, Target, verify, write};

    struct Bench {
        folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(image: &[u8]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("image"), image).unwrap();
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }
    }

    /// Two pieces and a bit; the second is empty, as most of an image is.
    fn image() -> Vec<u8> {
        let mut image = vec![7; 2 * PIECE_BYTES + 100];
        image[PIECE_BYTES..2 * PIECE_BYTES].fill(0);
        image
    }

    #[test]
    fn what_is_written_is_what_is_there() {
        let bench = Bench::new(&image());
        let target = bench.path("disk");
        let written = write(&bench.path("image"), &target, Target::File).unwrap();
        assert_eq!(fs::read(&target).unwrap(), image());
        assert_eq!(written.bytes, image().len() as u64);
        verify(&target, &written).unwrap();
    }

    #[test]
    fn what_was_on_the_disk_before_is_gone_also_under_zeros() {
        let bench = Bench::new(&image());
        let target = bench.path("disk");
        fs::write(&target, vec![9; 3 * PIECE_BYTES]).unwrap();
        // A disk keeps its size and its old content; a file stands in for one.
        write(&bench.path("image"), &target, Target::Disk).unwrap();
        let disk = fs::read(&target).unwrap();
        assert_eq!(disk[..image().len()], image());
        assert_eq!(disk.len(), 3 * PIECE_BYTES);
    }

    #[test]
    fn a_disk_that_forgets_a_byte_is_found() {
        let bench = Bench::new(&image());
        let target = bench.path("disk");
        let written = write(&bench.path("image"), &target, Target::File).unwrap();
        let mut disk = fs::read(&target).unwrap();
        disk[PIECE_BYTES + 5] = 1;
        fs::write(&target, disk).unwrap();
        let error = verify(&target, &written).unwrap_err().to_string();
        assert!(error.contains("does not hold what was written"), "{error}");
    }

    #[test]
    fn a_digest_is_the_one_everybody_computes() {
        let bench = Bench::new(b"abc");
        let written = write(&bench.path("image"), &bench.path("disk"), Target::File).unwrap();
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(written.sha256.to_string(), known);
    }

    #[test]
    fn a_disk_that_is_not_there_is_an_error_and_no_file_appears() {
        let bench = Bench::new(b"abc");
        let target = bench.path("disk");
        let error = write(&bench.path("image"), &target, Target::Disk).unwrap_err().to_string();
        assert!(error.contains("cannot open"), "{error}");
        assert!(!target.exists());
    }
}
