//! Validation of custom resources by their schema, in the words and the order of kube-openapi's validator.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde_json::{Value, json};

use super::correlate::Correlated;
use super::formats;
use crate::cluster::lock;
use crate::error::Cause;

/// Returns what the schema has against an object; `old` is what it replaces, whose unchanged mistakes may stay.
pub(crate) fn validate(object: &Value, schema: &Value, old: Option<&Value>) -> Vec<Cause> {
    validate_at(object, schema, old, "")
}

/// Does the same for a part of an object, whose place is put before the places of the mistakes.
pub(crate) fn validate_at(value: &Value, schema: &Value, old: Option<&Value>, prefix: &str) -> Vec<Cause> {
    let correlated = old.map(|old| Correlated { value, old, schema });
    let mut causes = check(value, schema, "", correlated).causes;
    for cause in &mut causes {
        cause.field = match (prefix, cause.field.trim_start_matches('.')) {
            ("", "") => "<nil>".to_owned(),
            ("", field) => field.to_owned(),
            (prefix, "" | "<nil>") => prefix.to_owned(),
            (prefix, field) if field.starts_with('[') => format!("{prefix}{field}"),
            (prefix, field) => format!("{prefix}.{field}"),
        };
    }
    causes
}

/// Mistakes, and how many checks went well: of several alternatives the one that fits best tells its mistakes.
#[derive(Debug, Default)]
struct Found {
    causes: Vec<Cause>,
    /// The messages as the validator compares them, to tell nothing twice.
    keys: Vec<String>,
    matches: usize,
}

impl Found {
    fn add(&mut self, cause: Cause, key: String) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
            self.causes.push(cause);
        }
    }

    fn merge(&mut self, other: Self) {
        self.matches += other.matches;
        for (cause, key) in other.causes.into_iter().zip(other.keys) {
            self.add(cause, key);
        }
    }

    fn is_valid(&self) -> bool {
        self.causes.is_empty()
    }
}

fn check(value: &Value, schema: &Value, path: &str, correlated: Option<Correlated<'_>>) -> Found {
    let mut found = check_all(value, schema, path, correlated);
    if !found.is_valid() && correlated.is_some_and(|both| both.is_unchanged()) {
        found.causes.clear();
        found.keys.clear();
    }
    found
}

fn check_all(value: &Value, schema: &Value, path: &str, correlated: Option<Correlated<'_>>) -> Found {
    let mut found = Found::default();
    if value.is_null() {
        check_type(value, schema, path, &mut found);
        check_enum(value, schema, path, &mut found);
        return found;
    }
    if has_type_rule(schema) {
        check_type(value, schema, path, &mut found);
        found.matches += 1;
    }
    found.merge(check_combined(value, schema, path, correlated));
    found.matches += 1;
    match value {
        Value::String(text) => {
            check_text(text, schema, path, &mut found);
            found.matches += 1;
            if schema["format"].as_str().is_some_and(formats::is_known) {
                check_format(text, schema, path, &mut found);
                found.matches += 1;
            }
        }
        Value::Number(_) => {
            check_number(value, schema, path, &mut found);
            found.matches += 2;
        }
        Value::Array(items) => {
            check_list(items, schema, path, correlated, &mut found);
            found.matches += 2;
        }
        _ => {}
    }
    check_enum(value, schema, path, &mut found);
    found.matches += 1;
    if value.is_object() {
        check_object(value, schema, path, correlated, &mut found);
        found.matches += 1;
    }
    found.matches += 1;
    found
}

/// Formats the server does not know are as good as none.
fn format_of(schema: &Value) -> &str {
    schema["format"].as_str().filter(|format| formats::is_known(format)).unwrap_or_default()
}

fn types_of(schema: &Value) -> Vec<&str> {
    if schema["x-kubernetes-int-or-string"] == true {
        return vec!["integer", "string"];
    }
    schema["type"].as_str().filter(|name| !name.is_empty()).into_iter().collect()
}

