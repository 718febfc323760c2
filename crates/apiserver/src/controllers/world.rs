//! What the controllers know of the cluster: watched objects, indexed so that no event costs a listing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::object::{controller_of, is_deleted, items, name, namespace, text};
use crate::admin::{Admin, AdminWatch, Told};
use crate::builtins::selects;
use crate::resource::Gvr;
use crate::store::{Change, Stored};

/// The kinds that controllers act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Node,
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    ControllerRevision,
    Job,
    CronJob,
    Pod,
    Service,
    EndpointSlice,
    Endpoints,
    Ingress,
    Claim,
    Volume,
    Budget,
    Autoscaler,
    SigningRequest,
    Policy,
}

/// Each kind with its `apiVersion`, Kubernetes' own name and plural.
const KINDS: [(Kind, &str, &str, &str); 20] = [
    (Kind::Node, "v1", "Node", "nodes"),
    (Kind::Deployment, "apps/v1", "Deployment", "deployments"),
    (Kind::ReplicaSet, "apps/v1", "ReplicaSet", "replicasets"),
    (Kind::ReplicationController, "v1", "ReplicationController", "replicationcontrollers"),
    (Kind::StatefulSet, "apps/v1", "StatefulSet", "statefulsets"),
    (Kind::DaemonSet, "apps/v1", "DaemonSet", "daemonsets"),
    (Kind::ControllerRevision, "apps/v1", "ControllerRevision", "controllerrevisions"),
    (Kind::Job, "batch/v1", "Job", "jobs"),
    (Kind::CronJob, "batch/v1", "CronJob", "cronjobs"),
    (Kind::Pod, "v1", "Pod", "pods"),
    (Kind::Service, "v1", "Service", "services"),
    (Kind::EndpointSlice, "discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    (Kind::Endpoints, "v1", "Endpoints", "endpoints"),
    (Kind::Ingress, "networking.k8s.io/v1", "Ingress", "ingresses"),
    (Kind::Claim, "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    (Kind::Volume, "v1", "PersistentVolume", "persistentvolumes"),
    (Kind::Budget, "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    (Kind::Autoscaler, "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    (Kind::SigningRequest, "certificates.k8s.io/v1", "CertificateSigningRequest", "certificatesigningrequests"),
    (Kind::Policy, "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
];

impl Kind {
    fn row(self) -> &'static (Kind, &'static str, &'static str, &'static str) {
        &KINDS[self as usize]
    }

    pub(super) fn api_version(self) -> &'static str {
        self.row().1
    }

    pub(super) fn api_kind(self) -> &'static str {
        self.row().2
    }

    pub(super) fn gvr(self) -> Gvr {
        let (_, api_version, _, plural) = self.row();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Gvr::new(group, version, plural)
    }
}

/// One object's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Id {
    pub(super) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn of(kind: Kind, object: &Value) -> Self {
        Self::new(kind, namespace(object), name(object))
    }
}

/// The kinds that take pods nobody controls.
const ADOPTERS: [Kind; 5] =
    [Kind::ReplicaSet, Kind::ReplicationController, Kind::StatefulSet, Kind::DaemonSet, Kind::Job];

/// Returns an owner's selector in the form that newer kinds have.
pub(super) fn selector_of(kind: Kind, owner: &Value) -> Value {
    let selector = &owner["spec"]["selector"];
    if kind == Kind::ReplicationController { json!({ "matchLabels": selector }) } else { selector.clone() }
}

/// The watched objects.
#[derive(Debug)]
pub(super) struct World {
    pub(super) watches: Vec<(Kind, AdminWatch)>,
    objects: BTreeMap<Id, Arc<Stored>>,
    /// Objects by the uid of their controller.
    owned: BTreeMap<String, BTreeSet<Id>>,
    /// Pods and ReplicaSets that nobody controls.
    orphans: BTreeSet<Id>,
    /// The controller of each owned object's owner, by the owner's uid.
    by_uid: BTreeMap<String, Id>,
    /// Services by namespace and one pair of their selector, so that a pod finds them by its labels.
    services: BTreeMap<(String, String, String), BTreeSet<String>>,
    /// How many pods each node has.
    pub(super) pods_per_node: BTreeMap<String, usize>,
    /// Pods that no node has taken.
    unscheduled: BTreeSet<Id>,
}

impl World {
    pub(super) fn new(admin: &Admin) -> Self {
        let watches = KINDS.iter().map(|(kind, ..)| {
            let watch = admin.watch(&kind.gvr()).expect("holds because every kind of the table is built in");
            (*kind, watch)
        });
        Self {
            watches: watches.collect(),
            objects: BTreeMap::new(),
            owned: BTreeMap::new(),
            orphans: BTreeSet::new(),
            by_uid: BTreeMap::new(),
            services: BTreeMap::new(),
            pods_per_node: BTreeMap::new(),
            unscheduled: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&Id::new(kind, namespace, name)).map(|object| Arc::clone(&object.value))
    }

