//! A box's disk: a sparse copy of an image, so that the image itself is never written.
use super::image::Image;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How large a disk the tests give a box, in bytes: systemd-repart must find room for `/var` behind
/// the slots (1 GiB + 2 × (2 GiB + 128 MiB) = 5.25 GiB). Sparse: what is not written costs nothing.
pub const DISK_BYTES: u64 = 8 << 30;

/// A disk in a file.
#[derive(Debug, Clone)]
pub struct Disk {
    path: PathBuf,
}

/// A partition of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 1 on.
    pub number: usize,
    /// Its id.
    pub uuid: String,
    /// Its GPT name.
    pub name: String,
    /// Where it starts, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Disk {
    /// Writes an image onto a new disk of [`DISK_BYTES`], as `cargo xtask flash` would.
    pub(super) fn flash(image: &Path, path: &Path) -> Result<Self> {
        let mut copy = Command::new("cp");
        copy.args(["--reflink=auto", "--sparse=always", "--"]).arg(image).arg(path);
        run(&mut copy)?;
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        ensure!(length <= DISK_BYTES, "{}: larger than {DISK_BYTES} bytes", image.display());
        file.set_len(DISK_BYTES)?;
        Ok(Self { path: path.to_owned() })
    }

    /// An image itself, to read from.
    pub(super) fn of_image(image: &Image) -> Self {
        Self { path: image.raw().to_owned() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The partitions, in the order of the table.
    ///
    /// # Errors
    /// When the disk carries no partition table that `sfdisk` understands.
    pub fn partitions(&self) -> Result<Vec<Partition>> {
        parse(&run(Command::new("sfdisk").arg("--json").arg(&self.path))?)
    }

    /// The partition of this name.
    ///
    /// # Errors
    /// When there is none, with the names that there are.
    pub fn partition(&self, name: &str) -> Result<Partition> {
        let mut partitions = self.partitions()?;
        if let Some(index) = partitions.iter().position(|partition| partition.name == name) {
            return Ok(partitions.swap_remove(index));
        }
        let names: Vec<String> = partitions.into_iter().map(|partition| partition.name).collect();
        bail!("no partition `{name}`; there are {}", names.join(", "))
    }

    /// Inverts the byte at `offset` from the start of a partition and returns what it was.
    ///
    /// # Errors
    /// When the offset is outside the partition or the file cannot be written.
    pub fn flip_byte(&self, partition: &Partition, offset: u64) -> Result<u8> {
        ensure!(
            offset < partition.length,
            "byte {offset} is outside partition `{}` of {} bytes",
            partition.name,
            partition.length
        );
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, partition.start + offset)?;
        file.write_all_at(&[!byte[0]], partition.start + offset)?;
        Ok(byte[0])
    }

    /// Reads bytes at `offset` from the start of a partition.
    ///
    /// # Errors
    /// When the disk is shorter or cannot be read.
    pub fn read(&self, partition: &Partition, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        File::open(&self.path)?.read_exact_at(&mut bytes, partition.start + offset)?;
        Ok(bytes)
    }
}

pub(super) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, complaint.trim());
    Ok(output.stdout)
}

/// Reads what `sfdisk --json` prints.
fn parse(json: &[u8]) -> Result<Vec<Partition>> {
    #[derive(Deserialize)]
    struct Output {
        partitiontable: Table,
    }
    #[derive(Deserialize)]
    struct Table {
        sectorsize: u64,
        #[serde(default)]
        partitions: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        start: u64,
        size: u64,
        uuid: String,
        #[serde(default)]
        name: String,
    }
    let table = serde_json::from_slice::<Output>(json).context("sfdisk --json")?.partitiontable;
    let sector = table.sectorsize;
    let partition = |(index, entry): (usize, Entry)| Partition {
        number: index + 1,
        uuid: entry.uuid,
        name: entry.name,
        start: entry.start * sector,
        length: entry.size * sector,
    };
    Ok(table.partitions.into_iter().enumerate().map(partition).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{"partitiontable":{"label":"gpt","id":"X","device":"d","unit":"sectors",
        "firstlba":34,"lastlba":99,"sectorsize":512,"partitions":[
        {"node":"d1","start":2,"size":4,"type":"T","uuid":"U","name":"esp"},
        {"node":"d2","start":6,"size":1,"type":"T","uuid":"U"}]}}"#;

    #[test]
    fn a_table_is_read_in_bytes() {
        let partitions = parse(TABLE.as_bytes()).unwrap();
        let [name, uuid] = ["esp", "U"].map(str::to_owned);
        let esp = Partition { number: 1, uuid, name, start: 1024, length: 2048 };
        assert_eq!(partitions[0], esp);
        assert_eq!(partitions[1].name, "");
    }

    #[test]
    fn a_flipped_byte_is_the_one_asked_for_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { path: folder.path().join("disk.raw") };
        std::fs::write(&disk.path, [7; 4096]).unwrap();
        let esp = &parse(TABLE.as_bytes()).unwrap()[0];
        assert_eq!(disk.flip_byte(esp, 3).unwrap(), 7);
        let bytes = std::fs::read(&disk.path).unwrap();
        assert_eq!(bytes[1027], !7);
        assert_eq!(bytes.iter().filter(|&&byte| byte != 7).count(), 1);
        assert_eq!(disk.read(esp, 2, 2).unwrap(), [7, !7]);
        assert!(disk.flip_byte(esp, 2048).is_err());
    }
}
