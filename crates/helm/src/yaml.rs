//! Reading YAML as `sigs.k8s.io/yaml` reads it into Go values, with its error texts.

use bowline_yaml::{Limits, Rules, go_words};
use serde_json::{Map, Number, Value as Json};

/// A table of values, as Go's `map[string]any`.
///
/// Numbers that came out of YAML or JSON are floats, as they are in Go; those of `--set` are integers.
pub type Table = Map<String, Json>;

/// The most that is read of one text: whatever fits into a chart.
fn limits() -> Limits {
    Limits { max_bytes: 100 << 20, ..Limits::default() }
}

/// Reads the first document of a text, as `yaml.Unmarshal` does; an empty one is null.
pub(crate) fn unmarshal(text: &[u8]) -> Result<Json, String> {
    unmarshal_part(text, &|_| true)
}

/// Reads the first document as [`unmarshal`] does; of a map only the entries that are asked for are there for sure.
pub(crate) fn unmarshal_part(text: &[u8], wanted: &dyn Fn(&str) -> bool) -> Result<Json, String> {
    bowline_yaml::parse_first_of(Rules::Sigs, text, &limits(), wanted).map_err(|problem| go_words(text, &problem))
}

/// Reads every document of a text as a table; each with the error that `yaml.Unmarshal` has for it.
pub(crate) fn tables(text: &[u8]) -> Result<Vec<Table>, String> {
    let (documents, problems) = bowline_yaml::parse_documents_as(Rules::Sigs, text, &limits());
    let broken = problems.first();
    let mut tables = Vec::new();
    for document in documents {
        if broken.is_some_and(|problem| problem.line < document.line) {
            break;
        }
        match document.value {
            Json::Object(table) => tables.push(with_floats(table)),
            other => return Err(cannot_unmarshal(&other, "", "map[string]interface {}")),
        }
    }
    broken.map_or(Ok(tables), |problem| Err(go_words(text, problem)))
}

/// Says, as Go's `encoding/json` does, that a value does not fit where it stands; `field` is for example
/// `Metadata.name`.
pub(crate) fn cannot_unmarshal(value: &Json, field: &str, ty: &str) -> String {
    let field = if field.is_empty() { String::new() } else { format!("Go struct field {field} of type ") };
    let what = if field.is_empty() { "Go value of type " } else { "" };
    let kind = json_kind(value);
    format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {what}{field}{ty}")
}

/// Returns what Go's `encoding/json` calls a value.
pub(crate) fn json_kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Makes every number a float, as Go's `encoding/json` does.
pub(crate) fn with_floats(mut table: Table) -> Table {
    table.values_mut().for_each(make_float);
    table
}

pub(crate) fn float(mut value: Json) -> Json {
    make_float(&mut value);
    value
}

fn make_float(value: &mut Json) {
    match value {
        Json::Number(number) => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(make_float),
        Json::Object(table) => table.values_mut().for_each(make_float),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

/// Returns the text of a scalar that stands where Go declares a string: numbers and booleans are taken as texts.
pub(crate) fn scalar_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (.., Some(number)) => {
                bowline_gotmpl::sprint(&[bowline_gotmpl::Value::float(number)]).to_text().into_owned()
            }
            _ => number.to_string(),
        }),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
