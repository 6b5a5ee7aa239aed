#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| activity_sensor::fuzz::filter(bytes));
