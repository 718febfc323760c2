//! Types as read from OpenAPI documents and CRD schemas.

use bowline_smd::{
    Format, Gvk, Kind, ListRelation, ScalarKind, Schemas, Set, TypeRef, UpdateRequest, from_structural, to_set, update,
    validate,
};
use serde_json::{Value, json};

fn schemas(documents: &[Value]) -> Schemas {
    let mut schemas = Schemas::new();
    for document in documents {
        schemas.add_openapi_v3(document.to_string().as_bytes()).expect("the document parses");
    }
    schemas
}

fn document(components: Value) -> Value {
    json!({"openapi": "3.0.0", "paths": {"/x": {"get": {}}}, "components": {"schemas": components}})
}

fn paths(ty: &TypeRef, value: &Value) -> Vec<String> {
    to_set(ty, value).paths().iter().map(ToString::to_string).collect()
}

#[test]
fn kinds_are_found_and_walked() {
    let schemas = schemas(&[serde_json::from_str(include_str!("openapi.json")).expect("the document parses")]);
    let kind = Gvk::new("demo.example", "v1", "Demo");
    assert_eq!(schemas.kinds().collect::<Vec<_>>(), [&kind]);
    let demo = schemas.type_of(&kind).expect("the kind");
    let spec = demo.field("spec").expect("a field");
    let at = |name: &str| spec.field(name).expect("a field");
    assert_eq!(at("replicas").kind(), Kind::Scalar(ScalarKind::Numeric));
    assert_eq!(at("replicas").format(), Format::Int32);
    assert_eq!(at("size").format(), Format::Quantity);
    assert_eq!(at("surge").format(), Format::IntOrString);
    assert_eq!(at("since").format(), Format::DateTime);
    assert_eq!(at("groups").kind(), Kind::List(&ListRelation::Set));
    assert_eq!(at("command").kind(), Kind::List(&ListRelation::Atomic));
    assert_eq!(at("containers").kind(), Kind::List(&ListRelation::Map(["name".into()].into())));
    assert!(matches!(at("selector").kind(), Kind::Map { atomic: true, additional: true, .. }));
    assert!(at("extra").preserves_unknown());
    let container = at("containers").item().expect("items");
    assert!(container.declared("name").is_some_and(|field| field.required));
    let port = container.field("ports").and_then(|ports| ports.item()).expect("a port");
    assert_eq!(port.default_of("protocol"), Some(&json!("TCP")));
    assert_eq!(at("limits").field("anything").map(|limit| limit.format()), Some(Format::Quantity));
    assert!(spec.field("unheard-of").is_none());
    assert!(schemas.named("example.Container").is_some());
    assert!(schemas.named("example.Nothing").is_none());
    assert!(schemas.type_of(&Gvk::new("", "v1", "Nothing")).is_none());
}

#[test]
fn types_that_contain_themselves_are_walked_as_deep_as_the_value() {
    let tree = json!({"tree.Node": {"type": "object",
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Tree"}],
        "properties": {"name": {"type": "string"},
            "child": {"$ref": "#/components/schemas/tree.Node"},
            "children": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"$ref": "#/components/schemas/tree.Node"}}}}});
    let ty = schemas(&[document(tree)]).type_of(&Gvk::new("", "v1", "Tree")).expect("the kind");
    let value = json!({"child": {"child": {"name": "x"}}, "children": [{"name": "y", "children": [{"name": "z"}]}]});
    assert_eq!(validate(&ty, &value), Ok(()));
    assert!(paths(&ty, &value).contains(&".children[name=\"y\"].children[name=\"z\"].name".to_owned()));
    let wrong = json!({"child": {"child": {"nme": "x"}}});
    assert_eq!(
        validate(&ty, &wrong).expect_err("a misspelt field").to_string(),
        ".child.child.nme: field not declared in schema"
    );
}

#[test]
fn a_later_document_replaces_components_and_old_handles_keep_theirs() {
    let of = |kind: &str| {
        document(json!({
            "Shared": {"type": "object", "properties": {"a": {"type": kind}}},
            "Root": {"type": "object", "properties": {"shared": {"allOf": [{"$ref": "#/components/schemas/Shared"}]}},
                "x-kubernetes-group-version-kind": [{"group": "g", "version": "v1", "kind": "Root"}]}}))
    };
    let root = Gvk::new("g", "v1", "Root");
    let mut all = schemas(&[of("string")]);
    let before = all.type_of(&root).expect("the kind");
    all.add_openapi_v3(of("integer").to_string().as_bytes()).expect("the document parses");
    let after = all.type_of(&root).expect("the kind");
    let value = json!({"shared": {"a": 1}});
    assert!(validate(&before, &value).is_err());
    assert_eq!(validate(&after, &value), Ok(()));
    assert!(all.add_openapi_v3(b"not a document").is_err());
    assert!(all.type_of(&root).is_some());
}

