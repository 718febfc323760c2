//! Request bodies: what they hold, which kind they say they are, and upstream's words for those that cannot be read.

use bowline_yaml::{Limits, Problem, ProblemKind, Rules};
use serde_json::{Value, json};

use super::json;
use super::negotiate::Media;
use super::plain;
use crate::builtins::{Builtins, DefaultKind, ProtobufError};
use crate::error::ApiError;
use crate::patch::PatchKind;
use crate::resource::{api_version, split_api_version};

/// Largest request body, as upstream: 3 MiB.
pub(super) const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// How Go prints the type that it reads an object's kind into.
const TYPE_META: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// How the scheme of the built-in kinds calls itself in messages.
const SCHEME: &str = "pkg/runtime/scheme.go:111";

/// What go-yaml's several mistakes begin with; a warning tells each by itself.
pub(crate) const YAML_ERRORS: &str = "yaml: unmarshal errors:\n  ";

/// A body, and what strict decoding says against it.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) value: Value,
    /// E.g. `duplicate field "spec.replicas"`.
    pub(super) mistakes: Vec<String>,
}

/// What an endpoint expects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    /// Custom objects must name their kind themselves.
    pub(super) is_custom: bool,
}

/// Reads a text of JSON or YAML; the error is Go's.
fn text(media: Media, bytes: &[u8]) -> Result<Decoded, String> {
    if media == Media::Yaml {
        return yaml(bytes);
    }
    let parsed = json::parse(bytes)?;
    let mistakes = parsed.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
    Ok(Decoded { value: parsed.value, mistakes })
}

/// Reads the first document of a text, as upstream does; of a key that is there twice the last counts.
fn yaml(bytes: &[u8]) -> Result<Decoded, String> {
    if let Some(text) = utf16(bytes) {
        return yaml_proper(text.as_bytes());
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(format!("yaml: {}", not_utf8(bytes, error)));
    }
    if let Some(value) = plain::parse(bytes) {
        return Ok(Decoded { value, mistakes: Vec::new() });
    }
    yaml_proper(bytes)
}

/// Reads a text of UTF-16, which YAML may be in when it begins with the mark of its byte order.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (order, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        _ => return None,
    };
    let units: Vec<u16> = rest.chunks_exact(2).map(|unit| order([unit[0], unit[1]])).collect();
    String::from_utf16(&units).ok()
}

/// What go-yaml says of bytes that are no UTF-8.
fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> &'static str {
    let wrong = &bytes[error.valid_up_to()..];
    let width = match wrong.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    match wrong.get(1..width) {
        None => "incomplete UTF-8 octet sequence",
        Some(rest) if rest.iter().any(|byte| byte & 0xc0 != 0x80) => "invalid trailing UTF-8 octet",
        Some(_) if width == 3 && wrong[0] == 0xed || width == 4 && wrong[0] >= 0xf4 => "invalid Unicode character",
        Some(_) => "invalid length of a UTF-8 sequence",
    }
}

fn yaml_proper(bytes: &[u8]) -> Result<Decoded, String> {
    let limits = Limits { max_bytes: MAX_BODY_BYTES, max_alias_bytes: MAX_BODY_BYTES, max_depth: json::MAX_DEPTH };
    let (documents, problems) = bowline_yaml::parse_documents_as(Rules::Sigs, bytes, &limits);
    let first = documents.first();
    let before = |line: u32| first.is_none_or(|first| line < first.line);
    if let Some(problem) = problems.iter().find(|problem| before(problem.line)) {
        return Err(go_yaml(problem));
    }
    let (strict, problems) = bowline_yaml::parse_documents_as(Rules::SigsStrict, bytes, &limits);
    let end = strict
        .first()
        .map_or(u32::MAX, |strict| if strict.line == first.map_or(0, |first| first.line) { 0 } else { strict.line });
    let lines: Vec<String> = problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::Value && problem.line < end)
        .map(|problem| format!("line {}: {}", problem.line, problem.message))
        .collect();
    let mistakes = if lines.is_empty() { Vec::new() } else { vec![format!("{YAML_ERRORS}{}", lines.join("\n  "))] };
    Ok(Decoded { value: documents.into_iter().next().map_or(Value::Null, |document| document.value), mistakes })
}

