//! The partition table of a disk image (UEFI Specification 2.10, section 5.3), as far as telling
//! two of them apart needs it. Checksums are not verified: firmware does that.
use std::fmt;

/// Our images have sectors of this size; firmware under QEMU reads no other.
pub(super) const SECTOR_BYTES: u64 = 512;

/// The first bytes of an image that hold the whole table: the usual 128 entries of 128 bytes end
/// at 17 KiB.
pub(super) const TABLE_BYTES: usize = 1 << 20;

/// Entries of a table that is no nonsense.
const ENTRIES_MAX: u32 = 1024;

/// A GUID as it lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guid([u8; 16]);

impl fmt::Display for Guid {
    /// The first three fields are little-endian on the disk, the rest is as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, index) in
            [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].into_iter().enumerate()
        {
            if [4, 6, 8, 10].contains(&position) {
                write!(f, "-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Counted from 1, as in `/dev/sda1`.
    pub(super) number: usize,
    pub(super) kind: Guid,
    pub(super) identity: Guid,
    pub(super) first_sector: u64,
    pub(super) last_sector: u64,
    pub(super) attributes: u64,
    pub(super) label: String,
}

impl Partition {
    /// Where it lies in the image.
    pub(super) fn bytes(&self) -> std::ops::Range<u64> {
        let end = self.last_sector.saturating_add(1).saturating_mul(SECTOR_BYTES);
        self.first_sector.saturating_mul(SECTOR_BYTES)..end
    }
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) disk: Guid,
    pub(super) partitions: Vec<Partition>,
}

impl Table {
    /// Reads the table from the first [`TABLE_BYTES`] of an image; nothing if there is none.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let header = head.get(512..1024)?;
        if !header.starts_with(b"EFI PART") {
            return None;
        }
        let start = usize::try_from(number(header, 72, 8)?.checked_mul(SECTOR_BYTES)?).ok()?;
        let count = u32::try_from(number(header, 80, 4)?).ok().filter(|n| *n <= ENTRIES_MAX)?;
        let size = usize::try_from(number(header, 84, 4)?).ok().filter(|n| *n >= 128)?;
        let mut partitions = Vec::new();
        for index in 0..usize::try_from(count).ok()? {
            let at = start.checked_add(index.checked_mul(size)?)?;
            let entry = head.get(at..at.checked_add(size)?)?;
            if entry[..16] != [0; 16] {
                partitions.push(partition(index + 1, entry)?);
            }
        }
        Some(Self { disk: guid(header, 56)?, partitions })
    }
}

fn partition(number_of: usize, entry: &[u8]) -> Option<Partition> {
    let name: Vec<u16> = entry
        .get(56..128)?
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    Some(Partition {
        number: number_of,
        kind: guid(entry, 0)?,
        identity: guid(entry, 16)?,
        first_sector: number(entry, 32, 8)?,
        last_sector: number(entry, 40, 8)?,
        attributes: number(entry, 48, 8)?,
        label: String::from_utf16_lossy(&name),
    })
}

/// A little-endian number of up to eight bytes.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn guid(bytes: &[u8], at: usize) -> Option<Guid> {
    bytes.get(at..at + 16)?.try_into().ok().map(Guid)
}

/// Every way in which two tables differ, in words.
pub(super) fn differences(one: &Table, other: &Table) -> Vec<String> {
    let mut list = Vec::new();
    if one.disk != other.disk {
        list.push(format!("the disk's GUID is {} and {}", one.disk, other.disk));
    }
    if one.partitions.len() != other.partitions.len() {
        let (ours, theirs) = (one.partitions.len(), other.partitions.len());
        list.push(format!("there are {ours} and {theirs} partitions"));
    }
    for (ours, theirs) in one.partitions.iter().zip(&other.partitions) {
        let mut say = |field: &str, ours_is: String, theirs_is: String| {
            if ours_is != theirs_is {
                let number = ours.number;
                list.push(format!("partition {number}: its {field} is {ours_is} and {theirs_is}"));
            }
        };
        say("number", ours.number.to_string(), theirs.number.to_string());
        say("label", ours.label.clone(), theirs.label.clone());
        say("type", ours.kind.to_string(), theirs.kind.to_string());
        say("GUID", ours.identity.to_string(), theirs.identity.to_string());
        say("first sector", ours.first_sector.to_string(), theirs.first_sector.to_string());
        say("last sector", ours.last_sector.to_string(), theirs.last_sector.to_string());
        say("attributes", format!("{:#x}", ours.attributes), format!("{:#x}", theirs.attributes));
    }
    list
}

#[cfg(test)]
pub(super) mod tests {
    use super::{TABLE_BYTES, Table, differences};

    /// A table with one partition a label, each of `sectors` from sector 2048 on.
    pub(in crate::repro::compare) fn head(labels: &[&str], sectors: u64) -> Vec<u8> {
        let mut head = vec![0; TABLE_BYTES];
        head[512..520].copy_from_slice(b"EFI PART");
        head[568..584].copy_from_slice(&[0xaa; 16]);
        head[584..592].copy_from_slice(&2_u64.to_le_bytes());
        head[592..596].copy_from_slice(&128_u32.to_le_bytes());
        head[596..600].copy_from_slice(&128_u32.to_le_bytes());
        for (index, label) in labels.iter().enumerate() {
            let entry = &mut head[1024 + 128 * index..1024 + 128 * (index + 1)];
            let first = 2048 + sectors * index as u64;
            entry[..16].copy_from_slice(&[1; 16]);
            entry[16..32].copy_from_slice(&[2; 16]);
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&(first + sectors - 1).to_le_bytes());
            for (unit, slot) in label.encode_utf16().zip(entry[56..].chunks_exact_mut(2)) {
                slot.copy_from_slice(&unit.to_le_bytes());
            }
        }
        head
    }

    #[test]
    fn a_table_is_read() {
        let table = Table::parse(&head(&["esp", "usr-a"], 100)).unwrap();
        let seen: Vec<_> =
            table.partitions.iter().map(|p| (p.number, p.label.as_str(), p.bytes())).collect();
        let first = 2048 * 512;
        let length = 100 * 512;
        assert_eq!(
            seen,
            [(1, "esp", first..first + length), (2, "usr-a", first + length..first + 2 * length)]
        );
    }

    #[test]
    fn what_is_no_table_is_none() {
        assert_eq!(Table::parse(&[0; 4096]), None);
        assert_eq!(Table::parse(b"EFI PART"), None);
        let mut cut = head(&["esp"], 100);
        cut.truncate(1100);
        assert_eq!(Table::parse(&cut), None);
        let mut absurd = head(&["esp"], 100);
        absurd[592..596].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Table::parse(&absurd), None);
    }

    #[test]
    fn each_difference_of_two_tables_is_told() {
        let one = Table::parse(&head(&["esp", "usr-a"], 100)).unwrap();
        assert!(differences(&one, &one).is_empty());
        let mut head = head(&["esp", "usr-b"], 100);
        head[568] = 0xab;
        head[1024 + 128 + 16] = 3;
        let other = Table::parse(&head).unwrap();
        assert_eq!(
            differences(&one, &other),
            [
                "the disk's GUID is aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa and \
                 aaaaaaab-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
                "partition 2: its label is usr-a and usr-b",
                "partition 2: its GUID is 02020202-0202-0202-0202-020202020202 and \
                 02020203-0202-0202-0202-020202020202",
            ]
        );
    }
}
