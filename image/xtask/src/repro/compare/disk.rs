//! A disk image taken apart: the partition table, each partition by what is in it, and the rest.
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;

use super::gpt::{self, Partition, TABLE_BYTES, Table};
use super::tree::{self, Keeps};
use super::{Run, Told, bytes};

/// What a partition holds, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Erofs,
    Fat,
    Verity,
    Unknown,
}

impl Content {
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

    fn name(self) -> &'static str {
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

/// Tells two disk images apart.
pub(super) fn explain(
    one: &Path,
    other: &Path,
    scratch: &Path,
    run: &Run<'_>,
) -> anyhow::Result<Told> {
    let (our_file, their_file) = (bytes::open(one)?, bytes::open(other)?);
    let mut told = Told::new();
    let (ours, theirs) = (our_file.metadata()?.len(), their_file.metadata()?.len());
    if ours != theirs {
        told.push((Vec::new(), format!("{ours} and {theirs} bytes long")));
    }
    let (Some(table), Some(their_table)) = (read_table(&our_file)?, read_table(&their_file)?)
    else {
        return Ok(told);
    };
    let in_table = gpt::differences(&table, &their_table);
    told.extend(in_table.into_iter().map(|what| (vec!["partition table".to_owned()], what)));
    let length = ours.min(theirs);
    for partition in &table.partitions {
        // One that lies elsewhere or has another size is told above.
        let same_place = their_table
            .partitions
            .iter()
            .any(|their| their.bytes() == partition.bytes() && their.number == partition.number);
        if !same_place || partition.bytes().end > length {
            continue;
        }
        let found = bytes::first_difference_within(&our_file, &their_file, partition.bytes())?;
        if let Some(at) = found {
            let at = at - partition.bytes().start;
            let content = Content::of(&head(&our_file, partition.bytes())?);
            let place =
                format!("partition {} {} ({})", partition.number, partition.label, content.name());
            let pair = Pair { one, other, scratch, run };
            for (inner, what) in pair.explain(partition, content, at)? {
                told.push(([vec![place.clone()], inner].concat(), what));
            }
        }
    }
    if told.is_empty() {
        for gap in gaps(&table, length) {
            if let Some(at) = bytes::first_difference_within(&our_file, &their_file, gap)? {
                let place = "outside the partitions".to_owned();
                told.push((vec![place], format!("differs from byte {at} on")));
            }
        }
    }
    Ok(told)
}

/// The two images and what it takes to unpack them.
struct Pair<'a> {
    one: &'a Path,
    other: &'a Path,
    scratch: &'a Path,
    run: &'a Run<'a>,
}

impl Pair<'_> {
    fn explain(&self, partition: &Partition, content: Content, at: u64) -> anyhow::Result<Told> {
        let fallback = |why: &str| vec![(Vec::new(), format!("differs from byte {at} on{why}"))];
        let keeps = match content {
            Content::Erofs => Keeps::Everything,
            Content::Fat => Keeps::FileTimes,
            Content::Verity => {
                return Ok(fallback(", as its data does or because its salt does"));
            }
            Content::Unknown => return Ok(fallback("")),
        };
        let folder = tempfile::tempdir_in(self.scratch)
            .with_context(|| format!("cannot make a folder in {}", self.scratch.display()))?;
        let unpacked =
            self.unpack(self.one, folder.path(), "one", partition, content).and_then(|one| {
                Ok((one, self.unpack(self.other, folder.path(), "other", partition, content)?))
            });
        let (one, other) = match unpacked {
            Ok(pair) => pair,
            Err(error) => return Ok(fallback(&format!(" and cannot be unpacked: {error:#}"))),
        };
        let told = tree::differences(&one, &other, keeps)?;
        if told.is_empty() {
            let why = " though every file is the same: look at owners, identifiers and layout";
            return Ok(fallback(why));
        }
        Ok(told)
    }

    fn unpack(
        &self,
        image: &Path,
        folder: &Path,
        name: &str,
        partition: &Partition,
        content: Content,
    ) -> anyhow::Result<std::path::PathBuf> {
        let target = folder.join(name);
        fs::create_dir(&target)?;
        let start = partition.bytes().start;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
        if content == Content::Erofs {
            let extract = format!("--extract={}", path(&target)?);
            let offset = format!("--offset={start}");
            // The owners are those of a namespace with one user in it: nobody else's can be kept.
            let keep = ["--preserve-perms", "--no-preserve-owner", "--overwrite"];
            let image = path(image)?;
            let mut command = vec!["fsck.erofs", "-d0", &extract, &offset];
            command.extend(keep);
            command.push(&image);
            (self.run)(&command)?;
        } else {
            // mtools: `image@@offset`; times on FAT have no zone.
            let image = format!("{}@@{start}", path(image)?);
            let settings = ["env", "TZ=UTC", "MTOOLS_SKIP_CHECK=1"];
            let target = path(&target)?;
            let mut command = settings.to_vec();
            command.extend(["mcopy", "-s", "-m", "-n", "-i", &image, "::*", &target]);
            (self.run)(&command)?;
        }
        Ok(target)
    }
}

fn read_table(file: &File) -> anyhow::Result<Option<Table>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(TABLE_BYTES);
    let mut head = vec![0; TABLE_BYTES.min(length)];
    file.read_exact_at(&mut head, 0)?;
    Ok(Table::parse(&head))
}

fn head(file: &File, partition: Range<u64>) -> anyhow::Result<Vec<u8>> {
    let length = usize::try_from(partition.end - partition.start).unwrap_or(HEAD_BYTES);
    let mut head = vec![0; length.min(HEAD_BYTES)];
    file.read_exact_at(&mut head, partition.start)?;
    Ok(head)
}

/// What lies before, between and after the partitions.
fn gaps(table: &Table, length: u64) -> Vec<Range<u64>> {
    let mut taken: Vec<_> = table.partitions.iter().map(Partition::bytes).collect();
    taken.sort_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut at = 0;
    for range in taken {
        if range.start > at {
            gaps.push(at..range.start.min(length));
        }
        at = at.max(range.end);
    }
    if at < length {
        gaps.push(at..length);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::{Content, Table, gaps};
    use crate::repro::compare::gpt::tests::head;

    #[test]
    fn gaps_are_what_no_partition_covers() {
        let table = Table::parse(&head(&["esp", "usr-a"], 100)).unwrap();
        let start = 2048 * 512;
        let end = start + 2 * 100 * 512;
        assert_eq!(gaps(&table, end + 512), [0..start, end..end + 512]);
        assert_eq!(gaps(&table, end).first(), Some(&(0..start)));
        assert_eq!(gaps(&table, end).len(), 1);
    }

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
