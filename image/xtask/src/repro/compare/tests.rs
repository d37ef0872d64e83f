//! Whole images compared. Those with file systems in them need the tools root: its folder comes
//! in `PORCHLIGHT_TOOLS_ROOT`, and without it these tests say that they were skipped.
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;

use super::compare;
use super::gpt::tests::head;

/// Of each partition: 4 MiB, where FAT12 and a small erofs are at home.
const PARTITION_SECTORS: u64 = 8192;
const PARTITION_BYTES: usize = 4 << 20;

fn no_tools(_: &[&str]) -> anyhow::Result<Vec<u8>> {
    anyhow::bail!("no tool was expected")
}

/// Two image folders and a scratch folder beside them.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "other", "scratch"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn differences(&self, run: &super::Run<'_>) -> anyhow::Result<Vec<String>> {
        let (one, other) = (self.path("one"), self.path("other"));
        let list = compare(&one, &other, &self.path("scratch"), run)?;
        Ok(list.iter().map(ToString::to_string).collect())
    }
}

#[test]
fn a_folder_without_an_image_is_an_error() {
    let bench = Bench::new();
    let error = bench.differences(&no_tools).unwrap_err();
    assert!(error.to_string().contains("has neither a .raw nor a .efi"));
}

#[test]
fn a_missing_artefact_is_a_difference() {
    let bench = Bench::new();
    fs::write(bench.path("one/a.raw"), "a").unwrap();
    fs::write(bench.path("one/a.efi"), "a").unwrap();
    fs::write(bench.path("other/a.raw"), "a").unwrap();
    fs::write(bench.path("other/ignored.json"), "a").unwrap();
    let list = bench.differences(&no_tools).unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].starts_with("a.efi: is missing in ") && list[0].ends_with("/other"));
}

#[test]
fn a_flipped_byte_is_placed_by_the_partition_table() {
    let mut image = head(&["esp", "usr-a"], 16);
    image.resize((2048 + 40) * 512, 0);
    let second = (2048 + 16) * 512;
    let cases = [
        (second + 5, "a.raw: partition 2 usr-a (raw): differs from byte 5 on"),
        (100, "a.raw: outside the partitions: differs from byte 100 on"),
        (image.len() - 1, "a.raw: outside the partitions: differs from byte 1069055 on"),
        (1024 + 56, "a.raw: partition table: partition 1: its label is esp and dsp"),
    ];
    for (at, expected) in cases {
        let bench = Bench::new();
        fs::write(bench.path("one/a.raw"), &image).unwrap();
        let mut flipped = image.clone();
        flipped[at] ^= 1;
        fs::write(bench.path("other/a.raw"), &flipped).unwrap();
        assert_eq!(bench.differences(&no_tools).unwrap(), [expected]);
    }
}

#[test]
fn a_partition_no_tool_can_unpack_is_still_named() {
    let mut image = head(&["usr-a"], 16);
    image.resize((2048 + 16) * 512, 0);
    image[2048 * 512 + 1024..][..4].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
    let bench = Bench::new();
    fs::write(bench.path("one/a.raw"), &image).unwrap();
    image[2048 * 512 + 2000] = 1;
    fs::write(bench.path("other/a.raw"), &image).unwrap();
    let list = bench.differences(&no_tools).unwrap();
    let expected = "a.raw: partition 1 usr-a (erofs): differs from byte 2000 on and cannot be \
                    unpacked: no tool was expected";
    assert_eq!(list, [expected]);
}

/// The tools root, or nothing after saying so.
fn tools_root() -> Option<PathBuf> {
    let root = std::env::var_os("PORCHLIGHT_TOOLS_ROOT").map(PathBuf::from);
    if root.is_none() {
        // Not eprintln!: the test harness would keep that to itself.
        let line = "SKIPPED: PORCHLIGHT_TOOLS_ROOT names no tools root, so nothing was unpacked";
        writeln!(std::io::stderr(), "{line}").unwrap();
    }
    root
}

/// Runs in the tools root with `bench` at its own path.
fn inside(root: &Path, bench: &Path, command: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("bwrap")
        .args(["--unshare-user", "--uid", "0", "--gid", "0", "--ro-bind"])
        .arg(root)
        .args(["/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind"])
        .args([bench, bench])
        .args(command)
        .output()
        .context("cannot start bwrap")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} failed: {}", said.trim());
    Ok(output.stdout)
}

/// Writes a file and sets its time to the one all of them have.
fn write_settled(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    settle(path);
}

fn settle(path: &Path) {
    let settled = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::open(path).unwrap().set_modified(settled).unwrap();
}

/// What goes into the image: an ESP with a loader's settings and a /usr with two files.
fn plant(tree: &Path) {
    let folders = ["esp", "esp/loader", "usr", "usr/lib"].map(|folder| tree.join(folder));
    fs::create_dir(tree).unwrap();
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    for (path, text) in [
        ("esp/loader/loader.conf", "timeout 0\n"),
        ("usr/lib/os-release", "ID=porchlight\n"),
        ("usr/lib/machine", "same\n"),
    ] {
        write_settled(&tree.join(path), text);
    }
    for folder in &folders {
        settle(folder);
    }
}