    /// Returns all objects of a kind in a namespace; `""` for cluster-scoped kinds.
    pub(super) fn list(&self, kind: Kind, namespace: &str) -> Vec<Arc<Value>> {
        let from = Id::new(kind, namespace, "");
        let range = self.objects.range(from..).take_while(|(id, _)| id.kind == kind && id.namespace == namespace);
        range.map(|(_, object)| Arc::clone(&object.value)).collect()
    }

    /// Returns the addresses of all objects of a kind.
    fn all(&self, kind: Kind) -> Vec<Id> {
        let range = self.objects.range(Id::new(kind, "", "")..).take_while(|(id, _)| id.kind == kind);
        range.map(|(id, _)| id.clone()).collect()
    }

    /// Returns the objects of a kind that an owner controls.
    pub(super) fn owned(&self, owner_uid: &str, kind: Kind) -> Vec<Arc<Value>> {
        let ids = self.owned.get(owner_uid).into_iter().flatten().filter(|id| id.kind == kind);
        ids.filter_map(|id| self.objects.get(id)).map(|object| Arc::clone(&object.value)).collect()
    }

    /// Returns the object that has a uid.
    pub(super) fn by_uid(&self, uid: &str) -> Option<Arc<Value>> {
        self.by_uid.get(uid).and_then(|id| self.objects.get(id)).map(|object| Arc::clone(&object.value))
    }

    /// Returns the objects of a kind in a namespace that nobody controls.
    pub(super) fn orphans(&self, kind: Kind, namespace: &str) -> Vec<Arc<Value>> {
        let from = Id::new(kind, namespace, "");
        let range = self.orphans.range(from..).take_while(|id| id.kind == kind && id.namespace == namespace);
        range.filter_map(|id| self.objects.get(id)).map(|object| Arc::clone(&object.value)).collect()
    }

    /// Lets go of what was decoded: a cluster at rest keeps each object once, as text.
    pub(super) fn rest(&mut self) {
        for object in self.objects.values_mut() {
            *object = Stored::of(object.kept());
        }
    }

    /// Takes in all that has happened and returns what must be looked at again.
    pub(super) fn refresh(&mut self) -> Vec<Id> {
        let mut touched = Vec::new();
        for at in 0..self.watches.len() {
            loop {
                let notices = self.watches[at].1.poll_told();
                if notices.is_empty() {
                    break;
                }
                let kind = self.watches[at].0;
                self.take(kind, notices, &mut touched);
            }
        }
        touched
    }

    pub(super) fn take(&mut self, kind: Kind, notices: Vec<Told>, touched: &mut Vec<Id>) {
        for notice in notices {
            match notice {
                Told::Restarted => {
                    for id in self.all(kind) {
                        if let Some(object) = self.objects.get(&id).cloned() {
                            self.forget(&id, &object.value, touched);
                        }
                    }
                }
                Told::Changed(change, object) => {
                    let id = Id::of(kind, &object.value);
                    if let Some(before) = self.objects.get(&id).cloned() {
                        self.forget(&id, &before.value, touched);
                    }
                    if change != Change::Deleted {
                        self.remember(&id, object, touched);
                    }
                }
            }
        }
    }

    fn remember(&mut self, id: &Id, stored: Arc<Stored>, touched: &mut Vec<Id>) {
        let object = Arc::clone(&stored.value);
        if let Some(owner) = controller_of(&object) {
            self.owned.entry(owner.to_owned()).or_default().insert(id.clone());
        } else if matches!(id.kind, Kind::Pod | Kind::ReplicaSet) {
            self.orphans.insert(id.clone());
        }
        self.by_uid.insert(super::object::uid(&object).to_owned(), id.clone());
        match id.kind {
            Kind::Service => {
                if let Some(pair) = first_pair(&object) {
                    self.services.entry((id.namespace.clone(), pair.0, pair.1)).or_default().insert(id.name.clone());
                }
            }
            Kind::Pod => {
                let node = text(&object, "/spec/nodeName");
                if node.is_empty() {
                    self.unscheduled.insert(id.clone());
                } else {
                    *self.pods_per_node.entry(node.to_owned()).or_default() += 1;
                }
            }
            Kind::Node => {
                // A new or changed node may take pods that none would have.
                touched.extend(self.unscheduled.iter().cloned());
            }
            _ => {}
        }
        self.touch(id, &object, touched);
        self.objects.insert(id.clone(), stored);
    }

