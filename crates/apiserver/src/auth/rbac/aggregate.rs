//! ClusterRoles made of others, after the `clusterrole-aggregation-controller`.

use serde_json::Value;

use crate::auth::RBAC_GROUP;
use crate::builtins::selects;
use crate::cluster::State;

/// Returns the rules an aggregating ClusterRole should have, or `None` when it aggregates nothing.
pub(crate) fn aggregated_rules(state: &State, role: &Value) -> Option<Vec<Value>> {
    let selectors = role.pointer("/aggregationRule/clusterRoleSelectors")?.as_array()?;
    let own = &role["metadata"]["name"];
    let mut rules: Vec<Value> = Vec::new();
    let store = state.stores.get(&(RBAC_GROUP.to_owned(), "clusterroles".to_owned()))?;
    for selector in selectors {
        for (_, stored) in store.iter(None, None) {
            let part: &Value = &stored.value;
            if part["metadata"]["name"] == *own || !selects(selector, &part["metadata"]["labels"]) {
                continue;
            }
            for rule in part["rules"].as_array().into_iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}
