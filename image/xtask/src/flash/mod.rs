//! `cargo xtask flash`: writes an image to a disk, after showing what that erases and asking.
//!
//! One thread. [`devices`] and [`plan`] decide from what `lsblk` says and touch nothing;
//! [`write`] moves the bytes. An interrupted run leaves a disk that does not boot; running again
//! starts over.
mod devices;
mod plan;
mod write;

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::packages::{Places, Sha256Hex};
use crate::{command_line, image, output};
use devices::Device;
use plan::Plan;

/// What is written to where, and what the person has already agreed to.
#[derive(Debug)]
struct Request<'a> {
    /// The `.raw` of an image.
    pub(crate) image: &'a Path,
    /// Whether the image was built from packages other than the locked ones.
    pub(crate) is_drift: bool,
    /// `--allow-drift`: write it even so.
    pub(crate) allow_drift: bool,
    /// A whole disk: `/dev/sdb`, or a link to one as in `/dev/disk/by-id`.
    pub(crate) target: &'a Path,
    /// `--file`: the target is a plain file, new or to be replaced. Nothing is asked.
    pub(crate) into_file: bool,
    /// `--yes SERIAL`: what a script says instead of answering.
    pub(crate) yes: Option<&'a str>,
}

/// Writes the image, reads it back, compares, and says what to do next.
///
/// # Errors
/// A target that must not or cannot be written, a person who says no, a disk that does not hold
/// what was written to it.
fn run(request: &Request<'_>) -> anyhow::Result<()> {
    let Request { image, target, .. } = request;
    if request.is_drift && !request.allow_drift {
        bail!(
            "{} is marked +drift: it was not built from the locked packages, so nobody can \
             rebuild and check it; build it again with the locked packages, or add --allow-drift",
            image.display()
        );
    }
    let image_bytes = fs::metadata(image)
        .with_context(|| format!("there is no image at {}; build it first", image.display()))?
        .len();
    ensure!(image_bytes > 0, "{} is empty; build it again", image.display());
    let written = if request.into_file {
        write_to_file(image, target)?
    } else {
        let plan = agreed_plan(request, image_bytes)?;
        write_to_disk(image, &plan)?
    };
    output::say(format!("Written and read back: sha256 {written}"));
    if !request.into_file {
        output::say(
            "Unplug the disk, put it into the box, connect broadband, Starlink and a computer \
             to the ports named on its card in hardware/, and switch it on. The light is at \
             http://porchlight.local",
        );
    }
    Ok(())
}

/// `cargo xtask flash`: builds the image if it is stale and writes it.
///
/// # Errors
/// As [`run`], and when the image does not build.
pub(crate) fn verb(places: &Places, flash: &command_line::Flash) -> anyhow::Result<()> {
    // A wrong name is told before minutes are spent on an image.
    if !flash.file {
        disk(&flash.device)?;
    }
    let built = image::build(places, &flash.board, &flash.variant)?;
    run(&Request {
        image: &built.folder.join("porchlight.raw"),
        is_drift: built.drift()?,
        allow_drift: flash.allow_drift,
        target: &flash.device,
        into_file: flash.file,
        yes: flash.yes.as_deref(),
    })
}

/// The device behind the name of a disk.
fn disk(target: &Path) -> anyhow::Result<PathBuf> {
    let path = fs::canonicalize(target)
        .with_context(|| format!("there is no {}; name a disk", target.display()))?;
    ensure!(
        fs::metadata(&path)?.file_type().is_block_device(),
        "{} is no disk; name one, or write into a plain file with --file",
        target.display()
    );
    Ok(path)
}

fn agreed_plan(request: &Request<'_>, image_bytes: u64) -> anyhow::Result<Plan> {
    let path = disk(request.target)?;
    let path = path.to_str().context("the name of the disk is not UTF-8")?;
    let plan = plan::plan(&list_devices()?, path, image_bytes)?;
    for line in plan.warning() {
        output::say(line);
    }
    match request.yes {
        Some(serial) => plan.check_serial(serial)?,
        None => {
            let answer = output::ask(plan.question()).context("cannot read your answer")?;
            let answer = answer.context("nobody answered; scripts say --yes SERIAL")?;
            ensure!(plan.is_agreed_by(&answer), "{answer:?} is not that disk; nothing was written");
        }
    }
    Ok(plan)
}

fn list_devices() -> anyhow::Result<Vec<Device>> {
    let output = Command::new("lsblk")
        .args(["--json", "--bytes", "--output", devices::COLUMNS])
        .output()
        .context("cannot start lsblk, which lists the disks; install util-linux")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "lsblk cannot list the disks: {}", said.trim());
    devices::parse(&String::from_utf8_lossy(&output.stdout))
}

fn write_to_disk(image: &Path, plan: &Plan) -> anyhow::Result<Sha256Hex> {
    let disk = Path::new(&plan.path);
    let written = write::write(image, disk, write::Target::Disk)?;
    // Read from the disk, not from memory. Where this fails the check is only weaker.
    let flushed = Command::new("blockdev").arg("--flushbufs").arg(disk).status();
    if !flushed.is_ok_and(|status| status.success()) {
        output::warn("blockdev could not flush the disk's buffers: the check may read memory");
    }
    write::verify(disk, &written)?;
    Ok(written.sha256)
}

fn write_to_file(image: &Path, target: &Path) -> anyhow::Result<Sha256Hex> {
    if let Ok(metadata) = fs::metadata(target) {
        ensure!(metadata.is_file(), "{} is no plain file; leave --file out", target.display());
    }
    let (image, path): (PathBuf, PathBuf) =
        (fs::canonicalize(image)?, fs::canonicalize(target).unwrap_or_else(|_| target.into()));
    ensure!(image != path, "{} is the image itself", target.display());
    let written = write::write(&image, &path, write::Target::File)?;
    write::verify(&path, &written)?;
    Ok(written.sha256)
}

#[cfg(test)]
mod tests;
