//! One of the box's ways out, from outside: its link, its provider, its faults.

use std::sync::{Arc, Mutex, PoisonError};

use super::address_plan::{Addresses, Uplink};
use super::namespace::Namespace;
use super::provider::Provider;
use crate::emulator::Fault;
use crate::emulator::shell::{Link, LinkStatus};

/// Tells a NIC of the box that its cable was pulled (false) or is back (true).
pub type CarrierSwitch = Arc<dyn Fn(Uplink, bool) -> anyhow::Result<()> + Send + Sync>;

/// A way out, with everything that can go wrong with it. Copies are of the same one.
#[derive(Clone)]
pub struct UplinkHandle(Arc<Inner>);

struct Inner {
    uplink: Uplink,
    link: Link,
    provider: Provider,
    carrier: Mutex<Option<CarrierSwitch>>,
}

impl std::fmt::Debug for UplinkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UplinkHandle").field(&self.0.uplink).finish()
    }
}

impl UplinkHandle {
    pub(super) fn new(uplink: Uplink, link: Link, provider: Provider) -> Self {
        Self(Arc::new(Inner { uplink, link, provider, carrier: Mutex::new(None) }))
    }

    /// Which one it is.
    #[must_use]
    pub fn uplink(&self) -> Uplink {
        self.0.uplink
    }

    /// Puts a fault on it; returns when it is on.
    ///
    /// # Errors
    /// When the NIC's carrier cannot be switched or the provider cannot do it.
    pub fn fault(&self, fault: &Fault) -> anyhow::Result<()> {
        let inner = &self.0;
        match fault {
            Fault::AddressChange => inner.provider.change_addresses()?,
            Fault::NatRebinding => inner.provider.rebind()?,
            _ => {}
        }
        // Frames stop before the NIC hears of it, and flow before it hears that they may.
        inner.link.fault(fault);
        let carrier = match fault {
            Fault::CarrierDown => false,
            Fault::CarrierUp | Fault::Heal => true,
            _ => return Ok(()),
        };
        let switch = inner.carrier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        switch.map_or(Ok(()), |switch| switch(inner.uplink, carrier))
    }

    /// From now on, a lost or returned carrier is told to `switch`.
    pub fn on_carrier(&self, switch: CarrierSwitch) {
        *self.0.carrier.lock().unwrap_or_else(PoisonError::into_inner) = Some(switch);
    }

    /// What its link has done so far.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.0.link.status()
    }

    /// What its provider hands out now.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.0.provider.addresses()
    }

    /// Writes a line for each step of each frame to `path` from now on.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn log_packets_to(&self, path: &std::path::Path) -> anyhow::Result<()> {
        Ok(self.0.link.log_to(path)?)
    }

    /// Its provider's namespace, for tools of your own.
    #[must_use]
    pub fn provider_namespace(&self) -> &Namespace {
        self.0.provider.namespace()
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.0.provider
    }
}
