//! Fields that others may change: which they are of one object, and what is compared and applied without them.
//!
//! A field that is ignored is taken out of both sides before they are compared, so that a rule counts whatever else the
//! object is: by its place, as a JSON pointer or an expression of jq names it, or by who owns it.

mod jq;

use bowline_model::{DiffRules, IgnoreRule, Object, Pattern};
use bowline_smd::{FieldDrift, Path, PathElement, owners};
use globset::GlobBuilder;
use regex::Regex;
use serde_json::Value;

pub use jq::{ExpressionError, check_expression};

use jq::Key;

/// The rules that are about one object.
pub(crate) struct Ignored<'a> {
    rules: Vec<&'a IgnoreRule>,
}

impl<'a> Ignored<'a> {
    /// Finds the rules for an object; `None` where there are none, which is nearly always.
    pub(crate) fn of(rules: &'a DiffRules, object: &Object) -> Option<Self> {
        let rules: Vec<&IgnoreRule> = rules.ignore.iter().filter(|rule| is_about(rule, object)).collect();
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// Takes the fields out of an object.
    pub(crate) fn strip(&self, object: &Value) -> Value {
        let mut stripped = object.clone();
        for rule in &self.rules {
            for pointer in &rule.pointers {
                if let Some(path) = parse_pointer(pointer) {
                    remove(&mut stripped, &path);
                }
            }
            for expression in &rule.expressions {
                let mut paths = jq::fields(expression, &stripped);
                // The last first: what is before it in a list keeps its place.
                paths.sort();
                for path in paths.iter().rev() {
                    remove(&mut stripped, path);
                }
            }
        }
        stripped
    }

    /// Tells whether a field that departs is one that a trusted manager owns.
    pub(crate) fn trusts(&self, live: &Value, field: &FieldDrift) -> bool {
        self.managers().any(|_| true) && {
            let owners = owners(live, &field.path);
            self.managers().any(|trusted| owners.iter().any(|owner| owner.manager == trusted))
        }
    }

    fn managers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.managers.iter().map(String::as_str))
    }

    /// Gives the fields of an object that is to be applied the values they have.
    fn keep(&self, desired: &mut Value, live: &Value) {
        for rule in &self.rules {
            for pointer in &rule.pointers {
                if let Some(path) = parse_pointer(pointer) {
                    adopt(desired, &path, live, &path);
                }
            }
            for expression in &rule.expressions {
                let (wanted, there) = (jq::fields(expression, desired), jq::fields(expression, live));
                if wanted.len() == there.len() {
                    // What an expression picks of a list may stand elsewhere in the other one.
                    for (path, from) in wanted.iter().zip(&there) {
                        adopt(desired, path, live, from);
                    }
                } else {
                    let by_name = |path: &&Vec<Key>| path.iter().all(|key| matches!(key, Key::Name(_)));
                    for path in wanted.iter().chain(there.iter().filter(by_name)) {
                        adopt(desired, path, live, path);
                    }
                }
            }
        }
    }
}

/// Returns what is to be applied where ignored fields keep their values: `desired`, with those of `live` in it. What is
/// not there stays as it is desired, for it could not be made otherwise.
pub(crate) fn respect(
    rules: &DiffRules,
    desired: &Object,
    live: Option<&Object>,
    drift: impl FnOnce() -> Vec<FieldDrift>,
) -> Option<Object> {
    let live = live.filter(|_| rules.respects)?;
    let ignored = Ignored::of(rules, desired)?;
    let mut kept = desired.value().clone();
    ignored.keep(&mut kept, live.value());
    if ignored.managers().next().is_some() {
        for field in drift().iter().filter(|field| ignored.trusts(live.value(), field)) {
            set_field(&mut kept, &field.path, field.have.as_ref());
        }
    }
    Object::from_value(kept).ok()
}

fn is_about(rule: &IgnoreRule, object: &Object) -> bool {
    let gvk = object.gvk();
    matches(&rule.group, &gvk.group)
        && matches(&rule.kind, &gvk.kind)
        && matches(&rule.version, &gvk.version)
        && matches(&rule.namespace, object.namespace())
        && matches(&rule.name, object.name())
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    match pattern {
        Pattern::Any => true,
        Pattern::Glob(glob) if !glob.contains(['*', '?', '[', '{', '\\']) => glob == text,
        Pattern::Glob(glob) => GlobBuilder::new(glob).build().is_ok_and(|glob| glob.compile_matcher().is_match(text)),
        Pattern::Whole(regex) => Regex::new(&format!("^(?:{regex})$")).is_ok_and(|regex| regex.is_match(text)),
    }
}

/// Reads a JSON pointer; `None` for one that names the whole object, or nothing.
fn parse_pointer(pointer: &str) -> Option<Vec<Key>> {
    let parts = pointer.strip_prefix('/')?.split('/').map(|part| Key::Name(part.replace("~1", "/").replace("~0", "~")));
    Some(parts.collect())
}

