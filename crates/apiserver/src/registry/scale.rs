//! The `scale` subresource: `autoscaling/v1 Scale` as a window on three fields of an object.

use serde_json::{Map, Value, json};

use super::meta_text;
use crate::builtins::Builtins;
use crate::error::{ApiError, Cause};
use crate::resource::Resource;
use crate::selector;

/// Where an object keeps its scale, as JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) spec: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

impl ScalePaths {
    pub(crate) fn of(resource: &Resource) -> Result<Self, ApiError> {
        if let Some(custom) = resource.custom() {
            return custom.scale.clone().ok_or_else(ApiError::no_such_resource);
        }
        Ok(Self {
            spec: "/spec/replicas".to_owned(),
            status: "/status/replicas".to_owned(),
            selector: Some("/spec/selector".to_owned()),
        })
    }
}

/// Refuses to show the scale of a custom resource that has no replicas.
pub(crate) fn check_present(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let path = ScalePaths::of(resource)?.spec;
    if resource.custom().is_none() || object.pointer(&path).is_some() {
        return Ok(());
    }
    let message = format!("the spec replicas field {:?} does not exist", path.replace('/', "."));
    let cause = Cause { reason: "", message: message.clone(), field: String::new() };
    let message = format!("Internal error occurred: {message}");
    Err(ApiError::new(500, "InternalError", message).with_causes(vec![cause]))
}

/// Shows an object's scale.
pub(crate) fn read(resource: &Resource, object: &Value) -> Result<Value, ApiError> {
    let paths = ScalePaths::of(resource)?;
    if resource.custom().is_some() && object.pointer(&paths.spec).is_none() {
        let field = paths.spec.replace('/', ".");
        return Err(internal(format!("the spec replicas field {field:?} does not exist")));
    }
    peek(resource, object)
}

/// What [`read`] shows, with no replicas where an object says nothing of them.
pub(super) fn peek(resource: &Resource, object: &Value) -> Result<Value, ApiError> {
    let paths = ScalePaths::of(resource)?;
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let mut meta = Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            meta.insert(key.to_owned(), value.clone());
        }
    }
    let mut scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta,
        "spec": {}, "status": { "replicas": number(&paths.status) },
    });
    if number(&paths.spec) != 0 {
        scale["spec"]["replicas"] = json!(number(&paths.spec));
    }
    match paths.selector.and_then(|path| object.pointer(&path)) {
        Some(Value::String(text)) => scale["status"]["selector"] = json!(text),
        Some(selector @ Value::Object(_)) => {
            scale["status"]["selector"] = json!(selector::print_label_selector(selector));
        }
        _ => {}
    }
    Ok(scale)
}

/// Returns the object with the scale's replicas.
pub(crate) fn write(resource: &Resource, name: &str, object: &Value, scale: &Value) -> Result<Value, ApiError> {
    let given = meta_text(scale, "name");
    if !given.is_empty() && given != name {
        let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(ApiError::bad_request(message));
    }
    // A custom resource's replicas are checked with the rest of it.
    let replicas = match resource.custom() {
        Some(_) => scale["spec"]["replicas"].as_i64().unwrap_or(0),
        None => replicas(name, scale)?,
    };
    let mut object = object.clone();
    put(&mut object, &ScalePaths::of(resource)?.spec, replicas);
    Ok(object)
}

/// Reads a scale as its kind says.
pub(crate) fn decode(scale: &mut Value) -> Result<(), ApiError> {
    let refuse = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {why}"))
    };
    Builtins::get().normalize("autoscaling", "v1", "Scale", scale).map(drop).map_err(|error| refuse(&error))
}

fn internal(why: String) -> ApiError {
    let message = format!("Internal error occurred: {why}");
    let cause = Cause { reason: "", message: why, field: String::new() };
    ApiError::new(500, "InternalError", message).with_causes(vec![cause])
}

fn replicas(name: &str, scale: &Value) -> Result<i64, ApiError> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas >= 0 {
        return Ok(replicas);
    }
    let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
    Err(ApiError::invalid("autoscaling", "Scale", name, vec![cause]))
}

/// Puts a number at a pointer, making the objects on the way.
fn put(object: &mut Value, pointer: &str, number: i64) {
    let mut at = object;
    for step in pointer.trim_start_matches('/').split('/') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[step];
    }
    *at = json!(number);
}
