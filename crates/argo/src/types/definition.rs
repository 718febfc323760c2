use bowline_model::crd::{Definition, structural};
use serde_json::json;

use super::Application;

/// The API group of Argo CD's resources.
pub const GROUP: &str = "argoproj.io";
/// The version of Argo CD's resources.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "Application";
/// The plural, as in URLs.
pub const PLURAL: &str = "applications";

/// Returns the definition of `Application`, equal to the peer's in all but the words.
pub fn definition() -> Definition {
    Definition {
        group: GROUP,
        version: VERSION,
        kind: KIND,
        plural: PLURAL,
        singular: "application",
        short_names: &["app", "apps"],
        categories: &[],
        status_subresource: false,
        printer_columns: json!([
            {"jsonPath": ".status.sync.status", "name": "Sync Status", "type": "string"},
            {"jsonPath": ".status.health.status", "name": "Health Status", "type": "string"},
            {"jsonPath": ".status.sync.revision", "name": "Revision", "priority": 10, "type": "string"},
            {"jsonPath": ".spec.project", "name": "Project", "priority": 10, "type": "string"},
        ]),
        schema: structural::<Application>(),
        metadata: json!({"labels": {
            "app.kubernetes.io/name": "applications.argoproj.io",
            "app.kubernetes.io/part-of": "argocd",
        }}),
    }
}
