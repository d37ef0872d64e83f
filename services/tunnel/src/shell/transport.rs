//! QUIC as the tunnel uses it: datagrams only, small buffers, quick to notice.

use std::sync::Arc;
use std::time::Duration;

use quinn::{MtuDiscoveryConfig, TransportConfig, VarInt};

use super::congestion::{Mask, MaskedConfig};

/// Bytes that may wait inside QUIC. How many do is decided by [`crate::shell::pump`]; this is the
/// most for the fastest path: 2 ms at 4 Gbit/s.
pub const SEND_BUFFER: usize = 1 << 20;
/// Datagrams that have come and are not taken yet.
const RECEIVE_BUFFER: usize = 4 << 20;
/// A connection on which nothing comes for so long is over. Long before that the tunnel has asked
/// for another one; this is for the relay to forget boxes that went away.
const IDLE: Duration = Duration::from_secs(30);
/// Assumed before anything is measured: lost first packets are sent again after three of these.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
/// The largest UDP payload that common paths carry.
const LARGEST_PAYLOAD: u16 = 1_452;
/// How often a path that carries less is asked whether it carries more.
const MTU_INTERVAL: Duration = Duration::from_secs(60);

/// How soon after it seemed to carry less. QUIC takes bursts of loss for a path that shrank; until
/// it asks again every packet of the house goes in two halves, and takes twice the work.
const MTU_AGAIN: Duration = Duration::from_secs(1);

/// The configuration of one connection.
#[must_use]
pub fn config(mask: Arc<Mask>) -> TransportConfig {
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(LARGEST_PAYLOAD).interval(MTU_INTERVAL).black_hole_cooldown(MTU_AGAIN);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(4_096))
        .receive_window(VarInt::from_u32(4_096))
        .max_idle_timeout(Some(IDLE.try_into().expect("below QUIC's largest number")))
        .initial_rtt(FIRST_ROUND_TRIP)
        .mtu_discovery_config(Some(mtu))
        .datagram_send_buffer_size(SEND_BUFFER)
        .datagram_receive_buffer_size(Some(RECEIVE_BUFFER))
        .congestion_controller_factory(Arc::new(MaskedConfig::new(mask)));
    config
}
