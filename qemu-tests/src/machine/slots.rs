//! Two systems on one disk, as after an update: what is in the slots, and the boot loader's tries.
use super::disk::{Disk, run};
use super::image::Image;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::process::Command;

/// The name that systemd-sysupdate gives to a slot that may be written.
const EMPTY: &str = "_empty";

/// Where the boot loader looks for kernels (Boot Loader Specification, type 2).
const KERNELS: &str = "::/EFI/Linux";

impl Disk {
    /// Writes another image's system into the empty slot and its kernel into the boot partition
    /// under `kernel_name`, which ends in `+TRIES.efi`, as an update does.
    ///
    /// # Errors
    /// When the disk has no empty slot, or a tool refuses.
    pub fn install_beside(&self, other: &Image, kernel_name: &str) -> Result<()> {
        let theirs = Self::of_image(other);
        for name in ["usr-a", "usr-a-verity"] {
            let from = theirs.partition(name)?;
            let to = self
                .partitions()?
                .into_iter()
                .find(|slot| slot.name == EMPTY && slot.length == from.length)
                .with_context(|| format!("no empty slot for `{name}`"))?;
            let mut copy = Command::new("dd");
            copy.args(["bs=1M", "iflag=skip_bytes,count_bytes", "oflag=seek_bytes"])
                .args(["conv=notrunc,sparse", "status=none"])
                .args([option("if=", theirs.path()), option("of=", self.path())])
                .arg(format!("skip={}", from.start))
                .arg(format!("count={}", from.length))
                .arg(format!("seek={}", to.start));
            run(&mut copy)?;
            // The kernel finds its slot by an id that is half of its root hash.
            let number = to.number.to_string();
            for (what, value) in
                [("--part-uuid", &from.uuid), ("--part-label", &name.replace("-a", "-b"))]
            {
                let mut set = Command::new("sfdisk");
                run(set.arg("--quiet").arg(what).arg(self.path()).args([&number, value]))?;
            }
        }
        let kernel = other.raw().with_extension("efi");
        self.mtools("mcopy", |copy| copy.arg(kernel).arg(format!("{KERNELS}/{kernel_name}")))?;
        Ok(())
    }

    /// The file names of the kernels in the boot partition, sorted. The boot loader counts in them:
    /// `+LEFT-DONE` tries, and nothing once a boot was good.
    ///
    /// # Errors
    /// When the boot partition cannot be read.
    pub fn kernels(&self) -> Result<Vec<String>> {
        let listing = self.mtools("mdir", |list| list.args(["-b", KERNELS]))?;
        let listing = String::from_utf8(listing).context("mdir")?;
        let names = listing.lines().filter_map(|path| path.rsplit('/').next());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Gives a kernel another file name, and with it other tries.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn rename_kernel(&self, from: &str, to: &str) -> Result<()> {
        self.mtools("mren", |rename| rename.args([format!("{KERNELS}/{from}"), to.to_owned()]))?;
        Ok(())
    }

    fn mtools(
        &self,
        program: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Vec<u8>> {
        let mut image = self.path().as_os_str().to_owned();
        image.push(format!("@@{}", self.partition("esp")?.start));
        let mut command = Command::new(program);
        command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(image);
        run(arguments(&mut command))
    }
}

fn option(key: &str, path: &std::path::Path) -> OsString {
    let mut word = OsString::from(key);
    word.push(path);
    word
}
