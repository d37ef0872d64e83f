//! Where things are: the source tree, and the cache that outlives it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Overrides the cache folder; the default is `~/.cache/porchlight`.
const CACHE_VARIABLE: &str = "PORCHLIGHT_CACHE";

/// The two folders that everything here works between.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The root of the source tree; holds `recipes/`.
    pub(crate) workspace: PathBuf,
    /// Downloads and the tools root. Safe to delete: everything in it can be made again.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// The tree that this tool was built from, and the cache that the environment asks for.
    ///
    /// # Errors
    /// There is neither `$PORCHLIGHT_CACHE` nor `$XDG_CACHE_HOME` nor `$HOME`.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let workspace = manifest
            .ancestors()
            .find(|folder| folder.join("recipes").is_dir())
            .with_context(|| format!("no recipes/ above {}", manifest.display()))?
            .to_owned();
        let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let cache = folder(CACHE_VARIABLE)
            .map(PathBuf::from)
            .or_else(|| folder("XDG_CACHE_HOME").map(|xdg| Path::new(&xdg).join("porchlight")))
            .or_else(|| folder("HOME").map(|home| Path::new(&home).join(".cache/porchlight")))
            .context("no home folder: set PORCHLIGHT_CACHE to a folder for downloads")?;
        Ok(Self { workspace, cache: std::path::absolute(cache)? })
    }

    /// Verified packages, each under its sha256.
    pub(crate) fn debs(&self) -> PathBuf {
        self.cache.join("debs")
    }

    /// A path inside `recipes/`.
    pub(crate) fn recipe(&self, name: &str) -> PathBuf {
        self.workspace.join("recipes").join(name)
    }
}
