//! `cargo xtask bench`: a table on the terminal and the same as flat JSON in `target/bench/`.

mod wan;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::command_line::{Bench, BenchName};
use crate::output::{say, step};
use crate::packages::Places;
use crate::{image, tools_root, world};

/// A table: names with their unit, and numbers.
type Figures = BTreeMap<String, f64>;

/// Measures what is asked for.
///
/// # Errors
/// Something does not build, boot or answer.
pub(crate) fn run(places: &Places, bench: &Bench) -> Result<()> {
    let folder = places.workspace.join("target/bench");
    fs::create_dir_all(&folder)?;
    let (name, figures) = match bench.name {
        BenchName::Boot => ("boot", boot(places, &folder, bench.cold)?),
        BenchName::Wan => return wan::run(places, &folder, &bench.wan),
    };
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")?;
    for (metric, value) in &figures {
        say(format!("{metric:<36} {value:>12.2}"));
    }
    say(format!("written to {}", path.display()));
    Ok(())
}

fn boot(places: &Places, folder: &Path, cold: bool) -> Result<Figures> {
    world::require_tun()?;
    let mut figures = Figures::new();
    let tools = tools_root::ensure(places)?;
    for (board, metric) in
        [("qemu-x86_64", "image_zst_mb"), ("generic-x86_64", "image_generic_zst_mb")]
    {
        let built = image::build(places, board, "gateway")?;
        image::compress(&tools, &built.folder)?;
        let bytes = fs::metadata(built.folder.join("porchlight.raw.zst"))?.len();
        #[expect(clippy::cast_precision_loss, reason = "an image is far below 2^53 bytes")]
        figures.insert(metric.to_owned(), bytes as f64 / 1e6);
    }
    let peer = image::build_plain(places, "qemu-x86_64")?;
    let program = world::program(places)?;
    let measure = |what: &str, arguments: &[&str], figures: &mut Figures| -> Result<()> {
        let _step = step(what);
        let part = folder.join("part.json");
        let status = world::command(places, &tools, program.as_os_str())
            .args(arguments)
            .arg("--json")
            .arg(&part)
            .status()?;
        ensure!(status.success(), "{what} failed");
        let text = fs::read_to_string(&part).with_context(|| format!("{what} wrote no table"))?;
        figures.extend(serde_json::from_str::<Figures>(&text)?);
        fs::remove_file(&part)?;
        Ok(())
    };
    measure("timing of the link emulator", &["timing"], &mut figures)?;
    let images = places.workspace.join("target/image");
    let images = images.to_str().context("the path of the sources is not UTF-8")?;
    let peer = peer.to_str().context("the path of the sources is not UTF-8")?;
    measure("boots", &["bench", "boot", "--images", images, "--peer", peer], &mut figures)?;
    figures.insert("up_warm_s".to_owned(), up_seconds(&places.workspace, None)?);
    if cold {
        figures.insert("up_cold_s".to_owned(), cold_up_seconds(places, folder)?);
    }
    Ok(figures)
}

/// `up` as a newcomer has it: a clone, no compiled code, nothing downloaded.
fn cold_up_seconds(places: &Places, folder: &Path) -> Result<f64> {
    let clone = folder.join("newcomer");
    if clone.exists() {
        fs::remove_dir_all(&clone)?;
    }
    let cloned = Command::new("git")
        .args(["clone", "--quiet"])
        .arg(&places.workspace)
        .arg(&clone)
        .status()
        .context("cannot run git")?;
    ensure!(cloned.success(), "cannot clone the sources to {}", clone.display());
    let seconds = up_seconds(&clone, Some(&clone.join("target/cache")))?;
    fs::remove_dir_all(&clone)?;
    Ok(seconds)
}

fn up_seconds(sources: &Path, cache: Option<&Path>) -> Result<f64> {
    let _step = step("cargo xtask up --headless");
    let started = Instant::now();
    let mut up = Command::new("cargo");
    up.args(["xtask", "up", "--headless"]).current_dir(sources);
    if let Some(cache) = cache {
        up.env("PORCHLIGHT_CACHE", cache).env_remove("CARGO_TARGET_DIR");
    }
    ensure!(up.status()?.success(), "cargo xtask up failed");
    Ok(started.elapsed().as_secs_f64())
}
