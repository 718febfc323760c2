//! kube-rs's own watcher and reflector, by list and watch and by streaming list, with typed, dynamic and metadata objects.
//!
//! What a reflector holds at the end must be what a list says, though the history was forgotten and watches were dropped on
//! the way.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bowline_apiserver::{Cluster, Fault, Faults, Options};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(30);

/// Names and revisions, which tell two states apart.
type Held = BTreeMap<String, String>;

fn named(name: &str, index: usize) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "index": index.to_string() } }))
        .expect("a ConfigMap")
}

/// Fills a store from a watcher until the task is ended.
fn run<S>(stream: S) -> tokio::task::JoinHandle<()>
where
    S: Stream + Send + 'static,
    S::Item: Debug,
{
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while stream.next().await.is_some() {}
    })
}

async fn changes(maps: &Api<ConfigMap>, cluster: &Cluster) {
    for index in 0..40 {
        let name = format!("map-{}", index % 13);
        match index % 5 {
            0 | 1 => {
                let _ = maps.create(&PostParams::default(), &named(&name, index)).await;
            }
            2 | 3 => {
                let patch = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "index": index.to_string() },
                });
                let params = PatchParams::apply("watchers").force();
                maps.patch(&name, &params, &Patch::Apply(&patch)).await.expect("applied");
            }
            _ => {
                let _ = maps.delete(&name, &DeleteParams::default()).await;
            }
        }
        if index == 20 {
            cluster.compact();
        }
    }
}

async fn reflects(config: watcher::Config, drops_watches: bool) {
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    if drops_watches {
        let watches = AtomicU64::new(0);
        cluster.set_faults(Some(Faults::new(move |request| match request.verb.as_str() {
            "watch" => Fault::CloseWatchAfter(watches.fetch_add(1, Ordering::Relaxed) as usize % 5),
            _ => Fault::None,
        })));
    }
    let client = kube::Client::new(cluster.service(), "default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &named("first", 0)).await.expect("created");

    let (store, writer) = reflector::store();
    let typed = run(watcher(maps.clone(), config.clone()).default_backoff().reflect(writer));
    let partial: Api<PartialObjectMeta<ConfigMap>> = Api::default_namespaced(client.clone());
    let (metadata, writer) = reflector::store();
    let metas = run(watcher(partial, config).default_backoff().reflect(writer));
    changes(&maps, &cluster).await;

    let want: Held = revisions(maps.list(&ListParams::default()).await.expect("listed").items.iter());
    let reached = async {
        loop {
            let all: Vec<Arc<ConfigMap>> = store.state();
            let have = revisions(all.iter().map(Arc::as_ref));
            let held = metadata.state();
            let partial: Held = held
                .iter()
                .map(|meta| (key(meta.metadata.name.as_ref()), key(meta.metadata.resource_version.as_ref())))
                .collect();
            if have == want && partial == want {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, reached).await.is_ok(), "the reflectors do not come to hold {want:?}");
    typed.abort();
    metas.abort();
}

fn key(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn revisions<'a>(all: impl Iterator<Item = &'a ConfigMap>) -> Held {
    all.map(|map| (key(map.metadata.name.as_ref()), key(map.metadata.resource_version.as_ref()))).collect()
}

#[tokio::test]
async fn a_reflector_by_list_and_watch_holds_what_is_listed() {
    reflects(watcher::Config::default(), false).await;
}

#[tokio::test]
async fn a_reflector_by_streaming_list_holds_what_is_listed() {
    reflects(watcher::Config::default().streaming_lists(), false).await;
}

#[tokio::test]
async fn a_reflector_outlives_watches_that_end() {
    reflects(watcher::Config::default(), true).await;
}
