//! CustomResourceDefinitions: read once when they change, served at once.

mod check;
mod structural;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use check::check;
pub(crate) use structural::{apply_defaults, prune};
pub(crate) use validate::validate;

use crate::catalog::texts;
use crate::registry::scale::ScalePaths;
use crate::registry::{Registry, meta_text};
use crate::resource::{Gvk, Gvr, Origin, Resource, Subresource};

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
        let old = known.get(&name).filter(|old| *old.uid == *definition.uid && old.generation == generation);
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
    let resources = served.map(|version| Arc::new(resource(spec, version))).collect();
    Definition { uid: uid.to_owned(), generation, storage_version, resources }
}

fn resource(spec: &Value, version: &Value) -> Resource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = &spec["names"];
    let (group, version_name, kind) = (text(&spec["group"]), text(&version["name"]), text(&names["kind"]));
    let mut subresources = Vec::new();
    let verbs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    if version["subresources"].get("scale").is_some() {
        subresources.push(Subresource {
            name: "scale".to_owned(),
            gvk: Gvk::new("autoscaling", "v1", "Scale"),
            verbs: verbs(&["get", "patch", "update"]),
        });
    }
    if version["subresources"].get("status").is_some() {
        subresources.push(Subresource {
            name: "status".to_owned(),
            gvk: Gvk::new(&group, &version_name, &kind),
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
        origin: Origin::Custom(Arc::new(crd_version(spec, version, &group, &kind))),
        storage_group: group.clone(),
        storage_version_hash: hash,
        group,
        version: version_name,
        kind,
    }
}

fn crd_version(spec: &Value, version: &Value, group: &str, kind: &str) -> CrdVersion {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let schema = version["schema"].get("openAPIV3Schema").cloned().unwrap_or_else(|| json!({"type": "object"}));
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

/// Sets a CRD's status as the real server does within a tenth of a second: names accepted, established, versions stored.
pub(crate) fn establish(object: &mut Value, now: &str) {
    let names = object["spec"]["names"].clone();
    let storage =
        object["spec"]["versions"].as_array().into_iter().flatten().find(|version| version["storage"] == true);
    let storage = storage.map(|version| version["name"].clone()).unwrap_or_default();
    let status = &mut object["status"];
    if !status.is_object() {
        *status = json!({});
    }
    let since = |kind: &str| {
        let old = status["conditions"].as_array().into_iter().flatten().find(|old| old["type"] == kind);
        old.map_or_else(|| json!(now), |old| old["lastTransitionTime"].clone())
    };
    let mut conditions = vec![
        json!({
            "type": "NamesAccepted", "status": "True", "lastTransitionTime": since("NamesAccepted"),
            "reason": "NoConflicts", "message": "no conflicts found",
        }),
        json!({
            "type": "Established", "status": "True", "lastTransitionTime": since("Established"),
            "reason": "InitialNamesAccepted", "message": "the initial names have been accepted",
        }),
    ];
    let ours = ["NamesAccepted", "Established"];
    let others = status["conditions"].as_array().into_iter().flatten();
    conditions.extend(others.filter(|old| !ours.iter().any(|kind| old["type"] == *kind)).cloned());
    let mut stored = status["storedVersions"].as_array().cloned().unwrap_or_default();
    if !stored.contains(&storage) {
        stored.push(storage);
    }
    *status = json!({ "acceptedNames": names, "conditions": conditions, "storedVersions": stored });
}

/// Tells in a CRD's status that its objects are being deleted.
pub(crate) fn begin_termination(object: &mut Value, now: &str) {
    let condition = json!({
        "type": "Terminating", "status": "True", "lastTransitionTime": now, "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    });
    if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
        conditions.push(condition);
    }
}
