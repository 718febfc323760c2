//! What the client wants to read, and what it sends: `Accept` and `Content-Type` as upstream weighs them.
//!
//! Upstream looks twice. The router knows the media types of each built-in route and compares them word by word; the
//! handler then weighs the header's clauses, with their parameters. Custom resources have no routes, only the handler.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};

use super::route::Query;
use crate::error::{ApiError, Details};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Yaml,
    Protobuf,
}

/// The form of a reply that holds objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole objects.
    Objects,
    /// `meta.k8s.io Table`.
    Table,
    /// `meta.k8s.io PartialObjectMetadata`.
    Metadata,
    /// `meta.k8s.io PartialObjectMetadataList`.
    MetadataList,
}

/// What a reply is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) media: Media,
    /// Indented for people.
    pub(super) pretty: bool,
    pub(super) form: Form,
    /// The form is wanted in `meta.k8s.io/v1beta1`.
    pub(super) beta: bool,
}

/// What a client that says nothing gets.
pub(super) const PLAIN: Accepted = Accepted { media: Media::Json, pretty: false, form: Form::Objects, beta: false };

/// Every media type, in the order in which messages list them.
const ALL: [Media; 3] = [Media::Json, Media::Yaml, Media::Protobuf];

impl Media {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    fn subtype(self) -> &'static str {
        &self.name()["application/".len()..]
    }
}

fn all_names() -> String {
    ALL.map(Media::name).join(", ")
}

/// What an endpoint can do besides its plain reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Objects of a built-in kind.
    Builtin,
    /// Objects of a custom kind, which have no protobuf form of their own.
    Custom,
    /// Anything else: errors, discovery.
    Plain,
}

/// One clause of an `Accept` header.
struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

fn trim(text: &str) -> &str {
    text.trim_matches(' ')
}

/// Reads the clauses in the order of preference (github.com/munnerz/goautoneg).
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut all: Vec<Clause<'_>> = Vec::new();
    for part in header.split(',') {
        let (range, parameters) = trim(part).split_once(';').unwrap_or((trim(part), ""));
        let mut names = range.splitn(3, '/');
        let kind = trim(names.next().unwrap_or_default());
        let subtype = match (names.next().filter(|rest| !rest.is_empty()), names.next()) {
            (None, _) if kind == "*" => "*",
            (None, _) => continue,
            (Some(_), Some(rest)) if !rest.is_empty() => continue,
            (Some(subtype), _) => trim(subtype),
        };
        let mut clause = Clause { kind, subtype, quality: 1.0, parameters: Vec::new() };
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=').filter(|(_, value)| !value.is_empty()) else {
                continue;
            };
            if value.find('=').is_some_and(|at| at + 1 < value.len()) {
                continue;
            }
            let value = value.trim_end_matches('=');
            if trim(name) == "q" {
                clause.quality = value.parse().unwrap_or_default();
            } else {
                clause.parameters.retain(|(have, _)| *have != trim(name));
                clause.parameters.push((trim(name), trim(value)));
            }
        }
        all.push(clause);
    }
    // Go's sort of few items is an insertion sort, and its order is not a total one: which sort it is shows.
    for begin in 1..all.len() {
        let mut at = begin;
        while at > 0 && goes_before(&all[at], &all[at - 1]) {
            all.swap(at, at - 1);
            at -= 1;
        }
    }
    all
}

fn goes_before(a: &Clause<'_>, b: &Clause<'_>) -> bool {
    a.quality > b.quality || (a.kind != "*" && b.kind == "*") || (a.subtype != "*" && b.subtype == "*")
}

/// Returns the first thing on the client's list that the endpoint can do.
pub(super) fn accepted(header: &str, endpoint: Endpoint) -> Option<Accepted> {
    if header.is_empty() {
        return Some(PLAIN);
    }
    clauses(header).iter().find_map(|clause| {
        ALL.iter().filter(|media| clause.names(**media)).find_map(|media| clause.accepted(*media, endpoint))
    })
}

