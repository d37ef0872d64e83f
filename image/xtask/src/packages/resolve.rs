//! Asks this machine's apt which packages the sets stand for, in a state of its own.
//!
//! apt sees an empty machine, Debian 13's suites and nothing of `/etc/apt` but the settings of
//! how to reach a mirror. It checks Debian's signature on the indexes; what it names is therefore
//! as trustworthy as the keyring of the `debian-archive-keyring` package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use super::exclusive::exclusive;
use super::lock::{Archive, Lock, LockedPackage};
use super::mirrors::Mirrors;
use super::places::Places;
use super::sets::PackageName;
use super::sha256::Sha256Hex;
use crate::output;

/// The release that everything is made of.
pub(crate) const RELEASE: &str = "trixie";

/// The architecture of every board.
pub(crate) const ARCHITECTURE: &str = "amd64";

/// `non-free-firmware` holds the firmware and microcode of real machines, and nothing else.
const COMPONENTS: &str = "main non-free-firmware";

/// Installed on every Debian; holds the keys of releases to come as well.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Always installed first, by mmdebstrap and mkosi alike.
const FOUNDATION: [&str; 2] = ["?essential", "base-files"];

/// An apt with indexes of today. Holds a file lock, so that two tools do not share the folder.
#[derive(Debug)]
pub(crate) struct Resolver {
    folder: PathBuf,
    mirrors: Mirrors,
    _alone: File,
}

impl Resolver {
    /// Fetches today's signed indexes.
    ///
    /// # Errors
    /// apt or Debian's keyring is not on this machine, no mirror can be reached, or an index does
    /// not carry Debian's signature.
    pub(crate) fn open(places: &Places) -> Result<Self> {
        ensure!(
            Path::new(KEYRING).exists(),
            "{KEYRING} is missing: it proves that the package lists come from Debian. \
             `apt-get install debian-archive-keyring` provides it"
        );
        let folder = places.cache.join("apt");
        for part in ["state/lists/partial", "cache/archives/partial", "etc/conf.d"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot make {}", folder.join(part).display()))?;
        }
        let alone = exclusive(&folder)?;
        let mirrors = Mirrors::of_this_machine();
        let resolver = Self { folder, mirrors, _alone: alone };
        fs::write(resolver.folder.join("status"), "")?;
        fs::write(resolver.folder.join("apt.conf"), resolver.configuration())?;
        resolver.update()?;
        Ok(resolver)
    }