fn at<'v>(value: &'v Value, key: &Key) -> Option<&'v Value> {
    match (value, key) {
        (Value::Object(fields), Key::Name(name)) => fields.get(name),
        (Value::Array(items), Key::Index(index)) => items.get(*index),
        // A pointer does not say whether it means a list.
        (Value::Array(items), Key::Name(name)) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

fn at_mut<'v>(value: &'v mut Value, key: &Key) -> Option<&'v mut Value> {
    match (value, key) {
        (Value::Object(fields), Key::Name(name)) => fields.get_mut(name),
        (Value::Array(items), Key::Index(index)) => items.get_mut(*index),
        (Value::Array(items), Key::Name(name)) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}

fn remove(value: &mut Value, path: &[Key]) {
    let Some((last, way)) = path.split_last() else { return };
    let Some(parent) = way.iter().try_fold(value, at_mut) else { return };
    match (parent, last) {
        (Value::Object(fields), Key::Name(name)) => {
            fields.remove(name);
        }
        (Value::Array(items), key) => {
            let index = match key {
                Key::Index(index) => Some(*index),
                Key::Name(name) => name.parse().ok(),
            };
            if let Some(index) = index.filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Gives a field the value that another has, or takes it off where there is none.
fn adopt(desired: &mut Value, path: &[Key], live: &Value, from: &[Key]) {
    let Some(have) = from.iter().try_fold(live, at) else { return remove(desired, path) };
    let Some((last, way)) = path.split_last() else { return };
    let Some(parent) = way.iter().try_fold(desired, at_mut) else { return };
    if let Some(field) = at_mut(parent, last) {
        field.clone_from(have);
    } else if let (Value::Object(fields), Key::Name(name)) = (parent, last) {
        fields.insert(name.clone(), have.clone());
    }
}

/// Gives the field at a path a value, where what holds it is there.
fn set_field(value: &mut Value, path: &Path, have: Option<&Value>) {
    let Some((last, way)) = path.elements().split_last() else { return };
    let Some(parent) = way.iter().try_fold(value, step_mut) else { return };
    match (parent, last, have) {
        (Value::Object(fields), PathElement::Field(name), Some(have)) => {
            fields.insert(name.clone(), have.clone());
        }
        (Value::Object(fields), PathElement::Field(name), None) => {
            fields.remove(name);
        }
        (parent, last, Some(have)) => match step_mut(parent, last) {
            Some(item) => item.clone_from(have),
            None => {
                if let Value::Array(items) = parent {
                    items.push(have.clone());
                }
            }
        },
        (Value::Array(items), last, None) => items.retain(|item| !is_item(item, last)),
        _ => {}
    }
}

fn step_mut<'v>(value: &'v mut Value, element: &PathElement) -> Option<&'v mut Value> {
    match (value, element) {
        (Value::Object(fields), PathElement::Field(name)) => fields.get_mut(name),
        (Value::Array(items), PathElement::Index(index)) => items.get_mut(usize::try_from(*index).ok()?),
        (Value::Array(items), element) => items.iter_mut().find(|item| is_item(item, element)),
        _ => None,
    }
}

fn is_item(item: &Value, element: &PathElement) -> bool {
    match element {
        PathElement::Key(keys) => keys.iter().all(|(name, want)| item.get(name).is_some_and(|have| want.matches(have))),
        PathElement::Value(want) => want.matches(item),
        PathElement::Field(_) | PathElement::Index(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use bowline_smd::{TypeRef, drift};
    use serde_json::json;

    use super::*;

    fn object(replicas: u32, images: &[(&str, &str)]) -> Object {
        let containers: Vec<Value> = images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "annotations": {"a/b": "1"}},
            "spec": {"replicas": replicas, "containers": containers},
        }))
        .expect("is an object")
    }

    fn rule(pointers: &[&str], expressions: &[&str]) -> IgnoreRule {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        IgnoreRule {
            group: Pattern::Glob("apps".to_owned()),
            kind: Pattern::Glob("Deployment".to_owned()),
            pointers: texts(pointers),
            expressions: texts(expressions),
            ..IgnoreRule::default()
        }
    }

    fn rules(rule: IgnoreRule) -> DiffRules {
        DiffRules { ignore: vec![rule], respects: true }
    }

    #[test]
    fn patterns_pick_objects() {
        let web = object(1, &[]);
        let glob = |text: &str| Pattern::Glob(text.to_owned());
        let whole = |text: &str| Pattern::Whole(text.to_owned());
        for (pattern, text, want) in [
            (Pattern::Any, "", true),
            (glob("*"), "", true),
            (glob("*"), "apps", true),
            (glob(""), "apps", false),
            (glob(""), "", true),
            (glob("*.example.com"), "a.b.example.com", true),
            (glob("apps"), "appsx", false),
            (whole("web|api"), "web", true),
            (whole("web"), "webx", false),
            (whole("["), "[", false),
        ] {
            assert_eq!(matches(&pattern, text), want, "{pattern:?} {text:?}");
        }
        for (rule, want) in [
            (rule(&[], &[]), true),
            (IgnoreRule { name: glob("other"), ..rule(&[], &[]) }, false),
            (IgnoreRule { namespace: glob("shop"), ..rule(&[], &[]) }, true),
            (IgnoreRule { group: glob(""), ..rule(&[], &[]) }, false),
            (IgnoreRule::default(), true),
        ] {
            assert_eq!(Ignored::of(&rules(rule.clone()), &web).is_some(), want, "{rule:?}");
        }
    }

    #[test]
    fn ignored_fields_are_taken_out() {
        let web = object(3, &[("a", "x"), ("b", "y"), ("c", "z")]);
        for (rule, gone) in [
            (rule(&["/spec/replicas"], &[]), &["/spec/replicas"][..]),
            (rule(&["/metadata/annotations/a~1b"], &[]), &["/metadata/annotations/a~1b"]),
            (rule(&["/spec/containers/2"], &[]), &["/spec/containers/2"]),
            (rule(&["/nothing/here", "no pointer", "/spec/containers/9", "/spec/containers/x"], &[]), &[]),
            (rule(&[], &[".spec.containers[] | select(.name != \"b\")"]), &["/spec/containers/1"]),
            (rule(&[], &[".spec.containers[].image"]), &["/spec/containers/0/image", "/spec/containers/2/image"]),
        ] {
            let stripped = Ignored::of(&rules(rule.clone()), &web).expect("is about it").strip(web.value());
            for pointer in gone {
                assert_eq!(stripped.pointer(pointer), None, "{rule:?}: {pointer}");
            }
            assert_eq!(stripped == *web.value(), gone.is_empty(), "{rule:?}");
        }
        let expression = rules(rule(&[], &[".spec.containers[] | select(.name != \"b\")"]));
        let left = Ignored::of(&expression, &web).expect("is about it").strip(web.value());
        assert_eq!(left["spec"]["containers"], json!([{"name": "b", "image": "y"}]));
    }

    #[test]
    fn ignored_fields_keep_their_values() {
        let desired = object(1, &[("a", "x"), ("proxy", "old")]);
        let live = object(9, &[("proxy", "new"), ("a", "other")]);
        let kept = |rule: IgnoreRule| {
            respect(&rules(rule), &desired, Some(&live), Vec::new).expect("something is kept").value().clone()
        };
        assert_eq!(kept(rule(&["/spec/replicas"], &[]))["spec"]["replicas"], 9);
        assert_eq!(kept(rule(&["/spec/nothing"], &[])), *desired.value());
        let proxy = kept(rule(&[], &[".spec.containers[] | select(.name == \"proxy\") | .image"]));
        let images = json!([{"name": "a", "image": "x"}, {"name": "proxy", "image": "new"}]);
        assert_eq!(proxy["spec"]["containers"], images, "wherever it stands");
        let mut bare = object(0, &[]);
        bare.value_mut()["spec"].as_object_mut().expect("a map").remove("replicas");
        let gone = respect(&rules(rule(&["/spec/replicas"], &[])), &desired, Some(&bare), Vec::new);
        assert_eq!(gone.expect("something is kept").at("/spec/replicas"), None, "what somebody took off stays off");
        let rule = rule(&["/spec/replicas"], &[]);
        assert_eq!(respect(&rules(rule.clone()), &desired, None, Vec::new), None, "what is not there is made");
        let others = DiffRules { respects: false, ..rules(rule) };
        assert_eq!(respect(&others, &desired, Some(&live), Vec::new), None);
    }

    #[test]
    fn fields_of_trusted_managers_are_theirs() {
        let desired = object(1, &[("a", "x")]);
        let mut live = object(9, &[("a", "other")]);
        live.value_mut()["metadata"]["managedFields"] = json!([
            {"manager": "scaler", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
             "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ]);
        let trusting = |manager: &str| IgnoreRule { managers: vec![manager.to_owned()], ..rule(&[], &[]) };
        let found = drift(&TypeRef::deduced(), desired.value(), live.value(), "us");
        let left = |manager: &str| {
            let rules = rules(trusting(manager));
            let ignored = Ignored::of(&rules, &desired).expect("is about it");
            let left = found.iter().filter(|field| !ignored.trusts(live.value(), field));
            left.map(|field| field.path.to_string()).collect::<Vec<_>>()
        };
        assert!(left("other").contains(&".spec.replicas".to_owned()));
        assert!(!left("scaler").contains(&".spec.replicas".to_owned()) && !left("scaler").is_empty());
        let kept = respect(&rules(trusting("scaler")), &desired, Some(&live), || found.clone()).expect("is kept");
        assert_eq!(kept.at("/spec/replicas"), Some(&json!(9)));
        assert_eq!(kept.at("/spec/containers/0/image"), Some(&json!("x")));
    }
}
