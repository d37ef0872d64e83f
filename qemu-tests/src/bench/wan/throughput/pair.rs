//! Two ends and nothing between them: a house, a box, and a server, joined by virtual cables
//! without any limit.

use anyhow::Result;

use crate::world::{LAN_ADDRESS, METER_V4, Namespace, VPS_V4, VPS_V6};

/// The box's address on its only uplink.
pub(super) const NEAR: &str = "198.51.100.10";
/// The server's address on the cable.
const FAR: &str = "198.51.100.1";
/// A computer in the house.
const HOUSE: &str = "10.70.0.100";

/// Three namespaces.
#[derive(Debug)]
pub(super) struct Pair {
    /// Where the traffic comes from.
    pub(super) house: Namespace,
    /// The box, with `lan0` and `broadband0`.
    pub(super) near: Namespace,
    /// The server, and what the traffic goes to.
    pub(super) far: Namespace,
}

impl Pair {
    /// Makes them.
    ///
    /// # Errors
    /// When this process may not.
    pub(super) fn join() -> Result<Self> {
        let [house, near, far] = ["house", "near", "far"].map(Namespace::create);
        let (house, near, far) = (house?, near?, far?);
        for space in [&near, &far] {
            for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                space.sysctl(&format!("net/{family}"), "1")?;
            }
        }
        let (near_path, far_path) = (near.path(), far.path());
        let (to_near, to_far) = (near_path.display(), far_path.display());
        house.ip(&format!("link add lan0 type veth peer name lan0 netns {to_near}"))?;
        near.ip(&format!("link add broadband0 type veth peer name internet0 netns {to_far}"))?;
        let lines = [
            (&house, format!("addr add {HOUSE}/24 dev lan0")),
            (&house, "link set lan0 up".to_owned()),
            (&near, format!("addr add {LAN_ADDRESS}/24 dev lan0")),
            (&near, "link set lan0 up".to_owned()),
            (&near, format!("addr add {NEAR}/24 dev broadband0")),
            (&near, "link set broadband0 up".to_owned()),
            (&near, format!("route add default via {FAR} dev broadband0 metric 100")),
            (&house, format!("route add default via {LAN_ADDRESS} dev lan0")),
            (&far, format!("addr add {FAR}/24 dev internet0")),
            (&far, "link set internet0 up".to_owned()),
            (&far, format!("addr add {VPS_V4}/32 dev lo")),
            (&far, format!("addr add {METER_V4}/32 dev lo")),
            (&far, format!("-6 addr add {VPS_V6}/128 dev lo nodad")),
        ];
        for (space, line) in lines {
            space.ip(&line)?;
        }
        Ok(Self { house, near, far })
    }

    /// How things stand.
    pub(super) fn dump(&self) -> String {
        let of = |space: &Namespace| {
            let show = |line: &str| space.ip(line).unwrap_or_else(|error| error.to_string());
            format!("---- {}\n{}{}", space.name(), show("-brief addr"), show("route"))
        };
        [&self.house, &self.near, &self.far].map(of).concat()
    }
}
