//! What counts as drift, case by case.

mod common;

use bowline_smd::{Gvk, Operation, Schemas, TypeRef, drift, from_structural};
use common::{applied, demo, demo_type, updated};
use serde_json::{Value, json};

/// Drift as text: path, wanted and live value.
fn told(ty: &TypeRef, desired: &Value, live: &Value) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    drift(ty, desired, live, "us")
        .iter()
        .map(|drift| format!("{} wants {} has {}", drift.path, text(&drift.want), text(&drift.have)))
        .collect()
}

/// A live object that nobody owns, with these values.
fn told_of(desired: Value, live: Value) -> Vec<String> {
    told(&demo_type(), &demo(desired), &demo(live))
}

#[test]
fn values_are_compared_as_the_server_reads_them() {
    let same = [
        (json!({"spec": {"size": "1000m"}}), json!({"spec": {"size": "1"}})),
        (json!({"spec": {"size": 1}}), json!({"spec": {"size": "1"}})),
        (json!({"spec": {"limits": {"cpu": 0.5}}}), json!({"spec": {"limits": {"cpu": "500m"}}})),
        (json!({"spec": {"limits": {"memory": "1024Mi"}}}), json!({"spec": {"limits": {"memory": "1Gi"}}})),
        (json!({"spec": {"replicas": 1.0}}), json!({"spec": {"replicas": 1}})),
        (json!({"spec": {"since": "2026-01-01T01:00:00+01:00"}}), json!({"spec": {"since": "2026-01-01T00:00:00Z"}})),
        (json!({"spec": {"note": null}}), json!({"spec": {}})),
        (json!({"spec": {"containers": [], "limits": {}, "groups": []}}), json!({"spec": {}})),
        (json!({"metadata": {"labels": {}}}), json!({})),
        (json!({"status": {"phase": "R"}}), json!({"status": {"phase": "S"}})),
        (json!({"metadata": {"uid": "1", "creationTimestamp": null}}), json!({"metadata": {"uid": "2"}})),
        // What only the live object has is somebody else's business.
        (json!({"spec": {"replicas": 1}}), json!({"spec": {"replicas": 1, "note": "x"}, "data": {"a": "1"}})),
        // Items of associative lists have no order.
        (json!({"spec": {"groups": ["g", "h"]}}), json!({"spec": {"groups": ["i", "h", "g"]}})),
        (
            json!({"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "name": "web"}]}]}}),
            json!({"spec": {"containers": [{"name": "sidecar"}, {"name": "c", "image": "i",
                "ports": [{"containerPort": 80, "protocol": "UDP"},
                          {"containerPort": 80, "protocol": "TCP", "name": "web"}]}]}}),
        ),
        // Inside atomic values, what the schema gives by default.
        (json!({"spec": {"rules": [{"host": "h"}]}}), json!({"spec": {"rules": [{"host": "h", "protocol": "TCP"}]}})),
        (
            json!({"spec": {"containers": [{"name": "c", "env": [{"name": "e", "from": {"key": "k"}}]}]}}),
            json!({"spec": {"containers": [{"name": "c", "env": [{"name": "e", "from": {"key": "k", "name": "main"}}]}]}}),
        ),
    ];
    for (desired, live) in same {
        assert_eq!(told_of(desired.clone(), live.clone()), Vec::<String>::new(), "{desired} over {live}");
    }
}

#[test]
fn differences_are_told_by_path() {
    let cases = [
        (json!({"spec": {"replicas": 2}}), json!({"spec": {"replicas": 1}}), vec![".spec.replicas wants 2 has 1"]),
        (json!({"spec": {"size": "1G"}}), json!({"spec": {"size": "1Gi"}}), vec![r#".spec.size wants "1G" has "1Gi""#]),
        (json!({"spec": {"surge": "1"}}), json!({"spec": {"surge": 1}}), vec![r#".spec.surge wants "1" has 1"#]),
        (
            json!({"metadata": {"labels": {"a": "1"}}}),
            json!({}),
            vec![r#".metadata.labels wants {"a":"1"} has nothing"#],
        ),
        (
            json!({"spec": {"command": ["a", "b"]}}),
            json!({"spec": {"command": ["b", "a"]}}),
            vec![r#".spec.command wants ["a","b"] has ["b","a"]"#],
        ),
        (
            json!({"spec": {"containers": [{"name": "c", "image": "1"}, {"name": "d"}]}}),
            json!({"spec": {"containers": [{"name": "c", "image": "2"}]}}),
            vec![
                r#".spec.containers[name="c"].image wants "1" has "2""#,
                r#".spec.containers[name="d"] wants {"name":"d"} has nothing"#,
            ],
        ),
        (
            json!({"spec": {"groups": ["g"]}}),
            json!({"spec": {"groups": ["h"]}}),
            vec![r#".spec.groups[="g"] wants "g" has nothing"#],
        ),
        // A live field inside an atomic value that is not a default.
        (
            json!({"spec": {"rules": [{"host": "h"}]}}),
            json!({"spec": {"rules": [{"host": "h", "protocol": "UDP"}]}}),
            vec![r#".spec.rules wants [{"host":"h"}] has [{"host":"h","protocol":"UDP"}]"#],
        ),
        // Zero values nobody owns are missing.
        (json!({"spec": {"paused": false}}), json!({"spec": {}}), vec![".spec.paused wants false has nothing"]),
        (json!({"spec": {"strategy": {}}}), json!({"spec": {}}), vec![".spec.strategy wants {} has nothing"]),
        (
            json!({"spec": {"strategy": {"type": "R"}}}),
            json!({"spec": {"strategy": "R"}}),
            vec![r#".spec.strategy wants {"type":"R"} has "R""#],
        ),
    ];
    for (desired, live, want) in cases {
        assert_eq!(told_of(desired.clone(), live.clone()), want, "{desired} over {live}");
    }
}

#[test]
fn zero_values_the_server_dropped_are_in_sync() {
    let ty = demo_type();
    let desired = demo(json!({"spec": {"paused": false, "note": "", "replicas": 0, "strategy": {"rolling": {}},
        "rules": [{"host": "h", "enabled": false}]}}));
    let mut live = applied(&ty, None, &desired, "us", "2001-01-01T00:00:00Z");
    // What the decoder of a typed server does to such values.
    live["spec"] = json!({"rules": [{"host": "h", "protocol": "TCP"}]});
    assert_eq!(told(&ty, &desired, &live), Vec::<String>::new());
    let changed = demo(json!({"spec": {"paused": true, "rules": [{"host": "h", "enabled": true}]}}));
    let found = told(&ty, &changed, &live);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_we_no_longer_set_must_go() {
    let ty = demo_type();
    let before = demo(json!({"metadata": {"labels": {"a": "1", "b": "1"}},
        "spec": {"replicas": 1, "note": "n", "containers": [{"name": "c", "image": "i"}, {"name": "d"}]}}));
    let live = applied(&ty, None, &before, "us", "2001-01-01T00:00:00Z");
    let desired = demo(json!({"metadata": {"labels": {"a": "1"}},
        "spec": {"replicas": 1, "containers": [{"name": "c"}]}}));
    assert_eq!(
        told(&ty, &desired, &live),
        [
            r#".metadata.labels.b wants nothing has "1""#,
            r#".spec.containers[name="c"].image wants nothing has "i""#,
            r#".spec.containers[name="d"] wants nothing has {"name":"d"}"#,
            r#".spec.note wants nothing has "n""#,
        ]
    );
    // Another manager's fields stay.
    assert_eq!(drift(&ty, &desired, &live, "somebody"), vec![]);
}

#[test]
fn drift_names_the_latest_owner() {
    let ty = demo_type();
    let desired = demo(json!({"spec": {"replicas": 1, "note": "n"}}));
    let live = applied(&ty, None, &desired, "us", "2001-01-01T00:00:00Z");
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(5);
    let live = updated(&ty, Some(&live), &scaled, "hpa", "2001-01-01T00:00:01Z");
    let live = applied(&ty, Some(&live), &demo(json!({"spec": {"replicas": 5}})), "them", "2001-01-01T00:00:02Z");
    let live = applied(
        &ty,
        Some(&live),
        &demo(json!({"spec": {"replicas": 5, "paused": true}})),
        "them",
        "2001-01-01T00:00:03Z",
    );
    let found = drift(&ty, &desired, &live, "us");
    assert_eq!(found.len(), 1);
    let owner = found[0].owner.as_ref().expect("an owner");
    assert_eq!((owner.manager.as_str(), owner.operation), ("them", Operation::Apply));
    assert_eq!(owner.time.as_deref(), Some("2001-01-01T00:00:03Z"));
    assert_eq!((found[0].want.clone(), found[0].have.clone()), (Some(json!(1)), Some(json!(5))));
}

#[test]
fn string_data_of_a_secret_is_data() {
    let ty = TypeRef::deduced();
    let secret = |rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        for (name, value) in rest.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        object
    };
    let desired = secret(json!({"data": {"a": "MQ=="}, "stringData": {"a": "2", "b": "3"}}));
    let live = secret(json!({"data": {"a": "Mg==", "b": "Mw=="}}));
    assert_eq!(told(&ty, &desired, &live), Vec::<String>::new());
    let live = secret(json!({"data": {"a": "Mg==", "b": "NA=="}}));
    assert_eq!(told(&ty, &desired, &live), [r#".data.b wants "Mw==" has "NA==""#]);
}

#[test]
fn code_defaults_of_built_in_types_are_no_drift() {
    let document = json!({"components": {"schemas": {
        "io.k8s.api.rbac.v1.RoleBinding": {
            "type": "object",
            "x-kubernetes-group-version-kind": [{"group": "rbac.authorization.k8s.io", "version": "v1", "kind": "RoleBinding"}],
            "properties": {
                "roleRef": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.rbac.v1.RoleRef"}]},
                "subjects": {"type": "array", "x-kubernetes-list-type": "atomic",
                    "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.rbac.v1.Subject"}]}}}},
        "io.k8s.api.rbac.v1.RoleRef": {"type": "object", "x-kubernetes-map-type": "atomic",
            "properties": {"apiGroup": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}}},
        "io.k8s.api.rbac.v1.Subject": {"type": "object", "x-kubernetes-map-type": "atomic",
            "properties": {"apiGroup": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}}}}}});
    let mut schemas = Schemas::new();
    schemas.add_openapi_v3(document.to_string().as_bytes()).expect("the document parses");
    let ty = schemas.type_of(&Gvk::new("rbac.authorization.k8s.io", "v1", "RoleBinding")).expect("the kind");
    let desired = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]});
    let group = "rbac.authorization.k8s.io";
    let live = json!({"roleRef": {"apiGroup": group, "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "u"}]});
    assert_eq!(told(&ty, &desired, &live), Vec::<String>::new());
    let live = json!({"roleRef": {"apiGroup": "other", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "u"}]});
    assert_eq!(told(&ty, &desired, &live).len(), 1);
}

#[test]
fn limits_default_from_each_other() {
    let quantities = json!({"type": "object", "additionalProperties": {
        "$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}});
    let document = json!({"components": {"schemas": {
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "io.k8s.api.core.v1.LimitRangeItem": {"type": "object", "properties": {
            "type": {"type": "string", "default": ""}, "min": quantities, "max": quantities, "default": quantities,
            "defaultRequest": quantities}},
        "io.k8s.api.core.v1.LimitRange": {"type": "object",
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "LimitRange"}],
            "properties": {"limits": {"type": "array", "x-kubernetes-list-type": "atomic",
                "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.LimitRangeItem"}]}}}}}}});
    let mut schemas = Schemas::new();
    schemas.add_openapi_v3(document.to_string().as_bytes()).expect("the document parses");
    let ty = schemas.type_of(&Gvk::new("", "v1", "LimitRange")).expect("the kind");
    let desired = json!({"limits": [{"type": "Container", "max": {"cpu": "2000m"}, "min": {"memory": "1Mi"},
        "default": {"memory": "1024Mi"}}]});
    let live = |cpu: &str| {
        json!({"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"},
            "default": {"cpu": cpu, "memory": "1Gi"}, "defaultRequest": {"cpu": cpu, "memory": "1Gi"}}]})
    };
    assert_eq!(told(&ty, &desired, &live("2")), Vec::<String>::new());
    assert_eq!(told(&ty, &desired, &live("1")).len(), 1);
}

#[test]
fn custom_resources_drift_by_their_own_schema() {
    let ty = from_structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "routes": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["host", "path"],
            "items": {"type": "object", "properties": {
                "host": {"type": "string"}, "path": {"type": "string", "default": "/"}, "to": {"type": "string"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}));
    let desired = json!({"metadata": {"finalizers": ["f"]}, "spec": {"routes": [{"host": "h", "to": "a"}], "free": {"x": [1, {"y": 2}]}}});
    let live = json!({"metadata": {"finalizers": ["g", "f"]},
        "spec": {"routes": [{"host": "h", "path": "/other"}, {"host": "h", "path": "/", "to": "a"}],
                 "free": {"x": [1, {"y": 2}], "z": 1}}});
    assert_eq!(told(&ty, &desired, &live), Vec::<String>::new());
    let live = json!({"metadata": {"finalizers": ["g", "f"]},
        "spec": {"routes": [{"host": "h", "path": "/", "to": "b"}], "free": {"x": [1, {"y": 3}]}}});
    assert_eq!(
        told(&ty, &desired, &live),
        [
            r#".spec.free.x wants [1,{"y":2}] has [1,{"y":3}]"#,
            r#".spec.routes[host="h",path="/"].to wants "a" has "b""#,
        ]
    );
}
