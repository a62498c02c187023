//! libFuzzer's door to `checks/frames.rs`. See `fuzz/README.md`.
#![no_main]

#[path = "../checks/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames::check(data));
