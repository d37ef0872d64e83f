//! An image as `cargo xtask image` leaves it: `target/image/<board>-<variant>/`.
use super::board::{self, Board};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder of images, `target/image` of the checkout.
pub const IMAGES_VARIABLE: &str = "PORCHLIGHT_IMAGES";

/// Names the folder of boards, when it is not `hardware/` of the checkout that holds the images.
pub const HARDWARE_VARIABLE: &str = "PORCHLIGHT_HARDWARE";

/// Who an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// What owners flash.
    Gateway,
    /// With a serial shell and the guest agent.
    Dev,
}

impl Variant {
    /// As in folder names and in the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Dev => "dev",
        }
    }
}

/// Which image, on a command line.
#[derive(Debug, clap::Args)]
pub struct ImageArguments {
    /// The folder of images, `target/image` of a checkout
    #[arg(long)]
    images: PathBuf,
    /// A folder of hardware/
    #[arg(long, default_value = "qemu-x86_64")]
    board: String,
}

impl ImageArguments {
    /// The image for `variant`.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn open(&self, variant: Variant) -> Result<Image> {
        self.open_in(&self.images, variant)
    }

    /// The same from another folder of images.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn open_in(&self, images: &Path, variant: Variant) -> Result<Image> {
        Image::open(images, &self.board, variant)
    }
}

/// A disk image, and the board it was built for.
#[derive(Debug, Clone)]
pub struct Image {
    raw: PathBuf,
    board: Board,
    variant: Variant,
}

impl Image {
    /// Finds an image below `images`, and its board's data card.
    ///
    /// # Errors
    /// When the image was not built, or the data card has a mistake.
    pub fn open(images: &Path, board: &str, variant: Variant) -> Result<Self> {
        let folder = images.join(format!("{board}-{}", variant.name()));
        let raw = only_raw_file(&folder).with_context(|| {
            format!(
                "build it with `cargo xtask image --board {board} --variant {}`",
                variant.name()
            )
        })?;
        let hardware = std::env::var_os(HARDWARE_VARIABLE)
            .map_or_else(|| images.join("../../hardware"), PathBuf::from);
        let card = hardware.join(board).join("board.toml");
        let text = fs::read_to_string(&card).with_context(|| {
            format!("{}: no such board; {HARDWARE_VARIABLE} names the boards", card.display())
        })?;
        Ok(Self { raw, board: board::parse(card, &text)?, variant })
    }

    /// Finds an image below the folder that [`IMAGES_VARIABLE`] names.
    ///
    /// # Errors
    /// As [`Image::open`], and when the variable is not set.
    pub fn from_environment(board: &str, variant: Variant) -> Result<Self> {
        let images = std::env::var_os(IMAGES_VARIABLE).ok_or_else(|| {
            anyhow!("{IMAGES_VARIABLE} names no folder: run `cargo xtask test --tier qemu`")
        })?;
        Self::open(Path::new(&images), board, variant)
    }

    /// The disk image.
    #[must_use]
    pub fn raw(&self) -> &Path {
        &self.raw
    }

    /// The board.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Who it is for.
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.variant
    }
}

fn only_raw_file(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "raw") {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        count => bail!("{}: {count} .raw files, expected one", folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_not_built_says_how_to_build_it() {
        let images = tempfile::tempdir().unwrap();
        let error = Image::open(images.path(), "toaster", Variant::Dev).unwrap_err();
        let message = error.to_string();
        assert_eq!(message, "build it with `cargo xtask image --board toaster --variant dev`");
        let folder = images.path().join("toaster-dev");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.raw"), "").unwrap();
        fs::write(folder.join("a.efi"), "").unwrap();
        let error = Image::open(images.path(), "toaster", Variant::Dev).unwrap_err();
        assert!(error.to_string().ends_with("names the boards"), "{error}");
        fs::write(folder.join("b.raw"), "").unwrap();
        let error = Image::open(images.path(), "toaster", Variant::Dev).unwrap_err();
        assert!(format!("{error:#}").ends_with("2 .raw files, expected one"), "{error:#}");
    }
}
