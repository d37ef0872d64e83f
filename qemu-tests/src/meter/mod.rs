//! What an application behind the box notices: the gap meter.
//!
//! Messages go both ways between a computer in the house and a server on the internet, 200 each
//! second in each direction, as a call or a game would send them; connections carry data beside
//! them, and new conversations are opened all the time. Both ends are in this process and share
//! one clock, so that delays in one direction are exact. What was sent and what arrived is kept
//! message by message; everything that is reported follows from that [`Journal`] afterwards.
//!
//! This folder is pure; threads, sockets and the clock are in [`shell`].
mod distribution;
mod journal;
mod message;
mod progress;
pub mod shell;

pub use distribution::Distribution;
pub use journal::{Arrival, Gap, Journal, Losses};
pub use message::{Message, MessageKind};
pub use progress::{Progress, Survival};
