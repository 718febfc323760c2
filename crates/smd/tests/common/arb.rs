//! Objects of the demonstration kind, at random.

use bowline_smd::TypeRef;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::common::{applied, demo, updated};

fn fields(parts: Vec<(&'static str, Option<Value>)>) -> Value {
    Value::Object(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn text(choices: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(choices).prop_map(Value::from)
}

fn texts(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    btree_map(select(keys), select(&["1", "2"][..]), 1..3).prop_map(|map| json!(map))
}

fn unique(items: Vec<Value>, keys: &[&str]) -> Value {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        if !out.iter().any(|other| keys.iter().all(|key| other.get(key) == item.get(key))) {
            out.push(item);
        }
    }
    json!(out)
}

fn port() -> impl Strategy<Value = Value> {
    (select(&[80, 90][..]), select(&["TCP", "UDP"][..]), of(text(&["p", "q"]))).prop_map(|(port, protocol, name)| {
        fields(vec![("containerPort", Some(json!(port))), ("protocol", Some(json!(protocol))), ("name", name)])
    })
}

fn container() -> impl Strategy<Value = Value> {
    let from = (text(&["k", "l"]), text(&["other", "third"])).prop_map(|(key, name)| json!({"key": key, "name": name}));
    let env = (text(&["e", "f"]), of(text(&["1", "2"])), of(from))
        .prop_map(|(name, value, from)| fields(vec![("name", Some(name)), ("value", value), ("from", from)]));
    (
        text(&["a", "b", "c"]),
        of(text(&["i1", "i2"])),
        of(vec(port(), 1..3).prop_map(|ports| unique(ports, &["containerPort", "protocol"]))),
        of(vec(env, 1..3).prop_map(|env| unique(env, &["name"]))),
        of(vec(text(&["x", "y"]), 1..3).prop_map(Value::from)),
    )
        .prop_map(|(name, image, ports, env, args)| {
            fields(vec![("name", Some(name)), ("image", image), ("ports", ports), ("env", env), ("args", args)])
        })
}

fn set_of(choices: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec(select(choices), 1..3).prop_map(|mut items| {
        items.sort_unstable();
        items.dedup();
        json!(items)
    })
}

fn spec() -> impl Strategy<Value = Value> {
    let rolling = (of(1..3_i64), of(1..3_i64)).prop_filter_map("not empty", |(max, min)| {
        let rolling = fields(vec![("max", max.map(Value::from)), ("min", min.map(Value::from))]);
        (rolling != json!({})).then_some(rolling)
    });
    let scalars = (of(1..4_i64), of(text(&["n", "m"])), of(text(&["1", "2"])), of(Just(json!(true))));
    let lists = (
        of(vec(container(), 1..4).prop_map(|items| unique(items, &["name"]))),
        of(set_of(&["g", "h", "i"])),
        of(vec(text(&["x", "y"]), 1..3).prop_map(Value::from)),
        of(vec(text(&["h", "k"]), 1..3).prop_map(|hosts| {
            json!(hosts.into_iter().map(|host| json!({"host": host, "protocol": "UDP"})).collect::<Vec<_>>())
        })),
    );
    let maps = (of(texts(&["a", "b"])), of(rolling), of(texts(&["x", "y"])));
    (scalars, lists, maps).prop_map(
        |((replicas, note, size, paused), (containers, groups, command, rules), (selector, rolling, extra))| {
            fields(vec![
                ("replicas", replicas.map(Value::from)),
                ("note", note),
                ("size", size),
                ("paused", paused),
                ("containers", containers),
                ("groups", groups),
                ("command", command),
                ("rules", rules),
                ("selector", selector),
                ("strategy", rolling.map(|rolling| json!({"rolling": rolling}))),
                ("extra", extra),
            ])
        },
    )
}

/// A valid object without empty, zero or null values, so that no two ways of writing it mean the same.
pub(crate) fn arb_demo() -> impl Strategy<Value = Value> {
    (spec(), of(texts(&["a", "b", "c"])), of(texts(&["d", "e"])), of(set_of(&["f1", "f2"]))).prop_map(
        |(spec, labels, data, finalizers)| {
            let mut rest = Map::new();
            let metadata = fields(vec![("labels", labels), ("finalizers", finalizers)]);
            if metadata != json!({}) {
                rest.insert("metadata".to_owned(), metadata);
            }
            if spec != json!({}) {
                rest.insert("spec".to_owned(), spec);
            }
            rest.extend(data.map(|data| ("data".to_owned(), data)));
            demo(Value::Object(rest))
        },
    )
}

/// What happened to an object: creations, applies and replacements by several managers.
pub(crate) fn arb_history() -> impl Strategy<Value = Vec<(Value, &'static str, bool)>> {
    vec((arb_demo(), select(&["us", "them", "others"][..]), any::<bool>()), 1..5)
}

/// The object after its history.
pub(crate) fn lived(ty: &TypeRef, history: &[(Value, &'static str, bool)]) -> Value {
    let mut live: Option<Value> = None;
    for (second, (object, manager, is_apply)) in history.iter().enumerate() {
        let now = format!("2001-01-01T00:00:{second:02}Z");
        let next = if *is_apply {
            applied(ty, live.as_ref(), object, manager, &now)
        } else {
            updated(ty, live.as_ref(), object, manager, &now)
        };
        live = Some(next);
    }
    live.expect("a history has a first step")
}

/// One of several, chosen by the test's random source.
pub(crate) fn pick<'a, T>(index: &Index, items: &'a [T]) -> &'a T {
    &items[index.index(items.len())]
}

/// Any value, with names that mean something in objects, schemas, patches and field sets.
pub(crate) fn arb_json() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 24] = [
        "metadata",
        "spec",
        "status",
        "managedFields",
        "labels",
        "finalizers",
        "containers",
        "name",
        "ports",
        "containerPort",
        "groups",
        "type",
        "properties",
        "items",
        "additionalProperties",
        "default",
        "$patch",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/numbers",
        "$retainKeys",
        "f:spec",
        "k:{\"name\":\"a\"}",
        "fieldsV1",
        "manager",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(&["", "a", "1Gi", "object", "array", "string", "delete", "replace", "us", "Apply", "v1"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(select(&NAMES[..]), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}