    fn forget(&mut self, id: &Id, object: &Value, touched: &mut Vec<Id>) {
        self.objects.remove(id);
        self.orphans.remove(id);
        if let Some(owner) = controller_of(object)
            && let Some(owned) = self.owned.get_mut(owner)
        {
            owned.remove(id);
            if owned.is_empty() {
                self.owned.remove(owner);
            }
        }
        self.by_uid.remove(super::object::uid(object));
        match id.kind {
            Kind::Service => {
                if let Some(pair) = first_pair(object) {
                    let key = (id.namespace.clone(), pair.0, pair.1);
                    if let Some(names) = self.services.get_mut(&key) {
                        names.remove(&id.name);
                        if names.is_empty() {
                            self.services.remove(&key);
                        }
                    }
                }
            }
            Kind::Pod => {
                self.unscheduled.remove(id);
                if let Some(count) = self.pods_per_node.get_mut(text(object, "/spec/nodeName")) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
        self.touch(id, object, touched);
    }

    /// Names everything that depends on an object, itself first.
    fn touch(&self, id: &Id, object: &Value, touched: &mut Vec<Id>) {
        let in_namespace = |kind: Kind, name: &str| Id::new(kind, &id.namespace, name);
        match id.kind {
            // These are looked at through their owners alone.
            Kind::ControllerRevision | Kind::EndpointSlice => {}
            Kind::Endpoints => touched.push(in_namespace(Kind::Service, &id.name)),
            _ => touched.push(id.clone()),
        }
        if let Some(owner) = controller_of(object).and_then(|uid| self.by_uid.get(uid)) {
            touched.push(owner.clone());
        }
        if controller_of(object).is_none() && !is_deleted(object) {
            let adopters: &[Kind] = match id.kind {
                Kind::Pod => &ADOPTERS,
                Kind::ReplicaSet => &[Kind::Deployment],
                _ => &[],
            };
            for kind in adopters {
                let all = self.list(*kind, &id.namespace);
                let fits = |owner: &Value| selects(&selector_of(*kind, owner), &object["metadata"]["labels"]);
                touched.extend(all.iter().filter(|owner| fits(owner)).map(|owner| in_namespace(*kind, name(owner))));
            }
        }
        match id.kind {
            Kind::Node => touched.extend(self.all(Kind::DaemonSet)),
            Kind::Pod => {
                touched.extend(self.services_of(object, &id.namespace));
                let budgets = self.list(Kind::Budget, &id.namespace);
                let budgets =
                    budgets.iter().filter(|budget| selects(&budget["spec"]["selector"], &object["metadata"]["labels"]));
                touched.extend(budgets.map(|budget| in_namespace(Kind::Budget, name(budget))));
                for volume in items(object, "/spec/volumes") {
                    if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
                        touched.push(in_namespace(Kind::Claim, claim));
                    }
                }
            }
            Kind::Volume => {
                let claim = &object["spec"]["claimRef"];
                if let (Some(namespace), Some(name)) = (claim["namespace"].as_str(), claim["name"].as_str()) {
                    touched.push(Id::new(Kind::Claim, namespace, name));
                }
            }
            Kind::Claim => {
                let volume = text(object, "/spec/volumeName");
                if !volume.is_empty() {
                    touched.push(Id::new(Kind::Volume, "", volume));
                }
            }
            Kind::Deployment | Kind::StatefulSet => {
                let scalers = self.list(Kind::Autoscaler, &id.namespace);
                let scalers = scalers.iter().filter(|scaler| text(scaler, "/spec/scaleTargetRef/name") == id.name);
                touched.extend(scalers.map(|scaler| in_namespace(Kind::Autoscaler, name(scaler))));
            }
            _ => {}
        }
    }

    fn services_of(&self, pod: &Value, namespace: &str) -> BTreeSet<Id> {
        let mut found = BTreeSet::new();
        for (key, value) in pod["metadata"]["labels"].as_object().into_iter().flatten() {
            let pair = (namespace.to_owned(), key.clone(), value.as_str().unwrap_or_default().to_owned());
            for name in self.services.get(&pair).into_iter().flatten() {
                found.insert(Id::new(Kind::Service, namespace, name));
            }
        }
        found
    }
}

fn first_pair(service: &Value) -> Option<(String, String)> {
    let (key, value) = service["spec"]["selector"].as_object()?.iter().next()?;
    Some((key.clone(), value.as_str().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_kinds_is_in_the_order_of_the_enum() {
        for (at, (kind, ..)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, at, "{kind:?}");
        }
    }
}
