//! The staging folder: everything mkosi reads, copied to one place with modes that do not depend on
//! the umask of whoever checked the sources out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use super::description::{Board, PortRole};

/// Copies a tree: folders 0755, programs 0755, other files 0644, links as they are.
///
/// # Errors
/// A file cannot be read or written; the message names it.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    let mut entries = fs::read_dir(from)
        .with_context(|| format!("cannot read the folder {}", from.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            if target.symlink_metadata().is_ok() {
                fs::remove_file(&target)?;
            }
            symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies one file: 0755 if its owner may execute it, else 0644.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let describe = || format!("cannot copy {} to {}", from.display(), to.display());
    let executable = fs::metadata(from).with_context(describe)?.permissions().mode() & 0o100 != 0;
    fs::copy(from, to).with_context(describe)?;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).with_context(describe)
}

/// Writes a generated file, 0644, making the folders above it.
pub(super) fn write_file(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// Makes a folder and those above it, 0755.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    fs::create_dir(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// What the image learns from the board's card: the card itself, and a name for each port.
pub(super) fn write_board_files(board: &Board, card: &Path, tree: &Path) -> Result<()> {
    let share = tree.join("usr/share/porchlight");
    make_folder(&share)?;
    copy_file(card, &share.join("board.toml"))?;
    for port in &board.ports {
        let role = match port.role {
            PortRole::Lan => "the household's network",
            PortRole::Broadband => "the uplink over broadband",
            PortRole::Starlink => "the uplink over Starlink",
        };
        let link = format!(
            "# {role}, by where it is plugged in; from hardware/{}/board.toml.\n\
             [Match]\nPath={}\n\n[Link]\nDescription=Porchlight: {role}\nName={}\n\
             # A fresh address would look like a new customer to many providers.\n\
             MACAddressPolicy=none\n",
            board.name, port.path, port.name
        );
        write_file(&tree.join(format!("usr/lib/systemd/network/10-{}.link", port.name)), &link)?;
    }
    Ok(())
}
