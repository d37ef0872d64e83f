//! The sockets, the files, the firewall, the command line.

pub mod boxes;
pub mod command_line;
pub mod firewall;
mod guests;
pub mod serve;
