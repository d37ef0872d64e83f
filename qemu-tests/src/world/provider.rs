//! An internet provider: leases, router advertisements, name service, and address translation where
//! it has too few addresses.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::address_plan::{Addresses, DNS_V4, TIME_V4, Uplink};
use super::namespace::Namespace;
use super::service::Service;

/// The interface towards the customer.
pub(super) const CUSTOMER: &str = "customer0";
/// The interface towards the internet.
pub(super) const CORE: &str = "core0";

/// One provider, running.
#[derive(Debug)]
pub(super) struct Provider {
    uplink: Uplink,
    namespace: Namespace,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How often its customers' addresses have changed.
    generation: u16,
    /// How often its translation has.
    rebindings: u8,
    dnsmasq: Option<Service>,
}

impl Provider {
    /// Sets up a provider whose two interfaces exist already.
    pub(super) fn start(
        uplink: Uplink,
        namespace: Namespace,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let state = Mutex::new(State { generation: 0, rebindings: 0, dnsmasq: None });
        let provider = Self { uplink, namespace, folder: folder.to_owned(), state };
        provider.set_up().with_context(|| format!("provider {uplink}"))?;
        Ok(provider)
    }

    /// The provider's namespace.
    pub(super) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What it hands out now.
    pub(super) fn addresses(&self) -> Addresses {
        self.uplink.addresses(self.lock().generation)
    }

    /// Hands out other addresses from now on; the old ones no longer work.
    ///
    /// A customer who asks to keep an old address gets a NAK, as from a real provider; the old IPv6
    /// prefix is advertised as deprecated.
    pub(super) fn change_addresses(&self) -> anyhow::Result<()> {
        let mut state = self.lock();
        let old = self.uplink.addresses(state.generation);
        state.generation += 1;
        let new = self.uplink.addresses(state.generation);
        let (namespace, gateway) = (&self.namespace, new.gateway_v6());
        namespace.ip(&format!("-6 addr replace {gateway}/64 dev {CUSTOMER} nodad"))?;
        let (first, last) = old.pool;
        let old_prefix = old.prefix_v6;
        // Forwarded traffic only: a renewal must still reach us to be refused.
        namespace.nft(&format!(
            "table inet revoked\n\
             delete table inet revoked\n\
             table inet revoked {{\n\
               chain forward {{\n\
                 type filter hook forward priority filter; policy accept;\n\
                 ip saddr {first}-{last} drop\n\
                 ip daddr {first}-{last} drop\n\
                 ip6 saddr {old_prefix}/64 drop\n\
                 ip6 daddr {old_prefix}/64 drop\n\
               }}\n\
             }}\n"
        ))?;
        self.restart_dnsmasq(&mut state, Some(old_prefix))
    }

    /// Maps every flow anew: another public address and other ports. A provider that does not
    /// translate has nothing to change.
    pub(super) fn rebind(&self) -> anyhow::Result<()> {
        let mut state = self.lock();
        let addresses = self.uplink.addresses(state.generation);
        if !addresses.translated {
            anyhow::bail!("{} translates no addresses, so none can be rebound", self.uplink);
        }
        let (own, next_hop, length) = addresses.core_v4;
        let at =
            |number: u8| std::net::Ipv4Addr::from_bits(own.to_bits() + u32::from(number % 100));
        let (old, new) = (at(state.rebindings), at(state.rebindings + 1));
        state.rebindings += 1;
        // Masquerading forgets every flow of an address that goes away.
        let ip = |line: String| self.namespace.ip(&line);
        ip(format!("addr add {new}/{length} dev {CORE}"))?;
        ip(format!("addr del {old}/{length} dev {CORE}"))?;
        ip(format!("route replace default via {next_hop} dev {CORE}"))?;
        Ok(())
    }

