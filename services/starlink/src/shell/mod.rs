//! Everything of `starlink` that touches the world: the connection to a dish, the wall clock.

pub mod codec;
pub mod connection;
pub mod follow;
pub mod wall_clock;
