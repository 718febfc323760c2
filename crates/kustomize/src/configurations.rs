//! Fields that `configurations` and `crds` add.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::{Config, FieldSpec, NameReference};
use crate::decode::{Decode, Decoder, Strictness};
use crate::error::BuildError;
use crate::id::Gvk;
use crate::loader::Loader;

const SECTIONS: [&str; 12] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "volumeClaimTemplateLabels",
    "commonAnnotations",
    "nameReference",
    "varReference",
    "images",
    "replicas",
];

impl Decode for Config {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let mut config = Self::default();
        for (name, value) in decoder.fields(value, path, "builtinconfig.TransformerConfig", &SECTIONS) {
            match config.fields_mut(name) {
                Some(fields) => *fields = decoder.value(value, path, name),
                None => config.name_reference = decoder.value(value, path, name),
            }
        }
        config
    }
}

impl Decode for NameReference {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let mut reference = Self::default();
        let names = ["group", "version", "kind", "fieldSpecs"];
        for (name, value) in decoder.fields(value, path, "builtinconfig.NameBackReferences", &names) {
            match name {
                "group" => reference.gvk.group = decoder.value(value, path, name),
                "version" => reference.gvk.version = decoder.value(value, path, name),
                "kind" => reference.gvk.kind = decoder.value(value, path, name),
                _ => reference.referrers = decoder.value(value, path, name),
            }
        }
        reference
    }
}

/// Reads configurations; without any, the default fields are shared.
pub(crate) fn load_configurations(loader: &Loader<'_>, paths: &[String]) -> Result<Arc<Config>, BuildError> {
    let default = Config::default_fields();
    if paths.is_empty() {
        return Ok(default);
    }
    let mut added = Config::default();
    for path in paths {
        let content = loader.load(path)?;
        let invalid = |why: String| BuildError::new(format!("error unmarshaling JSON: while decoding JSON: {why}"));
        let value = crate::text::yaml_to_json_strictly(&content)
            .map_err(|why| BuildError::new(format!("error converting YAML to JSON: {why}")))?;
        let mut config: Config =
            Decoder::new(Strictness::StrictNames, "TransformerConfig").read(&value).map_err(invalid)?;
        config.sort();
        added.merge(&config)?;
    }
    let mut merged = Config::clone(&default);
    merged.merge(&added)?;
    Ok(Arc::new(merged))
}

/// Reads what the schemas of custom kinds say of their fields.
pub(crate) fn load_crds(loader: &Loader<'_>, paths: &[String]) -> Result<Option<Config>, BuildError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut all = Config::default();
    for path in paths {
        let content = loader.load(path)?;
        let value = crate::text::yaml_to_json(&content)
            .map_err(|why| BuildError::new(format!("unable to parse open API definition from '{path}': {why}")))?;
        let Some(types) = value.as_object() else { continue };
        for (name, definition) in types {
            let looks_like_a_kind = |properties: &Map<String, Value>| {
                ["kind", "apiVersion", "metadata"].iter().all(|field| properties.contains_key(*field))
            };
            if properties(definition).is_some_and(looks_like_a_kind) {
                let kind = name.rsplit('.').next().unwrap_or(name);
                let mut reader = Reader { types, kind, config: Config::default(), open: Vec::new() };
                reader.read(name, &mut Vec::new())?;
                all.merge(&reader.config)?;
            }
        }
    }
    Ok(Some(all))
}

fn properties(definition: &Value) -> Option<&Map<String, Value>> {
    let schema = definition.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("schema"))?.1;
    schema.get("properties").and_then(Value::as_object)
}

struct Reader<'a> {
    types: &'a Map<String, Value>,
    kind: &'a str,
    config: Config,
    /// The types that are being read: one may hold itself.
    open: Vec<&'a str>,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, path: &mut Vec<String>) -> Result<(), BuildError> {
        let Some((name, definition)) = self.types.get_key_value(name) else { return Ok(()) };
        if self.open.contains(&name.as_str()) {
            return Ok(());
        }
        self.open.push(name);
        for (property, schema) in properties(definition).into_iter().flatten() {
            let text = |name: &str| schema.get(name).and_then(Value::as_str);
            path.push(property.clone());
            let field = self.field(path);
            if text("x-kubernetes-annotation").is_some() {
                crate::config::merge_field(&mut self.config.common_annotations, &field)?;
            }
            if text("x-kubernetes-label-selector").is_some() {
                crate::config::merge_field(&mut self.config.common_labels, &field)?;
            }
            if text("x-kubernetes-identity").is_some() {
                crate::config::merge_field(&mut self.config.name_prefix, &field)?;
            }
            if let (Some(version), Some(kind)) =
                (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
            {
                let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
                let gvk = Gvk { kind: kind.to_owned(), version: version.to_owned(), ..Gvk::default() };
                path.push(key.to_owned());
                let referrers = vec![self.field(path)];
                path.pop();
                self.config.merge_reference(&NameReference { gvk, referrers })?;
            }
            if let Some(other) = text("$ref") {
                self.read(other, path)?;
            }
            path.pop();
        }
        self.open.pop();
        Ok(())
    }

    fn field(&self, path: &[String]) -> FieldSpec {
        let gvk = Gvk { kind: self.kind.to_owned(), ..Gvk::default() };
        FieldSpec { gvk, path: path.join("/"), create: false }
    }
}
