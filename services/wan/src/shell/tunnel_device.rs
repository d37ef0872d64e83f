//! The tunnel's device, as the kernel's routes see it.
//!
//! One task, spawned by [`TunnelDevice::find`], speaks to the kernel and ends with the value.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::Handle;
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

    /// Gives it the addresses that the relay said are ours.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn put_addresses(
        &self,
        v4: Ipv4Addr,
        v6: Option<Ipv6Addr>,
    ) -> Result<(), DeviceError> {
        self.put(v4.into(), 32).await?;
        if let Some(prefix) = v6 {
            // The first address of the /64 that is routed to us is the box's own.
            let own = Ipv6Addr::from_bits(prefix.to_bits() | 1);
            self.put(own.into(), 128).await?;
        }
        Ok(())
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