/// Tells a mistake as go-yaml 2 does, which numbers the lines of its parser from 0 and those of its scanner from 1.
fn go_yaml(problem: &Problem) -> String {
    if problem.message.starts_with("maps and lists are nested deeper") {
        return "yaml: exceeded max depth of 10000".to_owned();
    }
    // Told without a line.
    if problem.message.starts_with("unknown anchor") {
        return format!("yaml: {}", problem.message);
    }
    const PARSER: [&str; 6] = [
        "did not find expected <",
        "did not find expected '",
        "did not find expected key",
        "did not find expected ,",
        "did not find expected node content",
        "found undefined tag handle",
    ];
    let (message, context) = match problem.message.find(" while ") {
        Some(at) => problem.message.split_at(at),
        None => (problem.message.as_str(), ""),
    };
    let begin = context.rsplit_once("starts at line ").and_then(|(_, line)| line.parse::<u32>().ok());
    let line = begin.filter(|line| *line > 1).unwrap_or(problem.line);
    let is_parser = PARSER.iter().any(|prefix| message.starts_with(prefix));
    let told = match (problem.kind, line) {
        (ProblemKind::Syntax, 2..) => line - u32::from(is_parser),
        _ => 0,
    };
    if told == 0 { format!("yaml: {message}") } else { format!("yaml: line {told}: {message}") }
}

/// Reads an object for an endpoint, and gives it the kind it leaves out.
pub(super) fn object(media: Media, bytes: &[u8], expected: Expected<'_>) -> Result<Decoded, ApiError> {
    let unrecognized = |why: &str| {
        let summary = summarize(bytes);
        let kind = expected.kind;
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({summary})"
        ))
    };
    if media == Media::Protobuf {
        let default = DefaultKind { api_version: expected.api_version, kind: expected.kind };
        let value = Builtins::get().decode_protobuf(bytes, default).map_err(|error| match &error {
            ProtobufError::Envelope(why) => unrecognized(why),
            ProtobufError::Object { api_version, kind, .. } => unfit(api_version, kind, expected, &error.to_string()),
            ProtobufError::UnknownKind { api_version, kind } => {
                unfit(api_version, kind, expected, &unregistered(api_version, kind))
            }
        })?;
        let mut decoded = Decoded { value, mistakes: Vec::new() };
        recognize(&mut decoded.value, bytes, expected)?;
        return Ok(decoded);
    }
    let mut decoded = text(media, bytes).map_err(|why| match media {
        Media::Yaml => unrecognized(&why),
        _ => unrecognized(&format!("couldn't get version/kind; json parse error: {why}")),
    })?;
    if expected.is_custom {
        crate::crd::wide_numbers(&mut decoded.value);
    }
    recognize(&mut decoded.value, bytes, expected)?;
    Ok(decoded)
}

/// Checks the kind an object says it is.
fn recognize(value: &mut Value, bytes: &[u8], expected: Expected<'_>) -> Result<(), ApiError> {
    let unrecognized = |why: &str| {
        let summary = summarize(bytes);
        let kind = expected.kind;
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({summary})"
        ))
    };
    let parse_error = |why: String| unrecognized(&format!("couldn't get version/kind; json parse error: {why}"));
    if value.is_null() {
        *value = json!({});
    }
    if !value.is_object() {
        return Err(parse_error(format!(
            "json: cannot unmarshal {} into Go value of type {TYPE_META}",
            go_type(value)
        )));
    }
    for field in ["apiVersion", "kind"] {
        if let Some(wrong) = value.get(field).filter(|value| !value.is_string() && !value.is_null()) {
            let found = go_type(wrong);
            return Err(parse_error(format!(
                "json: cannot unmarshal {found} into Go struct field .{field} of type string"
            )));
        }
    }
    let own = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (own_version, own_kind) = (own("apiVersion"), own("kind"));
    if own_version.matches('/').count() > 1 {
        return Err(unrecognized(&format!("unexpected GroupVersion string: {own_version}")));
    }
    if expected.is_custom {
        if own_kind.is_empty() {
            let original = String::from_utf8_lossy(bytes);
            return Err(unrecognized(&format!("Object 'Kind' is missing in '{original}'")));
        }
        if own_version != expected.api_version {
            return Err(other_version(&own_version, expected));
        }
        return Ok(());
    }
    let kind = if own_kind.is_empty() { expected.kind.to_owned() } else { own_kind };
    let (group, version) = split_api_version(&own_version);
    let (want_group, want_version) = split_api_version(expected.api_version);
    let (group, version) = match (group, version) {
        ("", "") => (want_group, want_version),
        (group, "") if group == want_group => (group, want_version),
        own => own,
    };
    let full = api_version(group, version);
    if (group, version, kind.as_str()) != (want_group, want_version, expected.kind) {
        if !Builtins::get().knows(group, version, &kind) && !Builtins::recalls(group, version, &kind) {
            return Err(unfit(&full, &kind, expected, &unregistered(&full, &kind)));
        }
        let internal = |group: &str| match group {
            "" | "events.k8s.io" => "core".to_owned(),
            group => group.split('.').next().unwrap_or_default().to_owned(),
        };
        let scales = kind == "Scale" && expected.kind == "Scale";
        if !scales && (kind != expected.kind || internal(group) != internal(want_group)) {
            let want = expected.kind;
            let why = format!("converting ({version}.{kind}) to ({}.{want}): unknown conversion", internal(want_group));
            return Err(unfit(&full, &kind, expected, &why));
        }
        // Evictions are read in the version they once had, too.
        if kind != "Eviction" {
            return Err(other_version(&full, expected));
        }
    }
    value["apiVersion"] = json!(full);
    value["kind"] = json!(kind);
    if let Some(wrong) = value.get("metadata").filter(|value| !value.is_object() && !value.is_null()) {
        let found = go_type(wrong);
        let why = format!("json: cannot unmarshal {found} into Go struct field {kind}.metadata of type v1.ObjectMeta");
        return Err(unfit(&full, &kind, expected, &why));
    }
    Ok(())
}

