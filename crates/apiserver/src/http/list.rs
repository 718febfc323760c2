//! Lists: which revision, which page, which form.

use std::cmp::Ordering;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use http::Response;
use serde_json::{Value, json};

use super::list_options::{EXACT, ListOptions, NOT_OLDER_THAN, parse_rv};
use super::negotiate::Form;
use super::objects::{go_type, included};
use super::reply::{self, Body};
use super::service::Call;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::present;
use crate::registry::Target;
use crate::resource::Resource;
use crate::store::{Key, Stored};
use crate::stored::Shown;

const TOKEN: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

pub(super) fn serve(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let resource = target.resource;
    let options = ListOptions::read(call.query)?.checked(target)?;
    if call.fault == &Fault::Expire {
        return Err(ApiError::expired(CONTINUE_TOO_OLD));
    }
    let page = choose_page(call, target, &options)?;
    show(call, resource, form, &page)
}

/// Sends a page in the form the client asked for.
pub(super) fn show(call: &Call<'_>, resource: &Resource, form: Form, page: &Page) -> Result<Response<Body>, ApiError> {
    let mut meta = json!({ "resourceVersion": page.rv.to_string() });
    if let Some(token) = &page.next {
        meta["continue"] = json!(token);
        if let Some(remaining) = page.remaining {
            meta["remainingItemCount"] = json!(remaining);
        }
    } else if resource.custom().is_some() && form == Form::Objects {
        meta["continue"] = json!("");
    }
    let body = match form {
        Form::Objects => present::list(resource, &page.objects, &meta),
        Form::Metadata => {
            let ty = go_type(resource, &resource.list_kind);
            let message = format!("you requested PartialObjectMetadata, but the requested object is a list ({ty})");
            return Err(ApiError::new(406, "NotAcceptable", message));
        }
        Form::MetadataList => present::metadata_list(&page.values(), &meta),
        Form::Table => {
            let include = included(call)?;
            let now = call.cluster.clock().now();
            let rows = page.objects.iter().map(|object| &**object.value());
            crate::store::to_bytes(&present::table(resource, rows, meta, include, true, now))
        }
    };
    Ok(reply::bytes(200, "application/json", body))
}

/// Orders objects as their keys in etcd are: `a-b/x` comes before `a/x`.
pub(super) fn key_order(a: &Key, b: &Key) -> Ordering {
    let spelled = |key: &'_ Key| key.0.bytes().chain(std::iter::once(b'/')).collect::<Vec<u8>>();
    if a.0 == b.0 { a.1.cmp(&b.1) } else { spelled(a).cmp(&spelled(b)) }
}

/// Where a list goes on.
struct Continue {
    /// The revision it shows; `None` shows the newest.
    rv: Option<u64>,
    /// The key it begins with, as clients of this path spell it.
    from: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Continue {
    /// Reads a token; the error is the whole message (k8s: `apiserver/pkg/storage/continue.go`).
    fn parse(token: &str) -> Result<Self, ApiError> {
        Self::decode(token)
            .map_err(|why| ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}")))
    }

    fn decode(token: &str) -> Result<Self, String> {
        let bytes = TOKEN.decode(token).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(length) => length.saturating_sub(1),
                base64::DecodeError::InvalidPadding => token.len(),
            };
            format!("illegal base64 data at input byte {at}")
        })?;
        let token = decode_object(&bytes)?;
        let version = token["v"].as_str().unwrap_or_default();
        if version != TOKEN_VERSION {
            return Err(format!("server does not recognize this encoded version {version}"));
        }
        let rv = token["rv"].as_i64().unwrap_or(0);
        if rv == 0 {
            return Err(format!("incorrect encoded start resourceVersion (version {TOKEN_VERSION})"));
        }
        let start = token["start"].as_str().unwrap_or_default();
        if start.is_empty() {
            return Err(format!("encoded start key empty (version {TOKEN_VERSION})"));
        }
        let key = start.strip_prefix('/').unwrap_or(start);
        // What would climb out of the collection, or is spelled in a roundabout way, is no key.
        if key.split('/').any(|step| matches!(step, "" | "." | "..")) {
            return Err(start.to_owned());
        }
        Ok(Self { rv: u64::try_from(rv).ok(), from: key.to_owned() })
    }

    fn token(rv: i64, last: &str) -> String {
        TOKEN.encode(json!({ "v": TOKEN_VERSION, "rv": rv, "start": format!("/{last}\0") }).to_string())
    }
}

/// Decodes a token's JSON, with Go's words for what is wrong.
fn decode_object(bytes: &[u8]) -> Result<Value, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if let Some(first) = first.filter(|first| !b"{[\"-0123456789tfn".contains(first)) {
        let shown = match *first {
            b'\'' => r"\'".to_owned(),
            byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
            byte if byte < 0x20 || byte == 0x7f => format!(r"\x{byte:02x}"),
            byte @ 0x80..=0xa0 => format!(r"\u{byte:04x}"),
            byte => char::from(byte).to_string(),
        };
        return Err(format!("invalid character '{shown}' looking for beginning of value"));
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() })?;
    let named = |value: &Value| match value {
        Value::Null => None,
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    };
    if let Some(kind) = named(&value).filter(|kind| *kind != "object") {
        return Err(format!("json: cannot unmarshal {kind} into Go value of type storage.continueToken"));
    }
    for (key, want, ty) in [("v", "string", "string"), ("rv", "number", "int64"), ("start", "string", "string")] {
        if let Some(kind) = named(&value[key]).filter(|kind| *kind != want) {
            return Err(format!("json: cannot unmarshal {kind} into Go struct field continueToken.{key} of type {ty}"));
        }
    }
    Ok(value)
}

