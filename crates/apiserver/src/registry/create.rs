//! Creation.

use std::sync::Arc;

use serde_json::{Value, json};

use super::devices;
use super::{Registry, Target, WriteOptions, is_terminating, meta, meta_text, metadata};
use crate::admission::{self, Operation, Request};
use crate::auth::requests;
use crate::builtins::Builtins;
use crate::error::{ApiError, Cause};
use crate::resource::Gvr;
use crate::rules;

/// Longest base of a generated name; five letters are added (k8s: `apiserver/pkg/storage/names`).
const MAX_GENERATED_BASE: usize = 58;

/// How often a clash of a generated name is answered with another one, as upstream.
const GENERATE_ATTEMPTS: usize = 8;

impl Registry<'_> {
    /// Creates an object and returns it in the target's version.
    ///
    /// The target's name is empty for a POST, and set when a PUT or an apply creates.
    pub(crate) fn create(
        &mut self,
        target: &Target<'_>,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        meta::check_kind_of(target, &mut object)?;
        rules::decode(target.resource, &mut object, options)?;
        self.create_decoded(target, object, options)
    }

    /// Creates an object whose body is read.
    pub(super) fn create_decoded(
        &mut self,
        target: &Target<'_>,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        meta::check_names_given(target, &mut object)?;
        if !meta_text(&object, "resourceVersion").is_empty() {
            return Err(ApiError::unforeseen("resourceVersion should not be set on objects to be created"));
        }
        self.admit(target, &object)?;
        self.identify(target, &mut object, None, options)?;
        // What only a deletion sets is wiped before owners are told; what only the server sets, before anybody is asked.
        let is_posted = target.name.is_empty();
        let wiped: &[&str] = if is_posted { &["uid", "creationTimestamp", "selfLink"] } else { &[] };
        for key in ["deletionTimestamp", "deletionGracePeriodSeconds"].iter().chain(wiped) {
            metadata(&mut object).remove(*key);
        }
        meta::tell_owners_apart(&mut object, "", options);
        let mut object = self.record_given(target, None, object, options);
        let asked = meta_text(&object, "name").to_owned();
        self.admit_changes(&new(target, &asked), &mut object, options)?;
        meta::tell_owners_apart(&mut object, meta::AFTER_ADMISSION, options);
        if resource.has_status() && resource.custom().is_some() {
            remove(&mut object, "status");
        }
        self.initialise(target, &mut object)?;
        self.insert(target, &asked, object, options)
    }

    /// Creates what an apply configures; `config` names its own fields only.
    pub(super) fn create_applied(
        &mut self,
        target: &Target<'_>,
        config: &Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        let mut object = self.ownership(target).apply(None, config, options)?.0;
        options.applied = true;
        rules::decode(resource, &mut object, options).map_err(|error| super::update::unfit(target, config, error))?;
        let uid = meta_text(&object, "uid");
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(resource, target.name, &why));
        }
        meta::check_names(target, &object)?;
        self.admit(target, &object)?;
        self.identify(target, &mut object, None, options)?;
        if resource.namespaced {
            metadata(&mut object).insert("namespace".to_owned(), json!(target.namespace));
        }
        self.admit_changes(&new(target, target.name), &mut object, options)?;
        meta::tell_owners_apart(&mut object, meta::AFTER_ADMISSION, options);
        // What is not stored keeps the revision it was given.
        if !options.dry_run {
            metadata(&mut object).remove("resourceVersion");
        }
        if resource.has_status() && resource.custom().is_some() {
            remove(&mut object, "status");
        }
        self.initialise(target, &mut object)?;
        self.insert(target, target.name, object, options)
    }

    /// Refuses new content where there can be none.
    fn admit(&mut self, target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
        let names = [target.name, meta_text(object, "name"), meta_text(object, "generateName")];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
        if target.resource.custom().is_some() {
            let definitions = self.resource(&Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"))?;
            let definition = self.find(&definitions, "", &target.resource.qualified());
            if definition.is_some_and(|definition| is_terminating(&definition.value)) {
                let why = "create not allowed while custom resource definition is terminating";
                return Err(ApiError::forbidden(target.resource, name, why));
            }
        }
        if !target.resource.namespaced {
            return Ok(());
        }
        let namespaces = self.resource(&Gvr::new("", "v1", "namespaces"))?;
        let Some(namespace) = self.find(&namespaces, "", target.namespace) else {
            return Err(ApiError::namespace_not_found(target.namespace));
        };
        if is_terminating(&namespace.value) {
            let ns = target.namespace;
            let why = format!("unable to create new content in namespace {ns} because it is being terminated");
            return Err(ApiError::forbidden(target.resource, name, &why).with_causes(vec![Cause {
                reason: "NamespaceTerminating",
                message: format!("namespace {ns} is being terminated"),
                field: "metadata.namespace".to_owned(),
            }]));
        }
        Ok(())
    }

    /// Gives an object its name, uid and birthday, and takes what only the server may set.
    fn initialise(&mut self, target: &Target<'_>, object: &mut Value) -> Result<(), ApiError> {
        let name = self.choose_name(target, object)?;
        let uid = self.state.random.uid();
        let now = self.clock.now_seconds();
        let meta = metadata(object);
        for key in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            meta.remove(key);
        }
        meta.insert("name".to_owned(), json!(name));
        if target.resource.namespaced {
            meta.insert("namespace".to_owned(), json!(target.namespace));
        } else {
            meta.remove("namespace");
        }
        meta.insert("uid".to_owned(), json!(uid));
        meta.insert("creationTimestamp".to_owned(), json!(now));
        if rules::starts_generations(target.resource) {
            meta.insert("generation".to_owned(), json!(1));
        }
        object["apiVersion"] = json!(target.resource.api_version());
        object["kind"] = json!(target.resource.kind);
        Ok(())
    }

    fn choose_name(&mut self, target: &Target<'_>, object: &Value) -> Result<String, ApiError> {
        let given = meta_text(object, "name");
        let name = if given.is_empty() { target.name } else { given };
        if !name.is_empty() {
            return Ok(name.to_owned());
        }
        let base = meta_text(object, "generateName");
        if base.is_empty() && target.resource.is("", "limitranges") {
            return Ok(self.state.random.uid());
        }
        if base.is_empty() && target.resource.custom().is_none() {
            // It is told with whatever else is wrong.
            return Ok(String::new());
        }
        if base.is_empty() {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(ApiError::invalid(&target.resource.group, &target.resource.kind, "", vec![cause]));
        }
        let base: String = base.chars().take(MAX_GENERATED_BASE).collect();
        for _ in 0..GENERATE_ATTEMPTS {
            let name = format!("{base}{}", self.state.random.suffix(5));
            if self.find(target.resource, target.namespace, &name).is_none() {
                return Ok(name);
            }
        }
        Err(ApiError::already_exists(target.resource, &base))
    }

    /// Stores a new object, if nobody objects; `asked` is the name its client gave, empty when it is made up.
    fn insert(
        &mut self,
        target: &Target<'_>,
        asked: &str,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        self.prepare_once(target, None, &mut object, options)?;
        let prepared = self.is_returned_if_refused(target, options).then(|| object.clone());
        let stored = self.insert_prepared(target, asked, object, options);
        if let (Some(prepared), Err(_)) = (prepared, &stored) {
            self.state.allocator.release(&prepared);
        }
        stored
    }

    fn insert_prepared(
        &mut self,
        target: &Target<'_>,
        asked: &str,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        let name = meta_text(&object, "name").to_owned();
        let mut causes = Vec::new();
        if resource.custom().is_some() {
            causes = meta::validate(resource, &object, None);
        }
        causes.extend(devices::mistakes(self, target, &object, None));
        let given = rules::as_given(resource, &object, options);
        causes.extend(rules::validate(resource, "", (&object, &*given), None, &mut options.warnings));
        causes.extend(requests::mistakes(target, &given, None));
        if !causes.is_empty() {
            return Err(ApiError::invalid(&resource.group, &resource.kind, &name, causes));
        }
        options.warnings.extend(rules::warnings(resource, &given));
        self.check_create_by_update(target, options)?;
        let request = Request { is_named: true, ..new(target, asked) };
        admission::validate(self, &request, &given, &mut options.warnings)?;
        self.admit_result(target, asked, (None, &object), options)?;
        self.drop_unknown(target, &mut object);
        let charges = admission::charge(self, &request, &object)?;
        if let Some(live) = self.find(resource, target.namespace, &name) {
            let mut error = ApiError::already_exists(resource, &name);
            if is_terminating(&live.value) {
                error.message = format!("object is being deleted: {}", error.message);
            }
            return Err(error);
        }
        if resource.custom().is_none() {
            Builtins::get().read_back(&resource.group, &resource.version, &resource.kind, &mut object);
        }
        if options.dry_run {
            return Ok(Self::shown(target, self.read_back(resource, object)?));
        }
        admission::collect(self, charges);
        let is_read_otherwise = rules::is_read_otherwise(resource, &object, &self.state.catalog);
        let stored = self.commit(resource, (target.namespace.to_owned(), name), object)?;
        if let Some(replay) = &mut self.replay {
            replay.take_prepared();
        }
        self.settle_form(resource, &stored, options, is_read_otherwise);
        options.came_to = Some(Arc::clone(&stored));
        Ok(rules::present(resource, &stored.value))
    }
}

/// A creation; its object has no name yet where the server makes one up.
fn new<'a>(target: &'a Target<'a>, asked: &'a str) -> Request<'a> {
    let is_named = !asked.is_empty() || !target.name.is_empty();
    Request { target, name: asked, is_named, operation: Operation::Create, old: None }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}
