//! The status on the bus.

use crate::Status;
use crate::light::Light;
use crate::port::Role;
use crate::uplink::{Uplink, UplinkState};
use bus::home::{HomeStatus, StatusSource};
use daemon::identity::Identity;
use tokio::sync::watch;
use units::Instant;
use zbus::Connection;

/// The newest status, for whoever asks: the bus object, the page, the streams of events.
#[derive(Clone, Debug)]
pub struct Published(pub watch::Receiver<HomeStatus>);

impl StatusSource for Published {
    fn status(&self) -> HomeStatus {
        self.0.borrow().clone()
    }
}

/// Signals each change to the bus until `published` ends. If the bus is slow, changes in between
/// are skipped: readers want what is true now.
pub async fn announce(connection: Connection, mut published: Published) {
    while published.0.changed().await.is_ok() {
        let status = published.0.borrow_and_update().clone();
        if let Err(error) = bus::home::announce(&connection, &status).await {
            tracing::warn!("the bus could not be told of a change: {error}");
        }
    }
}

/// The machine's status in the words of the contract.
pub fn contract(status: &Status, image: &Identity) -> HomeStatus {
    HomeStatus {
        light: match status.light {
            Light::Starting => bus::home::Light::Starting,
            Light::Serving => bus::home::Light::Serving,
            Light::NeedsYou => bus::home::Light::NeedsYou,
        },
        light_why: status.why.clone(),
        light_since: status.since.as_micros(),
        internet: status.internet,
        mode: status.mode,
        uplinks: status.uplinks.iter().map(contract_uplink).collect(),
        image_version: image.version.clone(),
        image_variant: image.variant.clone(),
    }
}

fn contract_uplink(uplink: &Uplink) -> bus::home::Uplink {
    bus::home::Uplink {
        name: uplink.port.name.as_str().to_owned(),
        kind: match uplink.port.role {
            Role::Broadband => bus::home::UplinkKind::Broadband,
            Role::Starlink => bus::home::UplinkKind::Starlink,
            // The machine lists no home port among the uplinks.
            Role::Lan => bus::home::UplinkKind::Unknown,
        },
        state: match uplink.state {
            UplinkState::InUse => bus::home::UplinkState::InUse,
            UplinkState::Ready => bus::home::UplinkState::Ready,
            UplinkState::Recovering => bus::home::UplinkState::Recovering,
            UplinkState::Silent => bus::home::UplinkState::Silent,
            UplinkState::SignIn => bus::home::UplinkState::SignIn,
            UplinkState::Off => bus::home::UplinkState::Off,
            UplinkState::Unchecked => bus::home::UplinkState::Unchecked,
            UplinkState::Connecting => bus::home::UplinkState::Connecting,
            UplinkState::Unplugged => bus::home::UplinkState::Unplugged,
            UplinkState::Missing => bus::home::UplinkState::Missing,
            UplinkState::Unknown => bus::home::UplinkState::Unknown,
        },
        since: uplink.since.as_micros(),
        policy: uplink.policy,
        availability: uplink.availability.clone(),
        drain: uplink.drain_at.map_or(0, Instant::as_micros),
    }
}
