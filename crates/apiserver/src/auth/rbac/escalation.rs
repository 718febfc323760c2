//! Nobody may give what they do not have: checks on writes of roles and bindings.
//!
//! After `pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased` of Kubernetes.

use serde_json::Value;
use std::fmt::Write as _;

use super::rules::{self, PolicyRule};
use super::{role_of, rules_for, rules_of};
use crate::auth::{Access, RBAC_GROUP, User, authorize};
use crate::cluster::State;
use crate::error::ApiError;
use crate::registry::{Target, meta_text};
use crate::resource::Resource;

/// Refuses a role or binding that would give somebody more than `user` may do; `old` is what is replaced.
pub(crate) fn check(
    state: &State,
    user: &User,
    target: &Target<'_>,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    let resource = target.resource;
    if resource.group != RBAC_GROUP
        || state.authorization == crate::auth::Authorization::AlwaysAllow
        || user.is_master()
    {
        return Ok(());
    }
    let refuse = |why: String| Err(ApiError::forbidden(resource, meta_text(object, "name"), &why));
    let namespace = target.namespace;
    match resource.plural.as_str() {
        "roles" | "clusterroles" => {
            let access = Access::resource("escalate", RBAC_GROUP, &resource.plural, namespace, target.name);
            if authorize(state, user, &access).is_ok()
                || old.is_some_and(|old| differs_for_collectors_only(object, old))
            {
                return Ok(());
            }
            confirm(state, user, namespace, rules_of(object)).or_else(refuse)?;
            // An aggregating role may gather anything, and be kept from losing anything.
            let aggregates = has_aggregation(object) || old.is_some_and(has_aggregation);
            if resource.plural == "clusterroles" && aggregates && !holds_everything(state, user) {
                return refuse("must have cluster-admin privileges to use the aggregationRule".to_owned());
            }
            Ok(())
        }
        "rolebindings" | "clusterrolebindings" => {
            if old.is_some_and(|old| differs_for_collectors_only(object, old)) {
                return Ok(());
            }
            let role = &object["roleRef"];
            let name = role["name"].as_str().unwrap_or_default();
            let plural = match role["kind"].as_str() {
                Some("ClusterRole") => "clusterroles",
                Some("Role") => "roles",
                _ => "",
            };
            let group = role["apiGroup"].as_str().unwrap_or_default();
            if !plural.is_empty()
                && authorize(state, user, &Access::resource("bind", group, plural, namespace, name)).is_ok()
            {
                return Ok(());
            }
            let role = role_of(state, role, namespace).map_err(|why| role_missing(resource, role, why))?;
            confirm(state, user, namespace, rules_of(&role.value)).or_else(refuse)
        }
        _ => Ok(()),
    }
}

/// Returns the refusal of a binding to a role that is not there; upstream calls the role by the binding's resource.
fn role_missing(resource: &Resource, role: &Value, why: String) -> ApiError {
    match role["kind"].as_str() {
        Some("Role" | "ClusterRole") => ApiError::not_found(resource, role["name"].as_str().unwrap_or_default()),
        _ => ApiError::unforeseen(why),
    }
}

fn has_aggregation(role: &Value) -> bool {
    role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

fn holds_everything(state: &State, user: &User) -> bool {
    let all = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let everything = [
        PolicyRule { verbs: all(&["*"]), groups: all(&["*"]), resources: all(&["*"]), ..PolicyRule::default() },
        PolicyRule { verbs: all(&["*"]), urls: all(&["*"]), ..PolicyRule::default() },
    ];
    rules::missing(&rules_for(state, user, "").0, &everything).is_empty()
}

fn confirm(state: &State, user: &User, namespace: &str, wanted: &[Value]) -> Result<(), String> {
    let (own, errors) = rules_for(state, user, namespace);
    let wanted: Vec<PolicyRule> = wanted.iter().map(PolicyRule::of).collect();
    let missing = rules::missing(&own, &wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        rules::quoted(&user.groups),
        missing.join("\n")
    );
    if let Some(errors) = errors {
        let _ = write!(why, "; resolution errors: [{errors}]");
    }
    Err(why)
}

/// Returns whether only what garbage collectors write has changed.
fn differs_for_collectors_only(object: &Value, old: &Value) -> bool {
    let stripped = |object: &Value| {
        let mut object = object.clone();
        if let Some(meta) = object["metadata"].as_object_mut() {
            for key in ["ownerReferences", "finalizers", "selfLink", "managedFields"] {
                meta.remove(key);
            }
        }
        object
    };
    stripped(object) == stripped(old)
}
