//! Decides what must change for live state to match desired state.
//!
//! [`plan`] is a pure function: the dry run, the diff page and the sync read one result. Whatever deletes is
//! decided here, and only with all of the proofs that [`Action::Prune`] names.

mod accepted;
mod compare;
mod ignore;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use bowline_model::{
    AppId, ApplyRule, Desired, DiffRules, Drifted, Failure, Gvk, InventoryEntry, LiveMarks, Object, ObjectKey,
    ObjectSync, Phase,
};
use bowline_smd::TypeRef;

pub use accepted::Accepted;
pub use compare::respected;
pub use ignore::{ExpressionError, check_expression};
pub use order::Step;

/// One live object and what its owner's dialect reads off it.
#[derive(Debug, Clone)]
pub struct LiveObject {
    pub object: Object,
    pub marks: LiveMarks,
    /// The apps that own the object by the marks of any dialect.
    pub owners: BTreeSet<AppId>,
    /// Wave and rank by the dialect's rules: what is pruned goes in the reverse of this order.
    pub order: (i32, u32),
}

/// Everything a plan depends on.
pub struct Input<'a> {
    /// The app the plan is for.
    pub app: &'a AppId,
    /// The whole render, hooks included; an incomplete render has no plan.
    pub desired: &'a [Desired],
    /// For each key of `desired` and of `inventory`, what the cluster holds. A key that is absent here was
    /// not looked at, and nothing is done to it.
    pub live: &'a BTreeMap<ObjectKey, Option<LiveObject>>,
    /// The objects the last sync applied: only these may be pruned.
    pub inventory: &'a [InventoryEntry],
    /// The types of the kinds in `desired`, as the cluster publishes them.
    pub types: &'a BTreeMap<Gvk, TypeRef>,
    /// Objects that cannot be written, and why: their kind is not known to the cluster, say.
    pub blocked: &'a BTreeMap<ObjectKey, Failure>,
    /// Tells which other apps desire an object at this moment.
    pub claims: &'a dyn Fn(&ObjectKey) -> BTreeSet<AppId>,
    /// The field manager of our writes.
    pub manager: &'a str,
    /// What the server is known to make of our writes.
    pub accepted: &'a Accepted,
    /// What others may change.
    pub diff: &'a DiffRules,
    /// Whether objects may be deleted at all.
    pub may_prune: bool,
}

/// What one sync does to each object. Sorted in the order of doing: [`Plan::steps`] groups it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub items: Vec<Item>,
}

/// What is done to one object, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub key: ObjectKey,
    /// The API version it is desired, or was applied, in.
    pub version: String,
    pub action: Action,
    pub phase: Phase,
    pub wave: i32,
    pub rank: u32,
    pub is_hook: bool,
    /// The fields that depart from the desired state.
    pub drift: Vec<Drifted>,
    /// Where in [`Input::desired`] it is; `None` for objects that are no longer desired.
    pub desired: Option<usize>,
}

/// What is done to one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// There is none: it is applied.
    Create,
    /// It departs: it is applied.
    Configure,
    /// It is as desired: no request is made.
    Keep,
    /// It is deleted. Proven: it is in the inventory; it is absent from this very render; its marks name this
    /// app and nobody else desires it; pruning is allowed by the app and by the object. The deletion itself
    /// is bound to this UID.
    Prune { uid: String },
    /// A hook: made anew in each sync.
    Hook,
    /// Nothing is done, on purpose.
    Skip(Skip),
    /// Nothing can be done.
    Blocked(Failure),
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It should be deleted, and the app's rules say no.
    PruneDisabled,
    /// It should be deleted, and the object itself says no.
    AsksToStay,
    /// The object asks to be left alone.
    LeftAlone,
    /// It is there, and is to be made only where it is not.
    IsThere,
    /// It should be deleted, but its marks do not name this app: it was made, or taken over, by somebody else.
    NotOurs,
    /// It should be deleted, but another app desires it.
    HandedOver,
    /// It is being deleted already.
    IsGoing,
    /// It is gone already.
    IsGone,
}

impl Item {
    /// Tells whether the action writes.
    pub fn is_write(&self) -> bool {
        matches!(self.action, Action::Create | Action::Configure | Action::Prune { .. })
    }

