use std::cmp::Reverse;

use bowline_model::{ObjectKey, Phase};

use crate::{Action, Item, Plan};

/// Objects of a plan that are done together. Between two steps of different waves, the objects of the first
/// must be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub phase: Phase,
    pub wave: i32,
    /// Indices into [`Plan::items`], grouped by kind: the groups follow each other, the objects of a group
    /// may be written at once.
    pub groups: Vec<Vec<usize>>,
}

/// What a plan is sorted by: the order of doing, with prunes last and backwards.
pub(crate) fn position(item: &Item) -> (Phase, bool, i64, i64, Reverse<Option<&ObjectKey>>, Option<&ObjectKey>) {
    if item.desired.is_some() {
        (item.phase, false, i64::from(item.wave), i64::from(item.rank), Reverse(None), Some(&item.key))
    } else {
        (item.phase, true, -i64::from(item.wave), -i64::from(item.rank), Reverse(Some(&item.key)), None)
    }
}

impl Plan {
    /// Returns the writes and hooks of one phase, grouped in the order of doing; prunes are not among them.
    pub fn steps(&self, phase: Phase) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut rank = None;
        for (at, item) in self.items.iter().enumerate() {
            let is_done = matches!(item.action, Action::Create | Action::Configure | Action::Hook | Action::Blocked(_))
                && item.desired.is_some();
            if item.phase != phase || !is_done {
                continue;
            }
            match steps.last_mut() {
                Some(step) if step.wave == item.wave => match step.groups.last_mut() {
                    Some(group) if rank == Some(item.rank) => group.push(at),
                    _ => step.groups.push(vec![at]),
                },
                _ => steps.push(Step { phase, wave: item.wave, groups: vec![vec![at]] }),
            }
            rank = Some(item.rank);
        }
        steps
    }

    /// Returns the prunes, in the order of doing.
    pub fn prunes(&self) -> impl Iterator<Item = (usize, &Item, &str)> {
        self.items.iter().enumerate().filter_map(|(at, item)| match &item.action {
            Action::Prune { uid } => Some((at, item, uid.as_str())),
            _ => None,
        })
    }
}
