//! Names that tell of the content: a hash after the name of what is generated.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::build::{Build, ObjectId, go_json};
use crate::error::BuildError;
use crate::node::{Kind, NodeId, Store};
use crate::resource::NEEDS_HASH;

/// Puts hashes after the names of what is generated.
pub(crate) fn add_hashes(build: &mut Build<'_>, objects: &[ObjectId]) -> Result<(), BuildError> {
    for id in objects {
        let Some(node) = build.node(*id) else { continue };
        if !build.store.is_enabled(node, NEEDS_HASH) {
            continue;
        }
        let hash = hash(&build.store, node)?;
        build.store.store_previous_id(node)?;
        let name = format!("{}-{hash}", build.store.name(node));
        build.store.set_name(node, &name)?;
    }
    Ok(())
}

fn hash(store: &Store, object: NodeId) -> Result<String, BuildError> {
    let kind = store.kind(object);
    let text = match kind {
        "ConfigMap" => encoded(store, object, &["data"], "binaryData")?,
        "Secret" => encoded(store, object, &["type", "data"], "stringData")?,
        _ => {
            return Err(BuildError::new(format!("cannot hash a {kind}"))
                .with_help("let only config maps and secrets have names with a hash"));
        }
    };
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 15]);
    // No digit that could be taken for a letter, and no vowels.
    let letters = b"gh2k456789mbcdtf";
    Ok(hex.map(|digit| char::from(letters[usize::from(digit)])).collect())
}

/// The content as Kustomize writes it for the hash. The name is never in it: it is looked for in a field that is called
/// `metadata/name`.
fn encoded(store: &Store, object: NodeId, fields: &[&str], optional: &str) -> Result<String, BuildError> {
    let mut map = Map::new();
    map.insert("kind".to_owned(), store.kind(object).into());
    map.insert("name".to_owned(), "".into());
    for field in fields {
        map.insert((*field).to_owned(), content(store, object, field)?);
    }
    match content(store, object, optional)? {
        value @ Value::Object(_) => map.insert(optional.to_owned(), value),
        _ => None,
    };
    Ok(go_json(&Value::Object(map)))
}

fn content(store: &Store, object: NodeId, field: &str) -> Result<Value, BuildError> {
    let Some(node) = store.field(object, field) else { return Ok("".into()) };
    if store[node].kind == Kind::Scalar {
        return Ok(store[node].text.to_string().into());
    }
    store.value(node).map_err(BuildError::new)
}
