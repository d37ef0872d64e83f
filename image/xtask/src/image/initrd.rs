//! The initrd: a few files of the image, the libraries they need, the kernel modules that find the
//! disk, packed as one compressed cpio archive whose bytes depend on nothing but its contents.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::modules;
use super::removal::Group;
use super::staging::{copy_file, copy_tree};
use super::units::{self, Target};

/// Links a program through may follow before we call it a loop.
const LINK_DEPTH: usize = 8;

/// `image/initrd/initrd.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Initrd {
    #[serde(rename = "group")]
    groups: Vec<Group>,
    #[serde(rename = "target")]
    targets: Vec<Target>,
}

/// Packs the initrd of the image at `root` into `archive`.
///
/// # Errors
/// A listed file or module is not in the image, or a tool fails.
pub(super) fn assemble(
    description: &Initrd,
    root: &Path,
    own: &Path,
    board_modules: &[String],
    archive: &Path,
) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a scratch folder for the initrd")?;
    let tree = scratch.path().join("initrd");
    lay_folders(&tree)?;
    let mut files = BTreeSet::new();
    for group in &description.groups {
        ensure!(!group.why.trim().is_empty(), "initrd.toml: {:?}: expected a reason", group.paths);
        for path in &group.paths {
            add(root, Path::new(path), &mut files, 0)
                .with_context(|| format!("initrd.toml: \"{path}\""))?;
        }
    }
    add_libraries(root, &mut files)?;
    for file in &files {
        place(root, file, &tree)?;
    }
    copy_tree(own, &tree)?;
    units::link(&description.targets, &tree.join("usr/lib/systemd/system"))?;
    units::check(&tree.join("usr/lib/systemd/system"))?;
    copy_file(&root.join("usr/lib/os-release"), &tree.join("usr/lib/initrd-release"))?;
    symlink("../usr/lib/initrd-release", tree.join("etc/initrd-release"))?;
    symlink("usr/lib/systemd/systemd", tree.join("init"))?;
    symlink("initrd.target", tree.join("usr/lib/systemd/system/default.target"))?;
    modules::copy(root, board_modules, &tree)?;
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/usr/bin/false\n")?;
    fs::write(tree.join("etc/group"), accounts(root)?)?;
    run(Command::new("ldconfig").arg("-X").arg("-r").arg(&tree))?;
    pack(&tree, archive)
}

/// The groups that udev's rules name, with the numbers they have in the image.
fn accounts(root: &Path) -> Result<String> {
    let path = root.join("etc/group");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn lay_folders(tree: &Path) -> Result<()> {
    for folder in [
        "dev",
        "etc",
        "proc",
        "root",
        "run",
        "sys",
        "sysroot",
        "sysusr",
        "tmp",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "var/tmp",
    ] {
        fs::create_dir_all(tree.join(folder))?;
    }
    for (link, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("var/run", "../run"),
    ] {
        symlink(target, tree.join(link))?;
    }
    fs::create_dir_all(tree.join("usr/sbin"))?;
    symlink("dash", tree.join("usr/bin/sh"))?;
    Ok(())
}

/// Adds `path` and, if it is a link, what it leads to.
fn add(root: &Path, path: &Path, files: &mut BTreeSet<PathBuf>, depth: usize) -> Result<()> {
    ensure!(depth < LINK_DEPTH, "more than {LINK_DEPTH} links in a row");
    let path = below_usr(path);
    let full = root.join(path.strip_prefix("/").unwrap_or(&path));
    let kind = fs::symlink_metadata(&full).context("not in the image")?;
    ensure!(!kind.is_dir(), "is a folder; expected a file");
    if kind.is_symlink() {
        let target = fs::read_link(&full)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        add(root, &normalized(&parent.join(target)), files, depth + 1)?;
    }
    files.insert(path);
    Ok(())
}

/// `/lib/x` as `/usr/lib/x`: the merged-usr links exist in the initrd too.
fn below_usr(path: &Path) -> PathBuf {
    for top in ["/bin", "/sbin", "/lib", "/lib64"] {
        if let Ok(rest) = path.strip_prefix(top) {
            return Path::new("/usr").join(&top[1..]).join(rest);
        }
    }
    path.to_path_buf()
}

fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::Normal(name) => result.push(name),
            _ => {}
        }
    }
    result
}

/// Adds every shared library that a file in the set needs, until nothing new turns up.
fn add_libraries(root: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let mut looked_at = BTreeSet::new();
    loop {
        let pending: Vec<PathBuf> = files.difference(&looked_at).cloned().collect();
        if pending.is_empty() {
            return Ok(());
        }
        for file in pending {
            looked_at.insert(file.clone());
            for library in needed(&root.join(file.strip_prefix("/").unwrap_or(&file)))? {
                let found = [
                    "/usr/lib/x86_64-linux-gnu",
                    "/usr/lib/x86_64-linux-gnu/systemd",
                    "/usr/lib64",
                ]
                .iter()
                .map(|folder| Path::new(folder).join(&library))
                .find(|path| root.join(path.strip_prefix("/").unwrap_or(path)).exists());
                let Some(found) = found else {
                    bail!("{}: needs {library}, which is not in the image", file.display())
                };
                add(root, &found, files, 0)?;
            }
        }
    }
}

/// The names in an ELF file's `NEEDED` entries; none for other files.
fn needed(file: &Path) -> Result<Vec<String>> {
    let head = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if !head.starts_with(b"\x7fELF") {
        return Ok(Vec::new());
    }
    let output = Command::new("readelf").arg("--wide").arg("--dynamic").arg(file).output()?;
    ensure!(output.status.success(), "readelf failed on {}", file.display());
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .collect())
}

fn place(root: &Path, file: &Path, tree: &Path) -> Result<()> {
    let relative = file.strip_prefix("/").unwrap_or(file);
    let (from, to) = (root.join(relative), tree.join(relative));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(&from)?.is_symlink() {
        symlink(fs::read_link(&from)?, &to)?;
        return Ok(());
    }
    copy_file(&from, &to)
}

/// One cpio archive in name order, all files root's and dated like the image, compressed with zstd.
fn pack(tree: &Path, archive: &Path) -> Result<()> {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").context("mkosi sets SOURCE_DATE_EPOCH")?;
    let script = format!(
        "find . -print0 | sort -z > ../names && xargs -0 -a ../names touch -h -d @{epoch} && \
         cpio --null --create --format=newc --reproducible --renumber-inodes \
         --owner=+0:+0 --quiet < ../names | zstd -q -19 -T1 > \"$0\""
    );
    run(Command::new("sh")
        .args(["-eu", "-c", &script])
        .arg(archive)
        .current_dir(tree)
        .stdin(Stdio::null()))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
