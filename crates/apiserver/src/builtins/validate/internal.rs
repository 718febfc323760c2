//! How Go prints a struct that has no JSON names: every field, under its Go name, in the order it is declared.

use serde_json::Value;

use crate::builtins::Builtins;
use crate::builtins::types::{Shape, TypeId, Types};

/// Words that Go writes in capitals at the start of a name.
const INITIALS: &[(&str, &str)] = &[
    ("api", "API"),
    ("csi", "CSI"),
    ("fc", "FC"),
    ("fsGroup", "FSGroup"),
    ("fsType", "FSType"),
    ("iscsi", "ISCSI"),
    ("nfs", "NFS"),
    ("rbd", "RBD"),
    ("seLinux", "SELinux"),
];

/// Names that are capitals from end to end.
const CAPITALS: &[&str] = &["cidr", "ip", "iqn", "tls", "tty", "uid", "url"];

fn go_name(name: &str) -> String {
    if CAPITALS.contains(&name) {
        return name.to_uppercase();
    }
    for (start, capital) in INITIALS {
        if let Some(rest) = name.strip_prefix(start)
            && !rest.starts_with(|letter: char| letter.is_ascii_lowercase())
        {
            return format!("{capital}{rest}");
        }
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Prints a value of the OpenAPI type `name`, such as `io.k8s.api.core.v1.Toleration`.
pub(super) fn print(name: &str, value: &Value) -> String {
    let types = &Builtins::get().types().0;
    match types.find(name) {
        Some(id) => structure(types, id, value),
        None => value.to_string(),
    }
}

fn structure(types: &Types, id: TypeId, value: &Value) -> String {
    let ty = types.get(id);
    // The selectors of the API itself keep their names, wherever they stand.
    if ty.name.contains(".apis.meta.") {
        return super::errors::compact(value);
    }
    let fields: Vec<String> = (ty.declared.iter().map(|place| &ty.fields[*place]))
        .filter_map(|field| {
            let value = &value[&field.name];
            if let Shape::Struct(id) = &field.shape
                && types.get(*id).go_name() == "ObjectMeta"
            {
                // It is inlined, under the names it has in JSON.
                let entries = value.as_object().into_iter().flatten();
                let entries: Vec<String> =
                    entries.map(|(key, value)| format!("{key:?}:{}", super::errors::compact(value))).collect();
                return (!entries.is_empty()).then(|| entries.join(","));
            }
            let printed = if value.is_null() {
                zero(types, &field.shape, field.pointer)
            } else {
                shape(types, &field.shape, value)
            };
            Some(format!("\"{}\":{printed}", go_name(&field.name)))
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn zero(types: &Types, shape: &Shape, pointer: bool) -> String {
    match shape {
        _ if pointer => "null".to_owned(),
        Shape::String | Shape::Duration => "\"\"".to_owned(),
        Shape::Quantity => "\"0\"".to_owned(),
        Shape::Bool => "false".to_owned(),
        Shape::Int32 | Shape::Int64 | Shape::Float | Shape::IntOrString => "0".to_owned(),
        Shape::Struct(id) => structure(types, *id, &Value::Null),
        _ => "null".to_owned(),
    }
}

fn shape(types: &Types, shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::Struct(id), value) => structure(types, *id, value),
        (Shape::List(element), Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| self::shape(types, element, item)).collect();
            format!("[{}]", items.join(","))
        }
        (Shape::Map(element), Value::Object(entries)) => {
            let entries: Vec<String> = (entries.iter())
                .map(|(key, item)| format!("{}:{}", Value::from(key.as_str()), self::shape(types, element, item)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_is_printed_under_its_go_name() {
        let toleration = json!({ "key": "dedicated" });
        assert_eq!(
            print("io.k8s.api.core.v1.Toleration", &toleration),
            r#"{"Key":"dedicated","Operator":"","Value":"","Effect":"","TolerationSeconds":null}"#
        );
        assert_eq!(go_name("apiGroup"), "APIGroup");
        assert_eq!(go_name("fcx"), "Fcx");
    }
}
