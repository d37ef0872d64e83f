//! The image's verdict on its own boot.
//!
//! All of this library but [`shell`] is pure: [`facts`] is what was gathered, [`settling`] says
//! when the boot is over, [`checks`] judges, [`record`] is the verdict as it leaves the box.
//! [`evidence`] finds the few words that count in what the kernel and the journal say.
#![forbid(unsafe_code)]

pub mod checks;
pub mod evidence;
pub mod facts;
pub mod record;
pub mod settling;
pub mod shell;
