//! Collects everything that one image is made of into one staging folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::description::Variant;
use super::mkosi::Image;
use super::staging::{copy_file, copy_tree, make_folder, write_board_files, write_file};
use crate::settings;

/// `recipes/<service>/recipe.toml`: how a Porchlight service gets into the image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    #[expect(dead_code, reason = "read by people")]
    summary: String,
    #[serde(rename = "binary", default)]
    binaries: Vec<Binary>,
}

/// One program of a service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Binary {
    /// The crate it is compiled from.
    #[serde(rename = "crate")]
    package: String,
    /// The name cargo gives it.
    name: String,
    /// Where it is in the image.
    to: PathBuf,
}

/// Stages an image.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    /// The root of the source tree.
    pub(super) root: &'a Path,
    pub(super) image: &'a Image<'a>,
}

/// The crates whose programs the services of `variant` need.
pub(super) fn crates(root: &Path, variant: &Variant) -> Result<Vec<String>> {
    let mut crates = Vec::new();
    for service in &variant.services {
        crates.extend(recipe(root, service)?.binaries.into_iter().map(|binary| binary.package));
    }
    crates.sort();
    crates.dedup();
    Ok(crates)
}

fn recipe(root: &Path, service: &str) -> Result<Recipe> {
    settings::read(&root.join("recipes").join(service).join("recipe.toml"))
}

impl Stage<'_> {
    /// Fills `staging`, which must not exist yet.
    ///
    /// # Errors
    /// A part is missing or a recipe is wrong; the message names it.
    pub(super) fn fill(&self, staging: &Path) -> Result<()> {
        ensure!(!staging.exists(), "{} is in the way", staging.display());
        let image = self.root.join("image");
        let card = self.root.join("hardware").join(&self.image.board.name).join("board.toml");
        if self.image.plain {
            copy_tree(&image.join("plain"), staging)?;
            return self.trees(&staging.join("tree"), &card);
        }
        copy_tree(&image.join("repart"), &staging.join("repart"))?;
        copy_tree(&image.join("initrd"), &staging.join("initrd"))?;
        for file in ["mkosi.conf", "removed.toml", "started.toml"] {
            copy_file(&image.join(file), &staging.join(file))?;
        }
        copy_file(&card, &staging.join("board.toml"))?;
        self.trees(&staging.join("tree"), &card)?;
        scripts(staging)
    }

    /// The tree that is laid over the packages: overlays, recipes, programs, the board's facts.
    fn trees(&self, tree: &Path, card: &Path) -> Result<()> {
        for overlay in &self.image.variant.overlays {
            copy_tree(&self.root.join("overlays").join(overlay), tree)?;
        }
        for service in &self.image.variant.services {
            let own = self.root.join("recipes").join(service).join("root");
            if own.is_dir() {
                copy_tree(&own, tree)?;
            }
            for binary in recipe(self.root, service)?.binaries {
                let to = tree.join(binary.to.strip_prefix("/").unwrap_or(&binary.to));
                make_folder(to.parent().context("a program needs a folder")?)?;
                copy_file(&self.image.programs.join(&binary.name), &to)?;
                fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
            }
        }
        write_board_files(self.image.board, card, tree)?;
        write_file(&tree.join("usr/lib/os-release"), &self.os_release())
    }

    /// os-release(5). The variant is what `home` reads to say that an image has a shell.
    fn os_release(&self) -> String {
        let drift = if self.image.drift { "+drift" } else { "" };
        format!(
            "NAME=\"Porchlight\"\nID=porchlight\nID_LIKE=debian\n\
             PRETTY_NAME=\"Porchlight {version}{drift}\"\nIMAGE_ID=porchlight\n\
             IMAGE_VERSION={version}{drift}\nVERSION_ID={version}\nVARIANT_ID={variant}\n\
             PORCHLIGHT_BOARD={board}\nDEFAULT_HOSTNAME=porchlight\n",
            version = self.image.identity.version,
            variant = self.image.variant_name,
            board = self.image.board.name,
        )
    }
}

/// The scripts through which mkosi calls this program, which lies beside them.
fn scripts(staging: &Path) -> Result<()> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    copy_file(&own, &staging.join("xtask"))?;
    for (name, text) in [
        ("mkosi.prepare", "#!/bin/sh\nexec \"$SRCDIR/xtask\" inside prepare\n"),
        ("mkosi.finalize", "#!/bin/sh\nexec \"$SRCDIR/xtask\" inside finalize\n"),
    ] {
        let path = staging.join(name);
        write_file(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
