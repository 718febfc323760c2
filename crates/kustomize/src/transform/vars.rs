//! Vars: `$(NAME)` in the fields that may hold it.

use std::collections::{BTreeMap, BTreeSet};

use bowline_yaml::nodes::{Style, Tag};
use serde_json::Value;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::id::Gvk;
use crate::kustomization::Var;
use crate::node::{Kind, Node, NodeId, Store, scalar_value};
use crate::path;

/// What vars stand for.
pub(crate) type Values = BTreeMap<String, Value>;

/// Finds what vars stand for.
pub(crate) fn values(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    vars: &BTreeMap<String, Var>,
) -> Result<Values, BuildError> {
    let mut values = Values::new();
    for (name, var) in vars {
        let holder = objects.iter().find(|id| build.var_names(**id).contains(name));
        let Some(holder) = holder.and_then(|id| build.node(*id)) else {
            return Err(BuildError::new(format!(
                "var '{}' cannot be mapped to a field in the set of known resources",
                shown(var)
            )));
        };
        let parts = index_parts(&var.fieldref.field_path);
        let found = build.store.lookup(holder, &parts, None);
        let missing =
            || BuildError::new(format!("field specified in var '{}' not found in corresponding resource", shown(var)));
        let field = found.ok().flatten().ok_or_else(missing)?;
        let value = field_value(&build.store, field).map_err(|_| missing())?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// A var as Go prints it.
pub(crate) fn shown(var: &Var) -> String {
    let target = &var.objref;
    let gvk = Gvk {
        group: target.group.clone(),
        version: target.version.clone(),
        kind: target.kind.clone(),
        is_cluster_scoped: false,
    };
    format!("{{{} {gvk} {{{}}}}}", var.name, var.fieldref.field_path)
}

/// Takes `a.b[0].c` apart, so that places in lists are parts of their own.
fn index_parts(field_path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in path::split_with_brackets(field_path, '.') {
        let index = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
        match index.filter(|(_, at)| !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((name, at)) => {
                if !name.is_empty() {
                    parts.push(name.to_owned());
                }
                parts.push(at.to_owned());
            }
            None => parts.push(part),
        }
    }
    parts
}

fn field_value(store: &Store, field: NodeId) -> Result<Value, String> {
    let node = &store[field];
    if node.kind != Kind::Scalar {
        return store.value(field);
    }
    match node.tag {
        Tag::Int | Tag::Float | Tag::Bool => scalar_value(&Node { style: Style::Plain, ..node.clone() }),
        _ => Ok(Value::String(node.text.to_string())),
    }
}

/// Puts the values of vars into the fields that may hold them; returns the names that were used.
pub(crate) fn expand(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    values: &Values,
    fields: &[FieldSpec],
) -> Result<BTreeSet<String>, BuildError> {
    let mut used = BTreeSet::new();
    for node in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
        for field in fields {
            each_field(&mut build.store, field, node, None, &mut |store, at| {
                expand_field(store, at, values, &mut used)
            })?;
        }
    }
    Ok(used)
}

fn expand_field(store: &mut Store, at: NodeId, values: &Values, used: &mut BTreeSet<String>) -> Result<(), BuildError> {
    if store[at].is_null() {
        return Ok(());
    }
    match store[at].kind {
        Kind::Scalar => {
            if store[at].is_text() {
                expand_text(store, at, values, used);
            }
            Ok(())
        }
        Kind::Map => {
            for pair in store[at].content.clone().chunks_exact(2) {
                if !store[pair[0]].is_text() {
                    let key = &store[pair[0]];
                    return Err(BuildError::new(format!(
                        "invalid map key: value='{}', tag='{}'",
                        key.text,
                        tag_name(key.tag)
                    )));
                }
                if store[pair[1]].is_text() {
                    expand_text(store, pair[1], values, used);
                }
            }
            Ok(())
        }
        Kind::List => {
            for item in store[at].content.clone() {
                if !store[item].is_text() {
                    return Err(BuildError::new("invalid value type expect a string"));
                }
                expand_text(store, item, values, used);
            }
            Ok(())
        }
        Kind::Nothing => Err(BuildError::new("invalid type encountered 0")),
    }
}

fn tag_name(tag: Tag) -> &'static str {
    match tag {
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Bool => "!!bool",
        Tag::Null => "!!null",
        Tag::Timestamp => "!!timestamp",
        _ => "",
    }
}

fn expand_text(store: &mut Store, at: NodeId, values: &Values, used: &mut BTreeSet<String>) {
    let text = store[at].text.to_string();
    let (new, tag) = match expanded(&text, values, used) {
        Value::String(text) => (text, Tag::Text),
        Value::Bool(value) => (value.to_string(), Tag::Bool),
        Value::Number(number) if number.is_f64() => (number.as_f64().unwrap_or_default().to_string(), Tag::Float),
        other => (other.to_string(), Tag::Int),
    };
    let node = &mut store[at];
    (node.text, node.tag, node.style, node.is_tagged) = (new.as_str().into(), tag, Style::Plain, false);
}

/// Replaces the vars in a text; one that is the whole text keeps its type.
fn expanded(text: &str, values: &Values, used: &mut BTreeSet<String>) -> Value {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        // A dollar at the very end is just that.
        if at + 1 == rest.len() {
            break;
        }
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            let value = values.get(name).filter(|value| !value.is_array() && !value.is_object());
            let whole = format!("$({name})");
            if value.is_some() {
                used.insert(name.to_owned());
            }
            let value = value.cloned().unwrap_or_else(|| Value::String(whole.clone()));
            if text == whole {
                return value;
            }
            match &value {
                Value::String(text) => result.push_str(text),
                other => result.push_str(&go_print(other)),
            }
            rest = after;
        } else {
            result.push('$');
            let next = rest.chars().next().map_or(0, char::len_utf8);
            result.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    result.push_str(rest);
    Value::String(result)
}

/// A value as Go's `%v` prints it.
fn go_print(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            bowline_yaml::nodes::float_text(number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_expanded() {
        let values: Values = [("A".to_owned(), "x".into()), ("N".to_owned(), 5.into())].into();
        for (text, want) in [
            ("$(A)", Value::from("x")),
            ("$(N)", 5.into()),
            ("n=$(N)", "n=5".into()),
            ("$$(A) $(B) $x $", "$(A) $(B) $x $".into()),
            ("$(A", "$(A".into()),
        ] {
            assert_eq!(expanded(text, &values, &mut BTreeSet::new()), want, "{text}");
        }
    }

    #[test]
    fn places_in_lists_are_parts() {
        assert_eq!(index_parts("spec.ports[0].port"), ["spec", "ports", "0", "port"]);
    }
}
