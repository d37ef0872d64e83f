//! What touches the world, the same at the box and at the relay.

pub mod congestion;
pub mod dial;
pub mod enrolment;
pub mod greeting;
pub mod keys;
pub mod pump;
pub mod socket;
pub mod transport;
pub mod tun;
