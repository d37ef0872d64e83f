//! See `entries/enrolment.rs`.
#![no_main]

#[path = "../entries/enrolment.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::check(bytes));
