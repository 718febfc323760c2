//! Values as the API server's internal types print them.
//!
//! Where upstream refuses a change it quotes what it holds, which is not version 1: internal types have no JSON tags, so
//! their fields go by Go's names in Go's order, none left out. Whole specs are shown as a diff of such texts.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::line_diff;

/// One field: how it prints, what version 1 calls it, its type, and `o` where nothing is left out.
type Field = (String, String, String, String);

static TYPES: LazyLock<BTreeMap<String, Vec<Field>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/internals.json"))
        .expect("the table is printed by `conformance/control-plane/internals`")
});

/// What version 1 keeps in a pod's spec and the internal type in its security context.
const HOST_FIELDS: [&str; 5] = ["hostIPC", "hostNetwork", "hostPID", "hostUsers", "shareProcessNamespace"];

/// Prints a value of version 1 as one line, the way error messages quote it.
pub(super) fn compact(ty: &str, value: &Value) -> String {
    let mut printer = Printer { text: String::new(), depth: None };
    printer.typed(ty, value);
    printer.text
}

/// Prints what became of a value, line by line.
pub(super) fn difference(ty: &str, old: &Value, new: &Value) -> String {
    let pretty = |value: &Value| {
        let mut printer = Printer { text: String::new(), depth: Some(0) };
        printer.typed(ty, value);
        printer.text
    };
    line_diff::unified(&pretty(old), &pretty(new))
}

struct Printer {
    text: String,
    /// How deep the place is that is printed now, where lines are broken.
    depth: Option<usize>,
}

impl Printer {
    fn typed(&mut self, ty: &str, value: &Value) {
        let (mark, below) = ty.split_at(1);
        match mark {
            "*" if value.is_null() => self.text.push_str("null"),
            "*" => self.typed(below, value),
            "[" => match value.as_array() {
                Some(items) => self.list(items, |printer, item| printer.typed(below, item)),
                None => self.text.push_str("null"),
            },
            "{" => match value.as_object() {
                Some(map) => {
                    let entries = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
                    self.map(entries, |printer, _, value| printer.typed(below, value));
                }
                None => self.text.push_str("null"),
            },
            "=" => self.plain(value),
            _ => match ty {
                "s" => self.string(value.as_str().unwrap_or_default()),
                "i" | "f" if value.is_null() => self.text.push('0'),
                "b" if value.is_null() => self.text.push_str("false"),
                "i" | "f" | "b" => self.plain(value),
                _ => self.structure(ty, value),
            },
        }
    }

    fn structure(&mut self, ty: &str, value: &Value) {
        let fields = TYPES.get(ty).map(Vec::as_slice).unwrap_or_default();
        let value = regrouped(ty, fields, value);
        let shown = fields.iter().filter(|(_, source, _, flag)| flag.is_empty() || !is_nothing(&value[source]));
        let entries: Vec<(&str, &Field)> = shown.map(|field| (field.0.as_str(), field)).collect();
        self.map(entries, |printer, _, (_, source, ty, _)| printer.typed(ty, &value[source]));
    }

    /// Prints a value whose type says for itself how it prints.
    fn plain(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => self.list(items, Self::plain),
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
                self.map(entries, |printer, _, value| printer.plain(value));
            }
            scalar => self.text.push_str(&scalar.to_string()),
        }
    }

    fn string(&mut self, text: &str) {
        let quoted = Value::from(text).to_string();
        self.text.push_str(&quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
    }

    fn list(&mut self, items: &[Value], mut print: impl FnMut(&mut Self, &Value)) {
        self.open('[');
        for (at, item) in items.iter().enumerate() {
            self.next(at);
            print(self, item);
        }
        self.close(']', items.is_empty());
    }

    fn map<T>(&mut self, entries: Vec<(&str, T)>, mut print: impl FnMut(&mut Self, &str, T)) {
        self.open('{');
        let is_empty = entries.is_empty();
        for (at, (key, value)) in entries.into_iter().enumerate() {
            self.next(at);
            self.string(key);
            self.text.push_str(if self.depth.is_some() { ": " } else { ":" });
            print(self, key, value);
        }
        self.close('}', is_empty);
    }

    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.depth = self.depth.map(|depth| depth + 1);
    }

    fn next(&mut self, at: usize) {
        if at > 0 {
            self.text.push(',');
        }
        self.line();
    }

    fn close(&mut self, bracket: char, is_empty: bool) {
        self.depth = self.depth.map(|depth| depth - 1);
        if !is_empty {
            self.line();
        }
        self.text.push(bracket);
    }

    fn line(&mut self) {
        if let Some(depth) = self.depth {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', depth));
        }
    }
}

/// Puts fields where the internal type has them: metadata among the others of what has it built in, and what a pod
/// shares with its host into its security context.
fn regrouped(ty: &str, fields: &[Field], value: &Value) -> Value {
    let mut value = value.clone();
    let Some(map) = value.as_object_mut() else { return Value::Object(Map::new()) };
    if !fields.iter().any(|(_, source, _, _)| source == "metadata")
        && let Some(Value::Object(meta)) = map.remove("metadata")
    {
        map.extend(meta);
    }
    if ty == "PodSpec" {
        let shared: Vec<(String, Value)> =
            HOST_FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), map.remove(*name)?))).collect();
        let context = map.entry("securityContext").or_insert_with(|| Value::Object(Map::new()));
        if let Some(context) = context.as_object_mut() {
            context.extend(shared);
        }
    }
    value
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_prints_with_all_its_fields_under_their_go_names() {
        let attachment = json!({ "attacher": "a<b", "nodeName": "n", "source": { "persistentVolumeName": "v" } });
        assert_eq!(
            compact("VolumeAttachmentSpec", &attachment),
            r#"{"Attacher":"a\u003cb","Source":{"PersistentVolumeName":"v","InlineVolumeSpec":null},"NodeName":"n"}"#
        );
    }

    #[test]
    fn what_a_pod_shares_with_its_host_is_in_its_security_context() {
        let printed = compact("PodSpec", &json!({ "hostNetwork": true }));
        assert!(printed.contains(r#""SecurityContext":{"HostNetwork":true,"HostPID":false"#), "{printed}");
    }

    #[test]
    fn a_change_is_shown_with_what_is_around_it() {
        let claim = |mode: &str| json!({ "accessModes": [mode] });
        assert_eq!(
            difference("PersistentVolumeClaimSpec", &claim("ReadWriteMany"), &claim("ReadWriteOnce")),
            "@@ -1,6 +1,6 @@\n {\n  \"AccessModes\": [\n-  \"ReadWriteMany\"\n+  \"ReadWriteOnce\"\n  ],\n  \"Selector\": null,\n  \"Resources\": {\n"
        );
    }
}
