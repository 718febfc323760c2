//! Field errors in upstream's words (`apimachinery/pkg/util/validation/field`).

use serde_json::Value;

use crate::builtins::FieldError;

/// The mistakes found so far, in the order of the fields.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

/// Joins a path and a field.
pub(super) fn at(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Prints a value as messages show it: compact JSON, with Go's escapes of what HTML might take for markup.
pub(super) fn compact(value: &Value) -> String {
    match value {
        Value::String(_) => value.to_string(),
        // A label selector, which Go prints in the order of its fields.
        Value::Object(fields) if fields.contains_key("matchLabels") && fields.contains_key("matchExpressions") => {
            let printed =
                ["matchLabels", "matchExpressions"].map(|field| format!("\"{field}\":{}", compact(&fields[field])));
            format!("{{{}}}", printed.join(","))
        }
        _ => value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
    }
}

fn with_detail(body: String, detail: &str) -> String {
    if detail.is_empty() { body } else { format!("{body}: {detail}") }
}

/// Builds `Invalid value: "x": why`.
pub(in crate::builtins) fn invalid(field: &str, value: &Value, detail: &str) -> FieldError {
    let message = with_detail(format!("Invalid value: {}", compact(value)), detail);
    FieldError { field: field.to_owned(), reason: "FieldValueInvalid", message }
}

/// Builds `Forbidden: why`.
pub(in crate::builtins) fn forbidden(field: &str, detail: &str) -> FieldError {
    FieldError {
        field: field.to_owned(),
        reason: "FieldValueForbidden",
        message: with_detail("Forbidden".to_owned(), detail),
    }
}

impl Errors {
    pub(super) fn into_list(self) -> Vec<FieldError> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, field: &str, reason: &'static str, message: String) {
        self.0.push(FieldError { field: field.to_owned(), reason, message });
    }

    pub(super) fn required(&mut self, field: &str, detail: &str) {
        self.push(field, "FieldValueRequired", with_detail("Required value".to_owned(), detail));
    }

    /// Demands a text that is not empty; tells whether there is one.
    pub(super) fn wants_text(&mut self, owner: &Value, field: &str, path: &str) -> bool {
        let there = owner[field].as_str().is_some_and(|text| !text.is_empty());
        if !there {
            self.required(&at(path, field), "");
        }
        there
    }

    pub(super) fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        // Go has no null string: a field that was left out is the empty one.
        let empty = Value::from("");
        self.0.push(invalid(field, if value.is_null() { &empty } else { value }, detail));
    }

    pub(super) fn invalid_text(&mut self, field: &str, text: &str, detail: &str) {
        self.0.push(invalid(field, &Value::from(text), detail));
    }

    pub(super) fn invalid_number(&mut self, field: &str, number: i64, detail: &str) {
        self.0.push(invalid(field, &Value::from(number), detail));
    }

    /// Like [`Errors::invalid`] for what is no text in Go: nothing is `null`.
    pub(super) fn invalid_object(&mut self, field: &str, value: &Value, detail: &str) {
        self.0.push(invalid(field, value, detail));
    }

    /// Like [`Errors::invalid`] for a value that is already printed.
    pub(super) fn invalid_printed(&mut self, field: &str, printed: &str, detail: &str) {
        self.push(field, "FieldValueInvalid", with_detail(format!("Invalid value: {printed}"), detail));
    }

    /// Says that something is wrong whose value is not shown.
    pub(super) fn invalid_unshown(&mut self, field: &str, detail: &str) {
        self.push(field, "FieldValueInvalid", with_detail("Invalid value".to_owned(), detail));
    }

    /// Adds every problem that a check of names found with a text.
    pub(super) fn invalid_each(&mut self, field: &str, text: &str, problems: Vec<String>) {
        for problem in problems {
            self.invalid_text(field, text, &problem);
        }
    }

    pub(super) fn forbidden(&mut self, field: &str, detail: &str) {
        self.0.push(forbidden(field, detail));
    }

    pub(super) fn duplicate(&mut self, field: &str, value: &Value) {
        let empty = Value::from("");
        let value = if value.is_null() { &empty } else { value };
        self.duplicate_printed(field, &compact(value), "");
    }

    pub(super) fn duplicate_printed(&mut self, field: &str, printed: &str, detail: &str) {
        self.push(field, "FieldValueDuplicate", with_detail(format!("Duplicate value: {printed}"), detail));
    }

    pub(super) fn not_found(&mut self, field: &str, value: &Value, detail: &str) {
        let empty = Value::from("");
        let value = if value.is_null() { &empty } else { value };
        self.push(field, "FieldValueNotFound", with_detail(format!("Not found: {}", compact(value)), detail));
    }

    pub(super) fn not_supported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let empty = Value::from("");
        let value = if value.is_null() { &empty } else { value };
        self.not_supported_printed(field, &compact(value), supported);
    }

    /// Like [`Errors::not_supported`] for a value that is already printed.
    pub(super) fn not_supported_printed(&mut self, field: &str, printed: &str, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let message = format!("Unsupported value: {printed}: supported values: {}", quoted.join(", "));
        self.push(field, "FieldValueNotSupported", message);
    }

    pub(super) fn too_long(&mut self, field: &str, limit_bytes: usize) {
        self.push(field, "FieldValueTooLong", format!("Too long: may not be more than {limit_bytes} bytes"));
    }

    pub(super) fn too_many(&mut self, field: &str, have: usize, limit: usize) {
        let things = if limit == 1 { "item" } else { "items" };
        self.push(field, "FieldValueTooMany", format!("Too many: {have}: must have at most {limit} {things}"));
    }

    pub(super) fn internal(&mut self, field: &str, detail: &str) {
        self.push(field, "InternalError", with_detail("Internal error".to_owned(), detail));
    }

    /// Demands one of `supported`, or nothing.
    pub(super) fn one_of(&mut self, field: &str, value: &Value, supported: &[&str]) {
        if value.as_str().is_some_and(|text| !supported.contains(&text)) {
            self.not_supported(field, value, supported);
        }
    }

    /// Demands one of `supported`; nothing and the empty text are a missing value.
    pub(super) fn needs_one_of(&mut self, field: &str, value: &Value, supported: &[&str]) {
        match value.as_str().unwrap_or_default() {
            "" => self.required(field, ""),
            text if supported.contains(&text) => {}
            _ => self.not_supported(field, value, supported),
        }
    }
}
