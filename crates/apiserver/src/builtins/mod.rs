//! The kinds a Kubernetes 1.35 server is born with: resource table, schemas, defaults, validation, columns.
//!
//! All of it is data under `data/` (made by `cargo xtask apidata` from the Kubernetes release itself) plus the rules that
//! upstream has only in Go code. Everything is decompressed on first use and shared by every cluster of the process.

mod allocator;
mod archive;
mod columns;
mod create;
mod decode;
mod defaults;
mod gates;
mod images;
mod immutable;
mod internals;
mod line_diff;
pub(crate) mod names;
#[cfg(test)]
mod parity;
mod paths;
mod pod_resources;
mod printed;
mod printers;
mod quantity;
mod resources;
mod services;
mod times;
mod types;
mod validate;
mod warnings;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bowline_smd::Schemas;
use jiff::Timestamp;
use serde_json::Value;

pub use allocator::Allocator;
pub use archive::Document;
pub use columns::Column;
pub(crate) use create::quality_of_service;
pub use create::{Refusal, WriteContext};
pub use decode::DecodeError;
pub(crate) use names::{label_key, path_segment};
pub use quantity::{NotAQuantity, Quantity};
pub use resources::{Group, Resource, Subresource};
pub(crate) use validate::selects;
pub use wire::{DefaultKind, ProtobufError, WireError};
pub(crate) use wire::{put_bytes, put_double, put_number};

use archive::Archive;
use defaults::Defaults;
use resources::Resources;
use types::{TypeId, Types};

/// One reason why an object is refused, as a `Status` cause tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, e.g. `spec.template.spec.containers[0].image`.
    pub field: String,
    /// The cause's `reason`: `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, …
    pub reason: &'static str,
    /// The cause's `message`, e.g. `Required value: must specify selector`.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything known of the built-in kinds; one for the whole process.
#[derive(Default)]
pub struct Builtins {
    resources: OnceLock<Resources>,
    types: OnceLock<(Types, Defaults)>,
    columns: OnceLock<Vec<columns::Table>>,
    schemas: Mutex<BTreeMap<String, Arc<Schemas>>>,
    unset: Mutex<BTreeMap<TypeId, Arc<Value>>>,
}