    /// Returns whether live is as desired; `None` for what does not count: hooks, and what is gone.
    pub fn sync(&self) -> Option<ObjectSync> {
        match self.action {
            Action::Create | Action::Configure | Action::Prune { .. } | Action::Blocked(_) => {
                Some(ObjectSync::OutOfSync)
            }
            Action::Skip(Skip::PruneDisabled | Skip::AsksToStay | Skip::IsGoing) => Some(ObjectSync::OutOfSync),
            Action::Skip(Skip::LeftAlone | Skip::IsThere) | Action::Keep => Some(ObjectSync::Synced),
            Action::Skip(Skip::NotOurs | Skip::HandedOver | Skip::IsGone) | Action::Hook => None,
        }
    }

    /// Tells whether the object is live, was ours, and is no longer desired.
    pub fn requires_pruning(&self) -> bool {
        matches!(
            self.action,
            Action::Prune { .. } | Action::Skip(Skip::PruneDisabled | Skip::AsksToStay | Skip::IsGoing)
        ) && self.desired.is_none()
    }
}

impl Plan {
    /// Tells whether there is nothing to write. Hooks do not count: they accompany a sync.
    pub fn is_quiet(&self) -> bool {
        !self.items.iter().any(Item::is_write)
    }

    /// Tells whether everything that was desired is gone from the render, while there is something to prune.
    pub fn wipes_everything(&self) -> bool {
        self.items.iter().any(Item::requires_pruning)
            && self.items.iter().all(|item| item.desired.is_none() || item.is_hook)
    }
}

/// Decides what must change for the live state to match the desired state.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut items: Vec<Item> =
        input.desired.iter().enumerate().map(|(at, want)| desired_item(input, at, want)).collect();
    let wanted: std::collections::BTreeSet<_> = items.iter().map(|item| item.key.clone()).collect();
    for entry in input.inventory.iter().filter(|entry| !wanted.contains(&entry.key)) {
        let (wave, rank) = input.live.get(&entry.key).and_then(Option::as_ref).map_or((0, u32::MAX), |live| live.order);
        items.push(Item {
            key: entry.key.clone(),
            version: entry.version.clone(),
            action: prune_action(input, entry),
            phase: Phase::Sync,
            wave,
            rank,
            is_hook: false,
            drift: Vec::new(),
            desired: None,
        });
    }
    items.sort_by(|a, b| order::position(a).cmp(&order::position(b)));
    Plan { items }
}

fn desired_item(input: &Input<'_>, at: usize, want: &Desired) -> Item {
    let key = want.object.key();
    let (action, drift) = desired_action(input, &key, want);
    Item {
        version: want.object.gvk().version,
        key,
        action,
        phase: want.rules.phase,
        wave: want.rules.wave,
        rank: want.rules.rank,
        is_hook: want.rules.hook.is_some(),
        drift,
        desired: Some(at),
    }
}

fn desired_action(input: &Input<'_>, key: &ObjectKey, want: &Desired) -> (Action, Vec<Drifted>) {
    if let Some(failure) = input.blocked.get(key) {
        return (Action::Blocked(failure.clone()), Vec::new());
    }
    if want.rules.hook.is_some() {
        return (Action::Hook, Vec::new());
    }
    if want.rules.apply == ApplyRule::Never {
        return (Action::Skip(Skip::LeftAlone), Vec::new());
    }
    let Some(live) = input.live.get(key) else {
        let failure = Failure::new(bowline_model::Reason::ClusterUnreachable, format!("{key} has not been read yet"));
        return (Action::Blocked(failure.transient()), Vec::new());
    };
    if let Some(other) = other_owner(input, key, live.as_ref()) {
        let failure = Failure::new(
            bowline_model::Reason::DuplicateOwner,
            format!("{key} belongs to {} {}/{}", other.kind, other.namespace, other.name),
        )
        .help("keep the object in one of the two sources");
        return (Action::Blocked(failure), Vec::new());
    }
    let Some(live) = live else { return (Action::Create, Vec::new()) };
    if live.marks.leave_alone {
        return (Action::Skip(Skip::LeftAlone), Vec::new());
    }
    if want.rules.apply == ApplyRule::IfAbsent {
        return (Action::Skip(Skip::IsThere), Vec::new());
    }
    let drift = compare::drift(input, key, &want.object, &live.object);
    if drift.is_empty() { (Action::Keep, drift) } else { (Action::Configure, drift) }
}

