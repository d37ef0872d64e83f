//! Where a link meets a machine.

use std::path::PathBuf;

/// The two UNIX datagram sockets between one NIC of a QEMU guest and the world: one Ethernet frame
/// is one datagram. QEMU is started with `-netdev dgram,id=…`,
/// `local.type=unix,local.path=<qemu_path>,remote.type=unix,remote.path=<world_path>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuPort {
    /// QEMU binds this one and reads the frames for the guest from it.
    pub qemu_path: PathBuf,
    /// The world binds this one and reads the guest's frames from it.
    pub world_path: PathBuf,
}
