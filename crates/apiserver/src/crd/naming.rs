//! Which names a CRD gets, and what its conditions tell of it
//! (k8s: `apiextensions-apiserver/pkg/controller/{status,establish,apiapproval}`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::approval_condition;

/// Returns whether a condition is true.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Sets a condition of a type, with a status and reason; its time changes with its status only.
pub(crate) fn set_condition(object: &mut Value, (kind, status, reason): (&str, &str, &str), message: &str, now: &str) {
    let conditions = &mut object["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(all) = conditions.as_array_mut() else { return };
    let fresh = json!({
        "type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message,
    });
    match all.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) => {
            let since = if old["status"] == status { old["lastTransitionTime"].clone() } else { json!(now) };
            *old = fresh;
            old["lastTransitionTime"] = since;
        }
        None => all.push(fresh),
    }
}

/// The names the CRDs of a group have been given.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds those of one CRD.
    pub(crate) fn add(&mut self, object: &Value) {
        let names = &object["status"]["acceptedNames"];
        let text = |key: &str| names[key].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        self.resources.extend([text("plural"), text("singular")].into_iter().flatten());
        self.resources.extend(crate::catalog::texts(&names["shortNames"]));
        self.kinds.extend([text("kind"), text("listKind")].into_iter().flatten());
    }
}

/// Returns what the next look of the server's own controllers makes of a CRD; `None` when there is nothing to do.
pub(crate) fn settle(object: &Value, taken: &Taken, now: &str) -> Option<Value> {
    accept_names(object, taken, now).or_else(|| approve(object, now)).or_else(|| establish(object, now))
}

fn accept_names(object: &Value, taken: &Taken, now: &str) -> Option<Value> {
    let (want, have) = (&object["spec"]["names"], &object["status"]["acceptedNames"]);
    if want == have {
        return None;
    }
    let mut accepted = have.clone();
    let mut conflict: Option<(&str, String)> = None;
    let clash = |name: &str, own: &Value, used: &BTreeSet<String>| {
        (*own != name && used.contains(name)).then(|| format!("{name:?} is already in use"))
    };
    let mut take = |key: &str, reason: &'static str, used: &BTreeSet<String>| {
        let name = want[key].as_str().unwrap_or_default();
        match clash(name, &have[key], used) {
            Some(why) => conflict = Some((reason, why)),
            None => accepted[key] = want[key].clone(),
        }
    };
    take("plural", "PluralConflict", &taken.resources);
    take("singular", "SingularConflict", &taken.resources);
    if want["shortNames"] != have["shortNames"] {
        let own = crate::catalog::texts(&have["shortNames"]);
        let wrong: Vec<String> = crate::catalog::texts(&want["shortNames"])
            .iter()
            .filter(|name| !own.contains(name))
            .filter_map(|name| clash(name, &Value::Null, &taken.resources))
            .collect();
        if wrong.is_empty() {
            put(&mut accepted, "shortNames", &want["shortNames"]);
        } else {
            let why = if wrong.len() == 1 { wrong.concat() } else { format!("[{}]", wrong.join(", ")) };
            conflict = Some(("ShortNamesConflict", why));
        }
    }
    let mut take = |key: &str, reason: &'static str| {
        let name = want[key].as_str().unwrap_or_default();
        match clash(name, &have[key], &taken.kinds) {
            Some(why) => conflict = Some((reason, why)),
            None => accepted[key] = want[key].clone(),
        }
    };
    take("kind", "KindConflict");
    take("listKind", "ListKindConflict");
    put(&mut accepted, "categories", &want["categories"]);

    let mut next = object.clone();
    next["status"]["acceptedNames"] = accepted;
    let is_free = conflict.is_none();
    match conflict {
        Some((reason, why)) => set_condition(&mut next, ("NamesAccepted", "False", reason), &why, now),
        None => set_condition(&mut next, ("NamesAccepted", "True", "NoConflicts"), "no conflicts found", now),
    }
    if !has_condition(object, "Established") {
        if is_free {
            let message = "the initial names have been accepted";
            set_condition(&mut next, ("Established", "False", "Installing"), message, now);
        } else if condition(object, "Established").is_none() {
            let message = "not all names are accepted";
            set_condition(&mut next, ("Established", "False", "NotAccepted"), message, now);
        }
    }
    (next != *object).then_some(next)
}

fn put(names: &mut Value, key: &str, value: &Value) {
    if let Some(names) = names.as_object_mut() {
        if value.is_null() {
            names.remove(key);
        } else {
            names.insert(key.to_owned(), value.clone());
        }
    }
}

fn approve(object: &Value, now: &str) -> Option<Value> {
    let want = approval_condition(object)?;
    let text = |key: &str| want[key].as_str().unwrap_or_default();
    let mut next = object.clone();
    set_condition(&mut next, (text("type"), text("status"), text("reason")), text("message"), now);
    (next != *object).then_some(next)
}

fn establish(object: &Value, now: &str) -> Option<Value> {
    if !has_condition(object, "NamesAccepted") || has_condition(object, "Established") {
        return None;
    }
    let mut next = object.clone();
    let message = "the initial names have been accepted";
    set_condition(&mut next, ("Established", "True", "InitialNamesAccepted"), message, now);
    Some(next)
}
