//! Any lines as values that are set one by one, in each of the forms.
#![no_main]

use bowline_helm::Table;
use bowline_helm::values::{parse_into, parse_into_string, parse_json_into, parse_literal_into};

libfuzzer_sys::fuzz_target!(|lines: (&str, &str)| {
    let (first, second) = lines;
    for parse in [parse_into, parse_into_string, parse_json_into, parse_literal_into] {
        let mut values = Table::new();
        for line in [first, second] {
            if let Err(error) = parse(line, &mut values) {
                assert!(!error.to_string().is_empty(), "an error says something");
            }
        }
    }
});
