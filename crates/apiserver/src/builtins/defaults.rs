//! Defaults that upstream sets in Go code, as a table: one line a rule, sorted by type.
//!
//! Ported from the `SetDefaults_…` functions of Kubernetes v1.35.4 (`pkg/apis/*/v1/defaults.go`). As there, a type's
//! rules run before those of the types inside it. Defaults that the types declare themselves are in `data/types.zst`.

use serde_json::{Map, Value, json};

use super::images;
use super::pod_resources;
use super::quantity::Quantity;
use super::types::{Shape, TypeId, Types};

type Object = Map<String, Value>;

enum Rule {
    /// The field gets this JSON when it has no value.
    Value(&'static str, &'static str),
    /// Whatever needs more than one field to decide.
    Code(fn(&mut Object)),
}

use Rule::{Code, Value as Set};

const ADMISSION: &str = "io.k8s.api.admissionregistration.v1.";
const APIEXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
const APIREGISTRATION: &str = "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.";
const APPS: &str = "io.k8s.api.apps.v1.";
const AUTHENTICATION: &str = "io.k8s.api.authentication.v1.";
const AUTOSCALING_1: &str = "io.k8s.api.autoscaling.v1.";
const AUTOSCALING_2: &str = "io.k8s.api.autoscaling.v2.";
const BATCH: &str = "io.k8s.api.batch.v1.";
const CORE: &str = "io.k8s.api.core.v1.";
const DISCOVERY: &str = "io.k8s.api.discovery.v1.";
const FLOWCONTROL: &str = "io.k8s.api.flowcontrol.v1.";
const NETWORKING: &str = "io.k8s.api.networking.v1.";
const RBAC: &str = "io.k8s.api.rbac.v1.";
const RESOURCE: &str = "io.k8s.api.resource.v1.";
const SCHEDULING: &str = "io.k8s.api.scheduling.v1.";
const STORAGE: &str = "io.k8s.api.storage.v1.";

