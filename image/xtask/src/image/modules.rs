//! Kernel modules: which ones the image leaves out, with their firmware, and which ones the initrd
//! takes along.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::description::Kernel;
use super::removal::{expand, remove};
use super::staging::copy_file;

/// The one kernel release in the image.
fn release(root: &Path) -> Result<String> {
    let folder = root.join("usr/lib/modules");
    let names: Vec<String> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    match names.as_slice() {
        [one] => Ok(one.clone()),
        others => bail!("expected exactly one kernel in the image, found {others:?}"),
    }
}

/// Removes the modules and the firmware a board has no use for and indexes the rest again.
///
/// # Errors
/// A pattern matches nothing, or depmod fails.
pub(super) fn leave_out(root: &Path, kernel: &Kernel) -> Result<()> {
    let release = release(root)?;
    let modules = format!("usr/lib/modules/{release}/kernel");
    for (key, folder, patterns) in [
        ("leave_out_modules", modules.as_str(), &kernel.leave_out_modules),
        ("leave_out_firmware", "usr/lib/firmware", &kernel.leave_out_firmware),
    ] {
        for pattern in patterns {
            let found = expand(root, &format!("{folder}/{pattern}"))?;
            ensure!(!found.is_empty(), "board.toml: kernel.{key}: \"{pattern}\" matches nothing");
            for path in found {
                remove(&path)?;
            }
        }
    }
    write_index(root, &release)
}

fn write_index(root: &Path, release: &str) -> Result<()> {
    let status = Command::new("depmod").arg("-b").arg(root).arg(release).status()?;
    ensure!(status.success(), "depmod ended with {status}");
    Ok(())
}

/// Copies the modules `names`, what they depend on, and an index into the tree of the initrd,
/// unpacked: the archive is compressed as a whole, and the kernel then has less to do.
///
/// # Errors
/// A module is neither a file nor built into the kernel.
pub(super) fn copy(root: &Path, names: &[String], tree: &Path) -> Result<()> {
    let release = release(root)?;
    let folder = root.join("usr/lib/modules").join(&release);
    let dependencies = fs::read_to_string(folder.join("modules.dep"))?;
    let built_in = fs::read_to_string(folder.join("modules.builtin"))?;
    let mut wanted = BTreeSet::new();
    for name in names {
        let line = dependencies.lines().find(|line| {
            line.split_once(':').is_some_and(|(path, _)| module_name(path) == module_name(name))
        });
        match line {
            Some(line) => {
                wanted.extend(
                    line.split([':', ' ']).filter(|path| !path.is_empty()).map(PathBuf::from),
                );
            }
            None if built_in.lines().any(|path| module_name(path) == module_name(name)) => {}
            None => bail!(
                "board.toml: kernel.initrd_modules: the kernel {release} has no module \"{name}\""
            ),
        }
    }
    let target = tree.join("usr/lib/modules").join(&release);
    for module in &wanted {
        let to = target.join(module);
        fs::create_dir_all(to.parent().unwrap_or(&target))?;
        copy_file(&folder.join(module), &to)?;
        if to.extension().is_some_and(|extension| extension == "xz") {
            let status = Command::new("xz").args(["--decompress", "--quiet"]).arg(&to).status()?;
            ensure!(status.success(), "xz ended with {status} on {}", to.display());
        }
    }
    fs::create_dir_all(&target)?;
    for index in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        copy_file(&folder.join(index), &target.join(index))?;
    }
    write_index(tree, &release)
}

/// `kernel/drivers/md/dm-verity.ko.xz` as `dm_verity`, the way the kernel compares names.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}
