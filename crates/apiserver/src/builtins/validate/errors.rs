//! Field errors in upstream's words (`apimachinery/pkg/util/validation/field`).

use serde_json::Value;

use crate::builtins::FieldError;

/// The mistakes found so far, in the order of the fields.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

/// Prints a value as messages show it.
fn compact(value: &Value) -> String {
    value.to_string()
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

    pub(super) fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        // Go has no null string: a field that was left out is the empty one.
        let empty = Value::from("");
        self.0.push(invalid(field, if value.is_null() { &empty } else { value }, detail));
    }

    /// Like [`Errors::invalid`] for what is no text in Go: nothing is `null`.
    pub(super) fn invalid_object(&mut self, field: &str, value: &Value, detail: &str) {
        self.0.push(invalid(field, value, detail));
    }

    pub(super) fn forbidden(&mut self, field: &str, detail: &str) {
        self.0.push(forbidden(field, detail));
    }

    pub(super) fn duplicate(&mut self, field: &str, value: &Value) {
        self.push(field, "FieldValueDuplicate", format!("Duplicate value: {}", compact(value)));
    }

    pub(super) fn not_found(&mut self, field: &str, value: &Value) {
        self.push(field, "FieldValueNotFound", format!("Not found: {}", compact(value)));
    }

    pub(super) fn not_supported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let empty = Value::from("");
        let value = if value.is_null() { &empty } else { value };
        let message = format!("Unsupported value: {}: supported values: {}", compact(value), quoted.join(", "));
        self.push(field, "FieldValueNotSupported", message);
    }

    pub(super) fn too_long(&mut self, field: &str, limit_bytes: usize) {
        self.push(field, "FieldValueTooLong", format!("Too long: may not be more than {limit_bytes} bytes"));
    }

    /// Demands one of `supported`, or nothing.
    pub(super) fn one_of(&mut self, field: &str, value: &Value, supported: &[&str]) {
        if value.as_str().is_some_and(|text| !supported.contains(&text)) {
            self.not_supported(field, value, supported);
        }
    }
}
