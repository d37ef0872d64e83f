//! See `entries/packet.rs`.
#![no_main]

#[path = "../entries/packet.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::check(bytes));
