//! A way out that says what the test wants, on a connection of its own, so that it can die.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bus::wan::{
    Decision, DrainReason, Health, Kind, Manager, ManagerStatus, Mode, Outage, Policy, Source,
    State, Uplink, UplinkStatus, WanStatus, WriteError, path_of,
};
use zbus::Connection;

use super::PrivateBus;

/// What the way out says.
#[derive(Clone)]
struct Sayings(Arc<Mutex<WanStatus>>);

impl Source for Sayings {
    fn manager(&self) -> ManagerStatus {
        self.0.lock().expect("no test panics while it speaks").manager.clone()
    }

    fn uplink(&self, name: &str) -> UplinkStatus {
        let said = self.0.lock().expect("no test panics while it speaks");
        let uplink = said.uplinks.iter().find(|uplink| uplink.name == name);
        uplink.expect("only these are served").clone()
    }

    fn decisions(&self) -> Vec<Decision> {
        Vec::new()
    }

    async fn join(&self, _: &str) -> Result<(), WriteError> {
        Err(WriteError::Invalid(String::from("nobody asks")))
    }

    async fn set_modes(&self, _: BTreeMap<String, String>) -> Result<(), WriteError> {
        Err(WriteError::Invalid(String::from("nobody asks")))
    }

    async fn set_policy(&self, _: &str, _: Policy) -> Result<(), WriteError> {
        Err(WriteError::Invalid(String::from("nobody asks")))
    }

    async fn set_cap_bytes(&self, _: &str, _: u64) -> Result<(), WriteError> {
        Err(WriteError::Invalid(String::from("nobody asks")))
    }
}

/// A running way out; it dies with the value.
pub(super) struct FakeWan {
    connection: Connection,
    sayings: Sayings,
}

impl FakeWan {
    /// Takes the name on `bus`, and says that all is well.
    pub(super) async fn start(bus: &PrivateBus) -> Self {
        let status = status(State::Online, Health::Up, Health::Up);
        let sayings = Sayings(Arc::new(Mutex::new(status)));
        let connection = bus.connect().await;
        let server = connection.object_server();
        for name in ["broadband0", "starlink0"] {
            let object = Uplink::new(name, sayings.clone());
            server.at(path_of(name), object).await.expect("served");
        }
        server.at(bus::wan::PATH, Manager::new(sayings.clone())).await.expect("served");
        connection.request_name(bus::wan::NAME).await.expect("the test may own it");
        Self { connection, sayings }
    }

    /// Says this from now on, and signals it.
    pub(super) async fn say(&self, state: State, broadband: Health, starlink: Health) {
        let status = status(state, broadband, starlink);
        let manager = status.manager.clone();
        *self.sayings.0.lock().expect("no test panics while it speaks") = status;
        bus::wan::announce(&self.connection, &manager).await.expect("the bus takes signals");
    }

    /// Lets go of the bus.
    pub(super) async fn die(self) {
        self.connection.close().await.expect("it was open");
    }
}

/// The first line that is up carries the house.
fn status(state: State, broadband: Health, starlink: Health) -> WanStatus {
    let lines = [
        ("broadband0", Kind::Broadband, broadband, Policy::Primary),
        ("starlink0", Kind::Starlink, starlink, Policy::Secondary),
    ];
    let carrier = lines.iter().find(|(_, _, health, _)| *health == Health::Up);
    let manager = ManagerStatus {
        state,
        mode: Mode::Direct,
        active: carrier.iter().map(|(name, ..)| path_of(name)).collect(),
        uplinks: lines.iter().map(|(name, ..)| path_of(name)).collect(),
        modes: BTreeMap::new(),
    };
    let uplinks = lines.map(|(name, kind, health, policy)| UplinkStatus {
        name: name.to_owned(),
        kind,
        health,
        rtt_micros: 20_000,
        loss_ppm: 0,
        rate_down_bps: 0,
        rate_up_bps: 0,
        policy,
        metered: false,
        cap_bytes: 0,
        used_bytes: 0,
        forecast_bytes: 0,
        carried_bytes: 0,
        availability: day(kind),
        outage: Outage::None,
        obstructed: 0.0,
        next_boundary: 0,
        planned_drain: 0,
        drain_reason: DrainReason::None,
        draw_milliwatts: 0,
    });
    WanStatus { manager, uplinks: uplinks.into() }
}

/// A day of which the first hours are not known; the dish had its small outages.
fn day(kind: Kind) -> Vec<u8> {
    let mut day = vec![100; 288];
    day[..40].fill(255);
    if kind == Kind::Starlink {
        day[90] = 97;
        day[151..154].fill(0);
        day[220] = 99;
    }
    day
}
