#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_apiserver_fuzz::run("spdy_exec", bytes));
