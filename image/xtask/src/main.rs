//! `cargo xtask`: the one tool. Each verb is a module; this file only chooses.
mod flash;
mod image;
mod output;
mod packages;
mod repro;
mod settings;
mod tidy;
mod tools_root;

fn main() {}
