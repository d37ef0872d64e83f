//! What the kernel is told: forward, translate, and keep the boxes apart.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::addresses::Plan;

/// The table's name. Nothing outside it is touched.
const TABLE: &str = "porchlight_relay";

/// Why the kernel could not be told.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// A switch could not be set.
    #[error("{switch}: {source}; --no-firewall leaves it to you")]
    Switch {
        /// The file.
        switch: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program is not there.
    #[error("`nft` cannot be run: {0}; install nftables, or use --no-firewall")]
    Program(io::Error),
    /// The rules were refused.
    #[error("`nft` refused the rules: {0}")]
    Rules(String),
}

/// Forwarding on, our table in place of the one before.
///
/// # Errors
/// [`FirewallError`] says what to do.
pub fn set_up(plan: &Plan, device: &str) -> Result<(), FirewallError> {
    for switch in ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"] {
        std::fs::write(switch, "1").map_err(|source| FirewallError::Switch { switch, source })?;
    }
    apply(&rules(plan, device))
}

/// Our table is removed.
///
/// # Errors
/// [`FirewallError`].
pub fn take_down() -> Result<(), FirewallError> {
    apply(&format!("table inet {TABLE}\ndelete table inet {TABLE}\n"))
}

fn rules(plan: &Plan, device: &str) -> String {
    let Plan { v4, v6 } = plan;
    let translate_v6 = if v6.is_unique_local() {
        format!("    ip6 saddr {v6} oifname != \"{device}\" masquerade\n")
    } else {
        String::new()
    };
    format!(
        "table inet {TABLE}\n\
         delete table inet {TABLE}\n\
         table inet {TABLE} {{\n\
         \x20 chain forward {{\n\
         \x20   type filter hook forward priority filter; policy accept;\n\
         \x20   iifname \"{device}\" oifname \"{device}\" drop\n\
         \x20   iifname \"{device}\" ip daddr {v4} drop\n\
         \x20   iifname \"{device}\" tcp flags syn tcp option maxseg size set rt mtu\n\
         \x20   oifname \"{device}\" tcp flags syn tcp option maxseg size set rt mtu\n\
         \x20 }}\n\
         \x20 chain postrouting {{\n\
         \x20   type nat hook postrouting priority srcnat; policy accept;\n\
         \x20   ip saddr {v4} oifname != \"{device}\" masquerade\n\
         {translate_v6}\
         \x20 }}\n\
         }}\n"
    )
}

fn apply(rules: &str) -> Result<(), FirewallError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(FirewallError::Program)?;
    if let Some(mut to) = nft.stdin.take() {
        to.write_all(rules.as_bytes()).map_err(FirewallError::Program)?;
    }
    let output = nft.wait_with_output().map_err(FirewallError::Program)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(FirewallError::Rules(said.lines().next().unwrap_or("no reason given").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routed_prefix_is_not_translated() {
        let plan =
            |v6: &str| Plan { v4: "10.213.0.0/16".parse().unwrap(), v6: v6.parse().unwrap() };
        assert!(rules(&plan("fd00:1:2::/48"), "relay0").contains("ip6 saddr fd00:1:2::/48"));
        assert!(!rules(&plan("2001:db8:77::/48"), "relay0").contains("ip6 saddr"));
    }
}
