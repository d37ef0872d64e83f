//! A house, its uplinks and its relay, on a virtual clock.

pub(crate) mod house;
pub(crate) mod link;
pub(crate) mod recording;
