//! Checking values against the schemas of charts.

use std::error::Error;
use std::fmt::Write as _;

use boon::{CompileError, Compiler, ErrorKind, Schemas, UrlLoader, ValidationError};
use serde_json::Value as Json;

use crate::chart::Chart;
use crate::yaml::Table;

/// Where schemas are said to be from.
const LOCATION: &str = "file:///values.schema.json";

/// Values that the schemas of a chart or its dependencies refuse; the text is Helm's, one part a chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SchemaError(pub String);

/// Checks a chart's values against its schema, and those of its dependencies against theirs.
///
/// Schemas that a schema refers to are not fetched: such a reference is an error.
pub fn validate_values(chart: &Chart, values: &Table) -> Result<(), SchemaError> {
    let mut text = String::new();
    gather(chart, values, &mut text);
    if text.is_empty() { Ok(()) } else { Err(SchemaError(text)) }
}

fn gather(chart: &Chart, values: &Table, text: &mut String) {
    if let Some(schema) = &chart.schema
        && let Err(why) = validate(schema, values)
    {
        // A text cannot refuse to be written to.
        let _ = write!(text, "{}:\n{why}", chart.name());
    }
    for dependency in &chart.dependencies {
        match values.get(dependency.name()) {
            None | Some(Json::Null) => {}
            Some(Json::Object(own)) => gather(dependency, own, text),
            Some(other) => {
                let ty = crate::value::to_template(other).type_name();
                let name = dependency.name();
                let _ = writeln!(text, "{name}:\ninvalid type for values: expected object (map), got {ty}");
            }
        }
    }
}

fn validate(schema: &[u8], values: &Table) -> Result<(), String> {
    let schema = serde_json::from_slice(schema).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof if schema.trim_ascii().is_empty() => "EOF".to_owned(),
        serde_json::error::Category::Eof => "unexpected EOF".to_owned(),
        _ => error.to_string(),
    })?;
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(NoLoader));
    compiler.add_resource(LOCATION, schema).map_err(|error| compile_text(&error))?;
    let mut schemas = Schemas::new();
    let compiled = compiler.compile(LOCATION, &mut schemas).map_err(|error| compile_text(&error))?;
    let values = Json::Object(values.clone());
    let result = schemas.validate(&values, compiled);
    result.map_err(|error| {
        let mut text = String::new();
        show(&error, 0, &mut text);
        let start = format!("jsonschema validation failed with '{LOCATION}#'\n");
        format!("{}\n", text.strip_prefix(start.as_str()).unwrap_or(&text))
    })
}

/// Fetches nothing; names that stand for no place allow everything, as in Helm.
struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Json, Box<dyn Error>> {
        if url.starts_with("urn:") { Ok(Json::Bool(true)) } else { Err("schemas are not fetched".into()) }
    }
}

fn compile_text(error: &CompileError) -> String {
    match error {
        CompileError::LoadUrlError { url, src } => {
            format!("failing loading {}: {src}", bowline_gotmpl::quote(url))
        }
        CompileError::ValidationError { url, src } => {
            let mut text = format!("{} is not valid against metaschema: ", bowline_gotmpl::quote(url));
            show(src, 0, &mut text);
            text
        }
        other => other.to_string(),
    }
}

/// Writes an error with those that caused it, each a line further in.
fn show(error: &ValidationError<'_, '_>, indent: usize, text: &mut String) {
    let is_mere_reference = matches!(error.kind, ErrorKind::Reference { .. }) && error.causes.len() == 1;
    let mut below = indent;
    if !is_mere_reference {
        if indent > 0 {
            text.push('\n');
            text.push_str(&"  ".repeat(indent - 1));
            text.push_str("- ");
        }
        below += 1;
        if let ErrorKind::Schema { url } = &error.kind {
            let _ = write!(text, "jsonschema validation failed with {}", quote(url));
        } else {
            let place = quote(&error.instance_location.to_string());
            let _ = write!(text, "at {place}: {}", message(&error.kind));
        }
    }
    for cause in &error.causes {
        show(cause, below, text);
    }
}

