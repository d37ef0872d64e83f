//! Who keeps the house online in a measurement: Porchlight, and the peers it is held against.
//!
//! Each is started in the same world, around the same plain router with its leases from both
//! providers, and is asked for a way for the meter's messages. Where it carries everything that
//! the house sends, that way is UDP from a computer on the LAN; where it carries only what speaks
//! its own protocol, the messages speak it, from the box.
mod mptcp;
mod porchlight;
mod quic;
mod rebind;
mod route;
mod uplink_watch;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Result;

use crate::meter::shell::{Channel, udp_channel};
use crate::world::{Lease, METER_V4, Namespace, Uplink, World};

pub use mptcp::Mptcp;
pub use porchlight::{Ends, Porchlight, RunningPorchlight};
pub use quic::{QuicIdentity, client_config, runtime, server_config};
pub use rebind::Rebind;
pub use route::Route;

/// How an uplink is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Carries traffic while it can.
    Primary,
    /// Carries what the primary cannot.
    Secondary,
    /// Carries nothing.
    Never,
}

impl Policy {
    /// The word in settings.
    const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Never => "never",
        }
    }
}

/// Where a contender is put, and what is asked of it.
#[derive(Debug)]
pub struct Site<'a> {
    /// The world around it.
    pub world: &'a World,
    /// What each uplink is for: broadband, Starlink.
    pub policies: [Policy; 2],
    /// What the provider of each gave, in the same order.
    pub leases: [Lease; 2],
    /// For its files and logs.
    pub folder: &'a Path,
    /// Where our programs are.
    pub programs: &'a Path,
}

impl Site<'_> {
    /// The box.
    ///
    /// # Panics
    /// When the world was built around a guest.
    #[must_use]
    pub fn space(&self) -> &Namespace {
        self.world.box_namespace().expect("contenders are measured in a namespace")
    }

    /// What that uplink is for.
    #[must_use]
    pub const fn policy(&self, uplink: Uplink) -> Policy {
        self.policies[uplink as usize]
    }

    /// What its provider gave.
    #[must_use]
    pub const fn lease(&self, uplink: Uplink) -> &Lease {
        &self.leases[uplink as usize]
    }

    /// The uplink that should carry what can be carried by one: the first primary.
    #[must_use]
    pub fn better(&self) -> Uplink {
        let primary = |uplink: &Uplink| self.policy(*uplink) == Policy::Primary;
        Uplink::ALL.into_iter().find(primary).unwrap_or(Uplink::Broadband)
    }

    /// The other one, if it may be used.
    #[must_use]
    pub fn other(&self) -> Option<Uplink> {
        let better = self.better();
        Uplink::ALL.into_iter().find(|uplink| *uplink != better && self.may_use(*uplink))
    }

    fn may_use(&self, uplink: Uplink) -> bool {
        self.policy(uplink) != Policy::Never
    }
}

/// A way to keep a house online.
pub trait Contender {
    /// Its name in figures.
    fn name(&self) -> &'static str;

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started here; the error says what is missing.
    fn start(&self, site: &Site<'_>) -> Result<Box<dyn Running>>;
}

/// A contender at work. Ends when dropped.
pub trait Running {
    /// A way for messages between the house and the internet, new for each repetition.
    ///
    /// # Errors
    /// When there is none at the moment.
    fn channel(&self, site: &Site<'_>) -> Result<Channel> {
        let (client, internet) = (site.world.client().namespace(), site.world.internet());
        Ok(udp_channel(client, &internet, IpAddr::V4(METER_V4))?)
    }

    /// Whether it carries everything that the house sends.
    fn carries_the_house(&self) -> bool {
        true
    }

    /// Whether the call is on two uplinks at once, so that it is on neither alone and returns to
    /// none.
    fn carries_twice(&self) -> bool {
        false
    }

    /// An uplink has another address.
    ///
    /// # Errors
    /// When the contender cannot be told.
    fn handle_lease(&self, site: &Site<'_>, uplink: Uplink, lease: &Lease) -> Result<()> {
        let _ = (site, uplink, lease); // most notice by themselves
        Ok(())
    }

    /// How often it has moved traffic to another uplink, if it counts.
    ///
    /// # Errors
    /// When it does not answer.
    fn switches(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// How many of its paths carry, if it says.
    ///
    /// # Errors
    /// When it does not answer.
    fn paths_up(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// An error with its last words, if a part of it has ended: what is measured then is what lies
    /// beneath it.
    ///
    /// # Errors
    /// Then.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Its processes on the box.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// What it says about itself, for a person who wonders.
    fn dump(&self) -> String {
        String::new()
    }
}

/// A contender that can be measured in the world of two uplinks.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Contender> {
    const ALL: [&dyn Contender; 5] =
        [&Porchlight::AsItComes, &Porchlight::CallsTwice, &Route, &Mptcp, &Rebind];
    ALL.into_iter().find(|contender| contender.name() == name)
}

/// A server that both pingers and people ask whether the internet is there.
const PING_TARGET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