fn other_version(version: &str, expected: Expected<'_>) -> ApiError {
    let want = expected.api_version;
    ApiError::bad_request(format!(
        "the API version in the data ({version}) does not match the expected API version ({want})"
    ))
}

fn unregistered(api_version: &str, kind: &str) -> String {
    format!("no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}")
}

fn unfit(api_version: &str, kind: &str, expected: Expected<'_>, why: &str) -> ApiError {
    let (_, version) = split_api_version(api_version);
    let want = expected.kind;
    ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {want}: {why}"))
}

/// Shows the beginning of a body, as text when it looks like JSON.
fn summarize(bytes: &[u8]) -> String {
    const SHOWN: usize = 30;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let mut out = match bytes.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => hex::encode(shown),
    };
    if bytes.len() > SHOWN {
        out.push_str(" ...");
    }
    out
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Reads delete options, whose mistakes are told without a word about the kind.
pub(super) fn delete_options(media: Media, bytes: &[u8]) -> Result<Value, ApiError> {
    const DEFAULT: DefaultKind<'_> = DefaultKind { api_version: "v1", kind: "DeleteOptions" };
    let value = match media {
        Media::Protobuf => {
            Builtins::get().decode_protobuf(bytes, DEFAULT).map_err(|error| ApiError::bad_request(error.to_string()))?
        }
        media => {
            let why = |why: String| match media {
                Media::Yaml => why,
                _ => format!("couldn't get version/kind; json parse error: {why}"),
            };
            text(media, bytes).map_err(|error| ApiError::bad_request(why(error)))?.value
        }
    };
    if !value.is_object() && !value.is_null() {
        let found = go_type(&value);
        let why = format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type {TYPE_META}"
        );
        return Err(ApiError::bad_request(why));
    }
    // Any group has delete options, and some clients name their own.
    let kind = value["kind"].as_str().filter(|kind| !kind.is_empty() && *kind != "DeleteOptions");
    if let Some(kind) = kind {
        let version = value["apiVersion"].as_str().filter(|version| !version.is_empty()).unwrap_or("meta.k8s.io/v1");
        return Err(ApiError::bad_request(unregistered(version, kind)));
    }
    let mut typed = value.clone();
    let checked = Builtins::get().normalize("", "v1", "DeleteOptions", &mut typed);
    checked.map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(value)
}

