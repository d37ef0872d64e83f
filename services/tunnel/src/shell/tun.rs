//! The device through which the kernel and the tunnel hand each other packets, many at a time.

use std::io;
use std::net::IpAddr;

use bytes::BytesMut;
use tun_rs::{
    AsyncDevice, DeviceBuilder, ExpandBuffer, GROTable, IDEAL_BATCH_SIZE, VIRTIO_NET_HDR_LEN,
};

use crate::wire::Header;

/// Longest packet the kernel hands over at once: 64 KiB that it has not cut yet.
const LONGEST: usize = VIRTIO_NET_HDR_LEN + 65_535;
/// Longest packet handed to the kernel, with the room before it, which the library counts twice.
const LONGEST_JOINED: usize = 2 * Header::LENGTH + 65_535;
/// Packets read before those that came by the connections have their turn. One the kernel has not
/// cut yet counts as what it is cut into.
const MOST_TAKEN: usize = 256;
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
    joined: Vec<Joinable>,
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
            joined: Vec::with_capacity(MOST_AT_ONCE),
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
    /// it: all that have come, but not many more than [`MOST_TAKEN`]. Safe to cancel.
    ///
    /// # Errors
    /// The kernel's, when the device is gone.
    pub async fn receive(&mut self, mut take: impl FnMut(BytesMut)) -> io::Result<()> {
        let mut count = self
            .device
            .recv_multiple(&mut self.whole, &mut self.parts, &mut self.sizes, Header::LENGTH)
            .await?;
        let mut taken = 0;
        loop {
            self.take(count, &mut take);
            taken += count;
            if taken >= MOST_TAKEN {
                return Ok(());
            }
            let (whole, parts, sizes) = (&mut self.whole, &mut self.parts, &mut self.sizes);
            match self.device.try_recv_multiple(whole, parts, sizes, Header::LENGTH) {
                Ok(more) => count = more,
                // Nothing more has come; or the device is gone, as the next call will find.
                Err(_) => return Ok(()),
            }
        }
    }

    fn take(&mut self, count: usize, take: &mut impl FnMut(BytesMut)) {
        let room = Header::LENGTH + usize::from(self.mtu);
        for (part, size) in self.parts.iter_mut().zip(&self.sizes).take(count) {
            let mut packet = std::mem::replace(part, BytesMut::zeroed(room));
            packet.truncate(Header::LENGTH + size);
            take(packet);
        }
    }

    /// Hands packets, each with [`Header::LENGTH`] bytes of room before it, to the kernel;
    /// `packets` is empty afterwards. Packets that the kernel refuses are dropped, as any network
    /// would.
    ///
    /// # Errors
    /// The kernel's, when the device is gone.
    pub async fn send(&mut self, packets: &mut Vec<BytesMut>) -> io::Result<()> {
        let mut outcome = Ok(());
        while !packets.is_empty() {
            let most = packets.len().min(MOST_AT_ONCE);
            self.joined.extend(packets.drain(..most).map(Joinable));
            let batch = &mut self.joined;
            let sent = self.device.send_multiple(&mut self.table, batch, Header::LENGTH).await;
            batch.clear();
            outcome = sent.map(|_| ()).or_else(|error| match error.raw_os_error() {
                // EINVAL: a packet that is none. EIO: the device is not up just now.
                Some(22 | 5) => Ok(()),
                _ => Err(error),
            });
        }
        outcome
    }
}

/// A packet to which those that follow it in its connection can be joined, up to the longest that
/// the kernel takes at once: it then goes through the kernel as one. Most are never joined to, so
/// room is made for the first that is.
struct Joinable(BytesMut);

impl AsRef<[u8]> for Joinable {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Joinable {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl ExpandBuffer for Joinable {
    /// What it may become: nothing is joined to a packet beyond this.
    fn buf_capacity(&self) -> usize {
        LONGEST_JOINED
    }

    fn buf_resize(&mut self, length: usize, value: u8) {
        self.make_room(length.saturating_sub(self.0.len()));
        self.0.resize(length, value);
    }

    fn buf_extend_from_slice(&mut self, more: &[u8]) {
        self.make_room(more.len());
        self.0.extend_from_slice(more);
    }
}

impl Joinable {
    fn make_room(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            let mut roomy = BytesMut::with_capacity(LONGEST_JOINED);
            roomy.extend_from_slice(&self.0);
            self.0 = roomy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_to_a_packet_follows_it_and_its_room_grows_once() {
        let mut packet = Joinable(BytesMut::from(&b"head"[..]));
        packet.buf_extend_from_slice(b"more");
        assert_eq!(packet.as_ref(), b"headmore");
        let room = packet.0.capacity();
        assert!(room >= LONGEST_JOINED, "{room}");
        packet.buf_resize(packet.0.len() + 4, 7);
        packet.buf_extend_from_slice(&vec![9; 1_000]);
        assert_eq!(packet.0[..12], *b"headmore\x07\x07\x07\x07");
        assert_eq!((packet.0.len(), packet.0.capacity()), (1_012, room));
    }
}
