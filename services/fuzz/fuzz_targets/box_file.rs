//! See `entries/box_file.rs`.
#![no_main]

#[path = "../entries/box_file.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::check(bytes));
