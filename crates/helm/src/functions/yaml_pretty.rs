//! `toYamlPretty`: YAML with lists indented under their keys, and without folded lines.

use bowline_gotmpl::{Function, Value, sprint};
use serde_json::Value as Json;

use super::args::{ANY, STRING, string};
use super::json;

pub(super) static TABLE: [Function; 1] = [Function::new("toYamlPretty", &[ANY], STRING, |ctx, args| {
    let made = json::tree(ctx, &args[0]);
    let mut out = String::new();
    match made {
        Ok(json) => write(&mut out, &json, 0, true),
        Err(error) if error.limit.is_some() => return Err(error),
        Err(_) => {}
    }
    ctx.charge_bytes(out.len())?;
    string(out.trim_start_matches('\n').strip_suffix('\n').unwrap_or(&out))
})];

/// Returns a scalar as YAML writes it, in one line unless it is a block.
fn scalar(json: &Json, indent: usize) -> String {
    if let Json::Number(number) = json
        && let Some(float) = number.as_f64()
        && number.is_f64()
    {
        return sprint(&[Value::float(float)]).to_text().into_owned();
    }
    let text = bowline_yaml::to_yaml(json);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if !text.starts_with('|') {
        return text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    }
    text.replace("\n  ", &format!("\n{}", " ".repeat(indent.max(2))))
}

/// Writes a value; `fresh` says that the line is still empty but for its indentation.
fn write(out: &mut String, json: &Json, indent: usize, fresh: bool) {
    let pad = " ".repeat(indent);
    let mut first = fresh;
    match json {
        Json::Object(map) if !map.is_empty() => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                if !std::mem::take(&mut first) {
                    out.push_str(&pad);
                }
                out.push_str(&scalar(&Json::String(key.clone()), indent));
                out.push(':');
                let value = &map[key];
                let nested = value.as_object().is_some_and(|map| !map.is_empty())
                    || value.as_array().is_some_and(|items| !items.is_empty());
                if nested {
                    out.push('\n');
                    write(out, value, indent + 2, false);
                } else {
                    out.push(' ');
                    write(out, value, indent + 2, true);
                }
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                if !std::mem::take(&mut first) {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                write(out, item, indent + 2, true);
            }
        }
        other => {
            out.push_str(&scalar(other, indent));
            out.push('\n');
        }
    }
}
