//! The D-Bus contract: every name, path, interface, type and proxy that Porchlight speaks.
//!
//! The only place where a bus name is spelt. [`home`] and [`wan`] are what we serve; [`network1`]
//! and [`systemd1`] are the parts of systemd that we read, each no wider than what is used.
//! [`view`] and [`day`] turn what is served into the household's words.
//!
//! Rules that hold for every interface of ours: bus name, path and interface carry one major
//! number together; enumerations travel as strings, and a reader that meets a word it does not
//! know shows generic text; instants travel as microseconds since boot, because a box without a
//! clock chip has nothing better. The introspection XML under `xml/` is the contract in writing,
//! and a test compares it with the code.
#![forbid(unsafe_code)]

mod changes;
pub mod day;
pub mod home;
pub mod network1;
pub mod systemd1;
pub mod view;
pub mod wan;

pub use changes::Changes;

/// The interface through which every D-Bus object's properties are read.
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
