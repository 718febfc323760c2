//! A kind with one of everything, and what is done to objects of it.

use bowline_smd::{ApplyRequest, Gvk, Schemas, Set, TypeRef, UpdateRequest, apply, update};
use serde_json::{Value, json};

pub(crate) const API_VERSION: &str = "demo.example/v1";

pub(crate) fn demo_type() -> TypeRef {
    let mut schemas = Schemas::new();
    schemas.add_openapi_v3(include_bytes!("../openapi.json")).expect("the document parses");
    schemas.type_of(&Gvk::new("demo.example", "v1", "Demo")).expect("the document has the kind")
}

pub(crate) fn demo(rest: Value) -> Value {
    let mut object = json!({"apiVersion": API_VERSION, "kind": "Demo", "metadata": {"name": "d", "namespace": "n"}});
    overlay(&mut object, rest);
    object
}

fn overlay(target: &mut Value, rest: Value) {
    match (target, rest) {
        (Value::Object(target), Value::Object(rest)) => {
            for (name, value) in rest {
                overlay(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, rest) => *target = rest,
    }
}

pub(crate) fn applied(ty: &TypeRef, live: Option<&Value>, config: &Value, manager: &str, now: &str) -> Value {
    let reset_fields = Set::new();
    let request = ApplyRequest {
        ty,
        empty: None,
        live,
        config,
        manager,
        api_version: API_VERSION,
        subresource: "",
        force: true,
        now,
        reset_fields: &reset_fields,
        versions: None,
    };
    with_uid(apply(request).expect("a forced apply of a valid object").object)
}

pub(crate) fn updated(ty: &TypeRef, live: Option<&Value>, new: &Value, manager: &str, now: &str) -> Value {
    let reset_fields = Set::new();
    let request = UpdateRequest {
        ty,
        live,
        new,
        manager,
        api_version: API_VERSION,
        subresource: "",
        now,
        reset_fields: &reset_fields,
        versions: None,
    };
    with_uid(update(request).expect("an update of a valid object"))
}

fn with_uid(mut object: Value) -> Value {
    object["metadata"]["uid"] = json!("u-1");
    object
}
