//! Everything of `wan` that touches the world: the kernel, files, the bus, sockets, the clock.

pub mod announce;
pub mod bus;
mod clock;
mod conntrack;
mod dishes;
mod firewall;
pub mod join;
pub mod junction;
mod metrics;
mod near_end;
mod netlink;
mod owner;
mod probes;
mod resolvers;
mod routes;
pub mod run;
pub mod settings;
mod sky;
mod store;
mod translate;
mod tunnel_device;
pub mod way_back;
