//! What follows from a write, done before anybody can look: garbage collection, the end of namespaces and of CRDs.
//!
//! The real cluster does this a little later, in the controller manager; here it is part of the write, which makes
//! tests repeatable and leaves a client nothing to see that it could not have seen there.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::account_secrets;
use super::furniture;
use super::{
    DeleteOptions, Propagation, Registry, Target, WriteOptions, finalizers, is_terminating, meta_text, metadata,
};
use crate::admission;
use crate::auth::{RBAC_GROUP, aggregated_rules};
use crate::catalog::Catalog;
use crate::crd;
use crate::owners::{Place, references};
use crate::patch::PatchKind;
use crate::resource::{Gvr, Resource, split_api_version};
use crate::rules;
use crate::store::{Change, Key, Stored};

/// Something that may have to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// An object has owners that may not exist.
    CheckOwners(Place),
    /// An owner is gone.
    OwnerGone(String),
    /// An owner waits for its dependents.
    Foreground(Place),
    /// An owner lets its dependents go.
    Orphan(Place),
    /// A namespace may be ready to go.
    Namespace(String),
    /// A CRD may be ready to go.
    Definition(String),
    /// A Secret wants the token of a service account.
    AccountSecret(Key),
    /// A service account is gone, and with it the Secrets that hold its tokens.
    AccountGone(Key),
    /// The groups of CRDs may have changed.
    Groups,
    /// ClusterRoles made of others may have to change.
    AggregatedRoles,
    /// A namespace may lack what every namespace has.
    Furnish(String),
    /// A namespace's quotas may be used for less, or for something else.
    Quotas(String),
    /// A CRD may get its names, or others of its group may.
    Names(String),
}

/// Work that makes work ends by itself, since each step removes something; a bound turns a mistake here into a log line.
const MAX_STEPS: usize = 1_000_000;

