//! How Go prints values, where a message or a field set must be equal to the API server's.

use serde_json::Value;

/// Quotes a text as Go's `%q` does.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            letter if (letter as u32) < 0x20 || letter as u32 == 0x7f => {
                out.extend(format!("\\x{:02x}", letter as u32).chars());
            }
            letter if letter.is_control() => out.extend(format!("\\u{:04x}", letter as u32).chars()),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Escapes a JSON text as Go's encoder does for use within HTML. Those letters occur only inside strings.
pub(crate) fn escape_html(json: &str) -> String {
    if is_safe_in_html(json) {
        return json.to_owned();
    }
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Whether a JSON text has none of the letters that Go's encoder escapes for use within HTML.
pub(crate) fn is_safe_in_html(json: &str) -> bool {
    !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}'])
}

/// The name of a decoded value's Go type, as `%T` prints it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value where Go's `%s` wants a text.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "%!s(<nil>)".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("%!s({}={})", type_name(value), plain(value)),
        // Nothing within something is told as it is.
        other => print(other, |inner| if inner.is_null() { plain(inner) } else { as_text(inner) }),
    }
}

/// Prints a value as Go's `%v` does.
pub fn plain(value: &Value) -> String {
    print(value, plain)
}

fn print(value: &Value, inner: fn(&Value) -> String) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), float),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.into_iter().map(|(name, item)| format!("{name}:{}", inner(item))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// Prints a float as Go's `%v` does: the shortest digits, with an exponent below 1e-4 and from 1e6.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Prints a value as Go's `%#v` does.
pub(crate) fn syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => quote(text),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mut fields: Vec<String> =
                map.iter().map(|(name, item)| format!("{}:{}", quote(name), syntax(item))).collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
