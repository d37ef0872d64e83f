//! A disk image taken apart: the partition table, each partition by what is in it, and the rest.
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::gpt::{self, Partition, TABLE_BYTES, Table};
use super::partition::{Content, Pair};
use super::{Run, Told, bytes};

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
            let content = Content::read(&our_file, partition)?;
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

fn read_table(file: &File) -> anyhow::Result<Option<Table>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(TABLE_BYTES);
    let mut head = vec![0; TABLE_BYTES.min(length)];
    file.read_exact_at(&mut head, 0)?;
    Ok(Table::parse(&head))
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
    use super::{Table, gaps};
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
}
