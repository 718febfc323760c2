//! Any bytes as a text and edits of it: an edit is refused or leaves a text in which it is seen.
#![no_main]

use bowline_yaml::Limits;
use bowline_yaml::lossless::{Path, Text};

libfuzzer_sys::fuzz_target!(|input: (&str, &str, u8, &str)| {
    let (text, path, how, value) = input;
    let Ok(mut edited) = Text::parse(text.as_bytes(), &Limits::default()) else { return };
    let Ok(path) = path.parse::<Path>() else { return };
    let value = serde_json::from_str(value).unwrap_or(serde_json::json!(value));
    for document in 0..edited.documents().min(3) {
        let done = match how % 3 {
            0 => edited.set(document, &path, &value),
            1 => edited.insert(document, &path, &value),
            _ => edited.remove(document, &path),
        };
        if done.is_ok() {
            Text::parse(edited.to_string().as_bytes(), &Limits::default()).expect("an edited text can be read");
        }
    }
});
