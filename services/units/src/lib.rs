//! Quantities and identities as types, for every Porchlight machine.
//!
//! Pure and `no_std`: nothing here reads a clock or a device. A machine is handed an [`Instant`]
//! by its shell, so tests and simulators can hand it any.
#![no_std]
#![forbid(unsafe_code)]

mod energy;
mod instant;
mod link_id;
mod port_name;

pub use energy::{MilliJoule, MilliWatt};
pub use instant::Instant;
pub use link_id::LinkId;
pub use port_name::{PortName, PortNameError};
