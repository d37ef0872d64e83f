//! A virtual server on the internet, as one rents it: one address of each family on its only
//! interface, a gateway outside its own network, and an IPv6 prefix routed to it. A relay runs
//! here.

use super::address_plan::{VPS_ROUTED_V6, VPS_V4, VPS_V6};
use super::namespace::Namespace;

/// Its interface.
const INTERFACE: &str = "internet0";
/// The internet's end of the wire.
const WIRE: &str = "vps";
/// The next hop, in nobody's network, as hosters do it.
const GATEWAY_V4: &str = "203.0.113.65";
/// Both ends of the wire for IPv6.
const LINK_LOCAL: [&str; 2] = ["fe80::1", "fe80::200"];

/// Makes the server and joins it to the internet.
///
/// # Errors
/// When this process may not, or a tool fails.
pub(super) fn join(internet: &Namespace) -> anyhow::Result<Namespace> {
    let vps = Namespace::create("vps")?;
    // What `relay` asks of its host before it starts.
    for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        vps.sysctl(&format!("net/{family}"), "1")?;
    }
    let there = vps.path();
    let [near, far] = LINK_LOCAL;
    internet.ip(&format!(
        "link add {WIRE} type veth peer name {INTERFACE} netns {}",
        there.display()
    ))?;
    for line in [
        format!("link set {WIRE} up"),
        format!("addr add {GATEWAY_V4}/32 dev {WIRE}"),
        format!("route add {VPS_V4}/32 dev {WIRE}"),
        format!("-6 addr add {near}/64 dev {WIRE} nodad"),
    ] {
        internet.ip(&line)?;
    }
    for line in [
        format!("link set {INTERFACE} up"),
        format!("addr add {VPS_V4}/32 dev {INTERFACE}"),
        format!("route add default via {GATEWAY_V4} dev {INTERFACE} onlink"),
        format!("-6 addr add {far}/64 dev {INTERFACE} nodad"),
        format!("-6 addr add {VPS_V6}/128 dev {INTERFACE} nodad"),
        format!("-6 route add default via {near} dev {INTERFACE}"),
    ] {
        vps.ip(&line)?;
    }
    for prefix in [format!("{VPS_V6}/128"), format!("{VPS_ROUTED_V6}/48")] {
        internet.ip(&format!("-6 route add {prefix} via {far} dev {WIRE}"))?;
    }
    Ok(vps)
}
