//! Everything of `home` that touches the world: files, the bus, sockets, the clock.

pub mod bus;
mod events;
mod host;
mod observer;
pub mod page;
pub mod run;
pub mod server;
pub mod settings;
