//! Makes the kernel forget connections by their mark (nfnetlink, `IPCTNL_MSG_CT_DELETE`).
//!
//! The kernel takes such a request without a tuple as "all that match", and compares the mark
//! through the mask (`ctnetlink_flush_conntrack`, `net/netfilter/nf_conntrack_netlink.c`).

use std::io;
use std::time::Duration;

use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, TokioSocket};
use tokio::time::timeout;

use crate::uplink::Mark;

/// Longest wait for the kernel, which looks at every connection it has: some 10 ms for 100,000.
const PATIENCE: Duration = Duration::from_secs(2);

/// The attribute that the crate has no name for (`linux/netfilter/nfnetlink_conntrack.h`).
const CTA_MARK_MASK: u16 = 21;

/// Forgets the connections that carry `mark`, and no others.
///
/// # Errors
/// The kernel's.
pub(super) async fn forget(mark: Mark) -> io::Result<()> {
    let mask = DefaultNla::new(CTA_MARK_MASK, Mark::MASK.to_be_bytes().to_vec());
    let attributes = vec![ConntrackAttribute::CtaMark(mark.get()), ConntrackAttribute::Other(mask)];
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0);
    let inner = NetfilterMessage::new(header, ConntrackMessage::Delete(attributes));
    let mut message = NetlinkMessage::from(inner);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
    socket.socket_mut().bind_auto()?;
    let conversation = async {
        socket.send(&bytes).await?;
        let (answer, _) = socket.recv_from_full().await?;
        let answer = NetlinkMessage::<NetfilterMessage>::deserialize(&answer);
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
            _ => Ok(()),
        }
    };
    timeout(PATIENCE, conversation).await.map_err(|_| io::ErrorKind::TimedOut)?
}
