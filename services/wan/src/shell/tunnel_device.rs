//! The tunnel's device, as the kernel's routes see it.
//!
//! One task, spawned by [`TunnelDevice::find`], speaks to the kernel and ends with the value.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::address::AddressAttribute;
use tokio::task::JoinHandle;

use crate::uplink::Device;

/// The kernel's word for "that is there already".
const EEXIST: i32 = 17;

/// Why the device cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeviceError {
    /// The way to the kernel cannot be opened.
    #[error("the way to the kernel: {0}")]
    Kernel(#[from] io::Error),
    /// It refused.
    #[error("{what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        source: rtnetlink::Error,
    },
    /// It is not there.
    #[error("there is no device {0}")]
    Gone(String),
}

/// The device.
#[derive(Debug)]
pub(super) struct TunnelDevice {
    handle: Handle,
    speaker: JoinHandle<()>,
    index: u32,
}

impl TunnelDevice {
    /// The device called `name`.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn find(name: &str) -> Result<Self, DeviceError> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let speaker = tokio::spawn(connection);
        let found = handle.link().get().match_name(name).execute().try_next().await;
        let refused = |source| DeviceError::Refused { what: format!("device {name}"), source };
        let link = found.map_err(refused)?.ok_or_else(|| DeviceError::Gone(name.to_owned()))?;
        Ok(Self { handle, speaker, index: link.header.index })
    }

    /// The kernel's number for it.
    pub(super) const fn device(&self) -> Device {
        Device(self.index)
    }

    /// Gives it the addresses that the relay said are ours, and takes those of another relay away.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn put_addresses(
        &self,
        v4: Ipv4Addr,
        v6: Option<Ipv6Addr>,
    ) -> Result<(), DeviceError> {
        // The first address of the /64 that is routed to us is the box's own.
        let v6 = v6.map(|prefix| Ipv6Addr::from_bits(prefix.to_bits() | 1));
        self.keep_only(&[Some(v4.into()), v6.map(IpAddr::V6)]).await?;
        self.put(v4.into(), 32).await?;
        if let Some(own) = v6 {
            self.put(own.into(), 128).await?;
        }
        Ok(())
    }

    async fn keep_only(&self, wanted: &[Option<IpAddr>]) -> Result<(), DeviceError> {
        let refused = |source| DeviceError::Refused { what: String::from("addresses"), source };
        let there = self.handle.address().get().set_link_index_filter(self.index).execute();
        let there: Vec<_> = there.try_collect().await.map_err(refused)?;
        for message in there {
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
            let link_local =
                matches!(address, Some(IpAddr::V6(address)) if address.is_unicast_link_local());
            if !wanted.contains(&address) && !link_local {
                self.handle.address().del(message).execute().await.map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Takes the device away, and its addresses and routes with it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn remove(self) -> Result<(), DeviceError> {
        let removed = self.handle.link().del(self.index).execute().await;
        let what = String::from("removal of the tunnel's device");
        removed.map_err(|source| DeviceError::Refused { what, source })
    }

    async fn put(&self, address: IpAddr, length: u8) -> Result<(), DeviceError> {
        let request = self.handle.address().add(self.index, address, length).execute().await;
        match request {
            Err(rtnetlink::Error::NetlinkError(told)) if told.raw_code() == -EEXIST => Ok(()),
            Err(source) => Err(DeviceError::Refused { what: format!("address {address}"), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for TunnelDevice {
    fn drop(&mut self) {
        self.speaker.abort();
    }
}
