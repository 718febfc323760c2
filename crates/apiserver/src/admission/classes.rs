//! `DefaultIngressClass`, and how the default of several classes is chosen.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Request, text};
use crate::registry::Registry;

const GROUP: &str = "networking.k8s.io";
const IS_DEFAULT: [&str; 1] = ["ingressclass.kubernetes.io/is-default-class"];
const CLASS: &str = "kubernetes.io/ingress.class";

/// Returns the name of the newest class that one of the annotations makes the default; of two of one age the first by name.
pub(super) fn newest_default(classes: Vec<Arc<Value>>, annotations: &[&str]) -> Option<String> {
    let mut defaults: Vec<Arc<Value>> = classes
        .into_iter()
        .filter(|class| annotations.iter().any(|key| class["metadata"]["annotations"][*key] == "true"))
        .collect();
    defaults.sort_by(|a, b| {
        let (a, b) = (&a["metadata"], &b["metadata"]);
        let created = |meta: &Value| meta["creationTimestamp"].as_str().unwrap_or_default().to_owned();
        created(b).cmp(&created(a)).then_with(|| a["name"].as_str().cmp(&b["name"].as_str()))
    });
    defaults.first().map(|class| text(class, "/metadata/name").to_owned())
}

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, ingress: &mut Value) {
    if !request.is_create_of(GROUP, "ingresses")
        || ingress["spec"].get("ingressClassName").is_some()
        || ingress["metadata"]["annotations"].get(CLASS).is_some()
    {
        return;
    }
    let classes = super::all(registry, (GROUP, "v1", "ingressclasses"), None);
    if let Some(name) = newest_default(classes, &IS_DEFAULT) {
        ingress["spec"]["ingressClassName"] = json!(name);
    }
}
