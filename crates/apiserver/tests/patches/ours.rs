//! What our library answers to a question, in the form of the Go program's answers.

use bowline_apiserver::builtins::Builtins;
use bowline_smd::{
    Gvk, PatchError, PatchLookup, Precondition, ThreeWay, ThreeWayError, TypeRef, json_merge_patch, patches_conflict,
    strategic_merge, three_way_json_patch, three_way_patch, two_way_patch, values_conflict,
};
use serde_json::{Value, json};

pub(crate) fn answer(ask: &Value) -> Value {
    match compute(ask) {
        Ok(value) => json!({ "value": value }),
        Err(error) => json!({ "error": error }),
    }
}

fn compute(ask: &Value) -> Result<Value, String> {
    let preconditions = preconditions(ask);
    let objects = ThreeWay {
        original: &ask["original"],
        modified: &ask["modified"],
        current: &ask["current"],
        preconditions: &preconditions,
    };
    let lookup = if ask["schema"] == "openapi" { PatchLookup::OpenApi } else { PatchLookup::GoTypes };
    let ty = || type_of(ask["kind"].as_str().expect("the question has a kind"));
    let told = |error: ThreeWayError| error.told(bowline_yaml::to_yaml);
    let refused = |error: PatchError| error.to_string();
    match ask["do"].as_str().expect("the question has a sort") {
        "two-way" => two_way_patch(&ty(), lookup, objects.original, objects.modified, &preconditions).map_err(told),
        "three-way" => three_way_patch(&ty(), lookup, objects, ask["overwrite"] == true).map_err(told),
        "apply" => strategic_merge(&ty(), objects.original, &ask["patch"]).map_err(refused),
        "conflicts" => patches_conflict(&ty(), lookup, &ask["left"], &ask["right"]).map(Value::from).map_err(refused),
        "json-two-way" => json_merge_patch(objects.original, objects.modified).map_err(told),
        "json-three-way" => three_way_json_patch(objects).map_err(told),
        "json-conflicts" => Ok(json!(values_conflict(&ask["left"], &ask["right"]))),
        other => panic!("not a question: {other}"),
    }
    .map(with_whole_numbers)
}

fn preconditions(ask: &Value) -> Vec<Precondition> {
    let names = ask["preconditions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names
        .map(|name| match name {
            "apiVersion" => Precondition::KeyUnchanged("apiVersion"),
            "kind" => Precondition::KeyUnchanged("kind"),
            "metadata.name" => Precondition::MetadataKeyUnchanged("name"),
            other => panic!("not a precondition of any question: {other}"),
        })
        .collect()
}

/// The type of `apps/v1/Deployment`.
pub(crate) fn type_of(kind: &str) -> TypeRef {
    let (version, kind) = kind.rsplit_once('/').expect("a kind has a version");
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let schemas = Builtins::get().schemas(group, version).unwrap_or_else(|| panic!("no schemas of {group}/{version}"));
    schemas.type_of(&Gvk::new(group, version, kind)).unwrap_or_else(|| panic!("no type of {kind}"))
}

/// Go writes a float without a fraction as a whole number.
#[expect(clippy::cast_possible_truncation, reason = "only what fits is made whole")]
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 1e15 { json!(float as i64) } else { Value::Number(number) }
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, with_whole_numbers(value))).collect(),
        other => other,
    }
}
