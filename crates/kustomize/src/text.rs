//! YAML as `sigs.k8s.io/yaml` reads it, with its errors.

use bowline_yaml::{Limits, Rules};
use serde_json::Value;

/// The most that is read of one text.
fn limits() -> Limits {
    Limits { max_bytes: 100 << 20, ..Limits::default() }
}

/// Reads the first document of a text; an empty one is null.
///
/// # Errors
///
/// What Go says of it.
pub(crate) fn yaml_to_json(text: &[u8]) -> Result<Value, String> {
    bowline_yaml::parse_first_as(Rules::Sigs, text, &limits()).map_err(|problem| crate::read::problem_text(&problem))
}
