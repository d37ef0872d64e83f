//! Everything of `selfcheck` that touches the world.

pub mod deliver;
mod files;
pub mod gather;
mod journal;
mod manager;
pub mod settings;
