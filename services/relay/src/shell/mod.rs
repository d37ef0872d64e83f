//! The sockets, the files, the firewall, the command line.

pub mod boxes;
pub mod command_line;
pub mod firewall;
pub mod serve;
