//! What may differ between two servers that behave alike is replaced by a label.
//!
//! A label keeps identity: the first uid of a case is `<uid-1>` wherever it comes back, so an object that was replaced, or a
//! revision that moved although nothing changed, still shows.

use std::sync::LazyLock;

use base64::Engine as _;
use bowline_apiserver::builtins::{Builtins, DefaultKind};
use jiff::Timestamp;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// The labels given so far in one case.
#[derive(Default)]
pub(super) struct Normal {
    uids: Vec<String>,
    revisions: Vec<String>,
    addresses: Vec<String>,
    ports: Vec<String>,
    /// Names that the server made up, and what stands for them.
    names: Vec<(String, String)>,
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("holds because the pattern is fixed"));
    };
}

pattern!(UID, "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
pattern!(TIME, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)");
pattern!(ADDRESS, r"\b10\.\d{1,3}\.\d{1,3}\.\d{1,3}\b");
pattern!(LOOPBACK, r"127\.0\.0\.1:\d+");
pattern!(TOKEN, r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}");
pattern!(HASH, r"hash=[0-9A-Fa-f]{20,}");
pattern!(VOLUME, r"kube-api-access-[a-z0-9]{5}\b");
pattern!(
    REVISION_IN_TEXT,
    r"(resource version: \d+, current: |too old resource version: \d+ \(|ResourceVersion in (?:record \(|object meta: ))\d+"
);
pattern!(REVISION_IN_QUOTE, r#"(\\?"resourceVersion\\?":\\?")[1-9]\d*"#);
pattern!(QUOTED_OBJECT, r#""(\{(?:[^"\\]|\\.)*\})""#);
pattern!(AGE, r"^(\d+s|\d+y(\d+d)?|<invalid>)$");

/// Headers that are compared.
const HEADERS: [&str; 6] = ["content-type", "warning", "retry-after", "allow", "cache-control", "www-authenticate"];

fn label(kind: &str, known: &mut Vec<String>, value: &str) -> String {
    let index = known.iter().position(|have| have == value).unwrap_or_else(|| {
        known.push(value.to_owned());
        known.len() - 1
    });
    format!("<{kind}-{}>", index + 1)
}

impl Normal {
    /// Replaces a text wherever it comes.
    pub(super) fn call(&mut self, text: &str, name: &str) {
        self.names.push((text.to_owned(), name.to_owned()));
    }

    /// Normalises the headers that matter.
    pub(super) fn headers(&mut self, headers: &http::HeaderMap) -> Value {
        let mut out = Map::new();
        for name in HEADERS {
            let all: Vec<Value> = headers
                .get_all(name)
                .iter()
                .map(|value| json!(self.text(&String::from_utf8_lossy(value.as_bytes()))))
                .collect();
            if !all.is_empty() {
                out.insert(name.to_owned(), if all.len() == 1 { all[0].clone() } else { Value::Array(all) });
            }
        }
        Value::Object(out)
    }

    /// Normalises a body: JSON as a value, anything else as text.
    pub(super) fn body(&mut self, bytes: &[u8]) -> Value {
        if Builtins::is_protobuf(bytes) {
            // Byte by byte it is compared elsewhere; here the times and names in it must not matter.
            let unnamed = DefaultKind { api_version: "", kind: "" };
            return match Builtins::get().decode_protobuf(bytes, unnamed) {
                Ok(value) => json!({ "protobuf": self.object(value) }),
                Err(error) => json!(format!("<malformed protobuf: {error}>")),
            };
        }
        if bytes.starts_with(b"apiVersion: ") {
            // As a value, for the revisions in it, and whether it is written as `sigs.k8s.io/yaml` writes it.
            if let Ok(value) = bowline_yaml::parse_one(bytes, &bowline_yaml::Limits::default()) {
                let is_usual = bowline_yaml::to_yaml(&value).as_bytes() == bytes;
                return json!({ "yaml": self.object(value), "usual": is_usual });
            }
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if value.is_object() => self.object(value),
            _ if bytes.is_empty() => Value::Null,
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => json!(self.text(text)),
                Err(_) => json!(format!(
                    "<{} bytes that are no text>",
                    if bytes.len() > 64 { "many".to_owned() } else { bytes.len().to_string() }
                )),
            },
        }
    }

    /// Normalises one JSON document.
    pub(super) fn object(&mut self, mut value: Value) -> Value {
        self.learn(&value);
        let is_list = value.get("items").is_some()
            || value.get("rows").is_some()
            || value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        if is_list && value["metadata"]["resourceVersion"].as_str().is_some_and(|rv| !rv.is_empty()) {
            value["metadata"]["resourceVersion"] = json!("<list-rv>");
        }
        self.value("", value)
    }

    /// Notes the names and hashes that the server made up.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let (Some(base), Some(name)) =
                    (map.get("generateName").and_then(Value::as_str), map.get("name").and_then(Value::as_str))
                    && name.strip_prefix(base).is_some_and(|rest| rest.len() == 5)
                {
                    self.learn_name(name, base);
                }
                for key in ["pod-template-hash", "controller-revision-hash"] {
                    if let Some(hash) = map.get(key).and_then(Value::as_str) {
                        self.learn_name(hash, "hash-");
                    }
                }
                map.values().for_each(|value| self.learn(value));
            }
            Value::Array(all) => all.iter().for_each(|value| self.learn(value)),
            _ => {}
        }
    }

    fn learn_name(&mut self, name: &str, base: &str) {
        if self.names.iter().any(|(known, _)| known == name) {
            return;
        }
        let base = self.made_up(base);
        let count = self.names.iter().filter(|(_, label)| label.starts_with(&format!("<{base}"))).count();
        self.names.push((name.to_owned(), format!("<{base}{}>", count + 1)));
        // A name may begin with another one: the longest is replaced first.
        self.names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
    }

    fn made_up(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, label) in &self.names {
            if text.contains(name.as_str()) {
                text = text.replace(name.as_str(), label);
            }
        }
        text
    }

    fn value(&mut self, key: &str, value: Value) -> Value {
        match value {
            Value::Object(map) => {
                // In a fixed order, so that labels are given alike whatever order a server writes keys in.
                let mut keys: Vec<(String, Value)> = map.into_iter().collect();
                keys.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(keys.into_iter().map(|(key, value)| (self.key(&key), self.value(&key, value))).collect())
            }
            Value::Array(mut all) => {
                if key == "managedFields" {
                    // The server sorts them by second, and a slow run crosses one.
                    all.sort_by_cached_key(owner);
                }
                Value::Array(
                    all.into_iter().map(|value| self.value(if key == "cells" { key } else { "" }, value)).collect(),
                )
            }
            Value::String(text) => json!(match key {
                "resourceVersion" if !text.is_empty() && text != "0" && !text.starts_with('<') => {
                    label("rv", &mut self.revisions, &text)
                }
                "continue" if !text.is_empty() => continuation(&text),
                "cells" if AGE.is_match(&text) => "<age>".to_owned(),
                _ => self.text(&text),
            }),
            Value::Number(number)
                if matches!(key, "nodePort" | "healthCheckNodePort")
                    && number.as_u64().is_some_and(|port| port >= 30000) =>
            {
                json!(label("port", &mut self.ports, &number.to_string()))
            }
            other => other,
        }
    }

    /// Normalises a key: those of owned fields hold uids.
    fn key(&mut self, key: &str) -> String {
        let key = self.made_up(key);
        UID.replace_all(&key, |found: &Captures<'_>| label("uid", &mut self.uids, &found[0])).into_owned()
    }

    fn text(&mut self, text: &str) -> String {
        let text = self.made_up(text);
        let text = TOKEN.replace_all(&text, "<jwt>");
        let text = HASH.replace_all(&text, "hash=<hash>");
        let text = VOLUME.replace_all(&text, "kube-api-access-<suffix>");
        let text = LOOPBACK.replace_all(&text, "<server>");
        let text = QUOTED_OBJECT.replace_all(&text, |found: &Captures<'_>| sorted_quote(&found[0]));
        let text = REVISION_IN_QUOTE.replace_all(&text, "$1<rv>");
        let text = REVISION_IN_TEXT.replace_all(&text, "$1<rv>");
        let text = UID.replace_all(&text, |found: &Captures<'_>| label("uid", &mut self.uids, &found[0]));
        let text = ADDRESS.replace_all(&text, |found: &Captures<'_>| label("ip", &mut self.addresses, &found[0]));
        TIME.replace_all(&text, |found: &Captures<'_>| {
            let is_recent = found[0]
                .parse::<Timestamp>()
                .is_ok_and(|time| (time.as_second() - Timestamp::now().as_second()).abs() < 400 * 86400);
            match (is_recent, found.get(1)) {
                (false, _) => found[0].to_owned(),
                (true, None) => "<time>".to_owned(),
                (true, Some(_)) => "<time with fraction>".to_owned(),
            }
        })
        .into_owned()
    }
}

/// Sorts the keys of an object that a message quotes: Go writes them in the order of its types.
fn sorted_quote(quoted: &str) -> String {
    let object = serde_json::from_str::<String>(quoted).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    object.map_or_else(|| quoted.to_owned(), |object| json!(object.to_string()).to_string())
}

/// Returns who an entry of managed fields is about.
fn owner(entry: &Value) -> [String; 4] {
    ["manager", "operation", "subresource", "apiVersion"].map(|key| entry[key].as_str().unwrap_or_default().to_owned())
}

/// Sorts what was recorded in another order; see [`Normal::object`].
pub(super) fn sort_owners(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(owners)) = map.get_mut("managedFields") {
                owners.sort_by_cached_key(owner);
            }
            map.values_mut().for_each(sort_owners);
        }
        Value::Array(all) => all.iter_mut().for_each(sort_owners),
        _ => {}
    }
}

/// Shows where a list goes on, without the revision.
fn continuation(token: &str) -> String {
    let bytes =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).unwrap_or_default();
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut token) if token.is_object() => {
            if token["rv"].as_i64().is_some_and(|rv| rv > 0) {
                token["rv"] = json!("<rv>");
            }
            format!("<continue {token}>")
        }
        _ => token.to_owned(),
    }
}
