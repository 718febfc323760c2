//! What each node of a CRD's schema may say (k8s: `ValidateCustomResourceDefinitionOpenAPISchema`).

use serde_json::{Value, json};

use super::{costs, dump, list, path as field_path, text};
use crate::cel::extent::Extent;
use crate::cel::rules::{self, RuleError};
use crate::error::Cause;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Reasons a rule may give.
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What is known of a node from above it.
#[derive(Clone)]
struct Place<'a> {
    is_root: bool,
    /// Why defaults are forbidden, where they are.
    no_defaults: Option<&'a str>,
    in_metadata: bool,
    /// The list or map below which nothing can be told from its old self.
    uncorrelatable: Option<String>,
    /// Whether rules are compiled; not below `not`, `allOf`, `anyOf` and `oneOf`, nor where the schema is wrong.
    with_rules: bool,
    /// How many such values an object may have, where the lists and maps around it are bounded.
    cardinality: Option<u64>,
    /// Whether each rule may cost what it likes, as those do that were accepted before.
    is_unbounded: bool,
}

impl Place<'_> {
    /// Returns the cardinality of what is within a node.
    fn within(&self, schema: &Value) -> Option<u64> {
        let most = |key: &str| schema[key].as_i64().map(|most| u64::try_from(most).unwrap_or(0));
        let factor = match text(&schema["type"]) {
            "object" if !schema["additionalProperties"].is_null() => most("maxProperties")?,
            "array" => most("maxItems")?,
            _ => 1,
        };
        self.cardinality.map(|cardinality| cardinality.saturating_mul(factor))
    }
}

/// Mistakes of the schema, and of its rules, which are told after them.
#[derive(Default)]
struct Found {
    schema: Vec<Cause>,
    rules: Vec<Cause>,
    /// What rules and the expressions of their messages may cost, with their paths.
    costs: Vec<(String, u64)>,
}

impl Found {
    fn merge(&mut self, other: Self) {
        self.schema.extend(other.schema);
        self.rules.extend(other.rules);
        self.costs.extend(other.costs);
    }
}

/// Returns what is wrong with a schema and everything below it; one that `is_old` was accepted before.
pub(super) fn check(schema: &Value, path: &str, with_rules: bool, is_old: bool) -> Vec<Cause> {
    let place = Place {
        is_root: true,
        no_defaults: None,
        in_metadata: false,
        uncorrelatable: None,
        with_rules,
        cardinality: Some(1),
        is_unbounded: is_old,
    };
    let mut found = check_node(schema, path, &place);
    found.schema.append(&mut found.rules);
    costs::check_total(path, found.costs, &mut found.schema);
    found.schema
}

fn check_node(schema: &Value, path: &str, place: &Place<'_>) -> Found {
    let mut found = Found::default();
    check_keywords(schema, path, place, &mut found.schema);
    let below = Place { is_root: false, cardinality: place.within(schema), ..place.clone() };
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        let has_properties = schema["properties"].as_object().is_some_and(|map| !map.is_empty());
        if has_properties && *additional != true {
            let why = "additionalProperties and properties are mutual exclusive";
            found.schema.push(Cause::forbidden(format!("{path}.additionalProperties"), why));
        }
        if additional.is_object() {
            let mut below = below.clone();
            if place.in_metadata {
                below.no_defaults = Some("inside additionalProperties applying to object metadata");
            }
            found.merge(check_node(additional, &format!("{path}.additionalProperties"), &below));
        }
    }
    check_properties(schema, path, place, &below, &mut found);
    let nested = Place { with_rules: false, ..below.clone() };
    if schema["not"].is_object() {
        found.merge(check_node(&schema["not"], &format!("{path}.not"), &nested));
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (at, child) in list(&schema[key]).iter().enumerate() {
            found.merge(check_node(child, &format!("{path}.{key}[{at}]"), &nested));
        }
    }
    for (name, child) in schema["definitions"].as_object().into_iter().flatten() {
        found.merge(check_node(child, &format!("{path}.definitions[{name}]"), &nested));
    }
    if !schema["items"].is_null() {
        let mut below = below.clone();
        if schema["x-kubernetes-list-type"] != "map" {
            below.uncorrelatable.get_or_insert_with(|| path.to_owned());
        }
        if schema["items"].is_object() {
            found.merge(check_node(&schema["items"], &format!("{path}.items"), &below));
        }
        for (at, child) in list(&schema["items"]).iter().enumerate() {
            found.merge(check_node(child, &format!("{path}.items[{at}]"), &below));
        }
    }
    check_list_type(schema, path, &mut found.schema);
    check_map_list(schema, path, &mut found.schema);
    check_item_rules(schema, path, &mut found.schema);
    check_rule_fields(schema, path, &mut found.schema);
    if found.schema.is_empty() && place.with_rules {
        check_rules(schema, path, place, &mut found);
    }
    found
}