/// Returns the app that has the better claim to an object that this app desires too.
///
/// Whose marks are on the live object keeps it, as long as it desires it. With no marks to go by, or those of
/// several, the app that comes first by key has it: any rule would do, so long as all come to the same answer.
fn other_owner(input: &Input<'_>, key: &ObjectKey, live: Option<&LiveObject>) -> Option<AppId> {
    let mut claimants = (input.claims)(key);
    if claimants.is_empty() {
        return None;
    }
    claimants.insert(input.app.clone());
    let holder = live.and_then(|live| claimants.intersection(&live.owners).next().cloned());
    holder.or_else(|| claimants.pop_first()).filter(|winner| winner != input.app)
}

fn prune_action(input: &Input<'_>, entry: &InventoryEntry) -> Action {
    let Some(live) = input.live.get(&entry.key) else {
        let failure = Failure::new(
            bowline_model::Reason::ClusterUnreachable,
            format!("{} has not been read, so it is not pruned", entry.key),
        );
        return Action::Blocked(failure.transient());
    };
    let Some(live) = live else { return Action::Skip(Skip::IsGone) };
    if live.marks.owner.as_ref() != Some(input.app)
        && !bowline_model::is_planted(bowline_model::Planted::PrunesWhateverTheMarks)
    {
        Action::Skip(Skip::NotOurs)
    } else if !bowline_model::is_planted(bowline_model::Planted::PrunesWhatOthersDesire)
        && !(input.claims)(&entry.key).is_empty()
    {
        Action::Skip(Skip::HandedOver)
    } else if live.object.is_deleting() {
        Action::Skip(Skip::IsGoing)
    } else if live.marks.keep || live.marks.leave_alone {
        Action::Skip(Skip::AsksToStay)
    } else if !input.may_prune {
        Action::Skip(Skip::PruneDisabled)
    } else {
        Action::Prune { uid: live.object.uid().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each of the apps that desire an object must come to the same answer, or they would undo each other's work.
    #[test]
    fn all_who_desire_an_object_agree_on_its_owner() {
        let app = |name: &str| AppId::new("argoproj.io", "Application", "ns", name);
        let key = ObjectKey::new("", "ConfigMap", "ns", "a");
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}});
        let object = Object::from_value(value).expect("is an object");
        for (claimants, owners, want) in [
            (vec!["a"], vec![], "a"),
            (vec!["a"], vec!["z"], "a"),
            (vec!["a", "b"], vec![], "a"),
            (vec!["a", "b"], vec!["b"], "b"),
            (vec!["a", "b"], vec!["z"], "a"),
            // Marks of two dialects: one of them was left behind when the object was handed over.
            (vec!["a", "b"], vec!["a", "b"], "a"),
            (vec!["a", "b", "c"], vec!["c"], "c"),
            (vec!["a", "b", "c"], vec!["b", "c"], "b"),
        ] {
            let live = LiveObject {
                object: object.clone(),
                marks: LiveMarks::default(),
                owners: owners.iter().map(|name| app(name)).collect(),
                order: (0, 0),
            };
            for name in &claimants {
                let own = app(name);
                let others = claimants.iter().filter(|other| *other != name).map(|other| app(other));
                let others: BTreeSet<AppId> = others.collect();
                let input = Input {
                    app: &own,
                    desired: &[],
                    live: &BTreeMap::new(),
                    inventory: &[],
                    types: &BTreeMap::new(),
                    blocked: &BTreeMap::new(),
                    claims: &|_| others.clone(),
                    manager: "m",
                    accepted: &Accepted::default(),
                    diff: &DiffRules::default(),
                    may_prune: true,
                };
                let winner = other_owner(&input, &key, Some(&live)).unwrap_or_else(|| own.clone());
                assert_eq!(winner, app(want), "{name} of {claimants:?}, owned by {owners:?}");
            }
        }
    }
}