/// Builds the same image from the same tree, whenever and wherever it is called.
fn build(root: &Path, bench: &Bench, tree: &Path, identity: &str, image: &Path) {
    let run = |command: &[&str]| {
        inside(root, bench.folder.path(), command).unwrap();
    };
    let esp = bench.path("scratch/esp");
    let usr = bench.path("scratch/usr");
    fs::write(&esp, vec![0; PARTITION_BYTES]).unwrap();
    let (esp, usr) = (esp.to_str().unwrap(), usr.to_str().unwrap());
    let tree = tree.to_str().unwrap();
    run(&["mkfs.vfat", "-i", "01020304", "--invariant", esp]);
    let loader = format!("{tree}/esp/loader");
    run(&[
        "env",
        "TZ=UTC",
        "SOURCE_DATE_EPOCH=1700000000",
        "mcopy",
        "-s",
        "-m",
        "-i",
        esp,
        &loader,
        "::",
    ]);
    run(&[
        "mkfs.erofs",
        "--quiet",
        "--mkfs-time",
        "-T1700000000",
        "-U",
        identity,
        usr,
        &format!("{tree}/usr"),
    ]);
    let mut whole = head(&["esp", "usr-a"], PARTITION_SECTORS);
    whole.extend(fs::read(esp).unwrap());
    whole.extend(fs::read(usr).unwrap());
    whole.resize(whole.len().next_multiple_of(PARTITION_BYTES) + (1 << 20), 0);
    fs::write(image, whole).unwrap();
    for path in [esp, usr] {
        fs::remove_file(path).unwrap();
    }
}

const IDENTITY: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";

/// Differences between the image of a tree and that of the same tree after `change`.
fn after(root: &Path, change: impl Fn(&Path)) -> Vec<String> {
    let bench = Bench::new();
    let (first, second) = (bench.path("scratch/first"), bench.path("scratch/second"));
    plant(&first);
    plant(&second);
    change(&second);
    build(root, &bench, &first, IDENTITY, &bench.path("one/a.raw"));
    build(root, &bench, &second, IDENTITY, &bench.path("other/a.raw"));
    bench.differences(&|command| inside(root, bench.folder.path(), command)).unwrap()
}

#[test]
fn the_same_tree_gives_the_same_image() {
    let Some(root) = tools_root() else {
        return;
    };
    assert_eq!(after(&root, |_| ()), Vec::<String>::new());
}

#[test]
fn a_file_that_differs_in_usr_is_named() {
    let Some(root) = tools_root() else {
        return;
    };
    let list = after(&root, |tree| {
        write_settled(&tree.join("usr/lib/os-release"), "ID=porchnight\n");
    });
    let expected = "a.raw: partition 2 usr-a (erofs): /lib/os-release: its content differs from \
                    byte 8 on";
    assert_eq!(list, [expected]);
}

#[test]
fn a_time_that_differs_in_usr_is_named() {
    let Some(root) = tools_root() else {
        return;
    };
    let list = after(&root, |tree| {
        let at = UNIX_EPOCH + Duration::from_secs(2_100_000_000);
        File::open(tree.join("usr/lib/machine")).unwrap().set_modified(at).unwrap();
    });
    let expected = "a.raw: partition 2 usr-a (erofs): /lib/machine: its time is \
                    1700000000.000000000 and 2100000000.000000000";
    assert!(list[0].starts_with(expected), "{list:?}");
}

#[test]
fn a_file_that_differs_on_the_esp_is_named() {
    let Some(root) = tools_root() else {
        return;
    };
    let list = after(&root, |tree| {
        write_settled(&tree.join("esp/loader/loader.conf"), "timeout 9\n");
    });
    let expected = "a.raw: partition 1 esp (FAT): /loader/loader.conf: its content differs from \
                    byte 8 on";
    assert_eq!(list, [expected]);
}

#[test]
fn an_identifier_that_differs_is_named() {
    let Some(root) = tools_root() else {
        return;
    };
    let bench = Bench::new();
    let tree = bench.path("scratch/tree");
    plant(&tree);
    let other = "01020304-0506-0708-090a-0b0c0d0e0f11";
    build(&root, &bench, &tree, IDENTITY, &bench.path("one/a.raw"));
    build(&root, &bench, &tree, other, &bench.path("other/a.raw"));
    let list = bench.differences(&|command| inside(&root, bench.folder.path(), command)).unwrap();
    let place = "a.raw: partition 2 usr-a (erofs)";
    let identifiers = format!("\"Filesystem UUID: {IDENTITY}\" and \"Filesystem UUID: {other}\"");
    assert_eq!(list, [format!("{place}: {identifiers}")]);
}

#[test]
fn a_salt_that_differs_is_named() {
    let Some(root) = tools_root() else {
        return;
    };
    let bench = Bench::new();
    let (data, hashes) = (bench.path("scratch/data"), bench.path("scratch/hashes"));
    for (folder, salt) in [("one", "11"), ("other", "22")] {
        fs::write(&data, vec![0; 1 << 20]).unwrap();
        fs::write(&hashes, vec![0; PARTITION_BYTES]).unwrap();
        let (uuid, salt) = (format!("--uuid={IDENTITY}"), format!("--salt={salt}"));
        let (data, hash) = (data.to_str().unwrap(), hashes.to_str().unwrap());
        let command = ["veritysetup", "format", &uuid, &salt, data, hash];
        inside(&root, bench.folder.path(), &command).unwrap();
        let mut whole = head(&["usr-a-verity"], PARTITION_SECTORS);
        whole.extend(fs::read(hash).unwrap());
        fs::write(bench.path(folder).join("a.raw"), whole).unwrap();
    }
    let list = bench.differences(&|command| inside(&root, bench.folder.path(), command)).unwrap();
    let place = "a.raw: partition 1 usr-a-verity (verity hashes)";
    assert_eq!(list, [format!("{place}: \"Salt: 11\" and \"Salt: 22\"")]);
}
