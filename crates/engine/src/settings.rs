use bowline_yaml::{Limits, Rules, parse_first_as};
use serde_json::Value;

/// Reads a setting that is YAML inside a text; an empty one is null. For dialects, which read no YAML themselves.
pub fn read_yaml(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    parse_first_as(Rules::Sigs, text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}
