//! Decisions by the roles and bindings stored in the cluster.
//!
//! Bindings are looked at in order of their names, cluster-wide ones first; the first rule that allows is the reason
//! given (k8s: `pkg/registry/rbac/validation/rule.go`).

pub(super) mod aggregate;
pub(crate) mod escalation;
pub(super) mod rules;

use std::sync::Arc;

use serde_json::Value;

use self::rules::PolicyRule;
use super::user::service_account_name;
use super::{Access, RBAC_GROUP, User};
use crate::cluster::State;
use crate::store::Stored;

/// Decides; the text is the reason, empty when nothing is known that could help.
pub(super) fn authorize(state: &State, user: &User, access: &Access) -> Result<String, String> {
    let mut allowed = None;
    let mut errors = Vec::new();
    let namespace = match &access.subject {
        super::Subject::Resource { namespace, .. } => namespace.as_str(),
        super::Subject::Path(_) => "",
    };
    visit(state, user, namespace, &mut |grant| {
        match grant {
            Grant::Rules { rules, binding } if rules.iter().any(|rule| rules::allows(rule, access)) => {
                allowed = Some(format!("RBAC: allowed by {}", binding.describe()));
            }
            Grant::Rules { .. } => {}
            Grant::Broken(why) => errors.push(why),
        }
        allowed.is_none()
    });
    match (allowed, errors.is_empty()) {
        (Some(reason), _) => Ok(reason),
        (None, true) => Err(String::new()),
        (None, false) => Err(format!("RBAC: {}", together(&errors))),
    }
}

/// Returns all rules that apply to a user in a namespace, and what stood in the way of finding more.
pub(crate) fn rules_for(state: &State, user: &User, namespace: &str) -> (Vec<PolicyRule>, Option<String>) {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    visit(state, user, namespace, &mut |grant| {
        match grant {
            Grant::Rules { rules, .. } => all.extend(rules.iter().map(PolicyRule::of)),
            Grant::Broken(why) => errors.push(why),
        }
        true
    });
    let error = (!errors.is_empty()).then(|| together(&errors));
    (all, error)
}

/// Prints several errors as Go's aggregates do: each once, in brackets when there are several.
fn together(errors: &[String]) -> String {
    let mut told: Vec<&str> = Vec::new();
    for error in errors {
        if !told.contains(&error.as_str()) {
            told.push(error);
        }
    }
    if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) }
}

/// What one binding gives.
enum Grant<'a> {
    Rules { rules: &'a [Value], binding: Binding<'a> },
    Broken(String),
}

/// A binding and the subject by which it applies.
struct Binding<'a> {
    object: &'a Value,
    subject: &'a Value,
    namespace: &'a str,
}

impl Binding<'_> {
    fn describe(&self) -> String {
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let name = text(&self.object["metadata"], "name");
        let (kind, name) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", name)
        } else {
            ("RoleBinding", format!("{name}/{}", self.namespace))
        };
        let role = &self.object["roleRef"];
        let subject_kind = text(self.subject, "kind");
        let mut subject = text(self.subject, "name");
        if subject_kind == "ServiceAccount" {
            let namespace = match text(self.subject, "namespace") {
                empty if empty.is_empty() => self.namespace.to_owned(),
                namespace => namespace,
            };
            subject = format!("{subject}/{namespace}");
        }
        format!("{kind} {name:?} of {} {:?} to {subject_kind} {subject:?}", text(role, "kind"), text(role, "name"))
    }
}

/// Shows `look` every binding that applies, until it has seen enough.
fn visit(state: &State, user: &User, namespace: &str, look: &mut dyn FnMut(Grant<'_>) -> bool) {
    for (plural, namespace) in [("clusterrolebindings", ""), ("rolebindings", namespace)] {
        if plural == "rolebindings" && namespace.is_empty() {
            return;
        }
        let Some(store) = state.stores.get(&(RBAC_GROUP.to_owned(), plural.to_owned())) else { continue };
        for (_, stored) in store.iter(Some(namespace), None) {
            let object: &Value = &stored.value;
            let subjects = object["subjects"].as_array().map_or(&[][..], Vec::as_slice);
            let Some(subject) = subjects.iter().find(|subject| applies(subject, user, namespace)) else { continue };
            let goes_on = match role_of(state, &object["roleRef"], namespace) {
                Ok(role) => {
                    look(Grant::Rules { rules: rules_of(&role.value), binding: Binding { object, subject, namespace } })
                }
                Err(why) => look(Grant::Broken(why)),
            };
            if !goes_on {
                return;
            }
        }
    }
}

fn applies(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str().unwrap_or_default() {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = subject["namespace"].as_str().filter(|own| !own.is_empty()).unwrap_or(namespace);
            !own.is_empty() && user.name == service_account_name(own, name)
        }
        _ => false,
    }
}

/// Returns the role a binding names, or the words of its absence.
fn role_of(state: &State, role: &Value, namespace: &str) -> Result<Arc<Stored>, String> {
    let name = role["name"].as_str().unwrap_or_default();
    let kind = role["kind"].as_str().unwrap_or_default();
    let (plural, namespace) = match kind {
        "Role" => ("roles", namespace),
        "ClusterRole" => ("clusterroles", ""),
        _ => return Err(format!("unsupported role reference kind: {kind:?}")),
    };
    let store = state.stores.get(&(RBAC_GROUP.to_owned(), plural.to_owned()));
    let key = (namespace.to_owned(), name.to_owned());
    store
        .and_then(|store| store.get(&key))
        .ok_or_else(|| format!("{}.{RBAC_GROUP} {name:?} not found", kind.to_lowercase()))
}

fn rules_of(role: &Value) -> &[Value] {
    role["rules"].as_array().map_or(&[], Vec::as_slice)
}
