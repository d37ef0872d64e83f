//! Runs mkosi in the tools root and puts what it made where `up`, `test` and `flash` look for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::artefacts;
use super::description::{Board, Variant};
use super::identity::{Identity, fingerprint};
use super::mkosi::Image;
use super::stage;
use crate::command_line;
use crate::output::{self, step};
use crate::packages::{self, Places, Which};
use crate::tools_root::{self, ToolsRoot};

/// The file in an image's folder that says what it was built from.
const FINGERPRINT: &str = "fingerprint";

/// There when packages or tools were newer than the lock.
const DRIFT: &str = "drift";

/// An image on this disk.
#[derive(Debug)]
pub(crate) struct Built {
    /// `target/image/<board>-<variant>`.
    pub(crate) folder: PathBuf,
}

impl Built {
    /// Whether the image was built from packages newer than the lock.
    ///
    /// # Errors
    /// mkosi's list of packages is not where it should be.
    pub(crate) fn drift(&self) -> Result<bool> {
        Ok(fs::read_to_string(self.folder.join(DRIFT)).is_ok())
    }
}

/// `cargo xtask image`.
///
/// # Errors
/// The build fails, or a release's other artefacts cannot be written.
pub(crate) fn run(places: &Places, request: &command_line::Image) -> Result<()> {
    let built = build(places, &request.which.board, &request.which.variant)?;
    if !request.disk_only {
        let tools = tools_root::ensure(places)?;
        artefacts::write(places, &tools, &built.folder, &Identity::of(&places.workspace)?.version)?;
    }
    output::say(format!("{}", built.folder.display()));
    Ok(())
}

/// An image, or the plain Debian that the benchmarks hold beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Plain,
}

/// The full kernel as Debian installs it, whatever the board.
const PLAIN_KERNEL: &str = "kernel-generic";

/// Builds the image of `board` and `variant` unless it is fresh.
///
/// # Errors
/// Anything from a wrong card to a full disk; the message says what to do.
pub(crate) fn build(places: &Places, board: &str, variant: &str) -> Result<Built> {
    build_in(places, &places.workspace.join("target/image"), Kind::Image, board, variant)
}

/// Builds the yardstick of the benchmarks unless it is fresh, and says in which folder of images.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_plain(places: &Places, board: &str) -> Result<PathBuf> {
    let images = places.workspace.join("target/image-plain");
    build_in(places, &images, Kind::Plain, board, "gateway")?;
    Ok(images)
}

fn build_in(
    places: &Places,
    images: &Path,
    kind: Kind,
    board_name: &str,
    variant_name: &str,
) -> Result<Built> {
    let name = format!("{board_name}-{variant_name}");
    let folder = images.join(&name);
    let fresh = fingerprint(&places.workspace, board_name, variant_name)?;
    if fs::read_to_string(folder.join(FINGERPRINT)).is_ok_and(|built| built == fresh) {
        output::say(format!("• {} is up to date", folder.display()));
        return Ok(Built { folder });
    }
    let _step = step(match kind {
        Kind::Image => format!("building the image {name}"),
        Kind::Plain => format!("building a plain Debian with the services of {name}"),
    });
    let work = images.join(format!(".{name}.new"));
    if work.exists() {
        fs::remove_dir_all(&work).context("cannot remove what an interrupted build left behind")?;
    }
    make(places, kind, board_name, variant_name, &work)?;
    fs::write(work.join("out").join(FINGERPRINT), fresh)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(work.join("out"), &folder)?;
    fs::remove_dir_all(&work)?;
    Ok(Built { folder })
}

/// Gathers everything an image is made of, and makes it in `work/out`.
fn make(places: &Places, kind: Kind, board: &str, variant_name: &str, work: &Path) -> Result<()> {
    let board = Board::read(&places.workspace, board)?;
    let variant = Variant::read(&places.workspace, variant_name)?;
    let identity = Identity::of(&places.workspace)?;
    let tools = tools_root::ensure(places)?;
    let mut sets: Vec<&str> = variant.packages.iter().map(String::as_str).collect();
    match kind {
        Kind::Image => sets.extend(board.kernel.packages.iter().map(String::as_str)),
        Kind::Plain => sets.push(PLAIN_KERNEL),
    }
    let obtained = packages::obtain(places, Which::ImageSets(&sets))?;
    let crates = stage::crates(&places.workspace, &variant)?;
    let crates: Vec<&str> = crates.iter().map(String::as_str).collect();
    let programs = tools_root::compile(places, &tools, &crates)?;
    let image = Image {
        board: &board,
        variant: &variant,
        variant_name,
        identity: &identity,
        repository: &obtained.repository,
        sets: &sets,
        drift: !obtained.drift.is_empty() || !tools.drift().is_empty(),
        plain: kind == Kind::Plain,
        programs: &programs,
    };
    image.assemble(places, &tools, work)?;
    if image.drift {
        fs::write(work.join("out").join(DRIFT), "+drift\n")?;
    }
    Ok(())
}

/// Writes the download of an image if it is older than the disk.
///
/// # Errors
/// zstd fails or the disk is full.
pub(crate) fn compress(tools: &ToolsRoot, folder: &Path) -> Result<()> {
    artefacts::compress(tools, folder)
}
