//! Who may change a write, and who may refuse it: built-in plugins, policies and webhooks, in upstream's order.

use serde_json::Value;

use super::{Registry, Target, WriteOptions, meta_text, metadata};
use crate::admission::{self, Operation, Request};
use crate::builtins::Builtins;
use crate::crd;
use crate::error::ApiError;
use crate::ownership::Ownership;
use crate::policies;
use crate::resource::Resource;
use crate::webhooks::{self, Attributes, Rounds};

impl Registry<'_> {
    /// Lets plugins and mutating webhooks change an object; all once more when a webhook has changed it.
    pub(super) fn admit_changes(
        &mut self,
        request: &Request<'_>,
        object: &mut Value,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        let operation = match request.operation {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
        };
        let attributes = Attributes { target: request.target, name: request.name, operation, old: request.old };
        let mut rounds = Rounds::default();
        admission::mutate(self, request, object)?;
        webhooks::mutate(self, &attributes, Some(object), &mut rounds, options)?;
        if rounds.is_second_due {
            rounds.begin_second();
            admission::mutate(self, request, object)?;
            webhooks::mutate(self, &attributes, Some(object), &mut rounds, options)?;
        }
        Ok(())
    }

    /// Does to an object what its kind asks for, once in all runs of a request: an address that was handed out in an
    /// earlier run is not handed out again.
    pub(super) fn prepare_once(
        &mut self,
        target: &Target<'_>,
        old: Option<&Value>,
        object: &mut Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let remembers = self.can_be_asked() && !options.dry_run && target.resource.is("", "services");
        if remembers && let Some(prepared) = self.replay.as_ref().and_then(|replay| replay.prepared(object)) {
            *object = prepared;
            return Ok(());
        }
        let before = remembers.then(|| object.clone());
        match old {
            Some(old) => self.prepare_update(target, old, object, options)?,
            None => self.prepare_create(target, object, options)?,
        }
        if let (Some(before), Some(replay)) = (before, &mut self.replay) {
            replay.prepare(before, object.clone(), old.is_none());
        }
        Ok(())
    }

    fn can_be_asked(&self) -> bool {
        self.state.hooks.as_ref().is_some_and(|hooks| !hooks.is_empty())
    }

    /// Returns whether what a write was given goes back if the write is refused: addresses and ports, unless they are
    /// remembered for the next run.
    pub(super) fn is_returned_if_refused(&self, target: &Target<'_>, options: &WriteOptions) -> bool {
        target.resource.is("", "services") && !options.dry_run && !self.can_be_asked()
    }

    /// Lets policies and validating webhooks refuse a write; `old` is absent for creations.
    pub(super) fn admit_result(
        &mut self,
        target: &Target<'_>,
        name: &str,
        (old, object): (Option<&Value>, &Value),
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        // A name that was made up is known by now.
        let name = if name.is_empty() { meta_text(object, "name") } else { name };
        policies::judge(self, target, name, (old, Some(object)), options)?;
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        webhooks::validate(self, &Attributes { target, name, operation, old }, Some(object), options)
    }

    /// Takes from a custom resource the fields that a webhook added and its schema does not know, as reading it would.
    pub(super) fn drop_unknown(&self, target: &Target<'_>, object: &mut Value) {
        let can_be_asked = self.state.hooks.as_ref().is_some_and(|hooks| !hooks.is_empty());
        if let Some(custom) = target.resource.custom().filter(|custom| can_be_asked && !custom.preserve_unknown) {
            crd::prune_fields(object, &custom.schema, true);
        }
    }

    /// Lets policies and webhooks of both kinds refuse a deletion.
    pub(super) fn admit_deletion(
        &mut self,
        target: &Target<'_>,
        name: &str,
        old: &Value,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        let attributes = Attributes { target, name, operation: "DELETE", old: Some(old) };
        webhooks::mutate(self, &attributes, None, &mut Rounds::default(), options)?;
        policies::judge(self, target, name, (Some(old), None), options)?;
        webhooks::validate(self, &attributes, None, options)
    }

    /// Reads what is posted to a subresource with a kind of its own, such as an eviction.
    pub(crate) fn receive_part(&mut self, target: &Target<'_>, mut object: Value, options: &WriteOptions) -> Value {
        let Some(part) = target.resource.subresource(target.subresource) else { return object };
        if Builtins::get().normalize(&part.gvk.group, &part.gvk.version, &part.gvk.kind, &mut object).is_err() {
            return object;
        }
        metadata(&mut object).insert("namespace".to_owned(), target.namespace.into());
        object["apiVersion"] = part.gvk.api_version().into();
        object["kind"] = part.gvk.kind.as_str().into();
        let mut resource = Resource::clone(target.resource);
        (resource.group, resource.version) = (part.gvk.group.clone(), part.gvk.version.clone());
        resource.kind.clone_from(&part.gvk.kind);
        let catalog = std::sync::Arc::clone(&self.state.catalog);
        let ownership = Ownership { resource: &resource, subresource: target.subresource, catalog, clock: self.clock };
        ownership.record(None, object, options)
    }

    /// Lets webhooks of both kinds refuse what stores nothing of the object in the request, such as a connection or an
    /// eviction, or change it.
    pub(crate) fn admit_action(
        &mut self,
        target: &Target<'_>,
        operation: &'static str,
        object: &mut Value,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        let attributes = Attributes { target, name: target.name, operation, old: None };
        let mut rounds = Rounds::default();
        webhooks::mutate(self, &attributes, Some(object), &mut rounds, options)?;
        if rounds.is_second_due {
            rounds.begin_second();
            webhooks::mutate(self, &attributes, Some(object), &mut rounds, options)?;
        }
        webhooks::validate(self, &attributes, Some(object), options)
    }
}
