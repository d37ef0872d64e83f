//! One run of mkosi: what it is told, and what it leaves behind.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::description::{Board, Variant};
use super::identity::Identity;
use super::stage::Stage;
use crate::packages::{self, PackageName, Places};
use crate::tools_root::ToolsRoot;

/// Every image's part of the kernel's command line; the root hash of `/usr` is added by mkosi.
///
/// `/` is memory, `/usr` is opened by the hash, and whatever goes wrong ends in a reboot that the
/// boot loader counts rather than in a shell (kernel-command-line(7),
/// systemd-veritysetup-generator(8)). Huge pages make the kernel keep 40 MB of a small box free for
/// them (`set_recommended_min_free_kbytes` in mm/khugepaged.c); who needs them can ask at run time.
/// The security modules are those that something here uses; nothing reads audit records, and loop
/// devices are made when somebody asks for one.
const COMMAND_LINE: &str = "root=tmpfs rootflags=size=25%,mode=0755 mount.usr=/dev/mapper/usr \
    mount.usrfstype=erofs mount.usrflags=ro,nodev quiet loglevel=4 panic=10 \
    systemd.crash_action=reboot systemd.show_status=no systemd.gpt_auto=no \
    transparent_hugepage=never lsm=landlock,lockdown,yama audit=0 loop.max_loop=0";

/// The yardstick's: Debian's initrd finds the root file system by the name mkosi gives it.
const PLAIN_COMMAND_LINE: &str = "root=PARTLABEL=root-x86-64 rw";

/// Large clusters compress better; everything in `/usr` belongs to root (mkfs.erofs(1)).
const EROFS_OPTIONS: &str = "SYSTEMD_REPART_MKFS_OPTIONS_EROFS=-C65536 --all-root";

/// Everything one image is made of.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) board: &'a Board,
    pub(super) variant: &'a Variant,
    pub(super) variant_name: &'a str,
    pub(super) identity: &'a Identity,
    pub(super) repository: &'a Path,
    /// The package sets to install.
    pub(super) sets: &'a [&'a str],
    /// Whether packages or tools are newer than the lock.
    pub(super) drift: bool,
    /// The yardstick of the benchmarks instead of an image.
    pub(super) plain: bool,
    /// The folder with the compiled services.
    pub(super) programs: &'a Path,
}

impl Image<'_> {
    /// Builds into `work/out`: the disk, the kernel, and mkosi's list of packages.
    ///
    /// # Errors
    /// Staging fails, or mkosi does; its output is in `work/log` and the end of it in the message.
    pub(super) fn assemble(&self, places: &Places, tools: &ToolsRoot, work: &Path) -> Result<()> {
        for folder in ["out", "scratch", "cache"] {
            fs::create_dir_all(work.join(folder))
                .with_context(|| format!("cannot make {}", work.display()))?;
        }
        Stage { root: &places.workspace, image: self }.fill(&work.join("staging"))?;
        let log = work.join("log");
        let file = fs::File::create(&log)?;
        let status = tools
            .enter()
            .bind(work, "/build")
            .bind_read_only(self.repository, "/packages")
            .working_directory("/build/staging")
            .command("mkosi")
            .args(self.arguments(places)?)
            .stdin(std::process::Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()
            .context("cannot start mkosi in the tools root")?;
        ensure!(
            status.success(),
            "mkosi ended with {status}; {} ends with\n{}",
            log.display(),
            tail(&log)
        );
        for unneeded in ["porchlight", "porchlight.initrd", "porchlight.vmlinuz"] {
            let path = work.join("out").join(unneeded);
            if path.symlink_metadata().is_ok() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn arguments(&self, places: &Places) -> Result<Vec<String>> {
        let drift = if self.drift { "+drift" } else { "" };
        let mut arguments: Vec<String> = [
            "--directory=/build/staging",
            "--output-dir=/build/out",
            "--workspace-dir=/build/scratch",
            "--package-cache-dir=/build/cache",
            "--local-mirror=file:///packages",
            "--extra-tree=tree",
            "--output=porchlight",
            "--manifest-format=json",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--image-version={}{drift}", self.identity.version));
        arguments.push(format!("--source-date-epoch={}", self.identity.source_date_epoch));
        arguments.push(format!("--environment={EROFS_OPTIONS}"));
        let own = if self.plain { PLAIN_COMMAND_LINE } else { COMMAND_LINE };
        for part in [own, &self.board.kernel.command_line, &self.variant.command_line] {
            arguments.extend(
                part.split_whitespace().map(|word| format!("--kernel-command-line={word}")),
            );
        }
        for package in self.package_names(places)? {
            arguments.push(format!("--package={package}"));
        }
        arguments.extend(["--force".to_owned(), "build".to_owned()]);
        Ok(arguments)
    }

    fn package_names(&self, places: &Places) -> Result<Vec<PackageName>> {
        let known = packages::read_sets(&places.workspace.join("recipes"))?;
        let mut names = Vec::new();
        for set in self.sets {
            let set = known.get(*set).with_context(|| {
                format!("the package set \"{set}\" is not in recipes/: expected {set}.toml there")
            })?;
            names.extend(set.packages.keys().cloned());
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// The last lines of a log, for a message.
fn tail(log: &Path) -> String {
    const LINES: usize = 25;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
