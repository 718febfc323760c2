//! Bringing a recorded field set in line with a schema that changed since.

use crate::pairs::pairs;
use crate::path::{PathElement, Trail};
use crate::schema::{Handling, MapTy, Shape, Ty, TypeRef};
use crate::set::Set;

/// Replaces paths inside what has become atomic by the atomic's own path. `None` when nothing changes.
///
/// A change from atomic to granular is not followed, as in the Go library.
pub(crate) fn reconcile(ty: &TypeRef, fields: &Set) -> Option<Set> {
    let mut now_atomic = Set::new();
    walk(ty.ty(), Some(fields), false, &Trail::Top, &mut now_atomic);
    if now_atomic.is_empty() {
        return None;
    }
    Some(fields.recursive_difference(&now_atomic).union(&now_atomic))
}

fn walk(ty: Ty<'_>, set: Option<&Set>, is_leaf: bool, at: &Trail<'_>, now_atomic: &mut Set) {
    match ty.handling(Shape::All) {
        Handling::Scalar(_) => {}
        Handling::List(list) if list.is_atomic() => {
            if !is_leaf {
                now_atomic.insert_at(at);
            }
        }
        Handling::List(list) => each(set, at, now_atomic, |_| Some(list.item())),
        Handling::Map(map) if is_deduced(map) => {}
        Handling::Map(map) if map.atomic => {
            if !is_leaf && set.is_some_and(|set| !set.is_empty()) {
                now_atomic.insert_at(at);
            }
        }
        Handling::Map(map) => each(set, at, now_atomic, |element| match element {
            PathElement::Field(name) => map.value_type(name),
            _ => map.additional(),
        }),
    }
}

fn each<'a>(set: Option<&Set>, at: &Trail<'_>, now_atomic: &mut Set, below: impl Fn(&PathElement) -> Option<Ty<'a>>) {
    let Some(set) = set else { return };
    let pairs = pairs(set.members(), set.children(), |member| *member, |(element, _)| *element);
    for (member, child) in pairs {
        let Some(element) = member.or(child.map(|(element, _)| element)) else { continue };
        let Some(ty) = below(element) else { continue };
        let is_leaf = child.is_none() && member.is_some();
        walk(ty, child.map(|(_, child)| child), is_leaf, &Trail::Item(at, element), now_atomic);
    }
}

fn is_deduced(map: MapTy<'_>) -> bool {
    map.node.fields.is_empty() && map.additional().is_some_and(|ty| std::ptr::eq(ty.node, map.table.deduced()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::path::Path;

    #[test]
    fn paths_inside_what_became_atomic_become_its_own_path() {
        let ty = crate::from_structural(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "selector": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
                "replicas": {"type": "integer"}}}}}));
        let owned = Set::of([Path::of_fields(["spec", "replicas"]), Path::of_fields(["spec", "selector", "app"])]);
        let want = Set::of([Path::of_fields(["spec", "replicas"]), Path::of_fields(["spec", "selector"])]);
        assert_eq!(reconcile(&ty, &owned), Some(want.clone()));
        assert_eq!(reconcile(&ty, &want), None);
    }
}
