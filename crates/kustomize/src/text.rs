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

/// Reads the first document of a text, in which no key may be there twice.
///
/// # Errors
///
/// What Go says of it: of all keys that are there twice at once.
pub(crate) fn yaml_to_json_strictly(text: &[u8]) -> Result<Value, String> {
    let value = yaml_to_json(text)?;
    let Err(first) = bowline_yaml::parse_first_as(Rules::SigsStrict, text, &limits()) else { return Ok(value) };
    // Problems are those of all documents; Go reads the first.
    let (_, problems) = bowline_yaml::parse_documents_as(Rules::SigsStrict, text, &limits());
    let end = text.split(|byte| *byte == b'\n').skip(first.line as usize).position(|line| line.starts_with(b"---"));
    let end = end.map_or(u32::MAX, |lines| first.line + lines as u32);
    let twice = problems.iter().filter(|problem| problem.line <= end);
    let lines: Vec<String> = twice.map(|problem| format!("  line {}: {}", problem.line, problem.message)).collect();
    Err(format!("yaml: unmarshal errors:\n{}", lines.join("\n")))
}
