//! What came of bases, kept for the next that names them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Gathered;
use crate::build::{Build, Objects};
use crate::config::Config;
use crate::kustomization::Var;
use crate::node::NodeId;

/// What was put together of a base, kept for the next that names it.
pub(super) struct Kept {
    nodes: Vec<(NodeId, Vec<String>)>,
    config: Arc<Config>,
    vars: BTreeMap<String, Var>,
}

/// Copies what came of a base.
pub(super) fn keep(build: &mut Build<'_>, gathered: &Gathered) -> Kept {
    let mut copies = HashMap::new();
    let objects: Vec<_> =
        gathered.objects.iter().filter_map(|id| Some((build.node(*id)?, build.var_names(*id).to_vec()))).collect();
    let nodes = objects.into_iter().map(|(node, names)| (build.store.copy_exactly(node, &mut copies), names)).collect();
    Kept { nodes, config: Arc::clone(&gathered.config), vars: gathered.vars.clone() }
}

/// Makes objects of what is kept, as if the base had been put together again.
pub(super) fn restore(build: &mut Build<'_>, kept: &Kept) -> Gathered {
    let mut copies = HashMap::new();
    let mut objects = Objects::with_capacity(kept.nodes.len());
    for (node, names) in &kept.nodes {
        let node = build.store.copy_exactly(*node, &mut copies);
        let id = build.add(node);
        for name in names {
            build.add_var_name(id, name);
        }
        objects.push(id);
    }
    Gathered { objects, config: Arc::clone(&kept.config), vars: kept.vars.clone() }
}