fn message(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|ty| ty.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } => {
            if !want.iter().all(is_primitive) {
                return "'enum' failed".to_owned();
            }
            let shown: Vec<String> = want.iter().map(display).collect();
            let one_of = if shown.len() == 1 { "" } else { "one of " };
            format!("value must be {one_of}{}", shown.join(", "))
        }
        ErrorKind::Const { want } if is_primitive(want) => format!("value must be {}", display(want)),
        ErrorKind::Const { .. } => "'const' failed".to_owned(),
        ErrorKind::Format { got, want, err } => format!("{} is not valid {want}: {err}", display(got)),
        ErrorKind::MinProperties { got, want } => counts("minProperties", *got, *want),
        ErrorKind::MaxProperties { got, want } => counts("maxProperties", *got, *want),
        ErrorKind::MinItems { got, want } => counts("minItems", *got, *want),
        ErrorKind::MaxItems { got, want } => counts("maxItems", *got, *want),
        ErrorKind::MinLength { got, want } => counts("minLength", *got, *want),
        ErrorKind::MaxLength { got, want } => counts("maxLength", *got, *want),
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", quote_all(got.iter().map(AsRef::as_ref)))
        }
        ErrorKind::AdditionalItems { got } => format!("last {} additionalItem(s) not allowed", grouped(*got as f64)),
        ErrorKind::Required { want } => match want.as_slice() {
            [one] => format!("missing property {}", quote(one)),
            all => format!("missing properties {}", quote_all(all.iter().copied())),
        },
        ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
            format!("properties {} required, if {} exists", quote_all(missing.iter().copied()), quote(prop))
        }
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quote(prop)),
        ErrorKind::UniqueItems { got: [one, other] } => format!("items at {one} and {other} are equal"),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => {
            format!("min {want} items required to match contains schema, but none matched")
        }
        ErrorKind::MinContains { got, want } => {
            let places: Vec<String> = got.iter().map(ToString::to_string).collect();
            let count = got.len();
            let places = places.join(" ");
            format!("min {want} items required to match contains schema, but matched {count} items at {places}")
        }
        ErrorKind::MaxContains { got, want } => {
            let places: Vec<String> = got.iter().map(ToString::to_string).collect();
            let count = got.len();
            let places = places.join(" ");
            format!("max {want} items required to match contains schema, but matched {count} items at {places}")
        }
        ErrorKind::Pattern { got, want } => format!("{} does not match pattern {}", quote(got), quote(want)),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((one, other))) => format!("'oneOf' failed, subschemas {one}, {other} matched"),
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::Reference { .. } | ErrorKind::Group => "validation failed".to_owned(),
        other => other.to_string(),
    }
}

fn is_primitive(value: &Json) -> bool {
    !matches!(value, Json::Array(_) | Json::Object(_))
}

fn display(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        Json::Null => "<nil>".to_owned(),
        // Numbers are shown as they are written.
        other => other.to_string(),
    }
}

fn counts(what: &str, got: usize, want: usize) -> String {
    format!("{what}: got {}, want {}", grouped(got as f64), grouped(want as f64))
}

fn numbers(what: &str, got: &serde_json::Number, want: &serde_json::Number) -> String {
    let shown = |number: &serde_json::Number| grouped(number.as_f64().unwrap_or(f64::NAN));
    format!("{what}: got {}, want {}", shown(got), shown(want))
}

/// A number as English readers group its digits.
fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) =
        rest.split_once('.').map_or((rest, String::new()), |(whole, part)| (whole, format!(".{part}")));
    let mut grouped = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// A text in single quotes.
fn quote(text: &str) -> String {
    let quoted = bowline_gotmpl::quote(text).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

fn quote_all<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.map(quote).collect::<Vec<_>>().join(", ")
}
