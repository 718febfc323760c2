//! CustomResourceDefinitions: read once when they change, served at once.

mod check;
pub(crate) mod correlate;
mod embedded;
mod formats;
mod lists;
pub(crate) mod names;
mod naming;
mod regexes;
mod structural;
mod validate;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

pub(crate) use check::{check, check_status};
pub(crate) use formats::fits as format_fits;
pub(crate) use naming::{Taken, has_condition, set_condition, settle as settle_names};
pub(crate) use regexes::explain as explain_regex;
pub(crate) use structural::{apply_defaults, prune, prune_fields};

use crate::cel::rules::{SchemaRules, Verdict};
use crate::error::Cause;

use crate::catalog::texts;
use crate::registry::scale::ScalePaths;
use crate::registry::{Registry, meta_text};
use crate::resource::{Gvk, Gvr, Origin, Resource, Subresource};
use crate::webhooks::convert::Conversion;

/// The finalizer that keeps a CRD until its objects are gone.
pub(crate) const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Verbs of custom resources, as discovery lists them.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// One served version of a CRD.
#[derive(Debug)]
pub struct CrdVersion {
    pub(crate) schema: Value,
    pub(crate) ty: bowline_smd::TypeRef,
    /// Whether unknown fields are kept everywhere (`spec.preserveUnknownFields`).
    pub(crate) preserve_unknown: bool,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) columns: Vec<CrdColumn>,
    pub(crate) selectable_fields: Vec<String>,
    pub(crate) deprecation: Option<String>,
    /// Who converts between versions; `None` where nothing but the version changes.
    pub(crate) conversion: Option<Arc<Conversion>>,
    /// The schema of the version objects are stored in, and whether it has defaults.
    storage_schema: Arc<Value>,
    pub(crate) storage_defaults: bool,
    /// The compiled rules of the schema, made when an object is first checked.
    rules: OnceLock<SchemaRules>,
}

impl CrdVersion {
    /// Returns a stored object with the defaults it lacks: those of the version it is stored in.
    pub(crate) fn as_stored(&self, stored: &Arc<Value>) -> Arc<Value> {
        if !self.storage_defaults {
            return Arc::clone(stored);
        }
        let mut object = Value::clone(stored);
        apply_defaults(&mut object, &self.storage_schema);
        if object == **stored { Arc::clone(stored) } else { Arc::new(object) }
    }

    /// Takes from an object of another version what the stored one does not have.
    pub(crate) fn fit_storage(&self, object: &mut Value) {
        self.prune_to_storage(object);
        apply_defaults(object, &self.storage_schema);
    }

    /// Takes from an object of another version what the stored one does not have, and gives it nothing.
    pub(crate) fn prune_to_storage(&self, object: &mut Value) {
        prune(object, &self.storage_schema);
    }

    /// Returns an object of the stored version as it is read from storage.
    pub(crate) fn filled_in(&self, object: &Value) -> Value {
        let mut filled = object.clone();
        self.fill_in(&mut filled);
        filled
    }

    /// Reads an object of the stored version as it comes from storage: without nulls that are no values, with defaults.
    pub(crate) fn fill_in(&self, object: &mut Value) {
        if !self.preserve_unknown {
            structural::drop_nulls(object, Some(&self.storage_schema));
        }
        apply_defaults(object, &self.storage_schema);
    }