fn has_type_rule(schema: &Value) -> bool {
    !types_of(schema).is_empty() || !format_of(schema).is_empty()
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(value: &Value, schema: &Value, path: &str, found: &mut Found) {
    let (want, have, format) = (types_of(schema), type_name(value), format_of(schema));
    if value.is_null() {
        if want.is_empty() || want.contains(&"null") || schema["nullable"] == true {
            found.matches += 1;
        } else {
            add_wrong_type(path, &want.join(","), &json!(have), found);
        }
        return;
    }
    let is_whole = value.as_f64().is_some_and(|number| value.is_f64() && number.fract() == 0.0);
    let is_number = (is_whole && want.contains(&"integer")) || (have == "integer" && want.contains(&"number"));
    let is_sequence = value.is_string() || value.is_array();
    if !is_sequence && !format.is_empty() && !want.contains(&have) && !is_number {
        add_wrong_type(path, format, &json!(""), found);
        return;
    }
    let takes_numbers = want.contains(&"number") || want.contains(&"integer");
    let by_format = !takes_numbers && !format.is_empty() && is_sequence;
    if by_format || want.contains(&have) || is_number {
        found.matches += 1;
    } else {
        add_wrong_type(path, &want.join(","), &json!(have), found);
    }
}

fn add_wrong_type(path: &str, want: &str, have: &Value, found: &mut Found) {
    let why = format!("{path} in body must be of type {want}: {have}");
    found.add(Cause::type_invalid(path, have, &why), why);
}

fn check_enum(value: &Value, schema: &Value, path: &str, found: &mut Found) {
    let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.is_empty()) else { return };
    let equal = |want: &Value| match (want.as_f64(), value.as_f64()) {
        (Some(want), Some(have)) => want.to_bits() == have.to_bits(),
        _ => want == value,
    };
    if allowed.iter().any(equal) {
        return;
    }
    let texts: Vec<String> =
        allowed.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
    found.add(Cause::unsupported(path, value, &texts), format!("{path} enum {texts:?}"));
}

fn refuse(found: &mut Found, path: &str, value: &Value, why: &str) {
    let why = format!("{path} in body should {why}");
    found.add(Cause::invalid(path, value, &why), why);
}

fn check_text(text: &str, schema: &Value, path: &str, found: &mut Found) {
    let length = text.chars().count() as u64;
    if let Some(longest) = schema["maxLength"].as_u64().filter(|longest| length > *longest) {
        let s = if longest == 1 { "" } else { "s" };
        let cause = Cause::too_long(path, &json!(text), &format!("may not be more than {longest} byte{s}"));
        found.add(cause, format!("{path} long {longest}"));
    } else if let Some(shortest) = schema["minLength"].as_u64().filter(|shortest| length < *shortest) {
        refuse(found, path, &json!(text), &format!("be at least {shortest} chars long"));
    } else if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !pattern.is_empty())
        && !matches_pattern(pattern, text)
    {
        refuse(found, path, &json!(text), &format!("match '{pattern}'"));
    }
}

fn check_format(text: &str, schema: &Value, path: &str, found: &mut Found) {
    let format = schema["format"].as_str().unwrap_or_default();
    if formats::fits(format, text) {
        found.matches += 1;
    } else {
        add_wrong_type(path, format, &json!(text), found);
    }
}

/// Matches a pattern anywhere in a text; a pattern that is no regular expression matches everything.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = lock(&COMPILED);
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
    }
    compiled.get(pattern).and_then(Option::as_ref).is_none_or(|regex| regex.is_match(text))
}

/// Prints a bound as the validator does: as an integer where an integer is checked.
fn bound(value: &Value, number: f64) -> String {
    if value.is_f64() { crate::error::go_float(number) } else { (number as i64).to_string() }
}

