//! What travels between box and relay, inside QUIC datagrams (RFC 9221).
//!
//! Every datagram starts with a [`Header`]. What follows is an IP packet, a part of one, or a
//! [`Report`]. QUIC has already proved who sent it; what it says is still checked field by field,
//! because a peer whose key was stolen must not be able to do more than carry badly.

mod header;
mod hello;
mod report;
mod stamp;

pub use header::{Header, HeaderError, Kind, SequenceRange};
pub use hello::{Hello, HelloError, LONGEST_HELLO, TOKEN_LENGTH, Welcome};
pub use report::{Gap, MOST_GAPS, PathReport, Report, ReportError};
pub use stamp::Stamp;
