//! What a cluster of its own is born with, as text: what `bootstrap` makes by way of the whole pipeline is kept as it
//! was stored, since a pipeline that is used for nothing else takes most of a start.
//!
//! `UPDATE=1 cargo test -p bowline-apiserver --lib births` writes `data/births.jsonl` anew.

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::cluster::Cluster;
use crate::resource::split_api_version;

static BIRTHS: &str = include_str!("../data/births.jsonl");

/// The time that stands for a cluster's birth in the text.
const THEN: &str = "2000-01-01T00:00:00Z";

/// Puts the objects every cluster is born with into one that has none of them yet.
///
/// They have no history, so the first watch or exact list may ask for the last of their revisions at the earliest.
pub(crate) fn populate(cluster: &Cluster) {
    let now = cluster.clock().now_seconds();
    let nodes = cluster.options().nodes;
    cluster.with_registry(|registry| {
        for line in BIRTHS.lines() {
            let line = line.replace(THEN, &now);
            if line.starts_with(r#"{"apiVersion":"v1","kind":"Node","#) {
                for number in 1..=nodes {
                    put(registry, &of_node(&line, number));
                }
            } else {
                put(registry, &line);
            }
        }
        let rv = registry.state.rv;
        registry.state.resume(rv);
    });
}

/// Returns where a node is reached, or would be.
pub(crate) fn node_address(number: u32) -> String {
    format!("10.1.{}.{}", number / 250, number % 250 + 1)
}

/// Makes the text of another node out of the first one's.
fn of_node(line: &str, number: u32) -> String {
    let address = node_address(number);
    line.replace("node-1", &format!("node-{number}")).replace(&node_address(1), &address)
}

fn put(registry: &mut crate::registry::Registry<'_>, line: &str) {
    let mut object: Value = serde_json::from_str(line).expect("holds because the lines were encoded from objects");
    let kind = object["kind"].as_str().unwrap_or_default();
    let (group, version) = split_api_version(object["apiVersion"].as_str().unwrap_or_default());
    let catalog = Catalog::builtin();
    let resource = catalog.of_version(group, version).find(|resource| resource.kind == kind);
    let store = resource.expect("holds because the kinds were served when the lines were written").store_key();
    object["metadata"]["uid"] = json!(registry.state.random.uid());
    object["metadata"]["resourceVersion"] = json!(registry.state.next_rv().to_string());
    registry.take_up(&store, object);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::cluster::Options;
    use crate::store::Stored;
    use std::fmt::Write as _;
    use std::sync::Arc;

    /// Returns what a cluster holds beyond what all share, in the order in which it was made.
    fn own(cluster: &Cluster) -> Vec<Value> {
        let mut objects: Vec<Arc<Stored>> = cluster.with_state(|state, _| {
            let stores = state.stores.values();
            stores.flat_map(|store| store.iter(None, None).map(|(_, stored)| stored).collect::<Vec<_>>()).collect()
        });
        objects.sort_by_key(|stored| stored.rv);
        let seeds = crate::seeds::Seeds::at(cluster.clock().now());
        objects.retain(|stored| seeds.place(&stored.uid).is_none());
        let bare = objects.iter().map(|stored| {
            let mut object = Value::clone(&stored.value);
            object["metadata"]["uid"] = json!("");
            object["metadata"]["resourceVersion"] = json!("");
            object
        });
        bare.collect()
    }

    #[test]
    fn the_text_is_what_the_pipeline_makes() {
        let options = Options {
            clock: Clock::new(|| THEN.parse().expect("it is a time")),
            controllers: false,
            ..Options::default()
        };
        let made = own(&Cluster::by_the_pipeline(options.clone()));
        let mut text = String::new();
        for object in &made {
            let _ = writeln!(text, "{object}");
        }
        if std::env::var_os("UPDATE").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/births.jsonl");
            std::fs::write(file, &text).expect("the file can be written");
            return;
        }
        assert_eq!(text, BIRTHS, "what a cluster is born with has changed: run this test with UPDATE=1");
        assert_eq!(own(&Cluster::new(options)), made);
    }

    #[test]
    fn every_node_has_a_name_and_an_address_of_its_own() {
        let cluster = Cluster::new(Options { nodes: 3, controllers: false, ..Options::default() });
        let nodes = cluster.admin().list(&crate::Gvr::new("", "v1", "nodes"), None).expect("served");
        let names: Vec<&Value> = nodes.iter().map(|node| &node["metadata"]["name"]).collect();
        assert_eq!(names, [&json!("node-1"), &json!("node-2"), &json!("node-3")]);
        assert_eq!(nodes[2]["status"]["addresses"][0]["address"], node_address(3));
        assert_ne!(nodes[0]["metadata"]["uid"], nodes[2]["metadata"]["uid"]);
    }
}
