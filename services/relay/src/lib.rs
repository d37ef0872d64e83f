//! The far end of the tunnel: boxes come in, their packets go out to the internet, and back.
//!
//! - [`addresses`]: which inner addresses belong to which box; pure arithmetic.
//! - [`register`]: what is known of each box, as a text file.
//! - [`shell`]: the sockets, the files, the firewall.
#![forbid(unsafe_code)]

pub mod addresses;
pub mod register;
pub mod shell;