impl Registry<'_> {
    /// Notes what may follow from one change.
    pub(super) fn follow(&mut self, resource: &Resource, change: Change, now: &Stored, old: Option<&Stored>) {
        let place = (resource.store_key(), now.key());
        let gone = change == Change::Deleted;
        if gone {
            self.state.work.push(Work::OwnerGone(now.uid.to_string()));
            for owner in crate::owners::owner_uids(&now.value) {
                if let Some(owner) = self.state.owners.place(owner) {
                    self.state.work.push(Work::Foreground(owner));
                }
            }
            if resource.namespaced {
                self.state.work.push(Work::Namespace(place.1.0.clone()));
            }
            if resource.is("", "services") {
                self.state.allocator.release(&now.value);
            }
            if resource.custom().is_some() {
                self.state.work.push(Work::Definition(resource.qualified()));
            }
        } else {
            let owned = |stored: &Stored| stored.value["metadata"]["ownerReferences"].clone();
            if owned(now).is_array() && old.is_none_or(|old| owned(old) != owned(now)) {
                self.state.work.push(Work::CheckOwners(place.clone()));
            }
            if is_terminating(&now.value) {
                let left = finalizers(&now.value);
                if left.contains(&"foregroundDeletion") {
                    self.state.work.push(Work::Foreground(place.clone()));
                }
                if left.contains(&"orphan") {
                    self.state.work.push(Work::Orphan(place.clone()));
                }
            }
        }
        if resource.is("", "namespaces") && !gone {
            let (name, ends) = (place.1.1.clone(), is_terminating(&now.value));
            self.state.work.push(if ends { Work::Namespace(name) } else { Work::Furnish(name) });
        }
        if furniture::concerns(resource, &place.1.1) && old.is_some() {
            self.state.work.push(Work::Furnish(place.1.0.clone()));
        }
        if admission::frees(resource, change, now, old) {
            self.state.work.push(Work::Quotas(place.1.0.clone()));
        }
        if self.state.secret_key.is_some() {
            if resource.is("", "secrets") && !gone && now.value["type"] == account_secrets::TYPE {
                self.state.work.push(Work::AccountSecret(now.key()));
            }
            if resource.is("", "serviceaccounts") && gone {
                self.state.work.push(Work::AccountGone(now.key()));
            }
        }
        if resource.group == "admissionregistration.k8s.io" {
            self.state.hooks = None;
        }
        if resource.is(RBAC_GROUP, "clusterroles") && !self.state.work.contains(&Work::AggregatedRoles) {
            self.state.work.push(Work::AggregatedRoles);
        }
        if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
            self.republish(gone.then(|| meta_text(&now.value, "name")));
            self.state.work.push(Work::Names(place.1.1.clone()));
            if !gone && is_terminating(&now.value) {
                self.state.work.push(Work::Definition(place.1.1));
            }
        }
    }

    /// Serves what the stored CRDs define.
    fn republish(&mut self, gone: Option<&str>) {
        if let Some((plural, group)) = gone.and_then(|name| name.split_once('.')) {
            self.state.store(&(group.to_owned(), plural.to_owned())).close();
        }
        self.serve_definitions();
        if !self.state.work.contains(&Work::Groups) {
            self.state.work.push(Work::Groups);
        }
    }

    pub(crate) fn serve_definitions(&mut self) {
        let definitions = crd::definitions(self);
        // Which versions are equivalent may be others now.
        self.state.hooks = None;
        self.state.catalog = Catalog::with_definitions(&definitions);
    }

    /// Does all that follows from the writes so far.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let Some(work) = self.state.work.pop() else { return };
            match work {
                Work::CheckOwners(place) => self.check_owners(&place),
                Work::OwnerGone(uid) => {
                    for place in self.state.owners.dependents(&uid) {
                        self.check_owners(&place);
                    }
                }
                Work::Foreground(place) => self.delete_dependents(&place),
                Work::Orphan(place) => self.orphan_dependents(&place),
                Work::Namespace(name) => self.end_namespace(&name),
                Work::Definition(name) => self.end_definition(&name),
                Work::Groups => self.register_groups(),
                Work::AggregatedRoles => self.aggregate_roles(),
                Work::AccountSecret(key) => self.fill_account_secret(&key),
                Work::AccountGone(key) => self.remove_account_secrets(&key),
                Work::Furnish(name) => self.furnish(&name),
                Work::Quotas(namespace) => admission::recount(self, &namespace),
                Work::Names(name) => self.settle_names(&name),
            }
        }
        tracing::error!(left = self.state.work.len(), "Garbage collection does not end");
        self.state.work.clear();
    }

    /// Gives ClusterRoles that are made of others the rules of those.
    fn aggregate_roles(&mut self) {
        let Ok(resource) = self.resource(&Gvr::new(RBAC_GROUP, "v1", "clusterroles")) else { return };
        for role in self.all(&resource, None) {
            let Some(rules) = aggregated_rules(self.state, &role.value) else { continue };
            if role.value["rules"].as_array().map_or(&[][..], Vec::as_slice) == rules {
                continue;
            }
            let name = meta_text(&role.value, "name");
            let mut config = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name },
            });
            if !rules.is_empty() {
                config["rules"] = Value::Array(rules);
            }
            let mut options = WriteOptions {
                manager: "clusterrole-aggregation-controller".to_owned(),
                force: true,
                ..WriteOptions::default()
            };
            let target = Target { resource: &resource, namespace: "", name, subresource: "" };
            if let Err(error) = self.patch(&target, PatchKind::Apply, &config, &mut options) {
                tracing::debug!(%error, name, "A role could not be aggregated");
            }
        }
    }

    /// Keeps an `APIService` for each group version that CRDs define, as the aggregator does.
    fn register_groups(&mut self) {
        const MARK: &str = "kube-aggregator.kubernetes.io/automanaged";
        let Ok(resource) = self.resource(&Gvr::new("apiregistration.k8s.io", "v1", "apiservices")) else { return };
        let catalog = Arc::clone(&self.state.catalog);
        let builtin = Catalog::builtin();
        let wanted: BTreeSet<(&str, &str)> = (catalog.groups.iter())
            .flat_map(|(group, versions)| versions.iter().map(move |version| (group.as_str(), version.as_str())))
            .filter(|(group, version)| !builtin.has_version(group, version))
            .collect();
        let names: BTreeSet<String> = wanted.iter().map(|(group, version)| format!("{version}.{group}")).collect();
        let have: BTreeSet<String> = (self.all(&resource, None).iter())
            .filter(|stored| stored.value["metadata"]["labels"][MARK] == "true")
            .map(|stored| stored.key().1)
            .collect();
        for name in have.difference(&names) {
            self.remove(&resource, &(String::new(), name.clone()));
        }
        for (group, version) in wanted {
            let name = format!("{version}.{group}");
            if self.find(&resource, "", &name).is_some() {
                continue;
            }
            let object = json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": name, "labels": { MARK: "true" } },
                "spec": { "group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 100 },
            });
            let target = Target { resource: &resource, namespace: "", name: "", subresource: "" };
            let mut options = WriteOptions { manager: "kube-apiserver".to_owned(), ..WriteOptions::default() };
            if let Err(error) = self.create(&target, object, &mut options) {
                tracing::debug!(%error, name, "An APIService could not be made");
            }
        }
    }

    fn at(&mut self, place: &Place) -> Option<(Arc<Resource>, Arc<Stored>)> {
        let stored = self.state.store(&place.0).get(&place.1)?;
        let resource = self.state.catalog.storing(&place.0, stored.value["apiVersion"].as_str().unwrap_or_default())?;
        Some((resource, stored))
    }

    /// Deletes an object none of whose owners exists; forgets those that do not when others do.
    fn check_owners(&mut self, place: &Place) {
        let Some((resource, stored)) = self.at(place) else { return };
        if is_terminating(&stored.value) {
            return;
        }
        let (mut solid, mut waiting, mut dangling) = (0, 0, BTreeSet::new());
        for reference in references(&stored.value) {
            let owner = self.owner_of(place, reference);
            if matches!(owner, Owner::Elsewhere | Owner::OutOfScope) {
                self.report_elsewhere(&resource, &stored, reference);
            }
            match owner {
                Owner::Elsewhere => drop(dangling.insert(reference["uid"].as_str().unwrap_or_default().to_owned())),
                // A cluster-scoped object that names an owner in a namespace is left alone for good.
                Owner::OutOfScope => return,
                Owner::Unknown | Owner::Live => solid += 1,
                Owner::Waiting => waiting += 1,
                Owner::Gone => drop(dangling.insert(reference["uid"].as_str().unwrap_or_default().to_owned())),
            }
        }
        if dangling.is_empty() && waiting == 0 {
            return;
        }
        if solid == 0 {
            let policy = if waiting > 0 && !self.state.owners.dependents(&stored.uid).is_empty() {
                Propagation::Foreground
            } else {
                Propagation::Background
            };
            self.collect(&resource, &place.1, &stored, policy);
        } else if !dangling.is_empty() {
            self.forget_owners(&resource, &place.1, &stored, |uid| dangling.contains(uid));
        }
    }

    fn owner_of(&self, dependent: &Place, reference: &Value) -> Owner {
        let uid = reference["uid"].as_str().unwrap_or_default();
        let Some(owner) = self.state.owners.place(uid) else {
            let (group, version) = split_api_version(reference["apiVersion"].as_str().unwrap_or_default());
            let kind = reference["kind"].as_str().unwrap_or_default();
            let known = self.state.catalog.has_kind(group, version, kind);
            return if known { Owner::Gone } else { Owner::Unknown };
        };
        let same_namespace = owner.1.0.is_empty() || owner.1.0 == dependent.1.0;
        if !same_namespace {
            return if dependent.1.0.is_empty() { Owner::OutOfScope } else { Owner::Elsewhere };
        }
        let terminating = self.state.stores.get(&owner.0).and_then(|store| store.get(&owner.1)).is_some_and(|owner| {
            is_terminating(&owner.value) && finalizers(&owner.value).contains(&"foregroundDeletion")
        });
        if terminating { Owner::Waiting } else { Owner::Live }
    }

    /// Records the Event that tells of a reference into another namespace.
    fn report_elsewhere(&mut self, resource: &Resource, dependent: &Stored, reference: &Value) {
        let Ok(events) = self.resource(&Gvr::new("", "v1", "events")) else { return };
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        let (namespace, name) = dependent.key();
        let message = format!(
            "ownerRef [{}/{}, namespace: {namespace}, name: {}, uid: {}] does not exist in namespace {namespace:?}",
            text("apiVersion"),
            text("kind"),
            text("name"),
            text("uid"),
        );
        let now = self.clock.now();
        let home = if namespace.is_empty() { "default" } else { &namespace };
        let event = format!("{name}.{:x}", now.as_nanosecond());
        let mut about = json!({
            "kind": resource.kind, "name": name, "uid": &*dependent.uid, "apiVersion": resource.api_version(),
        });
        if !namespace.is_empty() {
            about["namespace"] = json!(namespace);
        }
        let at = self.clock.now_seconds();
        let component = "garbage-collector-controller";
        let object = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": event, "namespace": home },
            "involvedObject": about, "reason": "OwnerRefInvalidNamespace", "message": message, "type": "Warning",
            "source": { "component": component }, "reportingComponent": component, "count": 1,
            "firstTimestamp": at, "lastTimestamp": at, "eventTime": null,
        });
        let target = Target { resource: &events, namespace: home, name: "", subresource: "" };
        if let Err(error) = self.create(&target, object, &mut collector()) {
            tracing::debug!(%error, name, "A misplaced owner could not be reported");
        }
    }

    fn collect(&mut self, resource: &Arc<Resource>, key: &Key, stored: &Stored, policy: Propagation) {
        let target = Target { resource, namespace: &key.0, name: &key.1, subresource: "" };
        let delete =
            DeleteOptions { propagation: Some(policy), uid: Some(stored.uid.to_string()), ..DeleteOptions::default() };
        if let Err(error) = self.delete(&target, &delete, &mut collector()) {
            tracing::debug!(%error, name = key.1, "Garbage collection was refused");
        }
    }

    fn forget_owners(&mut self, resource: &Arc<Resource>, key: &Key, stored: &Stored, forget: impl Fn(&str) -> bool) {
        let mut next = Value::clone(&stored.value);
        if let Some(owners) = next["metadata"]["ownerReferences"].as_array_mut() {
            owners.retain(|owner| !forget(owner["uid"].as_str().unwrap_or_default()));
            if owners.is_empty() {
                metadata(&mut next).remove("ownerReferences");
            }
        }
        self.settle_write(resource, key, stored, next);
    }

    /// Stores what garbage collection made of an object; one that only waited for its last finalizer goes.
    fn settle_write(&mut self, resource: &Arc<Resource>, key: &Key, live: &Stored, next: Value) {
        if is_terminating(&next) && finalizers(&next).is_empty() && !rules::waits_for_grace(resource, &next) {
            self.remove(resource, key);
            return;
        }
        let target = Target { resource, namespace: &key.0, name: &key.1, subresource: "" };
        let next = self.ownership(&target).record(Some(&live.value), next, &collector());
        if let Err(error) = self.commit(resource, key.clone(), next) {
            tracing::debug!(%error, name = key.1, "Garbage collection could not write");
        }
    }

    fn delete_dependents(&mut self, place: &Place) {
        let Some((resource, owner)) = self.at(place) else { return };
        if !is_terminating(&owner.value) || !finalizers(&owner.value).contains(&"foregroundDeletion") {
            return;
        }
        for dependent in self.state.owners.dependents(&owner.uid) {
            self.check_owners(&dependent);
        }
        let uid = owner.uid.to_string();
        let blocked = self.state.owners.dependents(&uid).into_iter().any(|dependent| {
            self.state.stores.get(&dependent.0).and_then(|store| store.get(&dependent.1)).is_some_and(|stored| {
                references(&stored.value).any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
            })
        });
        if !blocked {
            self.drop_finalizer(&resource, place, "foregroundDeletion");
        }
    }

    fn orphan_dependents(&mut self, place: &Place) {
        let Some((resource, owner)) = self.at(place) else { return };
        if !is_terminating(&owner.value) || !finalizers(&owner.value).contains(&"orphan") {
            return;
        }
        let uid = owner.uid.to_string();
        for dependent in self.state.owners.dependents(&uid) {
            if let Some((kind, stored)) = self.at(&dependent) {
                self.forget_owners(&kind, &dependent.1, &stored, |have| have == uid);
            }
        }
        self.drop_finalizer(&resource, place, "orphan");
    }

    fn drop_finalizer(&mut self, resource: &Arc<Resource>, place: &Place, name: &str) {
        let Some(live) = self.state.store(&place.0).get(&place.1) else { return };
        let mut next = Value::clone(&live.value);
        if let Some(finalizers) = next["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|have| have != name);
            if finalizers.is_empty() {
                metadata(&mut next).remove("finalizers");
            }
        }
        self.settle_write(resource, &place.1, &live, next);
    }

    /// Deletes what is in a terminating namespace and, when nothing is left, the namespace.
    fn end_namespace(&mut self, name: &str) {
        let Ok(resource) = self.resource(&Gvr::new("", "v1", "namespaces")) else { return };
        let key = (String::new(), name.to_owned());
        let Some(live) = self.find(&resource, "", name).filter(|live| is_terminating(&live.value)) else { return };
        let contents: Vec<Place> = (self.state.stores.iter())
            .flat_map(|(store_key, store)| {
                store.iter(Some(name), None).map(|(key, _)| (store_key.clone(), key.clone())).collect::<Vec<_>>()
            })
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        for place in &contents {
            if let Some((kind, stored)) = self.at(place).filter(|(_, stored)| !is_terminating(&stored.value)) {
                self.collect(&kind, &place.1, &stored, Propagation::Background);
            }
        }
        let mut left: Vec<Place> = Vec::new();
        for (store_key, store) in &self.state.stores {
            left.extend(store.iter(Some(name), None).map(|(key, _)| (store_key.clone(), key.clone())));
        }
        left.sort();
        let Some(live) = self.find(&resource, "", name).filter(|now| now.uid == live.uid) else { return };
        let finalizing: Vec<Option<Arc<Stored>>> =
            left.iter().map(|place| self.state.stores.get(&place.0).and_then(|store| store.get(&place.1))).collect();
        let mut next = Value::clone(&live.value);
        next["status"]["conditions"] = namespace_conditions(&live.value, &left, &finalizing, &self.clock.now_seconds());
        let Some(live) = self.write_as_controller(&resource, "status", live, next) else { return };
        if !left.is_empty() {
            return;
        }
        let mut next = Value::clone(&live.value);
        let others: Vec<Value> = next["spec"]["finalizers"]
            .as_array()
            .map(|names| names.iter().filter(|name| *name != "kubernetes").cloned().collect())
            .unwrap_or_default();
        if others.is_empty() {
            if finalizers(&live.value).is_empty() {
                self.remove(&resource, &key);
                return;
            }
            next["spec"] = json!({});
        } else {
            next["spec"]["finalizers"] = Value::Array(others);
        }
        self.write_as_controller(&resource, "finalize", live, next);
    }

    /// Stores a new state of a cluster-scoped object as the controller manager would; returns what is stored then.
    fn write_as_controller(
        &mut self,
        resource: &Arc<Resource>,
        subresource: &str,
        live: Arc<Stored>,
        next: Value,
    ) -> Option<Arc<Stored>> {
        if next == **live.value {
            return Some(live);
        }
        let key = live.key();
        let target = Target { resource, namespace: "", name: &key.1, subresource };
        let next = self.ownership(&target).record(Some(&live.value), next, &collector());
        match self.commit(resource, key, next) {
            Ok(stored) => Some(stored),
            Err(error) => {
                tracing::debug!(%error, "The namespace's end could not be written");
                None
            }
        }
    }

    /// Gives a CRD its names and establishes it, as the server's own controllers do, each by a write of its own; and
    /// looks again at those of its group that want names they have not got.
    fn settle_names(&mut self, name: &str) {
        let Ok(resource) = self.resource(&definitions()) else { return };
        let group = name.split_once('.').map_or("", |(_, group)| group).to_owned();
        let of_group: Vec<Arc<Stored>> = self
            .all(&resource, None)
            .into_iter()
            .filter(|stored| stored.value["spec"]["group"] == group.as_str())
            .collect();
        let wants = |stored: &Stored| {
            let value: &Value = &stored.value;
            meta_text(value, "name") == name || value["spec"]["names"] != value["status"]["acceptedNames"]
        };
        let mut names: Vec<String> =
            of_group.iter().filter(|stored| wants(stored)).map(|stored| stored.key().1).collect();
        names.sort_by_key(|have| have != name);
        for name in names {
            while let Some(live) = self.find(&resource, "", &name) {
                let mut taken = crd::Taken::default();
                for stored in self.all(&resource, None) {
                    if stored.value["spec"]["group"] == group.as_str() {
                        taken.add(&stored.value);
                    }
                }
                let Some(next) = crd::settle_names(&live.value, &taken, &self.clock.now_seconds()) else { break };
                if !self.write_definition_status(&resource, &live, next) {
                    break;
                }
            }
        }
    }

    /// Writes a CRD's status in the server's own name.
    fn write_definition_status(&mut self, resource: &Arc<Resource>, live: &Stored, next: Value) -> bool {
        let options = WriteOptions { manager: "kube-apiserver".to_owned(), ..WriteOptions::default() };
        let key = live.key();
        let target = Target { resource, namespace: &key.0, name: &key.1, subresource: "status" };
        let next = self.ownership(&target).record(Some(&live.value), next, &options);
        match self.commit(resource, live.key(), next) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "A CRD's status could not be written");
                false
            }
        }
    }

    /// Deletes the objects of a terminating CRD and, when nothing is left, the CRD.
    fn end_definition(&mut self, name: &str) {
        let Ok(resource) = self.resource(&definitions()) else { return };
        let Some(live) = self.find(&resource, "", name).filter(|live| is_terminating(&live.value)) else { return };
        if !finalizers(&live.value).contains(&crd::CLEANUP_FINALIZER) {
            return;
        }
        let terminating = live.value["status"]["conditions"].as_array().into_iter().flatten();
        let is_pending = terminating.into_iter().any(|condition| condition["reason"] == "InstanceDeletionPending");
        if is_pending {
            let mut next = Value::clone(&live.value);
            let condition = ("Terminating", "True", "InstanceDeletionInProgress");
            crd::set_condition(
                &mut next,
                condition,
                "CustomResource deletion is in progress",
                &self.clock.now_seconds(),
            );
            // The write notes this work again.
            self.write_definition_status(&resource, &live, next);
            return;
        }
        let Some((plural, group)) = name.split_once('.') else { return };
        let store_key = (group.to_owned(), plural.to_owned());
        let keys: Vec<Key> = self.state.store(&store_key).iter(None, None).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let place = (store_key.clone(), key);
            if let Some((kind, stored)) = self.at(&place).filter(|(_, stored)| !is_terminating(&stored.value)) {
                self.collect(&kind, &place.1, &stored, Propagation::Background);
            }
        }
        if self.state.store(&store_key).len() == 0 {
            let place = (resource.store_key(), (String::new(), name.to_owned()));
            self.drop_finalizer(&resource, &place, crd::CLEANUP_FINALIZER);
        }
    }
}

