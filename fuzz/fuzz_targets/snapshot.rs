#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| voip_fuzz::snapshot(data));
