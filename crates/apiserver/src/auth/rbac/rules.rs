//! One rule of a role: what it allows, and whether it covers another.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{Access, Subject};

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicyRule {
    pub(crate) verbs: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) urls: Vec<String>,
}

fn texts<'a>(rule: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    rule[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Returns whether a stored rule allows an access.
pub(super) fn allows(rule: &Value, access: &Access) -> bool {
    if !texts(rule, "verbs").any(|verb| verb == "*" || verb == access.verb) {
        return false;
    }
    match &access.subject {
        Subject::Path(path) => texts(rule, "nonResourceURLs").any(|url| url == "*" || covers_url(url, path)),
        Subject::Resource { group, resource, subresource, name, .. } => {
            texts(rule, "apiGroups").any(|have| have == "*" || have == group)
                && texts(rule, "resources").any(|have| matches_resource(have, resource, subresource))
                && (texts(rule, "resourceNames").next().is_none()
                    || texts(rule, "resourceNames").any(|have| have == name))
        }
    }
}

fn matches_resource(have: &str, resource: &str, subresource: &str) -> bool {
    if have == "*" {
        return true;
    }
    match have.split_once('/') {
        None => subresource.is_empty() && have == resource,
        Some((parent, sub)) => !subresource.is_empty() && sub == subresource && (parent == "*" || parent == resource),
    }
}

fn covers_url(owner: &str, url: &str) -> bool {
    owner == url || (owner.ends_with('*') && url.starts_with(owner.trim_end_matches('*')))
}

fn has(set: &[String], what: &str) -> bool {
    set.iter().any(|have| have == what)
}

impl PolicyRule {
    /// Reads a stored rule.
    pub(crate) fn of(rule: &Value) -> Self {
        let list = |key| texts(rule, key).map(str::to_owned).collect();
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
        }
    }

    /// Returns the rule as reviews list it, with the given keys only.
    pub(crate) fn to_json(&self, keys: &[&str]) -> Value {
        let mut out = Map::new();
        for key in keys {
            let list = match *key {
                "verbs" => &self.verbs,
                "apiGroups" => &self.groups,
                "resources" => &self.resources,
                "resourceNames" => &self.names,
                _ => &self.urls,
            };
            // Verbs are listed even when there are none.
            if !list.is_empty() || *key == "verbs" {
                out.insert((*key).to_owned(), json!(list));
            }
        }
        Value::Object(out)
    }

    /// Takes a rule apart into rules of one verb, group, resource and name each.
    fn parts(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut out = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part =
                        Self { verbs: one(verb), groups: one(group), resources: one(resource), ..Self::default() };
                    if self.names.is_empty() {
                        out.push(part);
                    } else {
                        out.extend(self.names.iter().map(|name| Self { names: one(name), ..part.clone() }));
                    }
                }
            }
        }
        for url in &self.urls {
            out.extend(self.verbs.iter().map(|verb| Self { verbs: one(verb), urls: one(url), ..Self::default() }));
        }
        out
    }

    /// Returns whether this rule allows all that a part of another does.
    fn covers(&self, part: &Self) -> bool {
        let all = |set: &[String], want: &[String]| want.iter().all(|want| has(set, want));
        (has(&self.verbs, "*") || all(&self.verbs, &part.verbs))
            && (has(&self.groups, "*") || all(&self.groups, &part.groups))
            && (has(&self.resources, "*") || part.resources.iter().all(|want| self.covers_resource(want)))
            && (self.names.is_empty() || (!part.names.is_empty() && all(&self.names, &part.names)))
            && part.urls.iter().all(|url| self.urls.iter().any(|owner| covers_url(owner, url)))
    }

    fn covers_resource(&self, want: &str) -> bool {
        has(&self.resources, want)
            || want.split_once('/').is_some_and(|(_, sub)| has(&self.resources, &format!("*/{sub}")))
    }

    /// Prints the rule as refusals of escalation do.
    fn describe(&self) -> String {
        let lists = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let told: Vec<String> = lists
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        format!("{{{}}}", told.join(", "))
    }
}

/// Prints a list of texts as Go's `%q` does.
pub(in crate::auth) fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// Returns what `owner` lacks of `wanted`, one line a resource, sorted; empty when it lacks nothing.
pub(super) fn missing(owner: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<String> {
    let parts = wanted.iter().flat_map(PolicyRule::parts);
    let lacking = parts.filter(|part| !owner.iter().any(|rule| rule.covers(part)));
    let mut told = std::collections::BTreeSet::new();
    // Verbs of one resource and name are told in one line.
    let mut joined: BTreeMap<(String, String, Option<String>), PolicyRule> = BTreeMap::new();
    for part in lacking {
        let ([group], [resource]) = (&part.groups[..], &part.resources[..]) else {
            told.insert(part.describe());
            continue;
        };
        let key = (group.clone(), resource.clone(), part.names.first().cloned());
        match joined.get_mut(&key) {
            Some(rule) => rule.verbs.extend(part.verbs),
            None => drop(joined.insert(key, part)),
        }
    }
    told.extend(joined.values().map(PolicyRule::describe));
    told.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
    }

    #[test]
    fn rules_allow_what_they_name() {
        let rows = [
            (rule(&[""], &["pods"], &["get"]), "get", "", "pods", true),
            (rule(&[""], &["pods"], &["get"]), "get", "", "pods/log", false),
            (rule(&[""], &["*/log"], &["get"]), "get", "", "pods/log", true),
            (rule(&["*"], &["*"], &["*"]), "watch", "apps", "deployments/scale", true),
            (rule(&["apps"], &["pods"], &["get"]), "get", "", "pods", false),
            (rule(&[""], &["pods/*"], &["get"]), "get", "", "pods/log", false),
        ];
        for (rule, verb, group, resource, want) in rows {
            assert_eq!(allows(&rule, &Access::resource(verb, group, resource, "a", "x")), want, "{rule} {resource}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_resource() {
        let owner = [PolicyRule::of(&rule(&[""], &["pods"], &["get"]))];
        let wanted = [PolicyRule::of(&rule(&[""], &["pods", "secrets"], &["get", "list"]))];
        assert_eq!(
            missing(&owner, &wanted),
            [
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["list"]}"#,
                r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}"#,
            ]
        );
    }
}