fn definitions() -> Gvr {
    Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions")
}

enum Owner {
    /// Of a kind nobody serves: left alone.
    Unknown,
    Live,
    /// Being deleted in the foreground.
    Waiting,
    Gone,
    /// In another namespace, where no reference reaches.
    Elsewhere,
    /// In a namespace, while the dependent is in none.
    OutOfScope,
}

fn collector() -> WriteOptions {
    WriteOptions { manager: "kube-controller-manager".to_owned(), ..WriteOptions::default() }
}

/// Tells how far the end of a namespace has come (k8s: `controller/namespace/deletion/status_condition_utils.go`).
fn namespace_conditions(live: &Value, left: &[Place], objects: &[Option<Arc<Stored>>], now: &str) -> Value {
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    let mut waits = std::collections::BTreeMap::<String, usize>::new();
    for (place, stored) in left.iter().zip(objects) {
        let (group, plural) = &place.0;
        *kinds.entry(if group.is_empty() { format!("{plural}.") } else { format!("{plural}.{group}") }).or_default() +=
            1;
        for name in stored.iter().flat_map(|stored| finalizers(&stored.value)) {
            *waits.entry(name.to_owned()).or_default() += 1;
        }
    }
    let told: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect();
    let content = (!left.is_empty()).then(|| format!("Some resources are remaining: {}", told.join(", ")));
    let told: Vec<String> = waits.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let finalizing = (!waits.is_empty())
        .then(|| format!("Some content in the namespace has finalizers remaining: {}", told.join(", ")));
    let rows = [
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered", None, ""),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
            None,
            "",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
            None,
            "",
        ),
        (
            "NamespaceContentRemaining",
            "ContentRemoved",
            "All content successfully removed",
            content,
            "SomeResourcesRemain",
        ),
        (
            "NamespaceFinalizersRemaining",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
            finalizing,
            "SomeFinalizersRemain",
        ),
    ];
    let before = live["status"]["conditions"].as_array();
    rows.into_iter()
        .map(|(kind, fine, fine_message, wrong, wrong_reason)| {
            let status = if wrong.is_some() { "True" } else { "False" };
            let old = before.into_iter().flatten().find(|old| old["type"] == kind && old["status"] == status);
            let since = old.map_or_else(|| json!(now), |old| old["lastTransitionTime"].clone());
            let reason = if wrong.is_some() { wrong_reason } else { fine };
            let message = wrong.unwrap_or_else(|| fine_message.to_owned());
            json!({
                "type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message,
            })
        })
        .collect()
}