fn check_properties(schema: &Value, path: &str, place: &Place<'_>, below: &Place<'_>, found: &mut Found) {
    let is_resource = place.is_root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut below = below.clone();
        let is_map_known = ["atomic", "granular"].contains(&text(&schema["x-kubernetes-map-type"]));
        if !schema["x-kubernetes-map-type"].is_null() && !is_map_known {
            below.uncorrelatable.get_or_insert_with(|| path.to_owned());
        }
        let reason = format!("in top-level {name}");
        if is_resource && ["metadata", "kind", "apiVersion"].contains(&name.as_str()) {
            below.in_metadata = true;
            if place.is_root {
                below.no_defaults = Some(&reason);
            }
        }
        found.merge(check_node(property, &format!("{path}.properties[{name}]"), &below));
    }
}

fn check_keywords(schema: &Value, path: &str, place: &Place<'_>, causes: &mut Vec<Cause>) {
    let mut forbid = |key: &str, why: &str| causes.push(Cause::forbidden(format!("{path}.{key}"), why));
    let kind = text(&schema["type"]);
    let is_wrong_type = !kind.is_empty() && !TYPES.contains(&kind);
    let is_set = |key: &str| match &schema[key] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    if let Some(reason) = place.no_defaults.filter(|_| !schema["default"].is_null()) {
        forbid("default", &format!("must not be set {reason}"));
    }
    for key in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if is_set(key) {
            forbid(key, &format!("{key} is not supported"));
        }
    }
    if kind == "null" {
        forbid("type", "type cannot be set to null, use nullable as an alternative");
    }
    if schema["items"].is_array() {
        forbid("items", "items must be a schema object and not an array");
    }
    if place.in_metadata && schema["x-kubernetes-embedded-resource"] == true {
        forbid("x-kubernetes-embedded-resource", "must not be used inside of resource meta");
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        forbid("uniqueItems", why);
    }
    if is_wrong_type {
        let allowed = TYPES.map(str::to_owned);
        causes.insert(0, Cause::unsupported(format!("{path}.type"), &schema["type"], &allowed));
    }
}

