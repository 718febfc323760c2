//! What the server answers when it refuses: `metav1.Status` with the real server's reasons, messages and details.

use serde_json::{Value, json};

use crate::resource::Resource;

/// A refusal, ready to become a `Status` body.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason; empty where the real server gives none.
    pub reason: &'static str,
    /// The sentence clients print.
    pub message: String,
    /// What it is about; boxed, since most results carry none.
    pub details: Option<Box<Details>>,
    /// The `continue` token with which an expired list may go on.
    pub resume: Option<String>,
    /// The whole `Status`, where somebody else than this server wrote it.
    pub given: Option<Box<Value>>,
}

/// The `details` of a `Status`.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// The API group.
    pub group: String,
    /// The resource for 404 and 409, the kind for 422.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// One entry a mistake.
    pub causes: Vec<Cause>,
    /// When to come back.
    pub retry_after_secs: Option<u32>,
}

/// One mistake in an object, or one reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The machine-readable reason, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// The sentence without the field.
    pub message: String,
    /// The field's path; empty when the cause is no field.
    pub field: String,
}

impl Cause {
    /// Says that a value is wrong; `value` is printed as Go's validation does.
    pub fn invalid(field: impl Into<String>, value: &Value, why: impl AsRef<str>) -> Self {
        let message = format!("Invalid value: {}: {}", show(value), why.as_ref());
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// Says that a field must be there.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// Says that a field may not be there.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }

    /// Says that a value is none of those allowed.
    pub fn unsupported(field: impl Into<String>, value: &Value, allowed: &[String]) -> Self {
        let message = if allowed.is_empty() {
            format!("Unsupported value: {}", show(value))
        } else {
            let allowed: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
            format!("Unsupported value: {}: supported values: {}", show(value), allowed.join(", "))
        };
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    /// Says that a list holds one key twice.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", show(value));
        Self { reason: "FieldValueDuplicate", message, field: field.into() }
    }

    /// Says that a value has the wrong type.
    pub fn type_invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {}: {why}", show(value));
        Self { reason: "FieldValueTypeInvalid", message, field: field.into() }
    }

    /// Says that a list or string is too long.
    pub fn too_long(field: impl Into<String>, value: &Value, why: &str) -> Self {
        let _ = value;
        Self { reason: "FieldValueTooLong", message: format!("Too long: {why}"), field: field.into() }
    }

    fn to_json(&self) -> Value {
        let mut out = json!({ "message": self.message });
        if !self.reason.is_empty() {
            out["reason"] = json!(self.reason);
        }
        if !self.field.is_empty() {
            out["field"] = json!(self.field);
        }
        out
    }
}

/// Prints a value as `field.Error` does: strings quoted, the rest as compact JSON.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => bowline_smd::quote_go(text),
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        other => go_json(other),
    }
}

/// Prints JSON as Go does: letters that mean something in HTML are escaped.
pub(crate) fn go_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&']) {
        return text;
    }
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Prints a float as Go's `%v` does.
pub(crate) fn go_float(number: f64) -> String {
    /// From this power of ten on an exponent is printed (Go: `strconv.FormatFloat` with `g` and the shortest precision).
    const SHORTEST: i32 = 6;
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..SHORTEST).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    number.to_string()
}

