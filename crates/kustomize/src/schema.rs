//! Which lists of which kinds are merged by which keys: what strategic merge asks of a schema.
//!
//! `data/schema.txt` holds what there is to know of Kubernetes' own kinds: a type and its kinds a line, its fields
//! indented, of those only the ones that are maps, lists that are merged (`*key,key`), or lead to such.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

/// A place in the schema: a field, an element of a list, or a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// A map about which nothing more is known.
const SOMETHING: Place = Place(0);

#[derive(Debug, Default, Clone)]
struct Known {
    fields: HashMap<String, Place>,
    /// What every other field is.
    any: Option<Place>,
    /// What the elements of a list are.
    elements: Option<Place>,
    /// The keys by which the elements of a list are merged; none of texts.
    merge: Option<Vec<String>>,
    /// What it is by another name.
    same_as: Option<Place>,
}

/// What is known of kinds.
#[derive(Debug, Clone)]
pub(crate) struct Schemas {
    places: Vec<Known>,
    kinds: HashMap<(String, String), Place>,
    names: HashMap<String, Place>,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { places: vec![Known::default()], kinds: HashMap::new(), names: HashMap::new() }
    }
}

static BUILT_IN: LazyLock<Arc<Schemas>> = LazyLock::new(|| Arc::new(Schemas::parse(include_str!("data/schema.txt"))));

impl Schemas {
    /// What Kustomize knows by itself: Kubernetes 1.21.
    pub(crate) fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    fn parse(text: &str) -> Self {
        let mut schemas = Self::default();
        let mut at = SOMETHING;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            if !line.starts_with(' ') {
                at = schemas.named(first);
                for kind in words {
                    if let Some((version, kind)) = kind.trim_end_matches('!').split_once(':') {
                        schemas.kinds.insert((version.to_owned(), kind.to_owned()), at);
                    }
                }
                continue;
            }
            let mut keys = None;
            let mut target = SOMETHING;
            for word in words {
                match word.strip_prefix('*') {
                    Some(list) => {
                        keys = Some(list.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect());
                    }
                    None if word == "-" => {}
                    None => target = schemas.named(word),
                }
            }
            let place = match keys {
                Some(keys) => schemas.add(Known { merge: Some(keys), elements: Some(target), ..Known::default() }),
                None => target,
            };
            schemas.places[at.0].fields.insert(first.to_owned(), place);
        }
        schemas
    }

    fn add(&mut self, known: Known) -> Place {
        self.places.push(known);
        Place(self.places.len() - 1)
    }

    fn named(&mut self, name: &str) -> Place {
        if let Some(place) = self.names.get(name) {
            return *place;
        }
        let place = self.add(Known::default());
        self.names.insert(name.to_owned(), place);
        place
    }

    /// Adds the definitions of an OpenAPI document (version 2), in place of what is known of a kind or not.
    pub(crate) fn add_document(&mut self, document: &Value, replaces: bool) {
        let Some(definitions) = document.get("definitions").and_then(Value::as_object) else { return };
        for (name, definition) in definitions {
            let Some(definition) = definition.as_object() else { continue };
            if !replaces && self.names.contains_key(&format!("#/definitions/{name}")) {
                continue;
            }
            // Definitions of a name that is known already take its place for their own kinds.
            let place = self.schema(definition);
            let named = self.named(&format!("#/definitions/{name}"));
            self.places[named.0] = Known { same_as: Some(place), ..Known::default() };
            let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for kind in kinds.into_iter().flatten() {
                let text = |name: &str| kind.get(name).and_then(Value::as_str).unwrap_or_default();
                let version = text("version");
                let version =
                    if text("group").is_empty() { version.to_owned() } else { format!("{}/{version}", text("group")) };
                let kind = (version, text("kind").to_owned());
                if replaces || !self.kinds.contains_key(&kind) {
                    self.kinds.insert(kind, named);
                }
            }
        }
    }

    fn schema(&mut self, schema: &Map<String, Value>) -> Place {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.to_owned();
            return self.named(&name);
        }
        let mut known = Known::default();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = property.as_object().map_or(SOMETHING, |property| self.schema(property));
            known.fields.insert(name.clone(), place);
        }
        known.any = schema.get("additionalProperties").and_then(Value::as_object).map(|schema| self.schema(schema));
        let is_array = match schema.get("type") {
            Some(Value::Array(types)) => types.len() == 1 && types[0] == "array",
            other => other.is_some_and(|kind| kind == "array"),
        };
        if is_array {
            known.elements = schema.get("items").and_then(Value::as_object).map(|items| self.schema(items));
        }
        let strategy = schema.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
        if strategy.split(',').any(|word| word == "merge") {
            let key = schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys = keys.map(|keys| keys.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            known.merge = Some(keys.unwrap_or_else(|| key.map(str::to_owned).into_iter().collect()));
        }
        self.add(known)
    }

    fn known(&self, mut place: Place) -> &Known {
        // A definition that is another may be another again; a circle of them is nothing at all.
        for _ in 0..self.places.len() {
            match self.places[place.0].same_as {
                Some(other) => place = other,
                None => return &self.places[place.0],
            }
        }
        &self.places[SOMETHING.0]
    }

    /// What objects of a kind are.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<Place> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned())).copied()
    }

    pub(crate) fn field(&self, place: Place, name: &str) -> Option<Place> {
        let known = self.known(place);
        known.fields.get(name).copied().or(known.any)
    }

    pub(crate) fn elements(&self, place: Place) -> Option<Place> {
        self.known(place).elements
    }

    /// The keys by which a list is merged; `None` where it is replaced.
    pub(crate) fn merge_keys(&self, place: Place) -> Option<&[String]> {
        self.known(place).merge.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &[&str]) -> Option<Vec<String>> {
        let schemas = Schemas::built_in();
        let mut at = schemas.of_kind("apps/v1", "Deployment")?;
        for part in path {
            at = if *part == "[]" { schemas.elements(at)? } else { schemas.field(at, part)? };
        }
        schemas.merge_keys(at).map(<[String]>::to_vec)
    }

    #[test]
    fn lists_of_built_in_kinds_have_their_keys() {
        let pod = ["spec", "template", "spec"];
        assert_eq!(keys(&[&pod[..], &["containers"]].concat()), Some(vec!["name".to_owned()]));
        let ports = ["containers", "[]", "ports"];
        assert_eq!(keys(&[&pod[..], &ports].concat()), Some(vec!["containerPort".to_owned(), "protocol".to_owned()]));
        assert_eq!(keys(&[&pod[..], &["tolerations"]].concat()), None);
        assert_eq!(keys(&["metadata", "finalizers"]), Some(Vec::new()));
    }

    #[test]
    fn a_document_adds_kinds() {
        let document = serde_json::json!({"definitions": {
            "v1.Thing": {
                "properties": {"items": {
                    "type": "array", "items": {"$ref": "#/definitions/v1.Part"},
                    "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "id",
                }},
                "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}],
            },
            "v1.Part": {"properties": {"inner": {"type": "object"}}},
        }});
        let mut schemas = Schemas::default();
        schemas.add_document(&document, true);
        let thing = schemas.of_kind("example.com/v1", "Thing").expect("is known");
        let items = schemas.field(thing, "items").expect("is known");
        assert_eq!(schemas.merge_keys(items), Some(&["id".to_owned()][..]));
        let part = schemas.elements(items).expect("is known");
        assert!(schemas.field(part, "inner").is_some());
    }
}
