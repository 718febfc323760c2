//! Where two answers differ.

use serde_json::Value;

/// Returns one line for each place where `have` is not `want`.
pub(super) fn differences(want: &Value, have: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", want, have, &mut found);
    found
}

fn walk(at: &str, want: &Value, have: &Value, found: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, want) in left {
                match right.get(key) {
                    Some(have) => walk(&format!("{at}/{key}"), want, have, found),
                    None => found.push(format!("{at}/{key} is missing, want {}", short(want))),
                }
            }
            for (key, have) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                found.push(format!("{at}/{key} is {}, want nothing", short(have)));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (want, have)) in left.iter().zip(right).enumerate() {
                walk(&format!("{at}/{index}"), want, have, found);
            }
        }
        _ if want == have => {}
        _ => found.push(format!("{at} is {}, want {}", short(have), short(want))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 600 { text } else { text.chars().take(600).collect::<String>() + "…" }
}