impl ApiError {
    /// Makes a refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, resume: None, given: None }
    }

    pub(crate) fn about(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    fn of_resource(resource: &Resource, name: &str) -> Details {
        Details {
            name: name.to_owned(),
            group: resource.group.clone(),
            kind: resource.plural.clone(),
            ..Details::default()
        }
    }

    /// 404 for an object.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", resource.qualified()))
            .about(Self::of_resource(resource, name))
    }

    /// 404 for a namespace that is not there.
    pub fn namespace_not_found(name: &str) -> Self {
        Self::new(404, "NotFound", format!("namespaces {name:?} not found")).about(Details {
            name: name.to_owned(),
            kind: "namespaces".to_owned(),
            ..Details::default()
        })
    }

    /// 404 for a path under a known group version.
    pub fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").about(Details::default())
    }

    /// 409 for a name that is taken.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", resource.qualified()))
            .about(Self::of_resource(resource, name))
    }

    /// 409 for a write that lost a race or a precondition.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(Self::of_resource(resource, name))
    }

    /// 409 where upstream names a kind in place of the resource.
    pub(crate) fn kind_conflict(group: &str, kind: &str, name: &str, why: &str) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let message = format!("Operation cannot be fulfilled on {qualified} {name:?}: {why}");
        Self::new(409, "Conflict", message).about(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Details::default()
        })
    }

    /// 409 for a write based on an old object.
    pub fn stale(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 422 for an object with mistakes.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        // To upstream an event is one of the core group, whichever group it is written through.
        let group = if group == "events.k8s.io" { "" } else { group };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut told: Vec<String> = Vec::new();
        for cause in &causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
        Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {told}")).about(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes,
            ..Details::default()
        })
    }

    /// 422 for query parameters; `options` is the Go type, such as `ListOptions`.
    pub fn invalid_options(options: &str, cause: Cause) -> Self {
        Self::invalid("meta.k8s.io", options, "", vec![cause])
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403 for an object.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", resource.qualified())
        } else {
            format!("{} {name:?} is forbidden: {why}", resource.qualified())
        };
        Self::new(403, "Forbidden", message).about(Self::of_resource(resource, name))
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .about(Details::default())
    }

    /// 410 for a watch or list from a forgotten revision.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 500 without a reason, as the real server answers errors it did not foresee.
    pub fn unforeseen(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// 500 for what went wrong inside.
    pub(crate) fn internal(why: impl Into<String>) -> Self {
        let why = why.into();
        let cause = Cause { reason: "", message: why.clone(), field: String::new() };
        Self::new(500, "InternalError", format!("Internal error occurred: {why}")).with_causes(vec![cause])
    }

    /// 504 for a revision that has not happened.
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        Self::new(504, "Timeout", message).about(Details {
            causes: vec![Cause {
                reason: "ResourceVersionTooLarge",
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            retry_after_secs: Some(1),
            ..Details::default()
        })
    }

    /// Adds causes.
    pub fn with_causes(mut self, causes: Vec<Cause>) -> Self {
        self.details.get_or_insert_default().causes = causes;
        self
    }

    /// Adds when to come back.
    pub fn with_retry_after(mut self, secs: u32) -> Self {
        self.details.get_or_insert_default().retry_after_secs = Some(secs);
        self
    }

    /// Returns whether this is the 404 of an object.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Returns whether this is the 504 of a revision that has not happened, or has not yet.
    pub(crate) fn is_too_large_resource_version(&self) -> bool {
        let causes = self.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "ResourceVersionTooLarge")
    }

    /// Returns whether this is a lost race or failed precondition.
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason == "Conflict"
    }

    /// Returns the `Status` body.
    pub fn to_json(&self) -> Value {
        if let Some(given) = &self.given {
            return Value::clone(given);
        }
        let mut out = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            out["reason"] = json!(self.reason);
        }
        if let Some(token) = &self.resume {
            out["metadata"]["continue"] = json!(token);
        }
        if let Some(details) = &self.details {
            out["details"] = details.to_json();
        }
        out
    }
}

impl Details {
    fn to_json(&self) -> Value {
        let mut out = json!({});
        let texts = [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)];
        for (key, text) in texts {
            if !text.is_empty() {
                out[key] = json!(text);
            }
        }
        if !self.causes.is_empty() {
            out["causes"] = self.causes.iter().map(Cause::to_json).collect();
        }
        if let Some(secs) = self.retry_after_secs {
            out["retryAfterSeconds"] = json!(secs);
        }
        out
    }
}

/// Returns the body of a successful delete.
pub(crate) fn deleted_status(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": resource.plural, "uid": uid });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