    /// Returns what is wrong with an object, or with its succeeding `old`; through `/status` only the status counts.
    pub(crate) fn validate(&self, object: &Value, old: Option<&Value>, subresource: &str) -> Verdict {
        let schema = &self.schema;
        let rules = self.rules.get_or_init(|| SchemaRules::new(schema, true));
        let mut verdict = Verdict::default();
        let causes = &mut verdict.causes;
        if subresource == "status" {
            if let Some(status) = object.get("status") {
                let before = old.map(|old| &old["status"]);
                causes.extend(validate::validate_at(status, &schema["properties"]["status"], before, "status"));
            }
        } else {
            causes.extend(validate::validate(object, schema, old));
        }
        self.validate_scale(object, subresource, causes);
        causes.extend(embedded::validate(object, schema));
        // Lists that held an item twice before may go on doing so.
        if old.is_none_or(|old| lists::check(old, schema).is_empty()) {
            causes.extend(lists::check(object, schema));
        }
        if causes.iter().any(is_blocking) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing \
                       errors to complete validation";
            if self.has_rules() {
                causes.push(Cause::invalid("<nil>", &Value::Null, why));
            }
            return verdict;
        }
        let found = rules.check(object, old, schema);
        verdict.causes.extend(found.causes);
        verdict.warnings = found.warnings;
        verdict
    }

    fn has_rules(&self) -> bool {
        fn any(schema: &Value) -> bool {
            let below = [&schema["items"], &schema["additionalProperties"]];
            schema["x-kubernetes-validations"].as_array().is_some_and(|rules| !rules.is_empty())
                || below.into_iter().any(|schema| schema.is_object() && any(schema))
                || schema["properties"].as_object().into_iter().flatten().any(|(_, schema)| any(schema))
        }
        any(&self.schema)
    }

    fn validate_scale(&self, object: &Value, subresource: &str, causes: &mut Vec<Cause>) {
        let Some(scale) = &self.scale else { return };
        let mut check = |path: &str| {
            let field = path.replace('/', ".");
            let mut at = object;
            for step in path.trim_start_matches('/').split('/') {
                match at {
                    Value::Object(map) => match map.get(step) {
                        Some(next) => at = next,
                        None => return,
                    },
                    // Nothing is below what is null.
                    Value::Null => return,
                    other => {
                        let dotted = field.clone();
                        let why = format!(
                            "{dotted} accessor error: {other} is of the type {}, expected map[string]interface{{}}",
                            bowline_smd::go_type_name(other)
                        );
                        causes.push(Cause::invalid(field, &json!(0), why));
                        return;
                    }
                }
            }
            let Some(number) = at.as_i64() else {
                let why = format!(
                    "{field} accessor error: {} is of the type {}, expected int64",
                    go_print(at),
                    bowline_smd::go_type_name(at)
                );
                causes.push(Cause::invalid(field, &json!(0), why));
                return;
            };
            if number < 0 {
                causes.push(Cause::invalid(field, &json!(number), "should be a non-negative integer"));
            } else if number > i64::from(i32::MAX) {
                let why = format!("should be less than or equal to {}", i32::MAX);
                causes.push(Cause::invalid(field, &json!(number), why));
            }
        };
        if subresource != "status" {
            check(&scale.spec);
        }
        check(&scale.status);
    }
}

fn go_print(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is so wrong that rules cannot be asked (k8s: `hasBlockingErr`).
fn is_blocking(cause: &Cause) -> bool {
    const REASONS: [&str; 5] = [
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ];
    REASONS.contains(&cause.reason)
}

/// Follows the path a rule gives for its mistakes; returns it as messages print it.
pub(crate) fn field_path(path: &str, schema: &Value) -> Option<String> {
    check::find_field(path, schema)
}

/// A printer column.
#[derive(Debug, Clone)]
pub(crate) struct CrdColumn {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: String,
}

/// An established CRD.
#[derive(Debug)]
pub(crate) struct Definition {
    uid: String,
    generation: i64,
    /// The names it was given, which may be fewer than it asked for.
    names: Value,
    pub(crate) storage_version: String,
    pub(crate) resources: Vec<Arc<Resource>>,
}

/// Reads the stored CRDs; those unchanged since the catalog was made are taken from there.
pub(crate) fn definitions(registry: &mut Registry<'_>) -> BTreeMap<String, Arc<Definition>> {
    let Ok(resource) = registry.resource(&Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions")) else {
        return BTreeMap::new();
    };
    let stored = registry.all(&resource, None);
    let known = registry.state.catalog.definitions();
    let mut out = BTreeMap::new();
    for definition in stored {
        let object = &definition.value;
        let name = meta_text(object, "name").to_owned();
        let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
        if !has_condition(object, "Established") {
            continue;
        }
        let names = &object["status"]["acceptedNames"];
        let same =
            |old: &&Arc<Definition>| *old.uid == *definition.uid && old.generation == generation && old.names == *names;
        let old = known.get(&name).filter(same);
        let read = old.cloned().unwrap_or_else(|| Arc::new(read(object, &definition.uid, generation)));
        out.insert(name, read);
    }
    out
}

fn read(object: &Value, uid: &str, generation: i64) -> Definition {
    let spec = &object["spec"];
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let storage = versions.iter().find(|version| version["storage"] == true);
    let storage_version = storage.and_then(|version| version["name"].as_str()).unwrap_or_default().to_owned();
    let served = versions.iter().filter(|version| version["served"] == true);
    let names = &object["status"]["acceptedNames"];
    let storage_schema = Arc::new(storage.map(schema_of).unwrap_or_default());
    let resources = served.map(|version| Arc::new(resource(spec, names, version, &storage_schema))).collect();
    Definition { uid: uid.to_owned(), generation, names: names.clone(), storage_version, resources }
}

fn schema_of(version: &Value) -> Value {
    version["schema"].get("openAPIV3Schema").cloned().unwrap_or_else(|| json!({"type": "object"}))
}

fn has_defaults(schema: &Value) -> bool {
    let below = [&schema["items"], &schema["additionalProperties"]];
    !schema["default"].is_null()
        || below.into_iter().any(|schema| schema.is_object() && has_defaults(schema))
        || schema["properties"].as_object().into_iter().flatten().any(|(_, schema)| has_defaults(schema))
}

/// Writes numbers without a fraction as Go does, which reads them into a `float64` and prints them without one.
///
/// Until it is printed such a number is another one to Go than the whole one: who writes `2.0` over `2` changes something.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
                *value = json!(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// Reads whole numbers that do not fit 63 bits as Go does.
pub(crate) fn wide_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_u64() && !number.is_i64() => {
            // Beyond 63 bits Go has a `float64`, printed with as few digits as tell it from its neighbours.
            let shortest = number.as_f64().and_then(|float| format!("{float}").parse::<u64>().ok());
            *value = shortest.map_or(Value::Null, |shortest| json!(shortest));
        }
        Value::Array(items) => items.iter_mut().for_each(wide_numbers),
        Value::Object(map) => map.values_mut().for_each(wide_numbers),
        _ => {}
    }
}