impl Builtins {
    /// Returns the shared tables; nothing is decompressed yet.
    pub fn get() -> &'static Self {
        static BUILTINS: OnceLock<Builtins> = OnceLock::new();
        BUILTINS.get_or_init(Self::default)
    }

    fn table(&self) -> &Resources {
        self.resources.get_or_init(Resources::load)
    }

    fn types(&self) -> &(Types, Defaults) {
        self.types.get_or_init(|| {
            let types = Types::load();
            let defaults = Defaults::load(&types);
            (types, defaults)
        })
    }

    /// Returns the groups in discovery order, the core group first.
    pub fn groups(&self) -> &[Group] {
        &self.table().groups
    }

    /// Returns every resource: groups in discovery order, versions best first, plurals sorted.
    pub fn resources(&self) -> &[Resource] {
        &self.table().all
    }

    /// Finds a resource by kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.table().by_kind(group, version, kind)
    }

    /// Finds a resource by plural.
    pub fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.table().by_plural(group, version, plural)
    }

    /// Lists the OpenAPI v3 documents for the `/openapi/v3` index.
    pub fn openapi_documents(&self) -> impl Iterator<Item = &'static Document> {
        Archive::get().documents()
    }

    /// Returns one OpenAPI v3 document as JSON.
    ///
    /// `path` is an index key (`api/v1`, `apis/apps/v1`, `version`) or a group-version (`v1`, `apps/v1`). Costs a few
    /// milliseconds each time; the text is not kept.
    pub fn openapi_v3(&self, path: &str) -> Option<Arc<[u8]>> {
        let archive = Archive::get();
        archive
            .read(path)
            .or_else(|| archive.read(&if path.contains('/') { format!("apis/{path}") } else { format!("api/{path}") }))
    }

    /// Returns the structured-merge schemas of a group-version; parsed on first use, then kept.
    pub fn schemas(&self, group: &str, version: &str) -> Option<Arc<Schemas>> {
        let key = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let mut parsed = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schemas) = parsed.get(&key) {
            return Some(Arc::clone(schemas));
        }
        let document = self.openapi_v3(&key)?;
        let mut schemas = Schemas::new();
        schemas.add_openapi_v3(&document).expect("the documents are a Kubernetes release's own");
        let schemas = Arc::new(schemas);
        parsed.insert(key, Arc::clone(&schemas));
        Some(schemas)
    }

    /// Returns whether the kind is a Go type of the release, whether or not it is a resource (`DeleteOptions`, `Scale`).
    pub fn knows(&self, group: &str, version: &str, kind: &str) -> bool {
        self.types().0.of_kind(group, version, kind).is_some()
    }

    /// Returns whether a kind was once that of a subresource, in a version that is served no more but still known.
    pub(crate) fn recalls(group: &str, version: &str, kind: &str) -> bool {
        matches!(
            (group, version, kind),
            ("apps", "v1beta1" | "v1beta2", "Scale")
                | ("extensions", "v1beta1", "Scale")
                | ("policy", "v1beta1", "Eviction")
        )
    }

    /// Puts an object into the form in which the server stores it, and returns the unknown fields it dropped.
    ///
    /// Reads and writes the object as Go would (zero values dropped or added, quantities and times in canonical form),
    /// then fills in the defaults. A second call changes nothing. Kinds that are not built in are left alone.
    pub fn normalize(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        object: &mut Value,
    ) -> Result<Vec<String>, DecodeError> {
        let (types, defaults) = self.types();
        let Some(id) = types.of_kind(group, version, kind) else { return Ok(Vec::new()) };
        let unknown = decode::round_trip(types, id, object)?;
        defaults.apply(types, id, object);
        // A default may itself bring a struct whose zero values Go would write.
        decode::round_trip(types, id, object)?;
        Ok(unknown)
    }

    /// Adds the fields Go always writes to an object that was converted, and no defaults.
    pub(crate) fn fill_zeros(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        object: &mut Value,
    ) -> Result<(), DecodeError> {
        let (types, _) = self.types();
        match types.of_kind(group, version, kind) {
            Some(id) => decode::fill_zeros(types, id, object),
            None => Ok(()),
        }
    }

    /// Writes what a patch made of an object: what it did not touch as Go writes the type, the rest in order.
    pub(crate) fn patched_text(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        touched: &Value,
        patched: &Value,
    ) -> String {
        let (types, _) = self.types();
        let shape = types.of_kind(group, version, kind).map(types::Shape::Struct);
        let mut text = String::new();
        printed::patched(types, shape.as_ref(), Some(touched), patched, &mut text);
        text
    }

    /// Returns what is wrong with a label selector.
    pub(crate) fn mistakes_in_selector(selector: &Value, path: &str) -> Vec<FieldError> {
        validate::mistakes_in_selector(selector, path)
    }

    /// Puts empty lists, maps and bytes at the pointers where the type has one and the object has none; `None` where there
    /// is no such place.
    pub(crate) fn with_empties<'p>(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        object: &Value,
        pointers: impl Iterator<Item = &'p String>,
    ) -> Option<Value> {
        let (types, _) = self.types();
        let id = types.of_kind(group, version, kind)?;
        let mut given: Option<Value> = None;
        for pointer in pointers {
            let Some(empty) = decode::empty_at(types, id, pointer) else { continue };
            let Some((parent, field)) = pointer.rsplit_once('/') else { continue };
            let whole = given.get_or_insert_with(|| object.clone());
            if let (None, Some((above, name))) = (whole.pointer(parent), parent.rsplit_once('/'))
                && let Some(above) = whole.pointer_mut(above).and_then(Value::as_object_mut)
            {
                // A struct that held nothing else.
                above.insert(name.to_owned(), Value::Object(serde_json::Map::new()));
            }
            let place = whole.pointer_mut(parent).and_then(Value::as_object_mut);
            if let Some(place) = place.filter(|place| place.get(field).is_none_or(Value::is_null)) {
                place.insert(field.to_owned(), empty);
            }
        }
        // What is empty of features that are off is no more there than what is not.
        if let Some(given) = &mut given {
            gates::clean(group, kind, given);
            if (group, kind) == ("", "Pod") {
                pod_resources::request_empty_limits(given);
            }
        }
        given
    }

    /// Returns an object of a kind before anything is set: the fields Go always writes, without defaults.
    pub fn zero_value(&self, group: &str, version: &str, kind: &str) -> Option<Value> {
        let (types, _) = self.types();
        let id = types.of_kind(group, version, kind)?;
        let mut zero = Value::Object(serde_json::Map::new());
        // What the first pass adds may hold structs, whose fields the second adds.
        for _ in 0..2 {
            decode::fill_zeros(types, id, &mut zero).ok()?;
        }
        Some(zero)
    }

    /// Returns an object of a kind before anything is set but the kind; made at first use, then kept.
    pub(crate) fn unset(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Value>> {
        let (types, _) = self.types();
        let id = types.of_kind(group, version, kind)?;
        let made = |made: &BTreeMap<_, _>| made.get(&id).cloned();
        if let Some(unset) = made(&self.unset.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(unset);
        }
        let mut unset = self.zero_value(group, version, kind)?;
        unset["apiVersion"] = crate::resource::api_version(group, version).into();
        unset["kind"] = kind.into();
        let unset = Arc::new(unset);
        self.unset.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&unset));
        Some(unset)
    }

    /// Does what the registry does to a new, normalised object before it is validated.
    ///
    /// Clears what only the server may say (`status`), adds finalizers and labels, generates a Job's selector, gives a
    /// Service its addresses, and does the admission of Pods.
    pub fn prepare_create(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        object: &mut Value,
        ctx: &WriteContext<'_>,
    ) -> Result<(), Refusal> {
        gates::clean(group, kind, object);
        // Of what a new pod says of itself, one thing is believed: how well it is to be served.
        let class =
            object["status"].get("qosClass").filter(|class| (group, kind) == ("", "Pod") && **class != "").cloned();
        self.reset_status(group, version, kind, object);
        create::prepare_create(group, kind, object, ctx)?;
        if let Some(class) = class {
            object["status"]["qosClass"] = class;
        }
        Ok(())
    }

    /// Does to a new, valid object what reading it from storage does: a Job without labels gets those of its template.
    pub(crate) fn read_back(&self, group: &str, version: &str, kind: &str, object: &mut Value) {
        if (group, kind) == ("batch", "Job") {
            self.again(group, version, kind, object);
        }
    }

    /// Does what the registry does to a normalised object that replaces `old`: keeps the status and what was allocated.
    ///
    /// For writes of the object itself, not of its subresources.
    pub fn prepare_update(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        old: &Value,
        object: &mut Value,
        ctx: &WriteContext<'_>,
    ) -> Result<(), Refusal> {
        gates::clean(group, kind, object);
        if self.has_status(group, version, kind) {
            match old.get("status") {
                Some(status) => object["status"] = status.clone(),
                None => drop(object.as_object_mut().map(|object| object.remove("status"))),
            }
        }
        create::prepare_update(group, kind, old, object, ctx)
    }

    /// Drops from a status that is written what belongs to features that are off.
    pub(crate) fn clean_status(group: &str, kind: &str, object: &mut Value) {
        gates::clean_status(group, kind, object);
    }

    /// Checks a normalised object, metadata included; every mistake is reported.
    ///
    /// `old` is what it replaces: of that the metadata must be a possible successor.
    pub fn validate(&self, group: &str, kind: &str, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        validate::validate(group, kind, object, old)
    }

    /// Returns what its client is warned of when a valid object is created.
    pub fn warnings(&self, group: &str, kind: &str, object: &Value) -> Vec<String> {
        warnings::of_new(group, kind, object)
    }

    /// Returns what its client is warned of when a valid object replaces `old`.
    pub fn update_warnings(&self, group: &str, kind: &str, old: &Value, object: &Value) -> Vec<String> {
        warnings::of_successor(group, kind, old, object)
    }

    /// Returns whether a change of what may not change is told before what else is wrong with an object.
    pub fn tells_changes_first(&self, group: &str, kind: &str) -> bool {
        immutable::is_told_first(group, kind)
    }

    /// Checks that an update changes no field that may not change; messages show `given`, which is `new` with the empty
    /// lists and maps of the body.
    pub fn check_immutable(
        &self,
        (group, kind): (&str, &str),
        old: &Value,
        new: &Value,
        given: &Value,
    ) -> Vec<FieldError> {
        immutable::check(group, kind, old, new, given)
    }

    /// Returns what is wrong with a status that was written where `old` was.
    pub fn validate_status(&self, group: &str, kind: &str, old: &Value, new: &Value) -> Vec<FieldError> {
        validate::validate_status(group, kind, old, new)
    }

    /// Returns whether a change of what is wanted raises `metadata.generation`.
    pub fn raises_generation(&self, group: &str, kind: &str) -> bool {
        match (group, kind) {
            ("scheduling.k8s.io", "PriorityClass") => false,
            ("storage.k8s.io", "CSIDriver") => true,
            _ => self.sets_generation(group, kind),
        }
    }

    /// Returns whether the server counts `metadata.generation` for a kind; for others it leaves the client's value.
    pub fn sets_generation(&self, group: &str, kind: &str) -> bool {
        const COUNTED: &[(&str, &[&str])] = &[
            ("", &["Pod", "PodTemplate", "ReplicationController"]),
            (
                "admissionregistration.k8s.io",
                &[
                    "MutatingWebhookConfiguration",
                    "ValidatingAdmissionPolicy",
                    "ValidatingAdmissionPolicyBinding",
                    "ValidatingWebhookConfiguration",
                ],
            ),
            ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
            ("apps", &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
            ("batch", &["CronJob", "Job"]),
            ("discovery.k8s.io", &["EndpointSlice"]),
            ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
            ("networking.k8s.io", &["Ingress", "IngressClass", "NetworkPolicy"]),
            ("policy", &["PodDisruptionBudget"]),
            ("resource.k8s.io", &["DeviceClass", "ResourceSlice"]),
            ("scheduling.k8s.io", &["PriorityClass"]),
        ];
        COUNTED.iter().any(|(have, kinds)| *have == group && kinds.contains(&kind))
    }

    /// Returns the columns of a kind's tables; `None` for kinds that are not built in or are never listed.
    pub fn columns(&self, group: &str, version: &str, kind: &str) -> Option<&[Column]> {
        columns::find(self.columns.get_or_init(columns::load), group, version, kind)
    }

    /// Returns an object's row, one cell for each of [`Builtins::columns`].
    pub fn cells(&self, group: &str, version: &str, kind: &str, object: &Value, now: Timestamp) -> Option<Vec<Value>> {
        let columns = self.columns(group, version, kind)?;
        Some(columns::cells(group, kind, columns, object, now))
    }

    fn has_status(&self, group: &str, version: &str, kind: &str) -> bool {
        // A node's status comes with the kubelet's own create, and stays.
        let resource = self.by_kind(group, version, kind);
        resource.is_some_and(|resource| resource.subresources.iter().any(|sub| sub.name == "status"))
    }

    fn reset_status(&self, group: &str, version: &str, kind: &str, object: &mut Value) {
        // Nodes come with a status, and ranges of addresses may.
        if !self.has_status(group, version, kind) || kind == "Node" || kind == "ServiceCIDR" {
            return;
        }
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        // Decoding again writes the status that an object without one has.
        self.again(group, version, kind, object);
    }

    fn again(&self, group: &str, version: &str, kind: &str, object: &mut Value) {
        self.normalize(group, version, kind, object).expect("a normalised object is decoded again without error");
    }
}
