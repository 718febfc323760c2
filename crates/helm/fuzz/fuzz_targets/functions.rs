//! Any text as a template with the functions of sprig and Helm: it is refused, fails or renders within its limits.
#![no_main]

use bowline_gotmpl::{Limits, Set, Value};
use bowline_helm::functions::{Host, table};

/// What takes long on purpose.
const SLOW: [&str; 7] = ["gen", "derivePassword", "htpasswd", "bcrypt", "AES", "repeat", "until"];

libfuzzer_sys::fuzz_target!(|text: &str| {
    if SLOW.iter().any(|name| text.contains(name)) {
        return;
    }
    let mut set = Set::new(table());
    if set.parse("t", text).is_err() {
        return;
    }
    let data = Value::from_json(&serde_json::json!({
        "a": {"b": {"c": "text"}}, "l": [1, "two", null, [3.5]], "n": 12, "s": "héllo", "t": true, "e": {}, "z": null,
        "v": "1.2.3-rc.1+b", "d": "2020-02-29T01:02:03Z", "y": "a: [1, {b: c}]\n", "j": "{\"a\": [1, null]}",
    }));
    let mut host = Host::new((1_700_000_000, 0), Box::new(|bytes: &mut [u8]| bytes.fill(7)));
    let limits = Limits { steps: 20_000, output_bytes: 1 << 20, depth: 200, value_depth: 200 };
    let mut out = Vec::new();
    if let Err(error) = set.execute("t", &data, &mut out, limits, &mut host) {
        assert!(!error.to_string().is_empty(), "an error says something");
    }
});
