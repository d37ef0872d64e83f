//! A household: the box in QEMU, its three cables in the simulated world.
//!
//! No threads of its own: the [`World`] and its links have theirs, and end when the house is
//! dropped.
use crate::machine::{Machine, MachineSpec};
use crate::wait::{Expired, wait_until};
use crate::world::{BoxKind, CarrierSwitch, FetchReport, QemuPorts, Scenario, Uplink, World};
use anyhow::{Context, Result, ensure};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The page of the simulated internet that tells who asked.
pub const INTERNET_PAGE: &str = "http://web.internet.test/";

/// One attempt at a page; a working path needs a hundredth of it.
const ATTEMPT: Duration = Duration::from_secs(3);

/// A box that is on, in its world.
#[derive(Debug)]
pub struct House {
    // Dropped in this order: the box first, then what its cables are plugged into.
    machine: Machine,
    world: World,
    _sockets: TempDir,
}

impl House {
    /// Builds the world, then switches the box on.
    ///
    /// # Errors
    /// When either cannot be started.
    pub fn switch_on(scenario: Scenario, spec: MachineSpec) -> Result<Self> {
        let sockets = tempfile::Builder::new().prefix("porchlight-cables-").tempdir()?;
        let ports = QemuPorts::in_folder(sockets.path());
        let world = World::build(scenario, BoxKind::Qemu(ports.clone()))?;
        let spec = spec.cable("lan0", ports.lan0);
        let spec = spec.cable("broadband0", ports.broadband0).cable("starlink0", ports.starlink0);
        let machine = Machine::start(spec)?;
        let cables = machine.cables();
        let switch: CarrierSwitch =
            Arc::new(move |uplink, up| Ok(cables.set(uplink.box_interface(), up)?));
        world.on_carrier(&switch);
        Ok(Self { machine, world, _sockets: sockets })
    }

    /// The box.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Everything around it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Takes the box out of its world, which ends.
    #[must_use]
    pub fn into_machine(self) -> Machine {
        self.machine
    }

    /// Waits until `condition` gives something; in vain, the error tells the state of box and
    /// world.
    ///
    /// # Errors
    /// When it gives nothing within `within`.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut condition: impl FnMut(&World) -> Option<T>,
    ) -> Result<T> {
        let waited = wait_until(what, within, String::new, || condition(&self.world));
        waited.map_err(|expired| Expired { state: self.explain(), ..expired }.into())
    }

    /// Waits until the LAN client has fetched the internet's page by this uplink. Asks for a lease
    /// first, if it has none.
    ///
    /// # Errors
    /// When no request arrived by it within `within`; the last failure is named.
    pub fn wait_internet(&mut self, uplink: Uplink, within: Duration) -> Result<FetchReport> {
        let mut last = "nothing was tried".to_owned();
        let outcome =
            self.wait_until(&format!("a page by {uplink}"), within, |world| {
                match fetch_by(world, uplink) {
                    Ok(report) => Some(report),
                    Err(error) => {
                        last = format!("{error:#}");
                        None
                    }
                }
            });
        outcome.with_context(|| format!("last attempt: {last}"))
    }

    /// How things stand in the box and around it.
    pub fn explain(&mut self) -> String {
        format!("{}{}", self.machine.explain(), self.world.dump())
    }
}

fn fetch_by(world: &World, uplink: Uplink) -> Result<FetchReport> {
    let client = world.client();
    if client.current_lease().is_none() {
        client.lease(ATTEMPT)?;
    }
    let report = client.fetch(INTERNET_PAGE, ATTEMPT)?;
    let from = report.from_ip.context("the internet did not say who asked")?;
    let came_by = Uplink::ALL.into_iter().find(|&uplink| is_customer(world, uplink, from));
    ensure!(came_by == Some(uplink), "the request came from {from}");
    Ok(report)
}

/// Whether the internet sees the customer of this uplink as `address`.
fn is_customer(world: &World, uplink: Uplink, address: IpAddr) -> bool {
    let addresses = world.uplink(uplink).addresses();
    match address {
        IpAddr::V4(address) if addresses.translated => address == addresses.core_v4.0,
        IpAddr::V4(address) => (addresses.pool.0..=addresses.pool.1).contains(&address),
        IpAddr::V6(address) => address.segments()[..4] == addresses.prefix_v6.segments()[..4],
    }
}
