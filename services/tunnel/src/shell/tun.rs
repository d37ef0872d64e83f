//! The device through which the kernel and the tunnel hand each other packets, many at a time.

use std::io;
use std::net::IpAddr;

use bytes::BytesMut;
use tun_rs::{AsyncDevice, DeviceBuilder, GROTable, IDEAL_BATCH_SIZE, VIRTIO_NET_HDR_LEN};

use crate::wire::Header;

/// Longest packet the kernel hands over at once: 64 KiB that it has not cut yet.
const LONGEST: usize = VIRTIO_NET_HDR_LEN + 65_535;
/// Packets written at once.
const MOST_AT_ONCE: usize = IDEAL_BATCH_SIZE;
/// What is kept before a packet is more than what the kernel wants there.
const _: () = assert!(Header::LENGTH >= VIRTIO_NET_HDR_LEN);

/// A TUN device.
pub struct Tun {
    device: AsyncDevice,
    whole: Vec<u8>,
    parts: Vec<BytesMut>,
    sizes: Vec<usize>,
    table: GROTable,
    mtu: u16,
}

impl std::fmt::Debug for Tun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tun").field("mtu", &self.mtu).finish_non_exhaustive()
    }
}

impl Tun {
    /// Makes or opens the device `name`, up, with these addresses and that MTU. To be called
    /// inside the runtime.
    ///
    /// # Errors
    /// The kernel's: no `/dev/net/tun`, no right to it, or a name that is taken.
    pub fn open(name: &str, addresses: &[(IpAddr, u8)], mtu: u16) -> io::Result<Self> {
        let mut builder = DeviceBuilder::new();
        for (address, length) in addresses {
            builder = match address {
                IpAddr::V4(address) => builder.ipv4(*address, *length, None),
                IpAddr::V6(address) => builder.ipv6(*address, *length),
            };
        }
        let device = builder.name(name).mtu(mtu).offload(true).build_async()?;
        let part = Header::LENGTH + usize::from(mtu);
        Ok(Self {
            device,
            whole: vec![0; LONGEST],
            parts: (0..IDEAL_BATCH_SIZE).map(|_| BytesMut::zeroed(part)).collect(),
            sizes: vec![0; IDEAL_BATCH_SIZE],
            table: GROTable::new(),
            mtu,
        })
    }

    /// From now on the device stays when the program ends, with its addresses, its routes and the
    /// connections that are translated to its address; [`Self::open`] takes it again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn outlive(&self) -> io::Result<()> {
        self.device.persist()
    }

    /// Waits for packets and hands each to `take`, with [`Header::LENGTH`] bytes of room before
    /// it. Safe to cancel.
    ///
    /// # Errors
    /// The kernel's, when the device is gone.
    pub async fn receive(&mut self, mut take: impl FnMut(BytesMut)) -> io::Result<()> {
        let count = self
            .device
            .recv_multiple(&mut self.whole, &mut self.parts, &mut self.sizes, Header::LENGTH)
            .await?;
        let room = Header::LENGTH + usize::from(self.mtu);
        for (part, size) in self.parts.iter_mut().zip(&self.sizes).take(count) {
            let mut packet = std::mem::replace(part, BytesMut::zeroed(room));
            packet.truncate(Header::LENGTH + size);
            take(packet);
        }
        Ok(())
    }

    /// Hands packets, each with [`Header::LENGTH`] bytes of room before it, to the kernel;
    /// `packets` is empty afterwards. Packets that the kernel refuses are dropped, as any network
    /// would.
    ///
    /// # Errors
    /// The kernel's, when the device is gone.
    pub async fn send(&mut self, packets: &mut Vec<BytesMut>) -> io::Result<()> {
        let mut outcome = Ok(());
        for batch in packets.chunks_mut(MOST_AT_ONCE) {
            let sent = self.device.send_multiple(&mut self.table, batch, Header::LENGTH).await;
            outcome = sent.map(|_| ()).or_else(|error| match error.raw_os_error() {
                // EINVAL: a packet that is none. EIO: the device is not up just now.
                Some(22 | 5) => Ok(()),
                _ => Err(error),
            });
        }
        packets.clear();
        outcome
    }
}