fn check_number(value: &Value, schema: &Value, path: &str, found: &mut Found) {
    let Some(number) = value.as_f64() else { return };
    // Whole numbers are compared as such, with what is whole of the bound.
    let limit = |key: &str| schema[key].as_f64().map(|limit| if value.is_f64() { limit } else { limit.trunc() });
    if let Some(step) = limit("multipleOf") {
        let whole = if step < 1.0 { 1.0 / step * number } else { number / step };
        if step <= 0.0 {
            let step = bound(value, step);
            let why = format!("factor MultipleOf declared for {path} must be positive: {step}");
            found.add(Cause::invalid(path, &json!(step.parse::<i64>().unwrap_or(0)), &why), why);
        } else if (whole - whole.round()).abs() > 1e-9 {
            refuse(found, path, value, &format!("be a multiple of {}", bound(value, step)));
        }
    }
    if let Some(least) = limit("minimum") {
        let exclusive = schema["exclusiveMinimum"] == true;
        if number < least || (exclusive && number <= least) {
            let or_equal = if exclusive { "" } else { "or equal to " };
            refuse(found, path, value, &format!("be greater than {or_equal}{}", bound(value, least)));
        }
    }
    if let Some(most) = limit("maximum") {
        let exclusive = schema["exclusiveMaximum"] == true;
        if number > most || (exclusive && number >= most) {
            let or_equal = if exclusive { "" } else { "or equal to " };
            refuse(found, path, value, &format!("be less than {or_equal}{}", bound(value, most)));
        }
    }
}

fn too_many(path: &str, have: usize, most: u64) -> Cause {
    let s = if most == 1 { "" } else { "s" };
    let message = format!("Too many: {have}: must have at most {most} item{s}");
    Cause { reason: "FieldValueTooMany", message, field: path.to_owned() }
}

fn check_list(items: &[Value], schema: &Value, path: &str, correlated: Option<Correlated<'_>>, found: &mut Found) {
    if schema["items"].is_object() {
        for (at, item) in items.iter().enumerate() {
            let below = correlated.and_then(|both| both.index(at));
            found.merge(check(item, &schema["items"], &format!("{path}[{at}]"), below));
        }
    }
    let count = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
        refuse(found, path, &json!(count), &format!("have at least {least} items"));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
        found.add(too_many(path, items.len(), most), format!("{path} items {most}"));
    }
}

fn check_object(value: &Value, schema: &Value, path: &str, correlated: Option<Correlated<'_>>, found: &mut Found) {
    let Some(map) = value.as_object() else { return };
    if let Some(least) = schema["minProperties"].as_u64().filter(|least| (map.len() as u64) < *least) {
        refuse(found, path, &json!(map.len()), &format!("have at least {least} properties"));
    }
    if let Some(most) = schema["maxProperties"].as_u64().filter(|most| map.len() as u64 > *most) {
        found.add(too_many(path, map.len(), most), format!("{path} properties {most}"));
    }
    let (properties, additional) = (&schema["properties"], &schema["additionalProperties"]);
    // The server's own fields of the object are never taken for unchanged: they are not compared.
    let below = |name: &str| {
        correlated
            .filter(|_| !(path.is_empty() && matches!(name, "kind" | "apiVersion")))
            .and_then(|both| both.key(name))
    };
    for (name, child) in map {
        let is_property = properties.get(name).is_some();
        if *additional == false && !is_property {
            let why = format!("{path}.{name} in body is a forbidden property");
            found.add(Cause::invalid(path, &json!(name), &why), why);
        } else if !is_property && additional.is_object() {
            found.merge(check(child, additional, &format!("{path}.{name}"), below(name)));
        }
    }
    for (name, property) in properties.as_object().into_iter().flatten() {
        if let Some(child) = map.get(name) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            found.merge(check(child, property, &path, below(name)));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            let field = format!("{path}.{name}");
            found.add(Cause::required(field.clone(), ""), format!("{field} required"));
        }
    }
}

