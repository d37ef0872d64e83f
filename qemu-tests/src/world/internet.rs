//! The internet: routes to the providers, a web server, a name server, a time server.

use std::path::Path;

use super::address_plan::{
    DNS_V4, DNS_V6, EMPTY_PAGE_HOST, METER_V4, METER_V6, PUBLIC_DNS_V4, SERVERS, TIME_V4, TIME_V6,
    Uplink, VPS_V4, VPS_V6, WEB_V4, WEB_V6, single,
};
use super::namespace::Namespace;
use super::provider::{CORE, dnsmasq_basics};
use super::service::Service;
use super::time_server::TimeServer;
use super::web_server::WebServer;

/// The internet, running.
#[derive(Debug)]
pub(super) struct Internet {
    namespace: Namespace,
    dnsmasq: Service,
    _web: WebServer,
    _time: TimeServer,
}

impl Internet {
    /// Sets it up and joins the providers' namespaces to it.
    pub(super) fn start(
        providers: [(Uplink, &Namespace); 2],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let namespace = Namespace::create("internet")?;
        for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            namespace.sysctl(&format!("net/{family}"), "1")?;
        }
        for address in SERVERS {
            // Usable at once: even an address that is not checked for duplicates is tentative
            // until a busy kernel finds the time.
            let flag = if address.is_ipv6() { "nodad" } else { "" };
            namespace.ip(&format!("addr add {address}/{} dev lo {flag}", single(address)))?;
        }
        for (uplink, provider) in providers {
            join(&namespace, uplink, provider)?;
        }
        let mut arguments = dnsmasq_basics("lo");
        let [first, second] = PUBLIC_DNS_V4;
        arguments.extend([
            format!("--host-record=web.internet.test,{WEB_V4},{WEB_V6}"),
            format!("--host-record={EMPTY_PAGE_HOST},{WEB_V4},{WEB_V6}"),
            format!("--host-record=time.internet.test,{TIME_V4},{TIME_V6}"),
            format!("--host-record=meter.internet.test,{METER_V4},{METER_V6}"),
            format!("--host-record=vps.internet.test,{VPS_V4},{VPS_V6}"),
            // What machines ask for that nobody told a time server.
            format!("--address=/pool.ntp.org/{TIME_V4}"),
            format!("--listen-address={DNS_V4},{DNS_V6},{first},{second}"),
        ]);
        let dnsmasq = Service::start(
            &namespace,
            "dnsmasq",
            &arguments,
            &folder.join("internet-dnsmasq.log"),
        )?;
        let web = WebServer::start(&namespace, &[WEB_V4.into(), WEB_V6.into()])?;
        let time = TimeServer::start(&namespace, &[TIME_V4.into(), TIME_V6.into()])?;
        Ok(Self { namespace, dnsmasq, _web: web, _time: time })
    }

    /// The internet's namespace.
    pub(super) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// An error with the last words of a server that has ended.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.dnsmasq.check()
    }
}

/// A wire between the internet and a provider, and the routes to its customers.
fn join(internet: &Namespace, uplink: Uplink, provider: &Namespace) -> anyhow::Result<()> {
    let addresses = uplink.addresses(0);
    let (router, internet_end, length) = addresses.core_v4;
    let (router_v6, internet_end_v6) = addresses.core_v6;
    let path = provider.path();
    let there = path.display();
    internet.ip(&format!("link add {uplink} type veth peer name {CORE} netns {there}"))?;
    provider.ip(&format!("link set {CORE} up"))?;
    let [a, b, c, ..] = addresses.prefix_v6.segments();
    let mut lines = vec![
        format!("link set {uplink} up"),
        format!("addr add {internet_end}/{length} dev {uplink}"),
        format!("-6 addr add {internet_end_v6}/64 dev {uplink} nodad"),
        format!("-6 route add {a:x}:{b:x}:{c:x}::/48 via {router_v6} dev {uplink}"),
    ];
    if !addresses.translated {
        let bits = addresses.prefix_length_v4;
        let mask = u32::MAX << (32 - bits);
        let network = std::net::Ipv4Addr::from_bits(addresses.gateway_v4.to_bits() & mask);
        lines.push(format!("route add {network}/{bits} via {router} dev {uplink}"));
    }
    for line in lines {
        internet.ip(&line)?;
    }
    Ok(())
}
