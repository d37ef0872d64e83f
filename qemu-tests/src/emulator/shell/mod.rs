//! Threads, ports and clocks for the link machine.
//!
//! Each direction of a [`Link`] is one thread; it owns its machine. Commands reach it by a bounded
//! channel and an eventfd, and end it when the link is dropped. Between events it sleeps in
//! ppoll(2) until shortly before the next deadline and spins the rest, so that a frame leaves
//! within microseconds of its time on an idle core; [`Timing`] says by how much it did not.
mod clock;
mod link;
mod port;
mod runner;
mod timing;

pub use clock::Clock;
pub use link::{Link, LinkError, LinkOptions, LinkStatus};
pub use port::{FramePort, QemuSocket, SendOutcome, SocketPair, Tap};
pub use runner::DirectionStatus;
pub(crate) use runner::be_punctual;
pub use timing::{Timing, TimingReport, measure_timing};
