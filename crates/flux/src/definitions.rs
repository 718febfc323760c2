use bowline_model::crd::{Definition, structural};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::api;

/// Returns the definitions of this dialect's resources.
pub fn definitions() -> Vec<Definition> {
    vec![git_repositories(), oci_repositories(), helm_repositories(), helm_charts(), kustomizations(), helm_releases()]
}

fn git_repositories() -> Definition {
    Definition {
        group: api::SOURCE_GROUP,
        version: api::VERSION,
        kind: api::GIT_REPOSITORY,
        plural: "gitrepositories",
        singular: "gitrepository",
        short_names: &["gitrepo"],
        categories: &["all", "fluxcd", "fluxcd-sources"],
        status_subresource: true,
        printer_columns: json!([
            {"name": "URL", "type": "string", "jsonPath": ".spec.url"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ready_column(),
            status_column(),
        ]),
        schema: resource_schema::<api::GitRepositorySpec, api::GitRepositoryStatus>("A Git repository to read from."),
        metadata: metadata(),
    }
}

fn oci_repositories() -> Definition {
    Definition {
        group: api::SOURCE_GROUP,
        version: api::VERSION,
        kind: api::OCI_REPOSITORY,
        plural: "ocirepositories",
        singular: "ocirepository",
        short_names: &["ocirepo"],
        categories: &["all", "fluxcd", "fluxcd-sources"],
        status_subresource: true,
        printer_columns: json!([
            {"name": "URL", "type": "string", "jsonPath": ".spec.url"},
            ready_column(),
            status_column(),
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]),
        schema: resource_schema::<api::OciRepositorySpec, api::OciRepositoryStatus>(
            "A repository of an OCI registry to read from.",
        ),
        metadata: metadata(),
    }
}

fn helm_repositories() -> Definition {
    Definition {
        group: api::SOURCE_GROUP,
        version: api::VERSION,
        kind: api::HELM_REPOSITORY,
        plural: "helmrepositories",
        singular: "helmrepository",
        short_names: &["helmrepo"],
        categories: &["all", "fluxcd", "fluxcd-sources"],
        status_subresource: true,
        printer_columns: json!([
            {"name": "URL", "type": "string", "jsonPath": ".spec.url"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ready_column(),
            status_column(),
        ]),
        schema: resource_schema::<api::HelmRepositorySpec, api::HelmRepositoryStatus>(
            "A repository of charts to read from.",
        ),
        metadata: metadata(),
    }
}

fn helm_charts() -> Definition {
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    Definition {
        group: api::SOURCE_GROUP,
        version: api::VERSION,
        kind: api::HELM_CHART,
        plural: "helmcharts",
        singular: "helmchart",
        short_names: &["hc"],
        categories: &["all", "fluxcd", "fluxcd-sources"],
        status_subresource: true,
        printer_columns: json!([
            column("Chart", ".spec.chart"),
            column("Version", ".spec.version"),
            column("Source Kind", ".spec.sourceRef.kind"),
            column("Source Name", ".spec.sourceRef.name"),
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ready_column(),
            status_column(),
        ]),
        schema: resource_schema::<api::HelmChartSpec, api::HelmChartStatus>("One chart of a source."),
        metadata: metadata(),
    }
}

fn helm_releases() -> Definition {
    Definition {
        group: api::HELM_GROUP,
        version: api::HELM_VERSION,
        kind: api::HELM_RELEASE,
        plural: "helmreleases",
        singular: "helmrelease",
        short_names: &["hr"],
        categories: &["all", "fluxcd", "fluxcd-appliers"],
        status_subresource: true,
        printer_columns: json!([
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ready_column(),
            status_column(),
        ]),
        schema: resource_schema::<api::HelmReleaseSpec, api::HelmReleaseStatus>("A chart to keep a cluster equal to."),
        metadata: metadata(),
    }
}

fn kustomizations() -> Definition {
    Definition {
        group: api::KUSTOMIZE_GROUP,
        version: api::VERSION,
        kind: api::KUSTOMIZATION,
        plural: "kustomizations",
        singular: "kustomization",
        short_names: &["ks"],
        categories: &["all", "fluxcd", "fluxcd-appliers"],
        status_subresource: true,
        printer_columns: json!([
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ready_column(),
            status_column(),
        ]),
        schema: resource_schema::<api::KustomizationSpec, api::KustomizationStatus>(
            "A directory of a source to keep a cluster equal to.",
        ),
        metadata: metadata(),
    }
}

fn ready_column() -> Value {
    json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"})
}

fn status_column() -> Value {
    json!({"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"})
}

/// Variable substitution must never touch a schema that passes through a Kustomization itself.
fn metadata() -> Value {
    json!({"annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}})
}

fn resource_schema<Spec: JsonSchema, Status: JsonSchema>(description: &str) -> Value {
    let mut status = structural::<Status>();
    // Until something was observed, every generation is newer: `kubectl wait` and kstatus rely on it.
    status["default"] = json!({"observedGeneration": -1});
    json!({
        "description": description,
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string", "description": "The group and version this resource is written in."},
            "kind": {"type": "string", "description": "The kind of this resource."},
            "metadata": {"type": "object"},
            "spec": structural::<Spec>(),
            "status": status,
        },
    })
}