    /// How things stand, for a person to read.
    pub(super) fn dump(&self) -> String {
        let leases = std::fs::read_to_string(self.lease_file()).unwrap_or_default();
        let log = self.lock().dnsmasq.as_ref().map(Service::log_tail).unwrap_or_default();
        format!("leases:\n{leases}dnsmasq:\n{log}\n")
    }

    fn set_up(&self) -> anyhow::Result<()> {
        let addresses = self.addresses();
        let namespace = &self.namespace;
        for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            namespace.sysctl(&format!("net/{family}"), "1")?;
        }
        // A customer's packets carry the customer's own address (RFC 2827): one that carries the
        // other provider's, because a box sent an old flow the new way, goes nowhere.
        namespace.sysctl(&format!("net/ipv4/conf/{CUSTOMER}/rp_filter"), "1")?;
        // The address of a rebinding stays when the one before it goes.
        namespace.sysctl(&format!("net/ipv4/conf/{CORE}/promote_secondaries"), "1")?;
        let (gateway, length) = (addresses.gateway_v4, addresses.prefix_length_v4);
        let ((own_v4, next_v4, core_length), (own_v6, next_v6)) =
            (addresses.core_v4, addresses.core_v6);
        for line in [
            format!("addr add {gateway}/{length} dev {CUSTOMER}"),
            format!("-6 addr add {}/64 dev {CUSTOMER} nodad", addresses.gateway_v6()),
            format!("addr add {own_v4}/{core_length} dev {CORE}"),
            format!("-6 addr add {own_v6}/64 dev {CORE} nodad"),
            format!("route add default via {next_v4} dev {CORE}"),
            format!("-6 route add default via {next_v6} dev {CORE}"),
        ] {
            namespace.ip(&line)?;
        }
        if addresses.translated {
            namespace.nft(&format!(
                "table ip translation {{\n\
                   chain postrouting {{\n\
                     type nat hook postrouting priority srcnat; policy accept;\n\
                     oifname \"{CORE}\" masquerade random\n\
                   }}\n\
                 }}\n"
            ))?;
        }
        self.restart_dnsmasq(&mut self.lock(), None)
    }

    fn restart_dnsmasq(
        &self,
        state: &mut State,
        deprecated: Option<Ipv6Addr>,
    ) -> anyhow::Result<()> {
        state.dnsmasq = None;
        let addresses = self.uplink.addresses(state.generation);
        let Addresses { pool: (first, last), lease_seconds, prefix_v6, .. } = addresses;
        let mut arguments = dnsmasq_basics(CUSTOMER);
        arguments.extend([
            format!("--server={DNS_V4}"),
            "--dhcp-authoritative".to_owned(),
            "--no-ping".to_owned(),
            format!("--dhcp-leasefile={}", self.lease_file().display()),
            format!("--dhcp-range={first},{last},{lease_seconds}s"),
            format!("--dhcp-option=option:ntp-server,{TIME_V4}"),
            "--enable-ra".to_owned(),
            format!("--ra-param={CUSTOMER},10,{lease_seconds}"),
            format!("--dhcp-range={prefix_v6},ra-only,64,{lease_seconds}s"),
        ]);
        arguments.extend(deprecated.map(|old| format!("--dhcp-range={old},ra-only,64,deprecated")));
        let log = self.folder.join(format!("{}-dnsmasq.log", self.uplink));
        state.dnsmasq = Some(Service::start(&self.namespace, "dnsmasq", &arguments, &log)?);
        Ok(())
    }

    /// An error with the last words of a server that has ended.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.lock().dnsmasq.as_ref().map_or(Ok(()), Service::check)
    }

    fn lease_file(&self) -> PathBuf {
        self.folder.join(format!("{}-leases", self.uplink))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How every dnsmasq here is started: in the foreground, with nothing from the host's files.
pub(super) fn dnsmasq_basics(interface: &str) -> Vec<String> {
    [
        // Does not change its user, which a user namespace with one user could not.
        "--no-daemon",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--cache-size=0",
        "--log-dhcp",
        "--bind-interfaces",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("--interface={interface}")])
    .collect()
}
