//! What holds for every object of the demonstration kind.

#[path = "common/arb.rs"]
mod arb;
mod common;

use std::collections::BTreeSet;

use arb::{arb_demo, arb_history, arb_json, lived, pick};
use bowline_smd::normalize::{Quantity, canonical_quantity};
use bowline_smd::{
    ApplyRequest, ManagedFields, Path, PathElement, Scalar, Set, TypeRef, UpdateRequest, apply, compare, drift,
    extract, from_structural, merge, remove, strategic_merge, to_set, unowned_fields, update, validate,
};
use common::{applied, demo_type};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

fn without_owners(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

fn owned(object: &Value, manager: &str) -> Set {
    let managed = ManagedFields::of(object).expect("managed fields the library wrote");
    managed.applier(manager).map(|entry| entry.fields.clone()).unwrap_or_default()
}

/// Drift as server-side apply itself has it: does a forced apply change the object or give a live field up?
fn is_out_of_sync_by_apply(desired: &Value, live: &Value) -> bool {
    let ty = demo_type();
    let after = applied(&ty, Some(live), desired, "us", "2002-01-01T00:00:00Z");
    let change = compare(&ty, &without_owners(live.clone()), &without_owners(after.clone())).expect("valid objects");
    let live_fields = to_set(&ty, live);
    let given_up = owned(live, "us").difference(&owned(&after, "us")).intersection(&live_fields);
    !change.is_same() || !given_up.is_empty()
}

fn arb_element() -> impl Strategy<Value = PathElement> {
    let key = |name: &str| PathElement::Key(vec![("name".to_owned(), Scalar::String(name.to_owned()))]);
    let elements = [
        PathElement::field("a"),
        PathElement::field("b"),
        PathElement::field("c"),
        key("x"),
        key("y"),
        PathElement::Value(Scalar::Int(1)),
        PathElement::Value(Scalar::String("v".to_owned())),
        PathElement::Index(0),
    ];
    proptest::sample::select(elements.to_vec())
}

fn arb_paths() -> impl Strategy<Value = BTreeSet<Path>> {
    proptest::collection::btree_set(proptest::collection::vec(arb_element(), 1..4).prop_map(Path::from), 0..12)
}

fn paths(set: &Set) -> BTreeSet<Path> {
    set.paths().into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sets_are_sets_of_paths(left in arb_paths(), right in arb_paths()) {
        let (one, other) = (Set::of(left.clone()), Set::of(right.clone()));
        prop_assert_eq!(paths(&one), left.clone());
        prop_assert_eq!(one.len(), left.len());
        prop_assert_eq!(paths(&one.union(&other)), left.union(&right).cloned().collect());
        prop_assert_eq!(paths(&one.intersection(&other)), left.intersection(&right).cloned().collect());
        prop_assert_eq!(paths(&one.difference(&other)), left.difference(&right).cloned().collect());
        let below = |path: &Path| (1..=path.elements().len()).any(|to| right.contains(&Path(path.elements()[..to].to_vec())));
        let apart: BTreeSet<Path> = left.iter().filter(|path| !below(path)).cloned().collect();
        prop_assert_eq!(paths(&one.recursive_difference(&other)), apart);
        prop_assert_eq!(one.is_subset(&other), left.is_subset(&right));
        prop_assert_eq!(one == other, left == right);
        prop_assert!(left.iter().all(|path| one.contains(path.elements())));
        if !one.is_empty() {
            prop_assert_eq!(Set::from_fields_v1(&one.to_fields_v1()), Ok(one));
        }
    }

    #[test]
    fn objects_are_valid(object in arb_demo()) {
        prop_assert_eq!(validate(&demo_type(), &object), Ok(()));
    }

    #[test]
    fn merging_twice_is_merging_once(live in arb_demo(), config in arb_demo()) {
        let ty = demo_type();
        let once = merge(&ty, &live, &config).expect("valid objects");
        prop_assert_eq!(merge(&ty, &once, &config).expect("valid objects"), once);
    }

    #[test]
    fn merging_adds_what_the_config_sets_and_keeps_the_rest(live in arb_demo(), config in arb_demo()) {
        let ty = demo_type();
        let merged = to_set(&ty, &merge(&ty, &live, &config).expect("valid objects"));
        let both = to_set(&ty, &live).union(&to_set(&ty, &config));
        prop_assert_eq!(merged, both);
    }

    #[test]
    fn all_paths_extract_the_whole_and_removing_them_leaves_nothing(object in arb_demo()) {
        let ty = demo_type();
        let set = to_set(&ty, &object);
        prop_assert_eq!(extract(&ty, &object, &set), object.clone());
        prop_assert_eq!(extract(&ty, &object, &set.leaves()), object.clone());
        prop_assert_eq!(remove(&ty, &object, &set.ensure_named_fields(&ty)), Value::Null);
    }

    #[test]
    fn comparing_with_nothing_finds_every_path(object in arb_demo()) {
        let ty = demo_type();
        let added = compare(&ty, &common::demo(serde_json::json!({})), &object).expect("valid objects").added;
        prop_assert!(to_set(&ty, &object).difference(&added).difference(&unowned_fields()).is_empty());
        prop_assert!(compare(&ty, &object, &object).expect("valid objects").is_same());
    }

    #[test]
    fn comparing_backwards_swaps_added_and_removed(one in arb_demo(), other in arb_demo()) {
        let ty = demo_type();
        let forth = compare(&ty, &one, &other).expect("valid objects");
        let back = compare(&ty, &other, &one).expect("valid objects");
        prop_assert_eq!(forth.added, back.removed);
        prop_assert_eq!(forth.removed, back.added);
        prop_assert_eq!(forth.modified, back.modified);
    }

    #[test]
    fn field_sets_survive_writing_and_reading(object in arb_demo()) {
        let set = to_set(&demo_type(), &object);
        prop_assert_eq!(Set::from_fields_v1(&set.to_fields_v1()), Ok(set.clone()));
        prop_assert_eq!(Set::of(set.paths()), set);
    }

    #[test]
    fn sets_obey_the_laws_of_sets(one in arb_demo(), other in arb_demo()) {
        let ty = demo_type();
        let (a, b) = (to_set(&ty, &one), to_set(&ty, &other));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&a).is_empty());
        prop_assert_eq!(a.len(), a.difference(&b).len() + a.intersection(&b).len());
    }

    #[test]
    fn a_second_apply_changes_nothing(history in arb_history(), config in arb_demo()) {
        let ty = demo_type();
        let once = applied(&ty, Some(&lived(&ty, &history)), &config, "us", "2002-01-01T00:00:00Z");
        prop_assert_eq!(applied(&ty, Some(&once), &config, "us", "2003-01-01T00:00:00Z"), once);
    }

    #[test]
    fn nothing_drifts_after_an_apply(history in arb_history(), desired in arb_demo()) {
        let ty = demo_type();
        let live = applied(&ty, Some(&lived(&ty, &history)), &desired, "us", "2002-01-01T00:00:00Z");
        prop_assert_eq!(drift(&ty, &desired, &live, "us"), vec![]);
    }

    #[test]
    fn drift_agrees_with_what_an_apply_would_do(history in arb_history(), desired in arb_demo()) {
        let ty = demo_type();
        let live = lived(&ty, &history);
        let found = drift(&ty, &desired, &live, "us");
        prop_assert_eq!(!found.is_empty(), is_out_of_sync_by_apply(&desired, &live), "{:?}", found);
        prop_assert!(found.is_sorted_by(|a, b| a.path < b.path));
    }

    #[test]
    fn a_change_by_another_drifts_where_it_happened(desired in arb_demo(), other in arb_demo(), which in any::<Index>()) {
        let ty = demo_type();
        let live = applied(&ty, None, &desired, "us", "2001-01-01T00:00:00Z");
        // Another manager removes one of our leaves, or changes it to what it has in another object.
        let leaves = to_set(&ty, &desired).leaves().difference(&unowned_fields()).paths();
        prop_assume!(!leaves.is_empty());
        let leaf = pick(&which, &leaves);
        let one = Set::of([leaf.clone()]);
        let mut changed = remove(&ty, &live, &one);
        if to_set(&ty, &other).contains(leaf.elements()) {
            changed = merge(&ty, &changed, &extract(&ty, &other, &one)).unwrap_or(changed);
        }
        prop_assume!(validate(&ty, &changed).is_ok());
        let live = common::updated(&ty, Some(&live), &changed, "them", "2001-01-01T00:00:01Z");
        let found = drift(&ty, &desired, &live, "us");
        prop_assert_eq!(!found.is_empty(), is_out_of_sync_by_apply(&desired, &live));
        for drift in &found {
            prop_assert!(leaf.starts_with(&drift.path) || drift.path.starts_with(leaf), "{} for {leaf}", drift.path);
            if drift.have.is_some() {
                prop_assert_eq!(drift.owner.as_ref().map(|owner| owner.manager.as_str()), Some("them"));
            }
        }
    }

    #[test]
    fn canonical_quantities_keep_their_amount(text in "[-+]?[0-9]{0,20}(\\.[0-9]{0,12})?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2}|)") {
        if let (Some(quantity), Some(canonical)) = (Quantity::parse(&text), canonical_quantity(&text)) {
            prop_assert_eq!(Quantity::parse(&canonical).map(Quantity::amount), Some(quantity.amount()));
            prop_assert_eq!(Quantity::parse(&quantity.canonical()).map(Quantity::canonical), Some(quantity.canonical()));
        }
    }

    #[test]
    fn no_value_breaks_anything(one in arb_json(), other in arb_json(), schema in arb_json()) {
        for ty in [demo_type(), TypeRef::deduced(), from_structural(&schema)] {
            let _ = validate(&ty, &one);
            let _ = compare(&ty, &one, &other);
            let _ = merge(&ty, &one, &other);
            let _ = strategic_merge(&ty, &one, &other);
            let _ = drift(&ty, &one, &other, "us");
            let set = to_set(&ty, &one);
            let _ = (remove(&ty, &other, &set), extract(&ty, &other, &set), ty.zero_value());
            let _ = Set::from_fields_v1(&one);
            let reset_fields = Set::new();
            let (manager, api_version, subresource, now) = ("us", "v1", "", "2001-01-01T00:00:00Z");
            let live = Some(&one);
            let _ = apply(ApplyRequest {
                ty: &ty, live, config: &other, manager, api_version, subresource, force: true, now,
                empty: None,
                reset_fields: &reset_fields,
                versions: None,
            });
            let _ = update(UpdateRequest {
                ty: &ty, live, new: &other, manager, api_version, subresource, now, reset_fields: &reset_fields,
                versions: None,
            });
        }
    }

    #[test]
    fn no_text_breaks_a_parser(text in ".{0,40}") {
        let _ = canonical_quantity(&text);
        let _ = PathElement::parse(&text);
        let _ = PathElement::parse(&format!("k:{text}"));
    }
}
