use std::sync::Arc;

use bowline_engine::LowerError;
use bowline_model::{DiffRules, IgnoreRule, Pattern};

use super::unsupported;
use crate::api;

/// Reads which fields others may change: they keep their values.
///
/// The patterns of a target are regular expressions of the whole text, as Flux's are.
pub(super) fn diff_rules(field: &str, rules: Option<&Vec<api::IgnoreRule>>) -> Result<Arc<DiffRules>, LowerError> {
    let mut ignore = Vec::new();
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        let target = rule.target.clone().unwrap_or_default();
        for (name, selector) in
            [("annotationSelector", &target.annotation_selector), ("labelSelector", &target.label_selector)]
        {
            if selector.as_ref().is_some_and(|selector| !selector.is_empty()) {
                return Err(unsupported(&[format!("`spec.{field}[{at}].target.{name}`")]));
            }
        }
        let whole = |text: Option<String>| text.filter(|text| !text.is_empty()).map_or(Pattern::Any, Pattern::Whole);
        ignore.push(IgnoreRule {
            group: whole(target.group),
            version: whole(target.version),
            kind: whole(target.kind),
            namespace: whole(target.namespace),
            name: whole(target.name),
            pointers: rule.paths.clone(),
            ..IgnoreRule::default()
        });
    }
    Ok(Arc::new(DiffRules { ignore, respects: true }))
}
