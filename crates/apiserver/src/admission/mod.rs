//! Admission: what is filled in or refused once a write is understood and before it is stored.
//!
//! The plugins are those that are on by default in kube-apiserver v1.35, one a file, called in the real server's order:
//! first all that change the object, then, once the object is valid, all that only judge it. `NamespaceLifecycle` comes
//! before both, in the registry, since it decides whether there is a place to create in. Off are the plugins that are
//! off there, such as `EventRateLimit`, and `TaintNodesByCondition`: here a node is ready when it says so.

mod classes;
mod limit_ranger;
mod pod_security;
mod priority;
mod quota;
mod resources;
mod runtime_class;
mod service_account;
mod storage;
mod tolerations;

use std::sync::Arc;

use serde_json::Value;

use crate::error::ApiError;
use crate::registry::{Registry, Target, meta_text};
use crate::resource::Gvr;

pub(crate) use quota::{Charge, frees, recount};

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
}

/// A write on its way to the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) target: &'a Target<'a>,
    /// The name the client gave; empty when the server makes one up.
    pub(crate) name: &'a str,
    /// Whether the object has its name yet; one that is made up comes after the plugins that change it.
    pub(crate) is_named: bool,
    pub(crate) operation: Operation,
    /// The object before an update.
    pub(crate) old: Option<&'a Value>,
}

impl Request<'_> {
    /// Returns whether the write is about a resource itself, not about a subresource of one.
    fn is_of(&self, group: &str, plural: &str) -> bool {
        self.target.resource.is(group, plural) && self.target.subresource.is_empty()
    }

    fn is_create_of(&self, group: &str, plural: &str) -> bool {
        self.operation == Operation::Create && self.is_of(group, plural)
    }

    /// Makes a plugin's 403, which names the object as far as it has a name.
    fn forbid(&self, object: &Value, why: &str) -> ApiError {
        let made_up = if self.is_named { meta_text(object, "name") } else { "" };
        let names = [self.name, self.target.name, made_up, meta_text(object, "generateName")];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
        ApiError::forbidden(self.target.resource, name, why)
    }
}

/// Fills in what the plugins fill in; a plugin may also refuse here.
pub(crate) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, object: &mut Value) -> Result<(), ApiError> {
    if request.target.resource.custom().is_some() {
        return Ok(());
    }
    limit_ranger::mutate(registry, request, object);
    service_account::mutate(registry, request, object)?;
    priority::mutate(registry, request, object)?;
    tolerations::mutate(request, object);
    storage::mutate(registry, request, object);
    runtime_class::mutate(registry, request, object)?;
    classes::mutate(registry, request, object);
    Ok(())
}

/// Judges a valid object; `warnings` go to the client with the reply.
pub(crate) fn validate(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    object: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    if request.target.resource.custom().is_none() {
        limit_ranger::validate(registry, request, object)?;
        service_account::validate(registry, request, object)?;
        pod_security::validate(registry, request, object, warnings)?;
        priority::validate(registry, request, object)?;
        storage::validate(registry, request, object)?;
        runtime_class::validate(registry, request, object)?;
    }
    Ok(())
}

/// Judges the object by the namespace's quotas, last of all, since what others refuse must not be counted.
pub(crate) fn charge(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    object: &Value,
) -> Result<Vec<Charge>, ApiError> {
    quota::check(registry, request, object)
}

/// Writes down what a write used, once nothing stands in its way.
pub(crate) fn collect(registry: &mut Registry<'_>, charges: Vec<Charge>) {
    quota::collect(registry, charges);
}

/// Returns the objects of a built-in kind, of one namespace or of all.
fn all(registry: &mut Registry<'_>, gvr: (&str, &str, &str), namespace: Option<&str>) -> Vec<Arc<Value>> {
    let Ok(resource) = registry.resource(&Gvr::new(gvr.0, gvr.1, gvr.2)) else { return Vec::new() };
    registry.all(&resource, namespace).into_iter().map(|stored| Arc::clone(&stored.value)).collect()
}

/// Returns the containers of a pod: those that run first, then the others, then those added later.
fn containers<'a>(spec: &'a Value, lists: &'a [&'static str]) -> impl Iterator<Item = &'a Value> {
    lists.iter().flat_map(|list| spec[*list].as_array().into_iter().flatten())
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