impl Clause<'_> {
    fn names(&self, media: Media) -> bool {
        match (self.kind, self.subtype) {
            ("application", subtype) => subtype == "*" || subtype == media.subtype(),
            (kind, subtype) => kind == "*" && subtype == "*",
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(have, _)| *have == name).map(|(_, value)| *value)
    }

    fn accepted(&self, media: Media, endpoint: Endpoint) -> Option<Accepted> {
        let stream = self.parameter("stream").unwrap_or_default();
        if !stream.is_empty() && (stream != "watch" || media == Media::Yaml) {
            return None;
        }
        let version = self.parameter("sv").unwrap_or_default();
        if !version.is_empty() && (version != "v1" || endpoint == Endpoint::Plain) {
            return None;
        }
        let target = (self.parameter("g"), self.parameter("v"), self.parameter("as"));
        let form = match (target, endpoint) {
            ((None, None, None), Endpoint::Custom) if media == Media::Protobuf => return None,
            ((None, None, None), _) => Form::Objects,
            (_, Endpoint::Plain) => return None,
            ((Some("meta.k8s.io"), Some("v1" | "v1beta1"), Some(form)), _) => match form {
                "Table" if media != Media::Protobuf => Form::Table,
                "PartialObjectMetadata" => Form::Metadata,
                "PartialObjectMetadataList" => Form::MetadataList,
                _ => return None,
            },
            _ => return None,
        };
        let pretty = self.parameter("pretty") == Some("1");
        Some(Accepted { media, pretty, form, beta: target.1 == Some("v1beta1") && form != Form::Objects })
    }
}

/// Returns the first of some media types that an `Accept` header names.
pub(super) fn first_of<'a>(header: &str, names: &[&'a str]) -> Option<&'a str> {
    let header = if header.is_empty() { "*/*" } else { header };
    clauses(header).iter().find_map(|clause| {
        names.iter().copied().find(|name| {
            let (kind, subtype) = name.split_once('/').unwrap_or((name, ""));
            (clause.kind == "*" || clause.kind == kind) && (clause.subtype == "*" || clause.subtype == subtype)
        })
    })
}

/// Returns whether the reply is to be indented: the client says so, or is a person's tool.
pub(super) fn wants_pretty(headers: &HeaderMap, query: &Query) -> bool {
    let asked = query.text("pretty");
    if !asked.is_empty() {
        return query.flag("pretty");
    }
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| agent.starts_with(tool))
}

/// Refuses what the router of built-in resources refuses.
///
/// `produces` are the route's media types; `consumes` is empty where the route reads anything.
pub(super) fn check_route(
    headers: &HeaderMap,
    content_type: &str,
    produces: &[&str],
    consumes: &[&str],
) -> Result<(), ApiError> {
    let has = |header: &str, names: &[&str]| {
        header.split(',').any(|part| {
            let name = trim(part.split(';').next().unwrap_or_default());
            names.contains(&name)
        })
    };
    let empty_details = |mut error: ApiError| {
        error.details = Some(Box::<Details>::default());
        error
    };
    if !consumes.is_empty() && !has(content_type, consumes) {
        let error = ApiError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        return Err(empty_details(error));
    }
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.is_empty() || has(accept, &["*/*"]) || has(accept, produces) {
        return Ok(());
    }
    let message = format!("406: Not Acceptable\n\nAvailable representations: {}", produces.join(", "));
    Err(empty_details(ApiError::new(406, "NotAcceptable", message)))
}

/// What routes of objects produce; those of lists produce streams too.
pub(super) fn produced(is_list: bool) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/json;stream=watch",
        "application/vnd.kubernetes.protobuf;stream=watch",
    ];
    if is_list { ALL } else { &ALL[..3] }
}

/// The refusal of a client that accepts nothing the server has.
pub(super) fn not_acceptable() -> ApiError {
    let message = format!("only the following media types are accepted: {}", all_names());
    ApiError::new(406, "NotAcceptable", message)
}

/// The refusal of a watch in a media type that cannot be streamed.
pub(super) fn not_streamable() -> ApiError {
    let names = [Media::Json, Media::Protobuf].map(|media| format!("{};stream=watch", media.name())).join(", ");
    ApiError::new(406, "NotAcceptable", format!("only the following media types are accepted: {names}"))
}

/// Returns how a request body is written, by its `Content-Type`.
pub(super) fn sent(content_type: &str) -> Result<Media, ApiError> {
    if content_type.is_empty() {
        return Ok(Media::Json);
    }
    media_type(content_type)
        .and_then(|name| ALL.into_iter().find(|media| media.name() == name))
        .ok_or_else(|| unsupported(&all_names()))
}

/// The refusal of a body whose type is none of those listed.
pub(super) fn unsupported(names: &str) -> ApiError {
    let message = format!("the body of the request was in an unknown format - accepted media types include: {names}");
    ApiError::new(415, "UnsupportedMediaType", message)
}

