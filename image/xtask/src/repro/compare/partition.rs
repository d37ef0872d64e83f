//! One partition of two images: what it holds, and in which file or field the two differ.
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::gpt::Partition;
use super::tree::{self, Keeps};
use super::{Run, Told};

/// What a partition holds, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Erofs,
    Fat,
    Verity,
    Unknown,
}

impl Content {
    /// Looks at the start of a partition.
    pub(super) fn read(image: &File, partition: &Partition) -> anyhow::Result<Self> {
        let range = partition.bytes();
        let length = usize::try_from(range.end - range.start).unwrap_or(HEAD_BYTES);
        let mut head = vec![0; length.min(HEAD_BYTES)];
        image.read_exact_at(&mut head, range.start)?;
        Ok(Self::of(&head))
    }

    /// Superblock magics: FAT's by its type string (fatgen103, section 3.1), erofs at 1024
    /// (`fs/erofs/erofs_fs.h`), verity at 0 (veritysetup's on-disk header).
    fn of(head: &[u8]) -> Self {
        let has = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
        if has(1024, &0xe0f5_e1e2_u32.to_le_bytes()) {
            Self::Erofs
        } else if has(0, b"verity\0\0") {
            Self::Verity
        } else if has(82, b"FAT32   ") || has(54, b"FAT16   ") || has(54, b"FAT12   ") {
            Self::Fat
        } else {
            Self::Unknown
        }
    }

    /// As the report calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Fat => "FAT",
            Self::Verity => "verity hashes",
            Self::Unknown => "raw",
        }
    }
}

/// Enough of a partition to know what it holds.
const HEAD_BYTES: usize = 2048;

/// The two images and what it takes to unpack them.
pub(super) struct Pair<'a> {
    pub(super) one: &'a Path,
    pub(super) other: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) run: &'a Run<'a>,
}

impl Pair<'_> {
    /// Tells two partitions apart that differ from byte `at` on.
    pub(super) fn explain(
        &self,
        partition: &Partition,
        content: Content,
        at: u64,
    ) -> anyhow::Result<Told> {
        let somewhere = |why: &str| (Vec::new(), format!("differs from byte {at} on{why}"));
        let keeps = match content {
            Content::Erofs => Some(Keeps::Everything),
            Content::Fat => Some(Keeps::FileTimes),
            Content::Verity | Content::Unknown => None,
        };
        let mut told = Told::new();
        if let Some(keeps) = keeps {
            let folder = tempfile::tempdir_in(self.scratch)
                .with_context(|| format!("cannot make a folder in {}", self.scratch.display()))?;
            match self.unpack_both(folder.path(), partition, content) {
                Ok((one, other)) => told.extend(tree::differences(&one, &other, keeps)?),
                Err(error) => {
                    return Ok(vec![somewhere(&format!(" and cannot be unpacked: {error:#}"))]);
                }
            }
        }
        if told.is_empty() {
            told.extend(self.superblock_differences(partition, content));
        }
        if told.is_empty() {
            let why = match content {
                Content::Erofs | Content::Fat => {
                    " though every file is the same: look at owners and layout"
                }
                Content::Verity => ", as its data does",
                Content::Unknown => "",
            };
            told.push(somewhere(why));
        }
        Ok(told)
    }

    fn unpack_both(
        &self,
        folder: &Path,
        partition: &Partition,
        content: Content,
    ) -> anyhow::Result<(PathBuf, PathBuf)> {
        let start = partition.bytes().start;
        let (one, other) = (folder.join("one"), folder.join("other"));
        self.unpack(self.one, &one, start, content)?;
        self.unpack(self.other, &other, start, content)?;
        Ok((one, other))
    }

    fn unpack(
        &self,
        image: &Path,
        target: &Path,
        start: u64,
        content: Content,
    ) -> anyhow::Result<()> {
        fs::create_dir(target)?;
        let (image, target) = (text(image)?, text(target)?);
        if content == Content::Erofs {
            let extract = format!("--extract={target}");
            let offset = format!("--offset={start}");
            // The owners are those of a namespace with one user in it: nobody else's can be kept.
            let keep = ["--preserve-perms", "--no-preserve-owner", "--overwrite"];
            let mut command = vec!["fsck.erofs", "-d0", &extract, &offset];
            command.extend(keep);
            command.push(image);
            (self.run)(&command)?;
        } else {
            // mtools: `image@@offset`; times on FAT have no zone.
            let image = format!("{image}@@{start}");
            let mut command = vec!["env", "TZ=UTC", "MTOOLS_SKIP_CHECK=1"];
            command.extend(["mcopy", "-s", "-m", "-n", "-i", &image, "::*", target]);
            (self.run)(&command)?;
        }
        Ok(())
    }

    /// What the tools say about the partition itself: identifiers, times of making, salts. The
    /// files are already known to be the same, so a tool that fails only leaves less to say.
    fn superblock_differences(&self, partition: &Partition, content: Content) -> Told {
        let start = partition.bytes().start;
        let described = |image: &Path| {
            let path = text(image).ok()?;
            let (offset, within) = (format!("--offset={start}"), format!("{path}@@{start}"));
            let hash_offset = format!("--hash-offset={start}");
            let command = match content {
                Content::Erofs => vec!["env", "TZ=UTC", "dump.erofs", "-s", &offset, path],
                Content::Fat => vec!["env", "MTOOLS_SKIP_CHECK=1", "minfo", "-i", &within, "::"],
                Content::Verity => vec!["veritysetup", "dump", &hash_offset, path],
                Content::Unknown => return None,
            };
            let said = String::from_utf8_lossy(&(self.run)(&command).ok()?).into_owned();
            Some(said.lines().filter(|line| !line.contains(path)).map(words).collect::<Vec<_>>())
        };
        let (Some(ours), Some(theirs)) = (described(self.one), described(self.other)) else {
            return Told::new();
        };
        ours.into_iter()
            .zip(theirs)
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, theirs)| (Vec::new(), format!("{ours:?} and {theirs:?}")))
            .collect()
    }
}

/// A line with single blanks between its words.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn content_is_told_by_its_magic() {
        let mut head = vec![0; 2048];
        assert_eq!(Content::of(&head), Content::Unknown);
        head[82..90].copy_from_slice(b"FAT32   ");
        assert_eq!(Content::of(&head), Content::Fat);
        head[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        assert_eq!(Content::of(&head), Content::Erofs);
        assert_eq!(Content::of(b"verity\0\0"), Content::Verity);
    }
}
