//! Finding all fields that a path with wildcards and conditions names.

use regex::Regex;

use crate::error::BuildError;
use crate::field::{Create, is_list_index, part_kind, split_list_index};
use crate::node::{Kind, Node, NodeId, Store};

/// Returns all nodes that a path leads to; `None` where nothing answers to it.
///
/// Parts are names, numbers, `*`, and `[field=pattern]`.
pub(crate) fn match_path(
    store: &mut Store,
    from: NodeId,
    path: &[String],
    create: Create,
) -> Result<Option<Vec<NodeId>>, BuildError> {
    let Some(part) = path.first() else { return Ok(Some(vec![from])) };
    let next = path.get(1).map_or("", String::as_str);
    if let Ok(at) = part.parse::<u64>() {
        return match_index(store, from, at as usize, path, create);
    }
    if is_list_index(part) {
        return match_elements(store, from, part, path, create);
    }
    if part == "*" {
        let mut all = None;
        for item in store.elements(from)? {
            if let Some(found) = match_path(store, item, &path[1..], create)? {
                all.get_or_insert_with(Vec::new).extend(found);
            }
        }
        return Ok(all);
    }
    let field = match (store.get(from, part)?, create) {
        (Some(field), _) => field,
        (None, None) => return Ok(None),
        (None, Some(kind)) => {
            let made = store.add(Node::new(part_kind(next, kind)));
            store.set_field(from, part, made)?
        }
    };
    if store[field].kind == Kind::Scalar && path.len() > 1 {
        // A text may hold a document of its own: what is found in it is not written back from here.
        let text = store[field].text.to_string();
        let inner = crate::read::read_one(store, &text)?;
        let inner = inner.unwrap_or_else(|| store.add(Node::new(Kind::Nothing)));
        return match_path(store, inner, &path[1..], create);
    }
    match_path(store, field, &path[1..], create)
}

fn match_index(
    store: &mut Store,
    list: NodeId,
    at: usize,
    path: &[String],
    create: Create,
) -> Result<Option<Vec<NodeId>>, BuildError> {
    let mut items = store.elements(list)?;
    if let (Some(kind), true) = (create, items.len() == at) {
        let next = path.get(1).map_or("", String::as_str);
        let made = store.add(Node::new(part_kind(next, kind)));
        store[list].content.push(made);
        items.push(made);
    }
    let Some(item) = items.get(at) else {
        return Err(BuildError::new(format!("index {at} specified but only {} elements found", items.len())));
    };
    match_path(store, *item, &path[1..], create)
}

fn match_elements(
    store: &mut Store,
    list: NodeId,
    part: &str,
    path: &[String],
    create: Create,
) -> Result<Option<Vec<NodeId>>, BuildError> {
    let (field, pattern) = split_list_index(part)?;
    let regex = Regex::new(pattern).map_err(|_| BuildError::new(format!("error parsing regexp: `{pattern}`")))?;
    for round in 0..2 {
        let mut all: Option<Vec<NodeId>> = None;
        for item in store.elements(list)? {
            let looked_at = if field.is_empty() { Some(item) } else { store.field(item, field) };
            let Some(looked_at) = looked_at else { continue };
            if !regex.is_match(store.write(looked_at).trim()) {
                continue;
            }
            let found = if field.is_empty() { Some(vec![item]) } else { match_path(store, item, &path[1..], create)? };
            if let Some(found) = found {
                all.get_or_insert_with(Vec::new).extend(found);
            }
        }
        let all = all.filter(|all| !all.is_empty());
        if all.is_some() || create.is_none() || round == 1 {
            return Ok(all);
        }
        let made = store.element_with(field, pattern);
        store.expect_kind(list, Kind::List)?;
        store[list].content.push(made);
    }
    Ok(None)
}