fn check_combined(value: &Value, schema: &Value, path: &str, correlated: Option<Correlated<'_>>) -> Found {
    let mut found = Found::default();
    let all = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    // Below an alternative only whole fields and items are compared with the old object, as upstream.
    let try_one = |schema: &Value| check_all(value, schema, path, correlated);
    let any_of = all("anyOf");
    if !any_of.is_empty() {
        let (first, best) = choose(any_of.iter().map(try_one), true);
        match first {
            Some(success) => found.merge(success),
            None => {
                add_combined(&mut found, path, "must validate at least one schema (anyOf)");
                found.merge(best.unwrap_or_default());
            }
        }
    }
    let one_of = all("oneOf");
    if !one_of.is_empty() {
        let tried: Vec<Found> = one_of.iter().map(try_one).collect();
        let valid = tried.iter().filter(|found| found.is_valid()).count();
        let (first, best) = choose(tried.into_iter(), false);
        if valid == 1 {
            found.merge(first.unwrap_or_default());
        } else if valid == 0 {
            add_combined(&mut found, path, "must validate one and only one schema (oneOf). Found none valid");
            found.merge(best.unwrap_or_default());
        } else {
            let why = format!("must validate one and only one schema (oneOf). Found {valid} valid alternatives");
            add_combined(&mut found, path, &why);
        }
    }
    let all_of = all("allOf");
    if !all_of.is_empty() {
        let mut valid = 0;
        for schema in all_of {
            let one = try_one(schema);
            valid += usize::from(one.is_valid());
            found.merge(one);
        }
        if valid != all_of.len() {
            let why = if valid == 0 { ". None validated" } else { "" };
            add_combined(&mut found, path, &format!("must validate all the schemas (allOf){why}"));
        }
    }
    if schema["not"].is_object() && try_one(&schema["not"]).is_valid() {
        add_combined(&mut found, path, "must not validate the schema (not)");
    }
    found.matches += 1;
    found
}

/// Returns the first alternative that holds, and of those that do not the one with the most in its favour.
fn choose(tried: impl Iterator<Item = Found>, stop: bool) -> (Option<Found>, Option<Found>) {
    let (mut first, mut best): (Option<Found>, Option<Found>) = (None, None);
    for found in tried {
        if found.is_valid() {
            first.get_or_insert(found);
            if stop {
                break;
            }
        } else if best.as_ref().is_none_or(|best| found.matches > best.matches) {
            best = Some(found);
        }
    }
    (first, best)
}

fn add_combined(found: &mut Found, path: &str, why: &str) {
    let why = format!("{path:?} {why}");
    found.add(Cause::invalid("<nil>", &json!(""), &why), why);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_as_the_real_server_tells_them() {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": {
            "type": "object", "required": ["color"], "properties": {
                "color": {"type": "string", "enum": ["red", "blue"]},
                "size": {"type": "integer", "minimum": 1, "maximum": 5},
                "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2},
                "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                "port": {"x-kubernetes-int-or-string": true},
            },
        }}});
        let rows = [
            (
                json!({"spec": {"color": "purple"}}),
                r#"spec.color: Unsupported value: "purple": supported values: "red", "blue""#,
            ),
            (json!({"spec": {}}), "spec.color: Required value"),
            (json!({}), "spec: Required value"),
            (
                json!({"spec": {"color": "red", "size": "x"}}),
                r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#,
            ),
            (
                json!({"spec": {"color": "red", "size": 0}}),
                "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
            (
                json!({"spec": {"color": "red", "name": "A1"}}),
                r#"spec.name: Invalid value: "A1": spec.name in body should match '^[a-z]+$'"#,
            ),
            (json!({"spec": {"color": "red", "list": ["a", "b"]}}), "spec.list: Too many: 2: must have at most 1 item"),
        ];
        for (object, want) in rows {
            let told: Vec<String> = validate(&object, &schema, None)
                .iter()
                .map(|cause| format!("{}: {}", cause.field, cause.message))
                .collect();
            assert_eq!(told, [want]);
        }
        assert!(validate(&json!({"spec": {"color": "red", "port": 3}}), &schema, None).is_empty());
    }
}
