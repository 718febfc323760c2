use bowline_engine::Engine;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::view::rows;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    dialect: String,
    kind: String,
    namespace: String,
    name: String,
    sync_status: String,
    health_status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ArgoLabels {
    namespace: String,
    name: String,
    sync_status: String,
    health_status: String,
}

/// Writes the metrics as OpenMetrics text. Made anew for each scrape from what the engine says: nothing is
/// kept twice.
pub(crate) fn text(engine: &Engine) -> String {
    let mut registry = Registry::default();
    for (name, value) in engine.counters().read() {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(format!("bowline_{name}"), help(name), counter);
    }
    let apps = Family::<AppLabels, Gauge>::default();
    let argo = Family::<ArgoLabels, Gauge>::default();
    for row in rows(&engine.apps()) {
        if row.dialect == "argo" {
            argo.get_or_create(&ArgoLabels {
                namespace: row.namespace.clone(),
                name: row.name.clone(),
                sync_status: row.sync.to_owned(),
                health_status: row.health.to_owned(),
            })
            .set(1);
        }
        apps.get_or_create(&AppLabels {
            dialect: row.dialect.to_owned(),
            kind: row.kind,
            namespace: row.namespace,
            name: row.name,
            sync_status: row.sync.to_owned(),
            health_status: row.health.to_owned(),
        })
        .set(1);
    }
    registry.register("bowline_app_info", "Every app and how it is", apps);
    registry.register("argocd_app_info", "Every Application, under Argo CD's own name", argo);
    if let Some(bytes) = resident() {
        let gauge = Gauge::<i64>::default();
        gauge.set(bytes);
        registry.register("process_resident_memory_bytes", "Resident memory of this process", gauge);
    }
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

fn help(name: &str) -> &'static str {
    match name {
        "renders" => "Sources rendered",
        "renders_kept" => "Renders that were had from the disk",
        "renders_spared" => "New revisions that needed no render, because nothing that was read had changed",
        "syncs" => "Syncs carried out",
        "syncs_failed" => "Syncs that failed",
        "heals" => "Syncs that put back what had drifted",
        "drifts" => "Fields and objects that others changed",
        "applies" => "Objects written",
        "prunes" => "Objects deleted",
        "status_writes" => "Writes to the resources' own status",
        _ => "Passes over one resource",
    }
}

/// The second figure of `/proc/self/statm`, in pages of 4 KiB; absent where there is no such file.
fn resident() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
