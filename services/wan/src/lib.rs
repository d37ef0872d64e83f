//! Keeps the house online: uplinks, routes, marks, caps.
//!
//! All of this library but [`shell`] is the pure machine. It is told what the kernel says, what
//! came of probes, and the time; it answers with what to do. [`shell`] and `main.rs` own the
//! sockets, the files, the bus and the clock.
//!
//! - [`uplink`]: a way out of the house, and what can happen to it.
//! - [`links`]: the kernel's news into such happenings.
//! - [`direct`]: which uplink new flows take, and what must stand in the kernel for it.
//! - [`resolvers`]: the servers of names that the leases came with.
//! - [`caps`]: bytes in the billing month.
//! - [`dish`]: what a dish says of itself, and what that means for its uplink.
//! - [`lan_prefix`]: the house's IPv6 prefix, as the network manager is told.
//! - [`measured`], [`availability`], [`decisions`]: what is remembered for the owner.
//! - [`status`]: what is told of all that; [`metrics`]: the same as numbers;
//!   [`tunnel_words`]: the tunnel's paths in words.
//! - [`gateway`]: the whole machine.
#![forbid(unsafe_code)]

pub mod availability;
pub mod caps;
pub mod decisions;
pub mod direct;
pub mod dish;
pub mod gateway;
pub mod lan_prefix;
pub mod links;
pub mod measured;
pub mod metrics;
pub mod modes;
pub mod resolvers;
pub mod shell;
pub mod status;
pub mod tunnel_words;
pub mod uplink;

pub use gateway::Gateway;