#[test]
fn a_reference_to_a_component_that_never_came_is_untyped() {
    let root = json!({"Root": {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/Missing"}},
        "x-kubernetes-group-version-kind": [{"group": "g", "version": "v1", "kind": "Root"}]}});
    let ty = schemas(&[document(root)]).type_of(&Gvk::new("g", "v1", "Root")).expect("the kind");
    assert_eq!(paths(&ty, &json!({"x": {"a": [1]}})), [".x"]);
}

#[test]
fn custom_resources_get_the_metadata_every_object_has() {
    let ty = from_structural(&json!({"type": "object", "properties": {
        "metadata": {"type": "object"},
        "spec": {"type": "object", "properties": {
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": true,
                "x-kubernetes-preserve-unknown-fields": true}}}}}));
    let object = json!({
        "apiVersion": "x/v1", "kind": "X",
        "metadata": {"labels": {"a": "1"}, "finalizers": ["f"], "ownerReferences": [{"uid": "u", "name": "n"}]},
        "spec": {"port": "http", "free": {"known": {"a": "1", "b": 2}, "other": [{"x": 1}]},
                 "embedded": {"apiVersion": "v1", "metadata": {"labels": {"l": "1"}}, "data": {"k": "v"}}}});
    assert_eq!(validate(&ty, &object), Ok(()));
    let mut found = paths(&ty, &object);
    found.sort();
    assert_eq!(
        found,
        [
            ".apiVersion",
            ".kind",
            ".metadata.finalizers[=\"f\"]",
            ".metadata.labels.a",
            ".metadata.ownerReferences[uid=\"u\"]",
            ".spec.embedded.apiVersion",
            ".spec.embedded.data",
            ".spec.embedded.data.k",
            ".spec.embedded.metadata.labels.l",
            ".spec.free.known.a",
            ".spec.free.known.b",
            ".spec.free.other",
            ".spec.port",
        ]
    );
    let unknown = json!({"spec": {"prot": 1}});
    assert_eq!(
        validate(&ty, &unknown).expect_err("a misspelt field").to_string(),
        ".spec.prot: field not declared in schema"
    );
}

#[test]
fn nonsense_for_a_schema_gives_the_deduced_type() {
    let ty = from_structural(&json!("nonsense"));
    assert_eq!(paths(&ty, &json!({"a": {"b": [1, 2]}})), [".a", ".a.b"]);
}

/// A create of a built-in object does not own the fields Go writes for every object of the type.
#[test]
fn creators_of_built_in_objects_own_no_structs_held_by_value() {
    let components = json!({
        "Workload": {"type": "object",
            "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Workload"}],
            "properties": {
                "metadata": {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}], "default": {}},
                "spec": {"allOf": [{"$ref": "#/components/schemas/WorkloadSpec"}], "default": {}}}},
        "WorkloadSpec": {"type": "object", "required": ["items", "name"], "properties": {
            "name": {"type": "string", "default": ""},
            "pointer": {"type": "object", "properties": {"a": {"type": "string"}}},
            "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"}}}}}}});
    let ty = schemas(&[document(components)]).type_of(&Gvk::new("apps", "v1", "Workload")).expect("the kind");
    assert_eq!(ty.zero_value(), json!({"metadata": {}, "spec": {"items": null, "name": ""}}));
    let new = json!({"metadata": {"name": "w"}, "spec": {"name": "", "pointer": {"a": "1"}, "items": [{"name": "i"}]}});
    let reset_fields = Set::new();
    let created = update(UpdateRequest {
        ty: &ty,
        live: None,
        new: &new,
        manager: "m",
        api_version: "apps/v1",
        subresource: "",
        now: "2001-01-01T00:00:00Z",
        reset_fields: &reset_fields,
        versions: None,
    });
    let created = created.expect("a valid object");
    assert_eq!(
        created["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:pointer": {".": {}, "f:a": {}}, "f:items": {"k:{\"name\":\"i\"}": {".": {}, "f:name": {}}}}})
    );
}