fn resource(spec: &Value, names: &Value, version: &Value, storage_schema: &Arc<Value>) -> Resource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, version_name, kind) = (text(&spec["group"]), text(&version["name"]), text(&names["kind"]));
    let mut subresources = Vec::new();
    let verbs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    // In this order discovery lists them.
    if version["subresources"].get("status").is_some() {
        subresources.push(Subresource {
            name: "status".to_owned(),
            gvk: Gvk::new(&group, &version_name, &kind),
            verbs: verbs(&["get", "patch", "update"]),
        });
    }
    if version["subresources"].get("scale").is_some() {
        subresources.push(Subresource {
            name: "scale".to_owned(),
            gvk: Gvk::new("autoscaling", "v1", "Scale"),
            verbs: verbs(&["get", "patch", "update"]),
        });
    }
    let stored = spec["versions"].as_array().into_iter().flatten().find(|version| version["storage"] == true);
    let stored = stored.map_or(&version["name"], |version| &version["name"]);
    let hash = crate::discovery::storage_version_hash(&group, &text(stored), &kind);
    Resource {
        list_kind: names["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned),
        plural: text(&names["plural"]),
        singular: names["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned),
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: verbs(&VERBS),
        subresources,
        origin: Origin::Custom(Arc::new(crd_version(spec, version, &group, &kind, storage_schema))),
        storage_group: group.clone(),
        storage_version_hash: hash,
        group,
        version: version_name,
        kind,
    }
}

fn crd_version(spec: &Value, version: &Value, group: &str, kind: &str, storage_schema: &Arc<Value>) -> CrdVersion {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let schema = schema_of(version);
    let pointer = |path: &Value| path.as_str().filter(|path| !path.is_empty()).map(|path| path.replace('.', "/"));
    let scale = version["subresources"].get("scale").map(|scale| ScalePaths {
        spec: pointer(&scale["specReplicasPath"]).unwrap_or_default(),
        status: pointer(&scale["statusReplicasPath"]).unwrap_or_default(),
        selector: pointer(&scale["labelSelectorPath"]),
    });
    let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten().map(|column| CrdColumn {
        name: text(&column["name"]),
        kind: text(&column["type"]),
        format: text(&column["format"]),
        description: match column["description"].as_str().unwrap_or_default() {
            "" => format!("Custom resource definition column (in JSONPath format): {}", text(&column["jsonPath"])),
            told => told.to_owned(),
        },
        priority: column["priority"].as_i64().unwrap_or(0),
        path: text(&column["jsonPath"]),
    });
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    let deprecation = (version["deprecated"] == true).then(|| {
        version["deprecationWarning"]
            .as_str()
            .map_or_else(|| deprecation_of(spec, &text(&version["name"]), group, kind), str::to_owned)
    });
    CrdVersion {
        ty: bowline_smd::from_structural(&schema),
        preserve_unknown: spec["preserveUnknownFields"] == true,
        scale,
        columns: columns.collect(),
        selectable_fields: selectable
            .map(|field| text(&field["jsonPath"]).trim_start_matches('.').to_owned())
            .collect(),
        deprecation,
        schema,
        conversion: Conversion::of(spec),
        storage_defaults: has_defaults(storage_schema),
        storage_schema: Arc::clone(storage_schema),
        rules: OnceLock::new(),
    }
}

/// Says that a version is deprecated, and which newer one to use.
fn deprecation_of(spec: &Value, version: &str, group: &str, kind: &str) -> String {
    let rank = crate::catalog::version_rank;
    let newer = spec["versions"].as_array().into_iter().flatten();
    let newer = newer.filter(|other| other["served"] == true && other["deprecated"] != true);
    let newer = newer.filter_map(|other| other["name"].as_str()).filter(|other| rank(other) > rank(version));
    let told = format!("{group}/{version} {kind} is deprecated");
    match newer.max_by_key(|other| rank(other)) {
        Some(newer) => format!("{told}; use {group}/{newer} {kind}"),
        None => told,
    }
}

/// Prepares a new CRD: nothing is accepted yet, and what is to be stored is noted.
pub(crate) fn prepare_create(object: &mut Value) {
    let stored = storage_version(object).map_or(Value::Null, |version| json!([version]));
    object["status"] =
        json!({ "conditions": null, "acceptedNames": { "plural": "", "kind": "" }, "storedVersions": stored });
}

/// Notes the version a changed CRD stores its objects in.
pub(crate) fn prepare_update(object: &mut Value) {
    let Some(version) = storage_version(object) else { return };
    let stored = &mut object["status"]["storedVersions"];
    match stored.as_array_mut() {
        Some(have) if have.iter().any(|have| *have == version) => {}
        Some(have) => have.push(json!(version)),
        None => *stored = json!([version]),
    }
}

fn storage_version(object: &Value) -> Option<String> {
    let versions = object["spec"]["versions"].as_array()?;
    versions.iter().find(|version| version["storage"] == true)?["name"].as_str().map(str::to_owned)
}

/// Returns what a client should know of a CRD that was let in: formats nobody checks.
pub(crate) fn warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    fn collect(schema: &Value, out: &mut Vec<String>) {
        if let Some(format) = schema["format"].as_str().filter(|format| !format.is_empty())
            && schema["type"] == "string"
            && !formats::is_known(format)
        {
            out.push(format.to_owned());
        }
        for key in ["items", "not", "additionalProperties"] {
            if schema[key].is_object() {
                collect(&schema[key], out);
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            schema[key].as_array().into_iter().flatten().for_each(|schema| collect(schema, out));
        }
        schema["properties"].as_object().into_iter().flatten().for_each(|(_, schema)| collect(schema, out));
    }
    let formats_of = |object: &Value| {
        let mut out = Vec::new();
        let versions = object["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Schemas that are alike are one to upstream.
        let alike = versions.iter().all(|version| version["schema"] == versions[0]["schema"]);
        for version in versions.iter().take(if alike { 1 } else { usize::MAX }) {
            collect(&version["schema"]["openAPIV3Schema"], &mut out);
        }
        out
    };
    let before = old.map(formats_of).unwrap_or_default();
    let new = formats_of(object).into_iter().filter(|format| !before.contains(format));
    new.map(|format| format!("unrecognized format {format:?}")).collect()
}

/// Returns what a client should know of a custom resource's new finalizers.
pub(crate) fn finalizer_warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let before = old.map(crate::registry::finalizers).unwrap_or_default();
    let mut added: Vec<&str> =
        crate::registry::finalizers(object).into_iter().filter(|name| !before.contains(name)).collect();
    added.sort_unstable();
    added.dedup();
    let mut out = Vec::new();
    for name in added {
        let mut say = |why: String| out.push(format!("metadata.finalizers: {name:?}: {why}"));
        names::qualified_name(name).into_iter().for_each(&mut say);
        if !name.contains('/') && !STANDARD.contains(&name) {
            let how = if name.contains('.') { " including a path (/)" } else { "" };
            say(format!(
                "prefer a domain-qualified finalizer name{how} to avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    out
}

/// Tells in a CRD's status that its objects are to be deleted.
pub(crate) fn begin_termination(object: &mut Value, now: &str) {
    naming::set_condition(
        object,
        ("Terminating", "True", "InstanceDeletionPending"),
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        now,
    );
}
