//! The dish's messages, and what in its answers we do not know.
//!
//! `proto/device.proto` is our own and small; the Rust is checked in and a test makes it again.

#[rustfmt::skip]
mod known_fields;
#[rustfmt::skip]
pub mod messages;
mod unknown;

pub use unknown::{FieldPath, MOST_TOLD, UnknownFields};
