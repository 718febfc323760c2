use bowline_model::{DiffRules, DriftOperation, Drifted, Object, ObjectKey};
use bowline_smd::{FieldDrift, Operation, TypeRef, drift as field_drift};
use serde_json::Value;

use crate::ignore::{Ignored, respect};
use crate::{Accepted, Input};

/// The longest value that is told of a drifted field, in characters.
const SHOWN: usize = 120;

/// Returns the fields by which a live object departs, less those the server is known to make itself.
pub(crate) fn drift(input: &Input<'_>, key: &ObjectKey, desired: &Object, live: &Object) -> Vec<Drifted> {
    let untyped = TypeRef::deduced();
    let ty = input.types.get(&desired.gvk()).unwrap_or(&untyped);
    let hides = key.group.is_empty() && key.kind == "Secret";
    let ignored = Ignored::of(input.diff, desired);
    let strip = |object: &Object| ignored.as_ref().map(|ignored| ignored.strip(object.value()));
    let (want, have) = (strip(desired), strip(live));
    let (want, have) = (want.as_ref().unwrap_or(desired.value()), have.as_ref().unwrap_or(live.value()));
    field_drift(ty, want, have, input.manager)
        .into_iter()
        .filter(|field| !ignored.as_ref().is_some_and(|ignored| ignored.trusts(live.value(), field)))
        .filter(|field| !input.accepted.holds(key, &field.path.to_string(), field.want.as_ref(), field.have.as_ref()))
        .map(|field| told(field, hides))
        .collect()
}

/// Returns what is to be applied where ignored fields keep their values; `None` where that is `desired` as it is.
pub fn respected(
    rules: &DiffRules,
    ty: &TypeRef,
    desired: &Object,
    live: Option<&Object>,
    manager: &str,
) -> Option<Object> {
    let drift = || live.map(|live| field_drift(ty, desired.value(), live.value(), manager)).unwrap_or_default();
    respect(rules, desired, live, drift)
}

impl Accepted {
    /// Notes what departs in the server's answer to an apply of `desired`.
    pub fn note_answer(&mut self, ty: &TypeRef, desired: &Object, answer: &Object, manager: &str) {
        let fields = field_drift(ty, desired.value(), answer.value(), manager);
        self.note(desired.key(), fields.into_iter().map(|field| (field.path.to_string(), field.want, field.have)));
    }
}

fn told(field: FieldDrift, hides: bool) -> Drifted {
    let path = field.path.to_string();
    let hides = hides && (path.starts_with(".data") || path.starts_with(".stringData"));
    let show = |value: Option<Value>| value.map(|value| if hides { "•••".to_owned() } else { shorten(&value) });
    Drifted {
        want: show(field.want),
        have: show(field.have),
        manager: field.owner.as_ref().map(|owner| owner.manager.clone()),
        operation: field.owner.as_ref().map(|owner| match owner.operation {
            Operation::Apply => DriftOperation::Apply,
            Operation::Update => DriftOperation::Update,
        }),
        since: field.owner.and_then(|owner| owner.time),
        path,
    }
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