/// Reads a patch.
pub(super) fn patch(kind: PatchKind, bytes: &[u8]) -> Result<Decoded, ApiError> {
    let decoding = |why: String| ApiError::bad_request(format!("error decoding patch: {why}"));
    let mismatch =
        |value: &Value, ty: &str| format!("json: cannot unmarshal {} into Go value of type {ty}", go_type(value));
    const MAP: &str = "map[string]interface {}";
    match kind {
        PatchKind::Apply => {
            let why = |why: String| ApiError::bad_request(format!("error decoding YAML: {why}"));
            let mut decoded = yaml(bytes).map_err(|error| why(format!("error converting YAML to JSON: {error}")))?;
            match &decoded.value {
                Value::Null => decoded.value = json!({}),
                Value::Object(_) => {}
                other => {
                    let found = mismatch(other, MAP);
                    return Err(why(format!("error unmarshaling JSON: while decoding JSON: {found}")));
                }
            }
            Ok(decoded)
        }
        PatchKind::Json => {
            let decoded = text(Media::Json, bytes).map_err(decoding)?;
            match &decoded.value {
                Value::Null => Ok(Decoded { value: json!([]), ..decoded }),
                Value::Array(operations) => {
                    let wrong = operations.iter().find(|operation| !operation.is_object() && !operation.is_null());
                    if let Some(wrong) = wrong {
                        return Err(decoding(mismatch(wrong, "handlers.jsonPatchOp")));
                    }
                    for operation in operations {
                        for field in ["op", "from", "path"] {
                            let wrong = operation.get(field).filter(|value| !value.is_string() && !value.is_null());
                            if let Some(wrong) = wrong {
                                let found = go_type(wrong);
                                return Err(decoding(format!(
                                    "json: cannot unmarshal {found} into Go struct field jsonPatchOp.{field} of type string"
                                )));
                            }
                        }
                    }
                    // The last of two fields counts there, and nobody is told.
                    Ok(Decoded { mistakes: Vec::new(), ..decoded })
                }
                other => Err(decoding(mismatch(other, "[]handlers.jsonPatchOp"))),
            }
        }
        PatchKind::Merge => {
            let decoded = text(Media::Json, bytes).map_err(decoding)?;
            match &decoded.value {
                Value::Object(_) => Ok(decoded),
                Value::Null => Err(ApiError::bad_request("Invalid JSON Patch")),
                other => Err(decoding(mismatch(other, MAP))),
            }
        }
        PatchKind::Strategic => {
            let decoded = text(Media::Json, bytes).map_err(ApiError::bad_request)?;
            match &decoded.value {
                Value::Object(_) => Ok(decoded),
                Value::Null => Ok(Decoded { value: json!({}), ..decoded }),
                other => Err(ApiError::bad_request(mismatch(other, MAP))),
            }
        }
    }
}

/// Reads a text by the reader of YAML, whatever it looks like.
#[cfg(test)]
pub(super) fn yaml_value(bytes: &[u8]) -> Option<Value> {
    yaml_proper(bytes).ok().filter(|decoded| decoded.mistakes.is_empty()).map(|decoded| decoded.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG_MAP: Expected<'_> = Expected { api_version: "v1", kind: "ConfigMap", is_custom: false };
    const CUSTOM: Expected<'_> = Expected { api_version: "w1.io/v1", kind: "Foo", is_custom: true };

    #[test]
    fn refusals_have_upstreams_words() {
        let what = "the object provided is unrecognized (must be of type ConfigMap): ";
        let rows: &[(Media, &str, &str)] = &[
            (Media::Json, "", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
            (
                Media::Json,
                "{\"kind\":5}",
                "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({\"kind\":5})",
            ),
            (Media::Yaml, "a: b: c", "yaml: mapping values are not allowed in this context (613a20623a2063)"),
            (
                Media::Protobuf,
                "{}",
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({})",
            ),
        ];
        for (media, body, want) in rows {
            let error = object(*media, body.as_bytes(), CONFIG_MAP).expect_err(body);
            assert_eq!(error.message, format!("{what}{want}"), "{body}");
        }
        let error =
            object(Media::Json, br#"{"kind":"Secret","apiVersion":"v1"}"#, CONFIG_MAP).expect_err("another kind");
        assert_eq!(
            error.message,
            "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion"
        );
        let error = object(Media::Json, br#"{"kind":"Foo"}"#, CUSTOM).expect_err("no version");
        assert_eq!(error.message, "the API version in the data () does not match the expected API version (w1.io/v1)");
    }

    #[test]
    fn kinds_are_filled_in_and_mistakes_told() {
        let decoded = object(Media::Json, br#"{"data":{"a":"1","a":"2"}}"#, CONFIG_MAP).expect("it is one");
        assert_eq!(decoded.value, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "2"}}));
        assert_eq!(decoded.mistakes, ["duplicate field \"data.a\""]);
        let decoded =
            object(Media::Yaml, b"kind: ConfigMap\ndata: {a: b, a: c}\n---\nx\n", CONFIG_MAP).expect("it is one");
        assert_eq!(decoded.value["data"], json!({"a": "c"}));
        assert_eq!(decoded.mistakes, ["yaml: unmarshal errors:\n  line 2: key \"a\" already set in map"]);
        let custom = br#"{"apiVersion":"w1.io/v1","kind":"Foo","a":1.0,"b":1e3,"c":1.5}"#;
        let decoded = object(Media::Json, custom, CUSTOM).expect("it is one");
        assert_eq!(decoded.value, json!({"apiVersion": "w1.io/v1", "kind": "Foo", "a": 1.0, "b": 1000.0, "c": 1.5}));
    }
}
