//! A plain Linux router in the box's namespace: what any box must at least do. Kernel routes with
//! metrics, one of which goes away with its carrier; masquerading; dnsmasq for the house.

use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::address_plan::Uplink;
use super::lease::{Lease, request_lease};
use super::namespace::Namespace;

/// The router's LAN address.
pub const LAN_ADDRESS: &str = "10.70.0.1";

const DEADLINE: Duration = Duration::from_secs(20);

/// A router at work; ends when dropped.
#[derive(Debug)]
pub struct Router {
    dnsmasq: Child,
    folder: TempDir,
    space: Namespace,
    leases: Mutex<[Option<Lease>; 2]>,
}

impl Router {
    /// Routes in a namespace that has lan0, broadband0 and starlink0, with a lease from both
    /// providers.
    ///
    /// # Errors
    /// When a tool fails or a provider gives no lease.
    pub fn start(space: &Namespace) -> Result<Self> {
        for (key, value) in [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv4/conf/all/ignore_routes_with_linkdown", "1"),
            ("net/ipv6/conf/all/ignore_routes_with_linkdown", "1"),
            // A router listens to other routers only if told to.
            ("net/ipv6/conf/broadband0/accept_ra", "2"),
            ("net/ipv6/conf/starlink0/accept_ra", "2"),
            ("net/ipv6/conf/broadband0/ra_defrtr_metric", "100"),
            ("net/ipv6/conf/starlink0/ra_defrtr_metric", "200"),
            ("net/ipv4/conf/broadband0/ignore_routes_with_linkdown", "1"),
            ("net/ipv6/conf/broadband0/ignore_routes_with_linkdown", "1"),
        ] {
            space.sysctl(key, value)?;
        }
        space.ip(&format!("addr add {LAN_ADDRESS}/24 dev lan0"))?;
        space.ip("-6 addr add fd70::1/64 dev lan0 nodad")?;
        space.nft(
            "table inet house {\n\
               chain out {\n\
                 type nat hook postrouting priority srcnat\n\
                 oifname { broadband0, starlink0 } masquerade\n\
               }\n\
             }\n",
        )?;
        let folder = tempfile::tempdir()?;
        let dnsmasq = space
            .command("dnsmasq")
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args(["--interface=lan0", "--bind-interfaces", "--no-ping", "--all-servers"])
            .args(["--server=198.51.100.1", "--server=100.64.0.1", "--enable-ra"])
            .args(["--dhcp-range=10.70.0.100,10.70.0.200,600s", "--dhcp-authoritative"])
            .args(["--dhcp-range=fd70::,ra-only,64"])
            .arg(format!("--dhcp-leasefile={}", folder.path().join("leases").display()))
            .stderr(Stdio::null())
            .spawn()?;
        let leases = Mutex::default();
        let router = Self { dnsmasq, folder, space: space.clone(), leases };
        for uplink in Uplink::ALL {
            router.dial(uplink)?;
        }
        Ok(router)
    }

    /// Asks the provider for an address and routes by it.
    ///
    /// # Errors
    /// When it gives none, or a tool fails.
    pub fn dial(&self, uplink: Uplink) -> Result<Lease> {
        let space = &self.space;
        let interface = uplink.box_interface();
        let lease = request_lease(space, interface, self.folder.path(), DEADLINE)?;
        let router = lease.router.context("the provider named no router")?;
        let metric = 100 * (1 + uplink as u32);
        space.ip(&format!("-4 addr flush dev {interface}"))?;
        space.ip(&format!("addr add {}/{} dev {interface}", lease.address, lease.prefix_length))?;
        space.ip(&format!("route replace default via {router} dev {interface} metric {metric}"))?;
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases[uplink as usize] = Some(lease.clone());
        Ok(lease)
    }

    /// What the provider gave last.
    ///
    /// # Panics
    /// Never: a router without leases cannot be made.
    #[must_use]
    pub fn lease(&self, uplink: Uplink) -> Lease {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases[uplink as usize].clone().expect("a router starts with a lease from both")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.dnsmasq.kill();
        let _ = self.dnsmasq.wait();
    }
}
