//! See `entries/dish.rs`.
#![no_main]

#[path = "../entries/dish.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::check(bytes));
