//! What each Porchlight daemon does alike, so that the next one is written by copying a good one.
//!
//! [`settings`] reads a TOML file or says exactly what is wrong with it; [`journal`] sends events
//! where they can be found; [`connection`] serves an object and then takes its name; [`sockets`]
//! takes what systemd listens on for us; [`readiness`] tells systemd that we are up and alive;
//! [`shutdown`] hears that we should stop; [`clock`] is the one place that reads the clock;
//! [`identity`] says which image runs; [`replace`] keeps a file through a power failure. No tasks
//! and no threads are started here.
#![forbid(unsafe_code)]

pub mod clock;
pub mod connection;
pub mod identity;
pub mod journal;
pub mod readiness;
pub mod replace;
pub mod settings;
pub mod shutdown;
pub mod sockets;

/// Exit status for settings that cannot be used: `EX_USAGE` of sysexits.h, so that a unit can say
/// `RestartPreventExitStatus=64` and not try the same file again.
pub const BAD_SETTINGS: u8 = 64;