fn check_list_type(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let field = format!("{path}.x-kubernetes-preserve-unknown-fields");
        causes.push(Cause::invalid(field, &json!(false), "must be true or undefined"));
    }
    let kind = text(&schema["type"]);
    let mut want = |key: &str, type_name: &str| {
        if schema[key].is_null() || kind == type_name {
            return;
        }
        let (field, why) = (format!("{path}.type"), format!("must be {type_name} if {key} is specified"));
        if kind.is_empty() {
            causes.push(Cause::required(field, &why));
        } else {
            causes.push(Cause::invalid(field, &schema["type"], why));
        }
    };
    want("x-kubernetes-map-type", "object");
    let map_type = &schema["x-kubernetes-map-type"];
    let list_type = &schema["x-kubernetes-list-type"];
    let unsupported = |field: &str, value: &Value, allowed: &[&str]| {
        let allowed: Vec<String> = allowed.iter().map(|word| (*word).to_owned()).collect();
        Cause::unsupported(format!("{path}.{field}"), value, &allowed)
    };
    want("x-kubernetes-list-type", "array");
    if !map_type.is_null() && !["atomic", "granular"].contains(&text(map_type)) {
        let cause = unsupported("x-kubernetes-map-type", map_type, &["atomic", "granular"]);
        let at = causes.iter().position(|cause| cause.message.contains("must be array if")).unwrap_or(causes.len());
        causes.insert(at, cause);
    }
    if *list_type == "set" && kind == "array" && schema["items"].is_object() {
        let items = &schema["items"];
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let value = &items["x-kubernetes-list-type"];
        if items["type"] == "array" && !value.is_null() && *value != "atomic" {
            causes.push(Cause::invalid(format!("{path}.items.x-kubernetes-list-type"), value, why));
        } else if items["type"] == "object" && items["x-kubernetes-map-type"] != "atomic" {
            causes.push(Cause::invalid(format!("{path}.items.x-kubernetes-map-type"), value, why));
        }
    }
    if !list_type.is_null() && !["atomic", "set", "map"].contains(&text(list_type)) {
        causes.push(unsupported("x-kubernetes-list-type", list_type, &["atomic", "set", "map"]));
    }
}

fn check_map_list(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let (keys, list_type) = (list(&schema["x-kubernetes-list-map-keys"]), &schema["x-kubernetes-list-type"]);
    if !keys.is_empty() && *list_type != "map" {
        let (field, why) =
            (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        causes.push(match list_type {
            Value::Null => Cause::required(field, why),
            value => Cause::invalid(field, value, why),
        });
    }
    if *list_type != "map" {
        return;
    }
    let keys_field = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        causes.push(Cause::required(keys_field.clone(), "must not be empty if x-kubernetes-list-type is map"));
    }
    let items = &schema["items"];
    if items.is_null() {
        let why = "must have a schema if x-kubernetes-list-type is map";
        causes.push(Cause::required(format!("{path}.items"), why));
    } else if items["type"] != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(Cause::invalid(format!("{path}.items.type"), &json!(text(&items["type"])), why));
    } else {
        for (at, key) in keys.iter().enumerate() {
            match items["properties"].get(text(key)) {
                Some(property) if ["array", "object"].contains(&text(&property["type"])) => {
                    let field = format!("{path}.items.properties[{}].type", text(key));
                    let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    causes.push(Cause::invalid(field, &items["type"], why));
                }
                Some(_) => {}
                None => {
                    let why = "entries must all be names of item properties";
                    causes.push(Cause::invalid(keys_field.clone(), &json!(keys), why));
                }
            }
            if keys[..at].contains(key) {
                causes.push(Cause::invalid(keys_field.clone(), &json!(keys), "must not contain duplicate entries"));
            }
        }
    }
}

/// Keys of list items must always be there.
fn check_item_rules(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let (items, list_type) = (&schema["items"], text(&schema["x-kubernetes-list-type"]));
    if !items.is_object() || !["set", "map"].contains(&list_type) {
        return;
    }
    if items["nullable"] == true {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        causes.push(Cause::forbidden(format!("{path}.items.nullable"), &why));
    }
    if list_type == "set" {
        return;
    }
    for key in list(&schema["x-kubernetes-list-map-keys"]) {
        let Some(property) = items["properties"].get(text(key)) else { continue };
        let field = |name: &str| format!("{path}.items.properties[{}].{name}", text(key));
        if !list(&items["required"]).contains(key) && property["default"].is_null() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                       property";
            causes.push(Cause::required(field("default"), why));
        }
        if property["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            causes.push(Cause::forbidden(field("nullable"), why));
        }
    }
}