/// The rules: package, type, rule. The order within a type is the order they run in.
const RULES: &[(&str, &str, Rule)] = &[
    (ADMISSION, "MatchResources", Set("matchPolicy", r#""Equivalent""#)),
    (ADMISSION, "MatchResources", Set("namespaceSelector", "{}")),
    (ADMISSION, "MatchResources", Set("objectSelector", "{}")),
    (ADMISSION, "MutatingWebhook", Set("failurePolicy", r#""Fail""#)),
    (ADMISSION, "MutatingWebhook", Set("matchPolicy", r#""Equivalent""#)),
    (ADMISSION, "MutatingWebhook", Set("namespaceSelector", "{}")),
    (ADMISSION, "MutatingWebhook", Set("objectSelector", "{}")),
    (ADMISSION, "MutatingWebhook", Set("reinvocationPolicy", r#""Never""#)),
    (ADMISSION, "MutatingWebhook", Set("timeoutSeconds", "10")),
    (ADMISSION, "NamedRuleWithOperations", Set("scope", r#""*""#)),
    (ADMISSION, "RuleWithOperations", Set("scope", r#""*""#)),
    (ADMISSION, "ServiceReference", Set("port", "443")),
    (ADMISSION, "ValidatingAdmissionPolicySpec", Set("failurePolicy", r#""Fail""#)),
    (ADMISSION, "ValidatingWebhook", Set("failurePolicy", r#""Fail""#)),
    (ADMISSION, "ValidatingWebhook", Set("matchPolicy", r#""Equivalent""#)),
    (ADMISSION, "ValidatingWebhook", Set("namespaceSelector", "{}")),
    (ADMISSION, "ValidatingWebhook", Set("objectSelector", "{}")),
    (ADMISSION, "ValidatingWebhook", Set("timeoutSeconds", "10")),
    (APPS, "DaemonSetSpec", Set("revisionHistoryLimit", "10")),
    (APPS, "DaemonSetUpdateStrategy", Set("type", r#""RollingUpdate""#)),
    (APPS, "DaemonSetUpdateStrategy", Code(daemon_set_strategy)),
    (APPS, "DeploymentSpec", Set("progressDeadlineSeconds", "600")),
    (APPS, "DeploymentSpec", Set("replicas", "1")),
    (APPS, "DeploymentSpec", Set("revisionHistoryLimit", "10")),
    (APPS, "DeploymentStrategy", Set("type", r#""RollingUpdate""#)),
    (APPS, "DeploymentStrategy", Code(deployment_strategy)),
    (APPS, "ReplicaSetSpec", Set("replicas", "1")),
    (APPS, "StatefulSetPersistentVolumeClaimRetentionPolicy", Set("whenDeleted", r#""Retain""#)),
    (APPS, "StatefulSetPersistentVolumeClaimRetentionPolicy", Set("whenScaled", r#""Retain""#)),
    (APPS, "StatefulSetSpec", Set("persistentVolumeClaimRetentionPolicy", "{}")),
    (APPS, "StatefulSetSpec", Set("podManagementPolicy", r#""OrderedReady""#)),
    (APPS, "StatefulSetSpec", Set("replicas", "1")),
    (APPS, "StatefulSetSpec", Set("revisionHistoryLimit", "10")),
    (APPS, "StatefulSetSpec", Code(claim_templates)),
    (APPS, "StatefulSetUpdateStrategy", Code(stateful_set_strategy)),
    (AUTHENTICATION, "TokenRequestSpec", Set("expirationSeconds", "3600")),
    (AUTOSCALING_1, "HorizontalPodAutoscaler", Code(processor_target)),
    (AUTOSCALING_1, "HorizontalPodAutoscalerSpec", Set("minReplicas", "1")),
    (AUTOSCALING_2, "HorizontalPodAutoscalerBehavior", Code(scaling_rules)),
    (AUTOSCALING_2, "HorizontalPodAutoscalerSpec", Set("metrics", DEFAULT_METRICS)),
    (AUTOSCALING_2, "HorizontalPodAutoscalerSpec", Set("minReplicas", "1")),
    (BATCH, "CronJobSpec", Set("concurrencyPolicy", r#""Allow""#)),
    (BATCH, "CronJobSpec", Set("failedJobsHistoryLimit", "1")),
    (BATCH, "CronJobSpec", Set("successfulJobsHistoryLimit", "3")),
    (BATCH, "CronJobSpec", Set("suspend", "false")),
    (BATCH, "Job", Code(job)),
    (BATCH, "PodFailurePolicyOnPodConditionsPattern", Set("status", r#""True""#)),
    (CORE, "ConfigMapVolumeSource", Set("defaultMode", "420")),
    (CORE, "Container", Set("terminationMessagePath", r#""/dev/termination-log""#)),
    (CORE, "Container", Set("terminationMessagePolicy", r#""File""#)),
    (CORE, "Container", Code(image_pull_policy)),
    (CORE, "DownwardAPIVolumeSource", Set("defaultMode", "420")),
    (CORE, "EndpointPort", Set("protocol", r#""TCP""#)),
    (CORE, "EphemeralContainer", Set("terminationMessagePath", r#""/dev/termination-log""#)),
    (CORE, "EphemeralContainer", Set("terminationMessagePolicy", r#""File""#)),
    (CORE, "EphemeralContainer", Code(image_pull_policy)),
    (CORE, "GRPCAction", Set("service", r#""""#)),
    (CORE, "HTTPGetAction", Set("path", r#""/""#)),
    (CORE, "HTTPGetAction", Set("scheme", r#""HTTP""#)),
    (CORE, "HostPathVolumeSource", Set("type", r#""""#)),
    (CORE, "ImageVolumeSource", Code(image_volume)),
    (CORE, "LimitRangeItem", Code(limit_range_item)),
    (CORE, "Namespace", Code(namespace)),
    (CORE, "NamespaceStatus", Set("phase", r#""Active""#)),
    (CORE, "NodeSpec", Code(pod_ranges)),
    (CORE, "NodeStatus", Code(allocatable)),
    (CORE, "ObjectFieldSelector", Set("apiVersion", r#""v1""#)),
    (CORE, "PersistentVolume", Code(persistent_volume)),
    (CORE, "PersistentVolumeClaimSpec", Set("volumeMode", r#""Filesystem""#)),
    (CORE, "PersistentVolumeClaimStatus", Set("phase", r#""Pending""#)),
    (CORE, "PersistentVolumeStatus", Set("phase", r#""Pending""#)),
    (CORE, "Pod", Code(pod)),
    (CORE, "PodSpec", Set("dnsPolicy", r#""ClusterFirst""#)),
    (CORE, "PodSpec", Set("restartPolicy", r#""Always""#)),
    (CORE, "PodSpec", Set("schedulerName", r#""default-scheduler""#)),
    (CORE, "PodSpec", Set("securityContext", "{}")),
    (CORE, "PodSpec", Set("terminationGracePeriodSeconds", "30")),
    (CORE, "PodSpec", Code(service_account_name)),
    (CORE, "PodStatus", Code(pod_addresses)),
    (CORE, "Probe", Set("failureThreshold", "3")),
    (CORE, "Probe", Set("periodSeconds", "10")),
    (CORE, "Probe", Set("successThreshold", "1")),
    (CORE, "Probe", Set("timeoutSeconds", "1")),
    (CORE, "ProjectedVolumeSource", Set("defaultMode", "420")),
    (CORE, "ReplicationController", Code(replication_controller)),
    (CORE, "Secret", Set("type", r#""Opaque""#)),
    (CORE, "Secret", Code(string_data)),
    (CORE, "SecretVolumeSource", Set("defaultMode", "420")),
    (CORE, "Service", Code(balancer_status)),
    (CORE, "ServiceAccountTokenProjection", Set("expirationSeconds", "3600")),
    (CORE, "ServicePort", Code(target_port)),
    (CORE, "ServiceSpec", Set("sessionAffinity", r#""None""#)),
    (CORE, "ServiceSpec", Set("type", r#""ClusterIP""#)),
    (CORE, "ServiceSpec", Code(service)),
    (CORE, "Volume", Code(volume)),
    (DISCOVERY, "EndpointPort", Set("name", r#""""#)),
    (DISCOVERY, "EndpointPort", Set("protocol", r#""TCP""#)),
    (FLOWCONTROL, "ExemptPriorityLevelConfiguration", Set("lendablePercent", "0")),
    (FLOWCONTROL, "ExemptPriorityLevelConfiguration", Set("nominalConcurrencyShares", "0")),
    (FLOWCONTROL, "FlowSchemaSpec", Set("matchingPrecedence", "1000")),
    (FLOWCONTROL, "LimitedPriorityLevelConfiguration", Set("lendablePercent", "0")),
    (FLOWCONTROL, "LimitedPriorityLevelConfiguration", Set("nominalConcurrencyShares", "30")),
    (FLOWCONTROL, "QueuingConfiguration", Set("handSize", "8")),
    (FLOWCONTROL, "QueuingConfiguration", Set("queueLengthLimit", "50")),
    (FLOWCONTROL, "QueuingConfiguration", Set("queues", "64")),
    (NETWORKING, "IngressClassParametersReference", Set("scope", r#""Cluster""#)),
    (NETWORKING, "NetworkPolicyPort", Set("protocol", r#""TCP""#)),
    (NETWORKING, "NetworkPolicySpec", Code(policy_types)),
    (RBAC, "RoleRef", Set("apiGroup", r#""rbac.authorization.k8s.io""#)),
    (RBAC, "Subject", Code(subject)),
    (RESOURCE, "DeviceSubRequest", Set("allocationMode", r#""ExactCount""#)),
    (RESOURCE, "DeviceSubRequest", Code(device_count)),
    (RESOURCE, "ExactDeviceRequest", Set("allocationMode", r#""ExactCount""#)),
    (RESOURCE, "ExactDeviceRequest", Code(device_count)),
    (SCHEDULING, "PriorityClass", Set("preemptionPolicy", r#""PreemptLowerPriority""#)),
    (STORAGE, "CSIDriverSpec", Set("attachRequired", "true")),
    (STORAGE, "CSIDriverSpec", Set("fsGroupPolicy", r#""ReadWriteOnceWithFSType""#)),
    (STORAGE, "CSIDriverSpec", Set("podInfoOnMount", "false")),
    (STORAGE, "CSIDriverSpec", Set("requiresRepublish", "false")),
    (STORAGE, "CSIDriverSpec", Set("seLinuxMount", "false")),
    (STORAGE, "CSIDriverSpec", Set("storageCapacity", "false")),
    (STORAGE, "CSIDriverSpec", Set("volumeLifecycleModes", r#"["Persistent"]"#)),
    (STORAGE, "StorageClass", Set("reclaimPolicy", r#""Delete""#)),
    (STORAGE, "StorageClass", Set("volumeBindingMode", r#""Immediate""#)),
    (APIEXTENSIONS, "CustomResourceDefinition", Code(stored_versions)),
    (APIEXTENSIONS, "CustomResourceDefinitionNames", Code(crd_names)),
    (APIEXTENSIONS, "CustomResourceDefinitionSpec", Set("conversion", r#"{"strategy":"None"}"#)),
    (APIEXTENSIONS, "ServiceReference", Set("port", "443")),
    (APIREGISTRATION, "ServiceReference", Set("port", "443")),
];

const DEFAULT_METRICS: &str =
    r#"[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]"#;

/// The table, made ready for a walk: literals are parsed, types found.
pub(super) struct Defaults {
    by_type: Vec<Vec<Ready>>,
}

enum Ready {
    /// A field, whether it tells its zero value from none, whether an empty list is not none, and the default.
    Value {
        field: &'static str,
        pointer: bool,
        tells_empty: bool,
        default: Value,
    },
    Code(fn(&mut Object)),
}

impl Defaults {
    pub(super) fn load(types: &Types) -> Self {
        let mut by_type: Vec<Vec<Ready>> = (0..types.len()).map(|_| Vec::new()).collect();
        for (package, name, rule) in RULES {
            let id = types.find(&format!("{package}{name}")).expect("a test finds every type of the table");
            by_type[id.index()].push(match rule {
                Rule::Value(field, json) => Ready::Value {
                    field,
                    pointer: types.get(id).field(field).is_some_and(|field| field.pointer),
                    tells_empty: tells_empty_from_none("HPAScalingRules", field),
                    default: serde_json::from_str(json).expect("a test parses every literal of the table"),
                },
                Rule::Code(code) => Ready::Code(*code),
            });
        }
        Self { by_type }
    }

    /// Fills in what a decoded object of the type `id` leaves out.
    pub(super) fn apply(&self, types: &Types, id: TypeId, value: &mut Value) {
        let Value::Object(object) = value else { return };
        let structure = types.get(id);
        for rule in &self.by_type[id.index()] {
            match rule {
                Ready::Value { field, pointer, tells_empty, default } => {
                    if is_missing(*pointer, *tells_empty, object.get(*field)) {
                        object.insert((*field).to_owned(), default.clone());
                    }
                }
                Ready::Code(code) => code(object),
            }
        }
        // Both are sorted by name.
        let mut fields = structure.fields.iter().peekable();
        for (key, value) in object {
            while fields.next_if(|field| field.name.as_str() < key.as_str()).is_some() {}
            if let Some(field) = fields.next_if(|field| field.name == *key) {
                self.apply_shape(types, &field.shape, value);
            }
        }
    }

    fn apply_shape(&self, types: &Types, shape: &Shape, value: &mut Value) {
        match (shape, value) {
            (Shape::Struct(id), value) => self.apply(types, *id, value),
            (Shape::List(element), Value::Array(items)) => {
                for item in items {
                    self.apply_shape(types, element, item);
                }
            }
            (Shape::Map(element), Value::Object(entries)) if **element == Shape::Quantity => {
                entries.values_mut().for_each(round_up_to_milli);
            }
            (Shape::Map(element), Value::Object(entries)) => {
                for item in entries.values_mut() {
                    self.apply_shape(types, element, item);
                }
            }
            _ => {}
        }
    }
}

/// Returns whether a list that is given, but empty, is not what an absent one defaults to.
pub(super) fn tells_empty_from_none(owner: &str, field: &str) -> bool {
    (owner, field) == ("HPAScalingRules", "policies")
}

/// A field that is no pointer cannot tell its zero value from none.
fn is_missing(pointer: bool, tells_empty: bool, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => !pointer && text.is_empty(),
        Some(Value::Number(number)) => !pointer && number.as_i64() == Some(0),
        Some(Value::Array(items)) => !pointer && items.is_empty() && !tells_empty,
        Some(_) => false,
    }
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn has(object: &Object, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

fn entries<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn items<'a>(object: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Object> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Copies the entries of `from` that `object[key]` lacks; makes the map when there are any.
fn fill_map(object: &mut Object, key: &str, from: Object) {
    if from.is_empty() {
        return;
    }
    let target = object.entry(key).or_insert_with(|| json!({}));
    if let Value::Object(target) = target {
        for (name, value) in from {
            target.entry(name).or_insert(value);
        }
    }
}

fn round_up_to_milli(value: &mut Value) {
    const MILLI: i128 = 1_000_000;
    let Some(quantity) = value.as_str().and_then(|text| text.parse::<Quantity>().ok()) else { return };
    let over = quantity.nanos() % MILLI;
    if over != 0 {
        *value = json!(quantity.with_nanos(quantity.nanos() - over + over.signum() * MILLI).to_string());
    }
}

/// Says how many steps are taken at once: none by whoever does not go step by step.
fn rolling_update(strategy: &mut Object, steps: &[(&str, Value)]) {
    let is_rolling = text(strategy, "type") == "RollingUpdate";
    let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") else { return };
    for (field, value) in steps {
        rolling.entry(*field).or_insert_with(|| if is_rolling { value.clone() } else { json!(0) });
    }
}

fn with_rolling_update(strategy: &mut Object, steps: &[(&str, Value)]) {
    if text(strategy, "type") == "RollingUpdate" {
        strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
    }
    rolling_update(strategy, steps);
}

fn daemon_set_strategy(strategy: &mut Object) {
    with_rolling_update(strategy, &[("maxSurge", json!(0)), ("maxUnavailable", json!(1))]);
}

fn deployment_strategy(strategy: &mut Object) {
    with_rolling_update(strategy, &[("maxSurge", json!("25%")), ("maxUnavailable", json!("25%"))]);
}

fn stateful_set_strategy(strategy: &mut Object) {
    if text(strategy, "type").is_empty() {
        strategy.insert("type".to_owned(), json!("RollingUpdate"));
        strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
    }
    rolling_update(strategy, &[("partition", json!(0))]);
}

/// The registry names the templates' kind when it stores the set (`pkg/apis/apps/v1/conversion.go`).
fn claim_templates(spec: &mut Object) {
    for claim in items(spec, "volumeClaimTemplates") {
        claim.insert("apiVersion".to_owned(), json!("v1"));
        claim.insert("kind".to_owned(), json!("PersistentVolumeClaim"));
    }
}

/// An autoscaler that names no metric goes by the processor, unless an annotation names metrics of the newer version.
fn processor_target(autoscaler: &mut Object) {
    let annotations = autoscaler.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let newer =
        annotations.is_some_and(|annotations| annotations.get("autoscaling.alpha.kubernetes.io/metrics").is_some());
    if let (Some(Value::Object(spec)), false) = (autoscaler.get_mut("spec"), newer) {
        spec.entry("targetCPUUtilizationPercentage").or_insert(json!(80));
    }
}

fn job(job: &mut Object) {
    let template = job.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    let labels = job.get("metadata").and_then(|metadata| metadata.get("labels"));
    let unlabelled = labels.and_then(Value::as_object).is_none_or(Object::is_empty);
    let metadata = job.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(labels), true, Some(metadata)) = (template, unlabelled, metadata) {
        metadata.insert("labels".to_owned(), labels);
    }
    let Some(Value::Object(spec)) = job.get_mut("spec") else { return };
    if !has(spec, "parallelism") {
        if !has(spec, "completions") {
            spec.insert("completions".to_owned(), json!(1));
        }
        spec.insert("parallelism".to_owned(), json!(1));
    }
    let limit = if has(spec, "backoffLimitPerIndex") { i32::MAX } else { 6 };
    let replacement = if has(spec, "podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    for (field, default) in [
        ("backoffLimit", json!(limit)),
        ("completionMode", json!("NonIndexed")),
        ("manualSelector", json!(false)),
        ("podReplacementPolicy", json!(replacement)),
        ("suspend", json!(false)),
    ] {
        spec.entry(field).or_insert(default);
    }
}

/// Returns the tag of an image reference: `latest` when it names neither tag nor digest, nothing when it is none.
fn image_tag(image: &str) -> &str {
    if !images::is_reference(image) {
        return "";
    }
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => tag,
        None if digest.is_some() => "",
        None => "latest",
    }
}

fn pull_policy(image: &str) -> Value {
    let latest = !image.is_empty() && image_tag(image) == "latest";
    json!(if latest { "Always" } else { "IfNotPresent" })
}

fn image_pull_policy(container: &mut Object) {
    if text(container, "imagePullPolicy").is_empty() {
        let policy = pull_policy(text(container, "image"));
        container.insert("imagePullPolicy".to_owned(), policy);
    }
}

fn image_volume(source: &mut Object) {
    if text(source, "pullPolicy").is_empty() {
        let policy = pull_policy(text(source, "reference"));
        source.insert("pullPolicy".to_owned(), policy);
    }
}

/// What a volume is to its pods and becomes when it is released is said of volumes alone, not of those written into
/// attachments.
fn persistent_volume(volume: &mut Object) {
    let Some(spec) = volume.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if text(spec, "persistentVolumeReclaimPolicy").is_empty() {
        spec.insert("persistentVolumeReclaimPolicy".to_owned(), json!("Retain"));
    }
    if spec.get("volumeMode").is_none_or(Value::is_null) {
        spec.insert("volumeMode".to_owned(), json!("Filesystem"));
    }
}

fn volume(volume: &mut Object) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
}

fn limit_range_item(item: &mut Object) {
    if text(item, "type") != "Container" {
        return;
    }
    let of = |item: &Object, key: &str| {
        entries(item, key).map(|(name, value)| (name.clone(), value.clone())).collect::<Object>()
    };
    fill_map(item, "default", of(item, "max"));
    fill_map(item, "defaultRequest", of(item, "default"));
    fill_map(item, "defaultRequest", of(item, "min"));
}

fn namespace(namespace: &mut Object) {
    let Some(Value::Object(metadata)) = namespace.get_mut("metadata") else { return };
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        labels["kubernetes.io/metadata.name"] = json!(name);
    }
}

/// The one range and the first of the list are the same (`pkg/apis/core/v1/conversion.go`).
fn pod_ranges(spec: &mut Object) {
    let first = spec.get("podCIDRs").and_then(|ranges| ranges.get(0)).cloned();
    match (text(spec, "podCIDR").is_empty(), first) {
        (false, first) if first.as_ref() != spec.get("podCIDR") => {
            let range = spec["podCIDR"].clone();
            spec.insert("podCIDRs".to_owned(), json!([range]));
        }
        (true, Some(first)) => drop(spec.insert("podCIDR".to_owned(), first)),
        _ => {}
    }
}

fn allocatable(status: &mut Object) {
    if let (false, Some(capacity)) = (has(status, "allocatable"), status.get("capacity").cloned()) {
        status.insert("allocatable".to_owned(), capacity);
    }
}

fn pod(pod: &mut Object) {
    let Some(Value::Object(spec)) = pod.get_mut("spec") else { return };
    spec.entry("enableServiceLinks").or_insert(json!(true));
    let host_network = spec.get("hostNetwork") == Some(&json!(true));
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            if let Some(Value::Object(resources)) = container.get_mut("resources") {
                let limits = entries(resources, "limits").map(|(name, value)| (name.clone(), value.clone())).collect();
                fill_map(resources, "requests", limits);
            }
            for port in items(container, "ports").filter(|_| host_network) {
                if let (false, Some(number)) = (has(port, "hostPort"), port.get("containerPort").cloned()) {
                    port.insert("hostPort".to_owned(), number);
                }
            }
        }
    }
    pod_resources::complete(spec);
}

/// The old name of the field is kept equal to the new one (`pkg/apis/core/v1/conversion.go`).
fn service_account_name(spec: &mut Object) {
    let name =
        [text(spec, "serviceAccountName"), text(spec, "serviceAccount")].into_iter().find(|name| !name.is_empty());
    if let Some(name) = name.map(str::to_owned) {
        spec.insert("serviceAccount".to_owned(), json!(name));
        spec.insert("serviceAccountName".to_owned(), json!(name));
    }
}

fn replication_controller(controller: &mut Object) {
    let labels = controller.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    let Some(labels) = labels else { return };
    if let Some(Value::Object(spec)) = controller.get_mut("spec") {
        spec.entry("selector").or_insert_with(|| labels.clone());
    }
    if let Some(Value::Object(metadata)) = controller.get_mut("metadata") {
        metadata.entry("labels").or_insert(labels);
    }
}

/// `stringData` is written only; it becomes `data` (`pkg/apis/core/v1/conversion.go`).
fn string_data(secret: &mut Object) {
    use base64::Engine as _;
    let Some(Value::Object(plain)) = secret.remove("stringData") else { return };
    let data = secret.entry("data").or_insert_with(|| json!({}));
    for (key, value) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data[key] = json!(encoded);
    }
}

fn target_port(port: &mut Object) {
    let unset = [None, Some(&json!(0)), Some(&json!(""))].contains(&port.get("targetPort"));
    if let (true, Some(number)) = (unset, port.get("port").cloned()) {
        port.insert("targetPort".to_owned(), number);
    }
}

fn service(spec: &mut Object) {
    let affinity = text(spec, "sessionAffinity");
    if affinity == "None" {
        spec.remove("sessionAffinityConfig");
    } else if affinity == "ClientIP" {
        let config = spec.get("sessionAffinityConfig");
        if config.and_then(|config| config.pointer("/clientIP/timeoutSeconds")).is_none() {
            spec.insert("sessionAffinityConfig".to_owned(), json!({ "clientIP": { "timeoutSeconds": 10800 } }));
        }
    }
    let kind = text(spec, "type").to_owned();
    let balanced = kind == "LoadBalancer";
    let has_external_ips = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    if balanced || kind == "NodePort" || (kind == "ClusterIP" && has_external_ips) {
        spec.entry("externalTrafficPolicy").or_insert(json!("Cluster"));
    }
    if kind != "ExternalName" {
        spec.entry("internalTrafficPolicy").or_insert(json!("Cluster"));
    }
    if balanced {
        spec.entry("allocateLoadBalancerNodePorts").or_insert(json!(true));
    }
}

/// An address of a load balancer is a virtual one if nobody says otherwise.
fn balancer_status(service: &mut Object) {
    let balanced = service.get("spec").is_some_and(|spec| spec["type"] == "LoadBalancer");
    let ingress = service.get_mut("status").and_then(|status| status.pointer_mut("/loadBalancer/ingress"));
    for ingress in ingress.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        if balanced && !text(ingress, "ip").is_empty() {
            ingress.entry("ipMode").or_insert(json!("VIP"));
        }
    }
}

/// The one address of a pod is the first of the list, and outweighs it (`pkg/apis/core/v1/conversion.go`).
fn pod_addresses(status: &mut Object) {
    let address = text(status, "podIP").to_owned();
    let first = status.get("podIPs").and_then(|list| list[0]["ip"].as_str()).map(str::to_owned);
    match first {
        Some(first) if address.is_empty() => drop(status.insert("podIP".to_owned(), json!(first))),
        Some(first) if first == address => {}
        _ if address.is_empty() => {}
        _ => drop(status.insert("podIPs".to_owned(), json!([{ "ip": address }]))),
    }
}

fn policy_types(spec: &mut Object) {
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        spec.insert("policyTypes".to_owned(), if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    }
}

fn subject(subject: &mut Object) {
    if text(subject, "apiGroup").is_empty() && ["User", "Group"].contains(&text(subject, "kind")) {
        subject.insert("apiGroup".to_owned(), json!("rbac.authorization.k8s.io"));
    }
}

fn device_count(request: &mut Object) {
    if text(request, "allocationMode") == "ExactCount" {
        request.entry("count").or_insert(json!(1));
    }
}

fn crd_names(names: &mut Object) {
    let kind = text(names, "kind").to_owned();
    if text(names, "singular").is_empty() {
        names.insert("singular".to_owned(), json!(kind.to_lowercase()));
    }
    if text(names, "listKind").is_empty() && !kind.is_empty() {
        names.insert("listKind".to_owned(), json!(format!("{kind}List")));
    }
}

fn stored_versions(crd: &mut Object) {
    let versions = crd.get("spec").and_then(|spec| spec.get("versions")).and_then(Value::as_array);
    let stored = versions.into_iter().flatten().find(|version| version["storage"] == json!(true));
    let Some(name) = stored.and_then(|version| version.get("name")).cloned() else { return };
    let status = crd.entry("status").or_insert_with(|| json!({}));
    if status["storedVersions"].as_array().is_none_or(Vec::is_empty) {
        status["storedVersions"] = json!([name]);
    }
}

fn scaling_rules(behavior: &mut Object) {
    let up = json!({
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            { "type": "Pods", "value": 4, "periodSeconds": 15 },
            { "type": "Percent", "value": 100, "periodSeconds": 15 },
        ],
    });
    let down = json!({
        "selectPolicy": "Max",
        "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }],
    });
    for (key, default) in [("scaleUp", up), ("scaleDown", down)] {
        let rules = behavior.entry(key).or_insert_with(|| json!({}));
        if let (Value::Object(rules), Value::Object(default)) = (rules, default) {
            for (name, value) in default {
                rules.entry(name).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_only_what_exists() {
        let types = Types::load();
        for pair in RULES.windows(2) {
            assert!((pair[0].0, pair[0].1) <= (pair[1].0, pair[1].1), "{} comes before {}", pair[0].1, pair[1].1);
        }
        for (package, name, rule) in RULES {
            let id = types.find(&format!("{package}{name}"));
            let id = id.unwrap_or_else(|| panic!("there is no type {package}{name}"));
            if let Rule::Value(field, json) = rule {
                assert!(types.get(id).field(field).is_some(), "{name} has no field {field}");
                assert!(serde_json::from_str::<Value>(json).is_ok(), "{json}");
            }
        }
    }

    #[test]
    fn image_tags_are_found() {
        let table = [
            ("nginx", "latest"),
            ("nginx:1.27", "1.27"),
            ("localhost:5000/nginx", "latest"),
            ("a/b:latest", "latest"),
            ("nginx@sha256:00000000000000000000000000000000", ""),
            ("nginx:1@sha256:00000000000000000000000000000000", "1"),
            ("http://x", ""),
            ("Bad", ""),
            ("host:5000/a/b:v2", "v2"),
        ];
        for (image, want) in table {
            assert_eq!(image_tag(image), want, "{image}");
        }
    }
}