/// Reads a media type with its parameters, which must be well-formed (Go's `mime.ParseMediaType`).
fn media_type(text: &str) -> Option<String> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|letter| letter.is_ascii_graphic() && !br#"()<>@,;:\"/[]?="#.contains(&letter))
    };
    let (name, mut rest) = text.find(';').map_or((text, ""), |at| text.split_at(at));
    let name = name.trim().to_ascii_lowercase();
    let (kind, subtype) = name.split_once('/').unwrap_or((&name, "x"));
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let after = rest.strip_prefix(';')?.trim_start();
        if after.is_empty() {
            // A semicolon at the end is forgiven.
            break;
        }
        let (key, value) = after.split_once('=')?;
        let key = key.to_ascii_lowercase();
        if !is_token(&key) || seen.contains(&key) {
            return None;
        }
        seen.push(key);
        rest = match value.strip_prefix('"') {
            Some(quoted) => quoted_end(quoted)?,
            None => {
                let end = value.find([';', ' ']).unwrap_or(value.len());
                if !is_token(&value[..end]) {
                    return None;
                }
                &value[end..]
            }
        };
    }
    Some(name)
}

/// Returns what follows a quoted text whose opening quote is gone.
fn quoted_end(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

/// Returns whether the client takes aggregated discovery, version 2: wherever it stands in the list it is preferred.
pub(super) fn wants_aggregated_discovery(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_json = parts.next() == Some("application/json");
        let parameters: Vec<&str> = parts.collect();
        let has = |parameter: &str| parameters.contains(&parameter);
        is_json && has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thing_the_server_can_do_is_chosen() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let flux = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        let protobuf = "application/vnd.kubernetes.protobuf,application/json";
        let rows = [
            ("", Endpoint::Builtin, Some((Media::Json, Form::Objects))),
            ("*/*", Endpoint::Builtin, Some((Media::Json, Form::Objects))),
            ("*", Endpoint::Builtin, Some((Media::Json, Form::Objects))),
            (kubectl, Endpoint::Builtin, Some((Media::Json, Form::Table))),
            (kubectl, Endpoint::Plain, Some((Media::Json, Form::Objects))),
            (flux, Endpoint::Custom, Some((Media::Protobuf, Form::Metadata))),
            (protobuf, Endpoint::Builtin, Some((Media::Protobuf, Form::Objects))),
            (protobuf, Endpoint::Custom, Some((Media::Json, Form::Objects))),
            ("application/json;q=0.1,application/yaml;q=0.9", Endpoint::Builtin, Some((Media::Yaml, Form::Objects))),
            ("*/*,application/yaml;q=0.2", Endpoint::Builtin, Some((Media::Yaml, Form::Objects))),
            ("application/vnd.kubernetes.protobuf", Endpoint::Custom, None),
            ("text/plain", Endpoint::Builtin, None),
            ("application/json;as=Table", Endpoint::Builtin, None),
            ("application/json;stream=foo", Endpoint::Builtin, None),
            ("application/json;sv=v1", Endpoint::Builtin, Some((Media::Json, Form::Objects))),
            ("application/json/x", Endpoint::Builtin, None),
        ];
        for (header, endpoint, want) in rows {
            let have = accepted(header, endpoint).map(|accepted| (accepted.media, accepted.form));
            assert_eq!(have, want, "{header} {endpoint:?}");
        }
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert!(wants_aggregated_discovery(discovery));
        assert!(!wants_aggregated_discovery("application/json"));
    }

    #[test]
    fn content_types_are_read_as_go_reads_them() {
        let rows = [
            ("", Some(Media::Json)),
            ("application/json", Some(Media::Json)),
            ("APPLICATION/JSON ; charset=utf-8", Some(Media::Json)),
            ("application/json;", Some(Media::Json)),
            ("application/yaml; charset=\"a;b\"", Some(Media::Yaml)),
            ("application/vnd.kubernetes.protobuf", Some(Media::Protobuf)),
            ("application/json; charset", None),
            ("application/json; a=1; a=2", None),
            ("application/json, text/plain", None),
            ("*/*", None),
            ("json", None),
            ("application/cbor", None),
        ];
        for (text, want) in rows {
            assert_eq!(sent(text).ok(), want, "{text}");
        }
    }
}