fn has_line_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// Checks what rules say besides their expressions.
fn check_rule_fields(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (at, rule) in list(&schema["x-kubernetes-validations"]).iter().enumerate() {
        let field = |name: &str| format!("{path}.x-kubernetes-validations[{at}].{name}");
        let (expression, message) = (text(&rule["rule"]).trim(), text(&rule["message"]));
        if expression.is_empty() {
            causes.push(Cause::required(field("rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            causes.push(Cause::invalid(field("message"), &rule["message"], "must be non-empty if specified"));
        } else if has_line_breaks(message.trim()) {
            causes.push(Cause::invalid(field("message"), &rule["message"], "must not contain line breaks"));
        } else if has_line_breaks(expression) && message.is_empty() {
            let why = "message must be specified if rule contains line breaks";
            causes.push(Cause::required(field("message"), why));
        }
        let computed = text(&rule["messageExpression"]);
        if !computed.is_empty() && computed.trim().is_empty() {
            let why = "messageExpression must be non-empty if specified";
            causes.push(Cause::required(field("messageExpression"), why));
        }
        if !rule["reason"].is_null() && !REASONS.contains(&text(&rule["reason"])) {
            causes.push(Cause::unsupported(field("reason"), &rule["reason"], &REASONS.map(str::to_owned)));
        }
        let given = text(&rule["fieldPath"]);
        if !given.is_empty() && given.trim().is_empty() {
            causes.push(Cause::invalid(field("fieldPath"), &rule["fieldPath"], "must be non-empty if specified"));
        }
        if has_line_breaks(given) {
            causes.push(Cause::invalid(field("fieldPath"), &rule["fieldPath"], "must not contain line breaks"));
        }
        if !given.is_empty() && field_path::find(given, schema, true).is_err() {
            causes.push(Cause::invalid(field("fieldPath"), &rule["fieldPath"], "must be a valid path"));
        }
    }
}

fn check_rules(schema: &Value, path: &str, place: &Place<'_>, found: &mut Found) {
    let given = list(&schema["x-kubernetes-validations"]);
    if given.is_empty() {
        return;
    }
    let is_resource = place.is_root || schema["x-kubernetes-embedded-resource"] == true;
    let Some(extent) = Extent::of(schema, is_resource) else {
        let message = "Internal error: internal error: failed to construct type information for x-kubernetes-validations \
                       rules: unable to convert structural schema to CEL declarations";
        let field = format!("{path}.x-kubernetes-validations");
        found.rules.push(Cause { reason: "InternalError", message: message.to_owned(), field });
        return;
    };
    let count = place.cardinality.unwrap_or_else(|| extent.most_in_request());
    for (at, (rule, compiled)) in given.iter().zip(rules::compile(schema, is_resource)).enumerate() {
        let field = |name: &str| format!("{path}.x-kubernetes-validations[{at}].{name}");
        let invalid = |name: &str, why: &str| Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {why}", dump::rule(rule)),
            field: field(name),
        };
        let costs = match &compiled {
            Ok(compiled) => compiled.costs,
            Err(RuleError::Message { cost, .. }) => (*cost, None),
            Err(RuleError::Rule(_)) => (0, None),
        };
        let mut charge = |name: &str, what: &str, cost: u64| {
            if !place.is_unbounded {
                found.rules.extend(costs::check_one(field(name), what, cost));
            }
            found.costs.push((field(name), cost));
        };
        charge("rule", "estimated rule cost", costs.0.saturating_mul(count));
        if let Some(cost) = costs.1 {
            charge("messageExpression", "estimated messageExpression cost", cost);
        }
        let causes = &mut found.rules;
        let uses_old_self = match compiled {
            Ok(compiled) => compiled.uses_old_self,
            Err(RuleError::Rule(why)) => {
                causes.push(invalid("rule", &why));
                false
            }
            Err(RuleError::Message { why, uses_old_self, .. }) => {
                causes.push(invalid("messageExpression", &why));
                uses_old_self
            }
        };
        if uses_old_self {
            if let Some(above) = &place.uncorrelatable {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {above}");
                causes.push(Cause::invalid(field("rule"), &rule["rule"], why));
            }
        } else if !rule["optionalOldSelf"].is_null() {
            let why = "may not be set if oldSelf is not used in rule";
            causes.push(Cause::invalid(field("optionalOldSelf"), &rule["optionalOldSelf"], why));
        }
    }
}
