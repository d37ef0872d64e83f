//! `cargo xtask repro`: the same sources, built a second time where everything that must not matter
//! is different, give the same bytes.
//!
//! Different are: the folder, the time of the build, umask, locale, time zone, host name, user, and
//! every cache of compiled code. The same are: the sources, the locks, the downloads.

mod compare;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command_line::Repro;
use crate::image;
use crate::output::{say, step};
use crate::packages::Places;
use crate::tools_root;

/// How a second builder differs. The host name is set while this user may, then an ordinary user
/// without any capability goes on.
const SURROUNDINGS: &str = "hostname somewhere-else && umask 077 && \
    exec unshare --user --map-user=4711 --map-group=4711 \"$@\"";

/// Builds twice and compares.
///
/// # Errors
/// A build fails, the image has drifted from its lock, or the two differ; then each difference is
/// named with its partition and file.
pub(crate) fn run(places: &Places, repro: &Repro) -> Result<()> {
    let (board, variant) = (repro.which.board.as_str(), repro.which.variant.as_str());
    let ours = image::build(places, board, variant)?;
    ensure!(
        repro.allow_drift || !ours.drift()?,
        "{board}-{variant} is marked +drift: a mirror no longer has the locked packages, so nobody \
         else can build the same; update the lock, or compare anyway with --allow-drift"
    );
    let elsewhere = places.workspace.join("target/repro/another place");
    if elsewhere.exists() {
        fs::remove_dir_all(&elsewhere)?;
    }
    copy_sources(&places.workspace, &elsewhere)?;
    build_elsewhere(places, &elsewhere, board, variant)?;
    let theirs = elsewhere.join("target/image").join(format!("{board}-{variant}"));
    let differences = compare(places, &ours.folder, &theirs)?;
    for difference in &differences {
        say(difference);
    }
    if !differences.is_empty() {
        bail!("the two images differ; the second one is in {}", theirs.display());
    }
    fs::remove_dir_all(&elsewhere)?;
    say(format!("{board}-{variant}: two builds, the same bytes"));
    Ok(())
}

/// Copies what git knows or would know, as it stands in the working tree.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let script = "git ls-files -z --cached --others --exclude-standard --deduplicate \
                  | tar --create --null --files-from=- --file=- --ignore-failed-read \
                  | tar --extract --file=- --directory \"$0\"";
    let status = Command::new("sh").args(["-c", script]).arg(to).current_dir(from).status()?;
    ensure!(status.success(), "cannot copy the sources to {}", to.display());
    Ok(())
}

fn build_elsewhere(places: &Places, elsewhere: &Path, board: &str, variant: &str) -> Result<()> {
    let _step = step(format!("building {board}-{variant} again, elsewhere"));
    let identity = image::identity::Identity::of(&places.workspace)?;
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--uts"])
        .args(["sh", "-c", SURROUNDINGS, "elsewhere"])
        .arg(own)
        .args(["image", "--board", board, "--variant", variant, "--disk-only"])
        .current_dir(elsewhere)
        .env("CARGO_MANIFEST_DIR", elsewhere.join("image/xtask"))
        .env_remove("CARGO_TARGET_DIR")
        .env("PORCHLIGHT_CACHE", &places.cache)
        .env("SOURCE_DATE_EPOCH", identity.source_date_epoch.to_string())
        .env("LC_ALL", "C")
        .env("LANG", "tr_TR.UTF-8")
        .env("TZ", "Pacific/Chatham")
        .status()
        .context("cannot run unshare")?;
    ensure!(status.success(), "the second build failed");
    Ok(())
}

fn compare(places: &Places, ours: &Path, theirs: &Path) -> Result<Vec<compare::Difference>> {
    let _step = step("comparing the two images");
    let tools = tools_root::ensure(places)?;
    let scratch = places.workspace.join("target/repro/scratch");
    fs::create_dir_all(&scratch)?;
    let run = |words: &[&str]| -> Result<Vec<u8>> {
        let (program, arguments) = words.split_first().context("expected a program")?;
        let output = tools
            .enter()
            .bind_read_only(ours, ours)
            .bind_read_only(theirs, theirs)
            .bind(&scratch, &scratch)
            .command(program)
            .args(arguments)
            .output()?;
        ensure!(
            output.status.success(),
            "{} ended with {}: {}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output.stdout)
    };
    compare::compare(ours, theirs, &scratch, &run)
}
