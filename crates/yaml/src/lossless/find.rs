//! From paths to nodes.

use serde_json::Value;

use super::edit::Place;
use super::layout::{Layout, Slot};
use super::path::{Path, Step};
use crate::Limits;
use crate::compose::{Content, Id, Style};
use crate::emit::number_text;
use crate::value::key_name;

/// A step that names one thing by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exact {
    Key(String),
    Index(usize),
}

/// Why a path names nothing.
pub(super) enum Found {
    /// The steps to the last thing that is there.
    Nothing(Vec<Exact>),
    /// The steps to the second of several, and how many steps of the path they are.
    Several(Vec<Exact>, usize),
}

pub(super) fn shown(path: &[Exact]) -> String {
    let step = |step: &Exact| match step {
        Exact::Key(key) => Step::Key(key.clone()),
        Exact::Index(at) => Step::Index(*at),
    };
    Path(path.iter().map(step).collect()).to_string()
}

/// Follows the first steps of a path.
pub(super) fn exact(root: &Value, path: &Path, steps: usize) -> Result<Vec<Exact>, Found> {
    let mut value = root;
    let mut exact = Vec::new();
    for (number, step) in path.0[..steps].iter().enumerate() {
        let next = match (step, value) {
            (Step::Key(key), Value::Object(entries)) => entries.get(key).map(|value| (Exact::Key(key.clone()), value)),
            (Step::Index(at), Value::Array(items)) => items.get(*at).map(|item| (Exact::Index(*at), item)),
            (Step::Item { key, value }, Value::Array(items)) => {
                let mut same =
                    items.iter().enumerate().filter(|(_, item)| item.get(key).is_some_and(|have| is(have, value)));
                let first = same.next();
                if let Some((second, _)) = same.next() {
                    exact.push(Exact::Index(second));
                    return Err(Found::Several(exact, number + 1));
                }
                first.map(|(at, item)| (Exact::Index(at), item))
            }
            _ => None,
        };
        let Some((step, found)) = next else { return Err(Found::Nothing(exact)) };
        exact.push(step);
        value = found;
    }
    Ok(exact)
}

/// Tells whether a scalar has this text.
fn is(have: &Value, text: &str) -> bool {
    match have {
        Value::String(have) => have == text,
        Value::Null => text == "null",
        Value::Bool(truth) => text == if *truth { "true" } else { "false" },
        Value::Number(number) => number_text(number) == text,
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Finds the node of a path, or the alias that it leads through, or the map into which it was merged, with the number of
/// steps to that.
pub(super) fn place(layout: &Layout, path: &[Exact], limits: &Limits) -> Result<Place, (Id, usize)> {
    let mut place = Place { node: 0, slot: Slot::Root, in_flow: false };
    for (steps, step) in path.iter().enumerate() {
        let of = place.node;
        let slot = match (&layout.tree.nodes[of].content, step) {
            (Content::Map(_), Exact::Key(key)) => layout.entry(of, key, limits).0.map(|at| Slot::Entry(of, at)),
            (Content::List(items), Exact::Index(at)) => items.get(*at).map(|_| Slot::Item(of, *at)),
            _ => None,
        };
        let Some(slot) = slot else { return Err((of, steps)) };
        place = Place { node: layout.held(slot), slot, in_flow: place.in_flow || layout.style(of) == Style::Flow };
    }
    Ok(place)
}

pub(super) fn is_alias(layout: &Layout, path: &[Exact], limits: &Limits) -> bool {
    place(layout, path, limits).is_ok_and(|place| layout.style(place.node) == Style::Alias)
}

/// Finds where a path's value is written, or as much of it as there is.
pub(super) fn written(layout: &Layout, path: &[Exact], limits: &Limits) -> Id {
    let mut id = 0;
    for step in path {
        let of = layout.tree.follow(id);
        let next = match (&layout.tree.nodes[of].content, step) {
            (Content::Map(_), Exact::Key(key)) => entry(layout, of, key, limits),
            (Content::List(items), Exact::Index(at)) => items.get(*at).copied(),
            _ => None,
        };
        let Some(next) = next else { return of };
        id = next;
    }
    id
}

/// Finds the value of an entry, in a map or in what was merged into it.
fn entry(layout: &Layout, map: Id, key: &str, limits: &Limits) -> Option<Id> {
    let (own, merges_after) = layout.entry(map, key, limits);
    let own = own.map(|at| layout.held(Slot::Entry(map, at)));
    let Content::Map(entries) = &layout.tree.nodes[map].content else { return None };
    let mut merges = entries.iter().rev().filter(|(name, _)| key_name(&layout.tree, *name, limits).1);
    let mut merged = || {
        merges.find_map(|(_, from)| {
            let from = layout.tree.follow(*from);
            match &layout.tree.nodes[from].content {
                Content::Map(_) => entry(layout, from, key, limits),
                Content::List(items) => {
                    items.iter().find_map(|item| entry(layout, layout.tree.follow(*item), key, limits))
                }
                _ => None,
            }
        })
    };
    if own.is_some() && !merges_after { own } else { merged().or(own) }
}

/// Finds an anchor on the way to a path, or within what it names, and the first alias to it.
pub(super) fn shared(layout: &Layout, path: &[Exact], limits: &Limits) -> Option<(Id, Id)> {
    let aliases = layout.tree.nodes.iter().enumerate().filter_map(|(user, node)| match node.content {
        Content::Alias(target) => Some((target, user)),
        _ => None,
    });
    let aliases: Vec<(Id, Id)> = aliases.collect();
    let mut around = Vec::new();
    for steps in 0..=path.len() {
        around.extend(place(layout, &path[..steps], limits).ok().map(|place| place.node));
    }
    let extent = layout.extents[*around.last()?];
    let is_within = |id: Id| layout.extents[id].start >= extent.start && layout.extents[id].end <= extent.end;
    aliases.into_iter().find(|(target, _)| around.contains(target) || is_within(*target))
}
