//! JSON that YAML reads alike: what nearly every client applies, read without the price of YAML.

use serde_json::Value;

use super::json;

/// How deep values may lie in each other; less than any limit of either reader.
const MAX_DEPTH: usize = 64;

/// Longest text of a key: YAML looks for the colon no further than 1,024 letters.
const MAX_KEY_BYTES: usize = 256;

/// Most digits of a number, which is then a whole number of 64 bits to both readers.
const MAX_DIGITS: usize = 18;

/// Reads a map written in JSON of which YAML has the same to say; `None` when that takes a reader of YAML to tell.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
    if text.first() != Some(&b'{') || !is_plain(text) {
        return None;
    }
    let parsed = json::parse(text).ok()?;
    parsed.duplicates.is_empty().then_some(parsed.value)
}

/// Tells whether a text that is JSON is the same in YAML, by what is in it.
///
/// Not plain are letters beyond ASCII, escapes other than the commonest, tabs, fractions, numbers that need more than 64
/// bits or begin as octal ones, merge keys, and keys apart from their colon.
fn is_plain(text: &[u8]) -> bool {
    let (mut depth, mut at) = (0_usize, 0);
    let mut last_string: &[u8] = b"";
    while let Some(&letter) = text.get(at) {
        match letter {
            b'"' => {
                let Some(length) = plain_string(&text[at + 1..]) else { return false };
                last_string = &text[at + 1..at + 1 + length];
                at += length + 1;
            }
            b':' => {
                let ends_key = at.checked_sub(1).is_some_and(|before| text[before] == b'"');
                if !ends_key || last_string.len() > MAX_KEY_BYTES || matches!(last_string, b"<<" | b"=") {
                    return false;
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'0'..=b'9' => {
                let digits = text[at..].iter().take_while(|letter| letter.is_ascii_digit()).count();
                let after = text.get(at + digits);
                let is_whole = matches!(after, Some(b',' | b'}' | b']' | b' ' | b'\n'));
                if digits > MAX_DIGITS || !is_whole || (letter == b'0' && at > 0 && text[at - 1] == b'-') {
                    return false;
                }
                at += digits - 1;
            }
            b',' | b'-' | b' ' | b'\n' | b'a'..=b'z' => {}
            _ => return false,
        }
        at += 1;
    }
    true
}

/// Returns how long a string is whose opening quote has been read.
fn plain_string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' if matches!(text.get(at + 1)?, b'"' | b'\\' | b'n') => at += 2,
            b' '..=b'[' | b']'..=b'~' => at += 1,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_both_read_alike_is_read_as_json() {
        let text = "{\"a\": [1, -20, true, null, \"x\\n\\\"\\\\ y\"],\n  \"b\":{\"#\":\"- : {\"}}\n";
        let want = json!({ "a": [1, -20, true, null, "x\n\"\\ y"], "b": { "#": "- : {" } });
        assert_eq!(parse(text.as_bytes()), Some(want.clone()));
        assert_eq!(super::super::body::yaml_value(text.as_bytes()), Some(want), "YAML says the same");
    }

    #[test]
    fn what_they_may_read_differently_is_left_to_yaml() {
        let rows = [
            "",
            "a: 1",
            "[1]",
            "{\"a\":1.5}",
            "{\"a\":1e3}",
            "{\"a\":-0}",
            "{\"a\":1,\"a\":2}",
            "{\"<<\":{}}",
            "{\"a\" :1}",
            "{\"a\":\t1}",
            "{\"a\":\"\\u0041\"}",
            "{\"a\":\"\\/\"}",
            "{\"a\":\"\u{e4}\"}",
            "{\"a\":1234567890123456789}",
            "{\"a\":1",
            "{\"a\":b}",
            "{a:1}",
            "{\"a\":1}x",
            "{\"a\":01}",
            "{\"a\":1,}",
            "{\"a\":\"\n\"}",
        ];
        for text in rows {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(70), "}".repeat(70));
        assert_eq!(parse(deep.as_bytes()), None);
    }
}
