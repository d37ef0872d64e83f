//! A DHCP lease, as udhcpc(8) reports it to its script.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::namespace::Namespace;

/// What a DHCP client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its address.
    pub address: Ipv4Addr,
    /// Length of the LAN's prefix.
    pub prefix_length: u8,
    /// The router, if one was named.
    pub router: Option<Ipv4Addr>,
    /// The name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// The domain of the LAN.
    pub domain: Option<String>,
    /// How long it may keep the address, in seconds.
    pub seconds: u32,
    /// Who gave it.
    pub server: Option<Ipv4Addr>,
}

/// The script that udhcpc runs: it notes what it was told and changes nothing.
const SCRIPT: &str = "#!/bin/sh\n\
    case \"$1\" in\n\
    bound|renew)\n\
      env >\"$PORCHLIGHT_LEASE.new\"\n\
      mv \"$PORCHLIGHT_LEASE.new\" \"$PORCHLIGHT_LEASE\" ;;\n\
    esac\n";

/// Asks for a lease on an interface until there is one; `folder` is for udhcpc's script. Changes
/// nothing on the interface.
///
/// # Errors
/// When nobody gives one within `deadline`.
pub fn request_lease(
    namespace: &Namespace,
    interface: &str,
    folder: &Path,
    deadline: Duration,
) -> anyhow::Result<Lease> {
    let script = folder.join(format!("{}-{interface}-script", namespace.name()));
    let noted = folder.join(format!("{}-{interface}-lease", namespace.name()));
    std::fs::write(&script, SCRIPT)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let start = Instant::now();
    loop {
        // -t and -T: three questions, a second apart, then say that there is none.
        let words = ["-f", "-n", "-q", "-t", "3", "-T", "1", "-i", interface, "-s"];
        let output = namespace
            .command("udhcpc")
            .args(words)
            .arg(&script)
            .env("PORCHLIGHT_LEASE", &noted)
            .output()
            .context("udhcpc")?;
        if output.status.success() {
            break;
        }
        if start.elapsed() >= deadline {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let name = namespace.name();
            bail!("no lease for {interface} of {name} in {deadline:?}; udhcpc said:\n{said}");
        }
    }
    let text = std::fs::read_to_string(&noted).context("the lease that udhcpc noted")?;
    Lease::parse(&text).with_context(|| format!("not a lease:\n{text}"))
}

impl Lease {
    /// Reads the environment that the script noted.
    fn parse(environment: &str) -> Option<Self> {
        let value = |key: &str| {
            environment.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        fn first<T: FromStr>(text: &str) -> Option<T> {
            text.split_whitespace().next()?.parse().ok()
        }
        Some(Self {
            address: value("ip")?.parse().ok()?,
            prefix_length: value("mask")?.parse().ok()?,
            router: value("router").and_then(first),
            name_servers: value("dns")
                .unwrap_or("")
                .split_whitespace()
                .filter_map(|server| server.parse().ok())
                .collect(),
            domain: value("domain").map(str::to_owned),
            seconds: value("lease").and_then(first).unwrap_or(0),
            server: value("serverid").and_then(first),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_notes_what_we_read() {
        let noted = "interface=lan0\nip=10.70.0.9\nsubnet=255.255.255.0\nmask=24\n\
                     router=10.70.0.1\ndns=10.70.0.1 10.70.0.2\nlease=600\nserverid=10.70.0.1\n";
        let lease = Lease::parse(noted).unwrap();
        assert_eq!((lease.address, lease.prefix_length), ([10, 70, 0, 9].into(), 24));
        assert_eq!(lease.name_servers.len(), 2);
        assert_eq!(lease.seconds, 600);
        assert_eq!(Lease::parse("router=10.70.0.1\n"), None, "no address, no lease");
    }
}
