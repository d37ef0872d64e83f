//! The two moments at which mkosi calls us while it builds: after the packages are in (`prepare`)
//! and before the disk is made (`finalize`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::description::Board;
use super::initrd::{self, Initrd};
use super::removal::{Removed, remove};
use super::units::{self, Started};
use super::{modules, staging};
use crate::settings;

/// Parts of `/etc` that only package scripts or other init systems read.
const NOT_IN_FACTORY: &[&str] = &[
    ".pwd.lock",
    "apt",
    "cron.d",
    "cron.daily",
    "cron.weekly",
    "debconf.conf",
    "default",
    "dpkg",
    "fstab",
    "group-",
    "gshadow-",
    "init.d",
    "initramfs-tools",
    "kernel",
    "logrotate.d",
    "machine-id",
    "adduser.conf",
    "alternatives",
    "deluser.conf",
    "e2scrub.conf",
    "mtab",
    "opt",
    "passwd-",
    "rc0.d",
    "rc1.d",
    "rc2.d",
    "rc3.d",
    "rc4.d",
    "rc5.d",
    "rc6.d",
    "rcS.d",
    "rmt",
    "shadow-",
    "subgid-",
    "subuid-",
    "systemd/network",
    "systemd/system",
    "systemd/user",
    "update-motd.d",
];

/// Where mkosi tells us the tree, our staging folder and the folder for artefacts are.
struct Places {
    root: PathBuf,
    staging: PathBuf,
    artifacts: PathBuf,
}

impl Places {
    fn from_environment() -> Result<Self> {
        let read = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set; expected mkosi to call"))
        };
        Ok(Self {
            root: read("BUILDROOT")?,
            staging: read("SRCDIR")?,
            artifacts: read("ARTIFACTDIR")?,
        })
    }
}

/// After the packages are installed: nothing starts but what is listed.
///
/// # Errors
/// A file cannot be read or written, or a list is wrong; the message names it.
pub(crate) fn prepare() -> Result<()> {
    let places = Places::from_environment()?;
    let units = places.root.join("usr/lib/systemd/system");
    units::drop_inherited(&units)?;
    let alias = units.join("default.target");
    if alias.symlink_metadata().is_ok() {
        fs::remove_file(&alias)?;
    }
    let started: Started = settings::read(&places.staging.join("started.toml"))?;
    units::link(&started.targets, &units)
}

/// Before the disk is made: remove what is not used, keep `/etc` as the factory, pack the initrd.
///
/// # Errors
/// A file cannot be read or written, or a list is wrong; the message names it.
pub(crate) fn finalize() -> Result<()> {
    let places = Places::from_environment()?;
    let board: Board = settings::read(&places.staging.join("board.toml"))?;
    modules::leave_out(&places.root, &board.kernel)?;
    units::check(&places.root.join("usr/lib/systemd/system"))?;
    accounts_exist(&places.root, &places.staging.join("tree"))?;
    let description: Initrd = settings::read(&places.staging.join("initrd/initrd.toml"))?;
    let initrds = places.artifacts.join("io.mkosi.initrd");
    fs::create_dir_all(&initrds)?;
    initrd::assemble(
        &description,
        &places.root,
        &places.staging.join("initrd/root"),
        &board.kernel.initrd_modules,
        &initrds.join("initrd.cpio.zst"),
    )?;
    let removed: Removed = settings::read(&places.staging.join("removed.toml"))?;
    removed.apply(&places.root)?;
    keep_licences(&places.root)?;
    factory(&places.root)?;
    one_boot_folder(&places.root)
}

/// Kernel and boot loader meet in one folder here, not in systemd-repart's copy of two: that one
/// would give the EFI folder the time of the build.
fn one_boot_folder(root: &Path) -> Result<()> {
    let boot = root.join("boot");
    remove(&boot)?;
    std::os::unix::fs::symlink("efi", &boot)
        .with_context(|| format!("cannot make the link {}", boot.display()))
}

/// systemd-sysusers skips a line it does not like; a service without its user then fails at boot.
fn accounts_exist(root: &Path, tree: &Path) -> Result<()> {
    let passwd = fs::read_to_string(root.join("etc/passwd"))?;
    let folder = tree.join("usr/lib/sysusers.d");
    for file in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        for name in
            text.lines().filter(|l| l.starts_with('u')).filter_map(|l| l.split_whitespace().nth(1))
        {
            ensure!(
                passwd.lines().any(|line| line.split(':').next() == Some(name)),
                "{}: systemd-sysusers did not make the user \"{name}\"; expected a line it likes",
                path.display()
            );
        }
    }
    Ok(())
}

/// Of `/usr/share/doc`, the copyright files stay.
fn keep_licences(root: &Path) -> Result<()> {
    let doc = root.join("usr/share/doc");
    for package in fs::read_dir(&doc)? {
        let package = package?.path();
        if !package.is_dir() || package.is_symlink() {
            remove(&package)?;
            continue;
        }
        for file in fs::read_dir(&package)? {
            let file = file?;
            if file.file_name() != "copyright" {
                remove(&file.path())?;
            }
        }
    }
    Ok(())
}

/// `/etc` as it stands becomes the factory from which each boot lays it.
fn factory(root: &Path) -> Result<()> {
    let (etc, factory) = (root.join("etc"), root.join("usr/share/factory/etc"));
    for name in NOT_IN_FACTORY {
        let path = etc.join(name);
        if path.symlink_metadata().is_ok() {
            remove(&path)?;
        }
    }
    // A password hash here would be a password: there is none in any image.
    let shadow = fs::read_to_string(etc.join("shadow"))?;
    for line in shadow.lines() {
        let (name, hash) = line.split_once(':').unwrap_or((line, ""));
        let hash = hash.split(':').next().unwrap_or_default();
        ensure!(
            hash.starts_with(['!', '*']),
            "/etc/shadow: {name} has a password or none; expected a locked one"
        );
    }
    if factory.exists() {
        fs::remove_dir_all(&factory)?;
    }
    staging::copy_tree(&etc, &factory)?;
    for secret in ["shadow", "gshadow"] {
        let path = factory.join(secret);
        if path.exists() {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_s_user_must_have_been_made() {
        let folder = tempfile::tempdir().unwrap();
        let (root, tree) = (folder.path().join("root"), folder.path().join("tree"));
        let users = tree.join("usr/lib/sysusers.d");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(&users).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:\nhome:x:900:900::/:\n").unwrap();
        fs::write(users.join("home.conf"), "# the light\nu home 900 -\ng lamp -\n").unwrap();
        accounts_exist(&root, &tree).unwrap();
        fs::write(users.join("wan.conf"), "u hom 901 -\n").unwrap();
        let error = accounts_exist(&root, &tree).unwrap_err().to_string();
        assert!(error.contains("did not make the user \"hom\""), "{error}");
    }
}
