//! Route failover with a pinger, as mwan3 does it: a new flow is marked for the uplink that works
//! and keeps that mark for life; marks choose routing tables; both uplinks masquerade. What
//! connection tracking knows is not flushed when an uplink stops to answer, as mwan3 ships it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use super::uplink_watch::UplinkWatch;
use super::{Contender, Running, Site};
use crate::world::{Lease, Namespace, Uplink};

/// Policy routing in the kernel, and a program that watches.
#[derive(Clone, Copy, Debug)]
pub struct Route;

impl Contender for Route {
    fn name(&self) -> &'static str {
        "route"
    }

    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>> {
        let space = site.space().clone();
        for uplink in Uplink::ALL {
            set_table(&space, uplink, site.lease(uplink))?;
            let (mark, table) = (mark(uplink), table(uplink));
            space.ip(&format!("rule add fwmark {mark} lookup {table} pref {}", 1_000 + mark))?;
        }
        space.nft(
            "table inet failover {\n\
               chain fresh { }\n\
               chain prerouting {\n\
                 type filter hook prerouting priority mangle; policy accept;\n\
                 iifname \"lan0\" ip daddr != 10.70.0.0/24 ct mark != 0 meta mark set ct mark\n\
                 iifname \"lan0\" ip daddr != 10.70.0.0/24 ct mark 0 jump fresh\n\
               }\n\
             }\n",
        )?;
        let better = site.better();
        choose(&space, better)?;
        let switches = Arc::new(AtomicU64::new(0));
        let Some(other) = site.other() else {
            return Ok(Box::new(RunningRoute { _watch: None, switches }));
        };
        let (counted, space) = (Arc::clone(&switches), space.clone());
        let on_change = move |uplink: Uplink, works: bool| {
            // The other uplink is the last resort: whether it works changes nothing.
            if uplink == better {
                counted.fetch_add(1, Ordering::Relaxed);
                // A refusal shows as an uplink that is never switched to.
                let _ = choose(&space, if works { better } else { other });
            }
        };
        let watch = UplinkWatch::start(site.space(), Box::new(on_change))?;
        Ok(Box::new(RunningRoute { _watch: Some(watch), switches }))
    }
}

#[derive(Debug)]
struct RunningRoute {
    _watch: Option<UplinkWatch>,
    switches: Arc<AtomicU64>,
}

impl Running for RunningRoute {
    fn handle_lease(&self, site: &Site<'_>, uplink: Uplink, lease: &Lease) -> Result<()> {
        set_table(site.space(), uplink, lease)
    }

    fn switches(&self) -> Result<Option<u64>> {
        Ok(Some(self.switches.load(Ordering::Relaxed)))
    }
}

const fn mark(uplink: Uplink) -> u32 {
    1 + uplink as u32
}

const fn table(uplink: Uplink) -> u32 {
    100 + mark(uplink)
}

/// The routing table of one uplink.
fn set_table(space: &Namespace, uplink: Uplink, lease: &Lease) -> Result<()> {
    let router = lease.router.context("the provider named no router")?;
    let (interface, table) = (uplink.box_interface(), table(uplink));
    space.ip(&format!("route replace default via {router} dev {interface} table {table}"))?;
    Ok(())
}

/// New flows take that uplink from now on.
fn choose(space: &Namespace, uplink: Uplink) -> Result<()> {
    let mark = mark(uplink);
    space.nft(&format!(
        "flush chain inet failover fresh\n\
         add rule inet failover fresh ct mark set {mark} meta mark set {mark}\n"
    ))?;
    Ok(())
}
