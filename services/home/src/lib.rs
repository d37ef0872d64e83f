//! The light, derived: what the box sees of itself, and what a household needs to hear of it.
//!
//! All of this library but [`shell`] is the pure machine. It is told readings and the time, and
//! answers with a [`Status`]; it opens nothing and reads no clock. [`shell`] and `main.rs` own the
//! sockets, the bus and the clock.
//!
//! - [`port`]: the box's network ports and what each is for.
//! - [`reading`]: what was seen of the network and of the services, and when.
//! - [`describe`]: systemd-networkd's JSON into such a reading.
//! - [`way_out`]: what `wan` says of the way out.
//! - [`uplink`]: what each way out of the house does.
//! - [`light`]: the light table; the highest active row wins.
//! - [`house`]: the machine that holds the newest readings and shows the light.
#![forbid(unsafe_code)]

pub mod describe;
pub mod house;
pub mod light;
pub mod port;
pub mod reading;
pub mod shell;
pub mod uplink;
pub mod way_out;

pub use house::{House, Status};
