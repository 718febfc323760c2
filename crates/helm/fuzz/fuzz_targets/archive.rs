//! Any bytes as a packed chart.
#![no_main]

use bowline_helm::chart::load_archive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(error) = load_archive(data) {
        assert!(!error.to_string().is_empty(), "an error says something");
    }
});
