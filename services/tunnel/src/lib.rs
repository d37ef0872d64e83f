//! The tunnel between a box and its relay, over every uplink at once. The same at both ends.
//!
//! All but [`shell`] is pure: a [`Tunnel`] is told what came and when, and answers with what is
//! to be sent where. It opens nothing and reads no clock. The shell gives it one QUIC connection
//! per uplink and a TUN device, and calls, in this order, whenever something happened:
//!
//! 1. [`Tunnel::handle_inner`] for each packet of the house, [`Tunnel::handle_datagram`] for each
//!    datagram of a connection, the other `handle_*` for what became of cables and connections;
//! 2. [`Tunnel::poll_datagram`] for each link whose connection has room, until it has none;
//! 3. [`Tunnel::poll_inner`] until there is nothing, and [`Tunnel::poll_event`] likewise;
//! 4. [`Tunnel::handle_deadline`] once [`Tunnel::next_deadline`] has come.
//!
//! - [`wire`]: what travels. [`packet`], [`class`]: what the house sends.
//! - [`queue`]: fair queues with early drop. [`path`]: one way, its measurements, its health.
//! - [`budget`], [`pins`], [`window`], [`policy`]: what the choice of a path rests on.
//! - [`dedup`], [`fragment`]: what becomes of copies and of packets too long.
//! - [`machine`]: all of it together.
//! - [`shell`]: keys, sockets, QUIC, the TUN device: what touches the world, at both ends.
#![forbid(unsafe_code)]

pub mod budget;
pub mod class;
pub mod dedup;
pub mod fragment;
pub mod machine;
pub mod packet;
pub mod path;
pub mod pins;
pub mod policy;
pub mod queue;
pub mod shell;
pub mod window;
pub mod wire;

pub use class::Class;
pub use machine::{Counters, DatagramError, End, Event, InnerError, Tunnel};
pub use path::{Rhythm, State, Why};
pub use policy::{Mode, Modes, Policy};
pub use window::Window;
