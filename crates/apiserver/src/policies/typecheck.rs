//! What the expressions of a policy would be refused for if the types of what it matches were known; told in its status
//! (k8s: `admission/plugin/policy/validating/typechecking.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::compile::{Knows, declared, variables, variables_type};
use crate::catalog::Catalog;
use crate::cel::types::Type;
use crate::cel::{Expression, named_type_of};
use crate::openapi;
use crate::resource::split_api_version;

/// The most kinds that are looked at for each policy.
const MOST: usize = 10;

/// A kind: its group, version and name.
type Gvk = (String, String, String);

/// Returns the warnings of a policy's `status.typeChecking`.
pub(crate) fn warnings(catalog: &Arc<Catalog>, spec: &Value) -> Vec<Value> {
    let kinds: Vec<(Gvk, Type)> =
        kinds(catalog, spec).into_iter().filter_map(|kind| type_of(catalog, &kind).map(|ty| (kind, ty))).collect();
    let params = &spec["paramKind"];
    let params = params["apiVersion"].as_str().zip(params["kind"].as_str()).and_then(|(api_version, kind)| {
        let (group, version) = split_api_version(api_version);
        type_of(catalog, &(group.to_owned(), version.to_owned(), kind.to_owned()))
    });
    let mut out = Vec::new();
    for (at, validation) in spec["validations"].as_array().into_iter().flatten().enumerate() {
        for field in ["expression", "messageExpression"] {
            let source = validation[field].as_str().unwrap_or_default();
            if source.is_empty() && field == "messageExpression" {
                continue;
            }
            let told: Vec<String> = kinds
                .iter()
                .filter_map(|((group, version, kind), ty)| {
                    let why = check(spec, source, ty, params.as_ref()).err()?;
                    Some(format!("{group}/{version}, Kind={kind}: {why}\n"))
                })
                .collect();
            if !told.is_empty() {
                let field = format!("spec.validations[{at}].{field}");
                out.push(json!({ "fieldRef": field, "warning": told.join("\n") }));
            }
        }
    }
    out
}

/// Compiles an expression that knows the types of the object and the parameters.
fn check(spec: &Value, source: &str, object: &Type, params: Option<&Type>) -> Result<Expression, String> {
    let mut known = variables(Knows { params: false, authorizer: true }, None);
    known.retain(|(name, _)| *name != "authorizer.requestResource");
    for (name, ty) in &mut known {
        if ["object", "oldObject"].contains(name) {
            *ty = object.clone();
        }
    }
    known.extend(params.map(|params| ("params", params.clone())));
    let mut fields = BTreeMap::new();
    for variable in spec["variables"].as_array().into_iter().flatten() {
        let text = |key: &str| variable[key].as_str().unwrap_or_default();
        let mut known = known.clone();
        known.push(("variables", variables_type(&fields)));
        let ty =
            Expression::compile(text("expression"), &known).map_or(Type::Dyn, |expression| declared(&expression.ty));
        fields.insert(text("name").to_owned(), ty);
    }
    known.push(("variables", variables_type(&fields)));
    Expression::compile(source, &known)
}

/// Returns the kinds a policy is for, as far as it names them.
fn kinds(catalog: &Catalog, spec: &Value) -> BTreeSet<Gvk> {
    let mut out = BTreeSet::new();
    for rule in spec["matchConstraints"]["resourceRules"].as_array().into_iter().flatten() {
        let all = |key: &str| {
            let mut all: Vec<&str> = rule[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            all.sort_unstable();
            all
        };
        let (groups, versions, mut resources) = (all("apiGroups"), all("apiVersions"), all("resources"));
        if groups.iter().chain(&versions).any(|one| one.contains('*')) {
            continue;
        }
        resources.retain(|resource| !resource.contains(['*', '/']));
        let mut count = 0;
        for group in groups {
            for version in &versions {
                for resource in &resources {
                    let kinds = catalog.of_version(group, version).filter(|found| found.plural == *resource);
                    for found in kinds {
                        out.insert((group.to_owned(), (*version).to_owned(), found.kind.clone()));
                        count += 1;
                        if count == MOST {
                            return out;
                        }
                    }
                }
            }
        }
    }
    out
}

/// Returns the type of a kind's objects, from its published schema.
fn type_of(catalog: &Arc<Catalog>, (group, version, kind): &Gvk) -> Option<Type> {
    let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
    let document = openapi::of(catalog).document(&path)?;
    let document: Value = serde_json::from_slice(&document.body).ok()?;
    let schemas = document["components"]["schemas"].as_object()?;
    let is_kind = |known: &Value| known["group"] == **group && known["version"] == **version && known["kind"] == **kind;
    let (name, _) = schemas.iter().find(|(_, schema)| {
        schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|kinds| kinds.iter().any(is_kind))
    })?;
    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
    let whole = resolved(&reference, &document, &mut Vec::new());
    named_type_of(&whole, true, kind)
}

/// Puts the schemas that are referred to in the places of the references; one within itself is an object of nothing.
fn resolved<'a>(schema: &'a Value, document: &'a Value, within: &mut Vec<&'a str>) -> Value {
    let wrapped = schema["allOf"].as_array().into_iter().flatten().find_map(|one| one["$ref"].as_str());
    let reference = schema["$ref"].as_str().or(wrapped);
    let Some(reference) = reference else { return resolved_parts(schema, document, within) };
    if within.contains(&reference) {
        return json!({ "type": "object" });
    }
    let Some(target) = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) else {
        return Value::Null;
    };
    within.push(reference);
    let out = resolved_parts(target, document, within);
    within.pop();
    out
}

fn resolved_parts<'a>(schema: &'a Value, document: &'a Value, within: &mut Vec<&'a str>) -> Value {
    let mut out = schema.clone();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        out["properties"][name] = resolved(property, document, within);
    }
    for key in ["additionalProperties", "items"] {
        if schema[key].is_object() {
            out[key] = resolved(&schema[key], document, within);
        }
    }
    out
}
