//! `cargo xtask image`: from the description in `image/`, `hardware/`, `overlays/` and `recipes/`
//! to a disk image. [`staging`] collects what mkosi reads, [`build`] runs it in the tools root, and
//! [`inside`] is what mkosi calls back while it works.

mod artefacts;
mod bill;
mod build;
pub(crate) mod description;
pub(crate) mod identity;
mod initrd;
pub(crate) mod inside;
mod mkosi;
mod modules;
mod removal;
mod stage;
mod staging;
mod units;

pub(crate) use build::{build, build_plain, compress, run};
