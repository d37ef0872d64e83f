//! See `entries/machine.rs`.
#![no_main]

#[path = "../entries/machine.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::check(bytes));
