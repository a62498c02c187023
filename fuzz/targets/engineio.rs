//! libFuzzer's door to `checks/engineio.rs`. See `fuzz/README.md`.
#![no_main]

#[path = "../checks/engineio.rs"]
mod engineio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::check(data));
