//! A computer on the LAN.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::address_plan::AddressFamily;
use super::fetch::{self, FetchReport, Target};
use super::lease::{Lease, request_lease};
use super::namespace::Namespace;
use super::proxy::Proxy;
use super::resolve;

/// The client's interface.
pub(super) const LAN: &str = "lan0";

/// A computer on the LAN: it gets a lease, looks up names and fetches pages, all through the box.
#[derive(Debug)]
pub struct Client {
    namespace: Namespace,
    folder: PathBuf,
    lease: Mutex<Option<Lease>>,
}

impl Client {
    /// A client whose interface exists already.
    pub(super) fn new(namespace: Namespace, folder: &Path) -> Self {
        Self { namespace, folder: folder.to_owned(), lease: Mutex::new(None) }
    }

    /// Its namespace, for tools of your own.
    #[must_use]
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Asks for a lease until it gets one, and sets up its interface by it.
    ///
    /// # Errors
    /// When nobody gives one within `deadline`.
    pub fn lease(&self, deadline: Duration) -> anyhow::Result<Lease> {
        let lease = request_lease(&self.namespace, LAN, &self.folder, deadline)?;
        self.set_up(&lease)?;
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease.clone());
        Ok(lease)
    }

    /// The lease it has.
    #[must_use]
    pub fn current_lease(&self) -> Option<Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches a page over IPv4, its name looked up at the box.
    ///
    /// # Errors
    /// When it does not come within `deadline`.
    pub fn fetch(&self, url: &str, deadline: Duration) -> anyhow::Result<FetchReport> {
        self.fetch_over(AddressFamily::V4, url, deadline)
    }

    /// The same over the family of your choice.
    ///
    /// # Errors
    /// When it does not come within `deadline`.
    pub fn fetch_over(
        &self,
        family: AddressFamily,
        url: &str,
        deadline: Duration,
    ) -> anyhow::Result<FetchReport> {
        let started = Instant::now();
        let target = Target::parse(url)?;
        let address = match target.host.parse() {
            Ok(address) => address,
            Err(_) if target.host.ends_with(".local") => {
                first(&self.resolve_multicast(&target.host, deadline)?, &target.host)?
            }
            Err(_) => first(&self.resolve(&target.host, family, deadline)?, &target.host)?,
        };
        self.namespace.run(|| fetch::fetch(&target, address, started, deadline))
    }

    /// Looks up a name at the name server that the lease named.
    ///
    /// # Errors
    /// When there is no lease, no answer, or no such name.
    pub fn resolve(
        &self,
        name: &str,
        family: AddressFamily,
        deadline: Duration,
    ) -> anyhow::Result<Vec<IpAddr>> {
        let lease = self.current_lease().context("the LAN client has no lease yet")?;
        let server = lease.name_servers.first().context("the lease names no name server")?;
        let server = IpAddr::V4(*server);
        self.namespace.run(|| resolve::ask_server(server, name, family, deadline))
    }

    /// Looks up a name such as `porchlight.local` by asking the whole LAN.
    ///
    /// # Errors
    /// When there is no lease, or nobody answers.
    pub fn resolve_multicast(&self, name: &str, deadline: Duration) -> anyhow::Result<Vec<IpAddr>> {
        let lease = self.current_lease().context("the LAN client has no lease yet")?;
        self.namespace.run(|| resolve::ask_everybody(lease.address, name, deadline))
    }

    /// Makes port 80 of the box's LAN address reachable through a UNIX socket at `path`.
    ///
    /// # Errors
    /// When there is no lease, or the path cannot be bound.
    pub fn proxy_page(&self, path: &Path) -> anyhow::Result<Proxy> {
        let lease = self.current_lease().context("the LAN client has no lease yet")?;
        let router = lease.router.context("the lease names no router")?;
        Proxy::start(&self.namespace, path, SocketAddr::new(router.into(), 80))
    }

    fn set_up(&self, lease: &Lease) -> anyhow::Result<()> {
        let ip = |line: String| self.namespace.ip(&line);
        ip(format!("-4 addr flush dev {LAN}"))?;
        ip(format!("addr add {}/{} dev {LAN}", lease.address, lease.prefix_length))?;
        if let Some(router) = lease.router {
            ip(format!("route replace default via {router} dev {LAN}"))?;
        }
        // Multicast stays on the LAN, router or not.
        ip(format!("route replace {}/4 dev {LAN}", Ipv4Addr::new(224, 0, 0, 0)))?;
        Ok(())
    }
}

fn first(addresses: &[IpAddr], name: &str) -> anyhow::Result<IpAddr> {
    addresses.first().copied().with_context(|| format!("{name} has no address of that family"))
}
