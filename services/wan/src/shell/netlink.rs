//! The kernel's news of links, addresses, routes and rules (rtnetlink(7)).
//!
//! One socket, read by the main loop whenever it has nothing else to do. Its bound is the kernel's
//! receive buffer, [`BUFFER`]; what does not fit the kernel drops and says so by `ENOBUFS`, and the
//! loop then asks for everything again. Nothing is queued on our side.

use std::io;

use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

/// What the kernel may hold for us, in bytes: some 200 messages of links, which are the longest.
const BUFFER: usize = 208 * 1024;

/// What the kernel says for "there was more than you took".
const ENOBUFS: i32 = 105;

/// What we want to hear of.
const GROUPS: [MulticastGroup; 7] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// News, in order.
    News(Vec<RouteNetlinkMessage>),
    /// A route was replaced, as the network manager does it at each renewal, without a word of what
    /// was there before: everything must be read again.
    Replaced,
    /// Something was dropped: everything must be read again.
    Overrun,
}

/// The socket.
pub(super) struct NewsSocket(TokioSocket);

impl NewsSocket {
    /// Listens from now on. To be called inside the runtime, before anything is listed.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let groups = GROUPS.iter().fold(0, |groups, group| groups | 1 << (*group as u32 - 1));
        socket.socket_mut().set_rx_buf_sz(u32::try_from(BUFFER).expect("below 4 GiB"))?;
        socket.socket_mut().bind(&SocketAddr::new(0, groups))?;
        Ok(Self(socket))
    }

    /// Waits for the next news. Safe to cancel: what was not read stays in the socket.
    ///
    /// # Errors
    /// The kernel's, other than that news was dropped.
    pub(super) async fn next(&mut self) -> io::Result<Heard> {
        match self.0.recv_from_full().await {
            Ok((bytes, _)) => Ok(parse(&bytes)),
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => Ok(Heard::Overrun),
            Err(error) => Err(error),
        }
    }
}

/// The news in `bytes`. What cannot be understood is as good as dropped.
fn parse(bytes: &[u8]) -> Heard {
    let mut news = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let message = match NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!("the kernel's news cannot be understood: {error}");
                return Heard::Overrun;
            }
        };
        // Messages are aligned to four bytes (NLMSG_ALIGN).
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                let replaced = message.header.flags & NLM_F_REPLACE != 0;
                if replaced && super::translate::is_foreign_default(&inner) {
                    return Heard::Replaced;
                }
                news.push(inner);
            }
            NetlinkPayload::Overrun(_) => return Heard::Overrun,
            _ => {}
        }
    }
    Heard::News(news)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_garbled_counts_as_dropped() {
        assert!(matches!(parse(&[]), Heard::News(news) if news.is_empty()));
        assert!(matches!(parse(&[1, 2, 3]), Heard::Overrun));
        let longer_than_it_is = [64, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(parse(&longer_than_it_is), Heard::Overrun));
    }
}