    /// apt.conf(5): our own folders, and the machine's own ways to the network.
    fn configuration(&self) -> String {
        let folder = self.folder.display();
        let mut text = format!(
            "Dir \"{folder}\";\nDir::Etc \"etc\";\nDir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"conf.d\";\nDir::State \"state\";\n\
             Dir::State::status \"{folder}/status\";\nDir::Cache \"cache\";\n\
             APT::Architecture \"{ARCHITECTURE}\";\nAPT::Architectures \"{ARCHITECTURE}\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"\";\n\
             APT::Update::Error-Mode \"any\";\nDebug::NoLocking \"true\";\n\
             Acquire::ForceHash \"SHA256\";\nAcquire::Languages \"none\";\n\
             Acquire::GzipIndexes \"false\";\n\
             Acquire::Retries \"2\";\nAcquire::http::Timeout \"20\";\n"
        );
        let dump = Command::new("apt-config").arg("dump").env("LC_ALL", "C").output();
        let dump = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let ours = ["IndexTargets", "Languages", "ForceHash", "GzipIndexes"]
            .map(|setting| format!("Acquire::{setting}"));
        for line in dump.unwrap_or_default().lines() {
            if line.starts_with("Acquire::")
                && !ours.iter().any(|key| line.starts_with(key.as_str()))
            {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Fetches the indexes from the first mirrors that answer.
    fn update(&self) -> Result<()> {
        let _step = output::step("reading Debian's package lists");
        let choices = |archive| self.mirrors.of(archive);
        let rounds = choices(Archive::Debian).len().max(choices(Archive::DebianSecurity).len());
        let mut complaint = String::new();
        for round in 0..rounds {
            let pick = |archive| {
                let urls = choices(archive);
                &urls[round.min(urls.len() - 1)]
            };
            let (debian, security) = (pick(Archive::Debian), pick(Archive::DebianSecurity));
            let source = |url: &str, suite: &str| {
                format!("deb [signed-by={KEYRING}] {url} {suite} {COMPONENTS}\n")
            };
            let text = [
                source(debian, RELEASE),
                source(debian, &format!("{RELEASE}-updates")),
                source(security, &format!("{RELEASE}-security")),
            ];
            fs::write(self.folder.join("etc/sources.list"), text.concat())?;
            let output = self.apt_get(&["update"])?;
            if output.status.success() {
                return Ok(());
            }
            complaint = complaints(&output);
        }
        bail!(
            "cannot read Debian's package lists; check the network, the proxy and the mirrors in \
             /etc/apt, then run again:\n{complaint}"
        )
    }

    fn apt_get(&self, arguments: &[&str]) -> Result<Output> {
        Command::new("apt-get")
            .args(arguments)
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .context("cannot run apt-get: resolving package sets needs Debian's apt")
    }

    /// Resolves every set alone and all sets together, each for an empty machine.
    ///
    /// # Errors
    /// apt knows a package not, or finds no way to satisfy every dependency; the message names
    /// the set and carries apt's own words.
    pub(crate) fn lock(&self, requested: &BTreeMap<String, Vec<PackageName>>) -> Result<Lock> {
        let mut found = BTreeMap::new();
        for (set, names) in requested {
            let packages = self.install(names).with_context(|| format!("recipes/{set}.toml"))?;
            add(&mut found, packages, std::slice::from_ref(set));
        }
        // Together the sets may want a package that none of them wants alone: it serves all.
        let every: Vec<PackageName> = requested.values().flatten().cloned().collect();
        let mut extra = self.install(&every).context("all package sets together")?;
        extra.retain(|package| !found.contains_key(&identity(package)));
        let all: Vec<String> = requested.keys().cloned().collect();
        add(&mut found, extra, &all);
        Ok(Lock { requested: requested.clone(), packages: found.into_values().collect() })
    }

    /// What apt would download to install `names` on an empty machine.
    fn install(&self, names: &[PackageName]) -> Result<Vec<LockedPackage>> {
        let mut arguments = vec!["install", "--yes", "--print-uris", "-qq"];
        arguments.extend(FOUNDATION);
        arguments.extend(names.iter().map(PackageName::as_str));
        let output = self.apt_get(&arguments)?;
        if !output.status.success() {
            bail!("apt finds no way to install this set:\n{}", complaints(&output));
        }
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| line.starts_with('\''))
            .map(|line| {
                parse_line(line, &self.mirrors)
                    .with_context(|| format!("apt says something unexpected: {line}"))
            })
            .collect()
    }
}

/// Name, version, architecture: what the lock is sorted by.
type Identity = (PackageName, String, String);

fn identity(package: &LockedPackage) -> Identity {
    (package.name.clone(), package.version.clone(), package.architecture.clone())
}

fn add(
    found: &mut BTreeMap<Identity, LockedPackage>,
    packages: Vec<LockedPackage>,
    sets: &[String],
) {
    for package in packages {
        let entry = found.entry(identity(&package)).or_insert(package);
        entry.sets.extend(sets.iter().cloned());
    }
}

fn complaints(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.starts_with("E:") || line.starts_with("W:"));
    lines.map(|line| format!("  {line}\n")).collect()
}

/// A line of `--print-uris`: `'URL' name_version_architecture.deb size SHA256:hash`. The file
/// name carries the epoch, which the URL drops; `%` escapes stand in both.
fn parse_line(line: &str, mirrors: &Mirrors) -> Option<LockedPackage> {
    let mut words = line.split_whitespace();
    let url = words.next()?.trim_matches('\'');
    let file = decoded(words.next()?.strip_suffix(".deb")?)?;
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?.to_owned();
    let mut parts = file.splitn(3, '_').map(str::to_owned);
    let archives = [Archive::Debian, Archive::DebianSecurity];
    let (archive, path) = archives.iter().find_map(|archive| {
        let mut bases = mirrors.of(*archive).iter();
        let path = bases.find_map(|base| url.strip_prefix(base)?.strip_prefix('/'))?;
        Some((*archive, path))
    })?;
    Some(LockedPackage {
        name: PackageName::try_from(parts.next()?).ok()?,
        version: parts.next()?,
        architecture: parts.next()?,
        sha256: Sha256Hex::try_from(sha256).ok()?,
        size,
        archive,
        path: decoded(path)?,
        sets: BTreeSet::new(),
    })
}

/// Undoes percent-encoding; `None` where it is broken.
fn decoded(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_apt() {
        let mirrors = Mirrors::with(&["http://m.example/debian"], &[]);
        let hash = "89fc4d34fc7a28ad6f0fcd0c561ab253b9dedf6f77f5a000b47c276c8295bf67";
        let line = format!(
            "'http://m.example/debian/pool/main/libc/libcap2/libcap2_2.75-10%2bb3_amd64.deb' \
             libcap2_1%3a2.75-10+b3_amd64.deb 28988 SHA256:{hash}"
        );
        let package = parse_line(&line, &mirrors).unwrap();
        assert_eq!(package.name.as_str(), "libcap2");
        assert_eq!(package.version, "1:2.75-10+b3");
        assert_eq!(package.architecture, "amd64");
        assert_eq!(package.size, 28988);
        assert_eq!(package.sha256.as_str(), hash);
        assert_eq!(package.archive, Archive::Debian);
        assert_eq!(package.path, "pool/main/libc/libcap2/libcap2_2.75-10+b3_amd64.deb");
        assert_eq!(parse_line(&line.replace("SHA256", "MD5"), &mirrors), None);
        assert_eq!(parse_line(&line.replace("m.example", "x.example"), &mirrors), None);
    }
}