const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can \
                                start a new list without the continue parameter, or use the continue token in this response \
                                to retrieve the remainder of the results. Continuing with the provided token results in an \
                                inconsistent list - objects that were created, modified, or deleted between the time the \
                                first chunk was returned and now may show up in the list.";

/// Part of a collection, or all of it.
pub(super) struct Page {
    objects: Vec<Shown>,
    rv: u64,
    next: Option<String>,
    remaining: Option<u64>,
}

impl Page {
    /// Returns the objects.
    pub(super) fn values(&self) -> Vec<Arc<Value>> {
        self.objects.iter().map(|object| Arc::clone(object.value())).collect()
    }
}

/// Which revision a list shows, and from which key on.
#[derive(Default)]
struct Wanted {
    exact: Option<u64>,
    not_older_than: Option<u64>,
    from: Option<String>,
}

impl Wanted {
    /// Reads it from the options (k8s: `apiserver/pkg/storage/interfaces.go`, `ValidateListOptions`).
    fn of(options: &ListOptions, has_pages: bool) -> Result<Self, ApiError> {
        let rv = options.resource_version.as_str();
        if has_pages && !options.token.is_empty() {
            let token = Continue::parse(&options.token)?;
            if !matches!(rv, "" | "0") {
                return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
            }
            return Ok(Self { exact: token.rv, from: Some(token.from), ..Self::default() });
        }
        let number = parse_rv(rv)
            .map_err(|error| ApiError::bad_request(format!("invalid resource version: {}", error.message)))?;
        let is_exact = match options.rule.as_str() {
            EXACT => true,
            NOT_OLDER_THAN => false,
            _ => has_pages && options.limit > 0,
        };
        let asked = number.filter(|rv| *rv > 0);
        Ok(Self { exact: asked.filter(|_| is_exact), not_older_than: asked.filter(|_| !is_exact), from: None })
    }
}

/// Chooses what a list shows.
pub(super) fn choose_page(call: &Call<'_>, target: &Target<'_>, options: &ListOptions) -> Result<Page, ApiError> {
    // Of one namespace alone are also those selected by it.
    let selected = options.selectors.namespace().filter(|_| target.resource.namespaced);
    let namespace = Some(target.namespace).filter(|namespace| !namespace.is_empty()).or(selected);
    // One object is read by its key, without pages.
    let only = options.selectors.name().filter(|_| namespace.is_some() || !target.resource.namespaced);
    let wanted = Wanted::of(options, only.is_none())?;
    // A list from the watch cache at any revision is whole, whatever the limit.
    let is_limited = options.limit > 0 && options.resource_version != "0" && only.is_none();
    let limit = if is_limited { usize::try_from(options.limit).unwrap_or(usize::MAX) } else { usize::MAX };
    // How a key is spelled below this path.
    let spell = |key: &Key| {
        if namespace.is_some() || key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) }
    };
    let (mut candidates, rv) = call.cluster.with_state(|state, _| {
        let current = state.rv;
        if let Some(asked) = wanted.not_older_than.filter(|asked| *asked > current) {
            return Err(ApiError::too_large_resource_version(asked, current));
        }
        let store = state.store(&target.resource.store_key());
        let of = |objects: &mut dyn Iterator<Item = (&Key, Arc<Stored>)>| -> Vec<(Key, Arc<Stored>)> {
            objects
                .filter(|(key, _)| namespace.is_none_or(|namespace| key.0 == namespace))
                .filter(|(key, _)| only.is_none_or(|name| key.1 == name))
                .filter(|(key, _)| wanted.from.as_ref().is_none_or(|from| spell(key) >= *from))
                .map(|(key, stored)| (key.clone(), stored))
                .collect()
        };
        match wanted.exact {
            Some(rv) if rv < current => {
                let past = store.at(rv).ok_or_else(|| expired(wanted.from.as_deref()))?;
                Ok((of(&mut past.iter().map(|(key, stored)| (key, Arc::clone(stored)))), rv))
            }
            Some(rv) if rv > current => Err(ApiError::too_large_resource_version(rv, current)),
            _ => Ok((of(&mut store.iter(namespace, None)), current)),
        }
    })?;
    candidates.sort_by(|a, b| key_order(&a.0, &b.0));
    let total = candidates.len();
    let mut objects = Vec::new();
    let mut looked_at = 0;
    for (_, stored) in &candidates {
        if objects.len() == limit {
            break;
        }
        looked_at += 1;
        let shown = Shown::of(target.resource, stored);
        // Nothing is decoded for a list of everything.
        if options.selectors.is_everything() || options.selectors.matches(shown.value()) {
            objects.push(shown);
        }
    }
    let rest = total - looked_at;
    let last = looked_at.checked_sub(1).map(|last| &candidates[last].0).filter(|_| rest > 0);
    let next = last.map(|key| Continue::token(rv as i64, &spell(key)));
    Ok(Page { objects, rv, next, remaining: options.selectors.is_everything().then_some(rest as u64) })
}

fn expired(from: Option<&str>) -> ApiError {
    match from {
        // The token in the answer goes on with the newest state.
        Some(from) => {
            let mut error = ApiError::expired(CONTINUE_TOO_OLD);
            error.resume = Some(Continue::token(-1, from.trim_end_matches('\0')));
            error
        }
        None => ApiError::expired("The resourceVersion for the provided list is too old."),
    }
}
