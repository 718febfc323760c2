//! Where Argo CD's settings (`argocd-cm`) hold scripts: `resource.customizations.health.GROUP_KIND` and
//! `resource.customizations.useOpenLibs.GROUP_KIND`, and the older block `resource.customizations`, a map by `GROUP/Kind`
//! in which alone keys can be patterns. The newer form goes before the older.

use std::collections::BTreeMap;

use bowline_model::HealthScript;
use serde_json::Value;

use super::RuleError;

const PREFIX: &str = "resource.customizations.";

/// Collects the scripts of the settings. `block` is what `resource.customizations` says as YAML, null where there is none.
///
/// The keys of the answer are those of [`CustomHealth`](bowline_model::CustomHealth). Settings of other sorts are passed over.
pub fn scripts_of_settings<'s>(
    settings: impl IntoIterator<Item = (&'s str, &'s str)>,
    block: &Value,
) -> Result<BTreeMap<String, HealthScript>, RuleError> {
    let mut scripts: BTreeMap<String, HealthScript> = BTreeMap::new();
    for (key, said) in block.as_object().into_iter().flatten() {
        let script = said.get("health.lua").and_then(Value::as_str).unwrap_or_default().to_owned();
        let use_open_libs = said.get("health.lua.useOpenLibs").and_then(Value::as_bool).unwrap_or(false);
        scripts.insert(key.clone(), HealthScript { script, use_open_libs });
    }
    for (setting, text) in settings {
        let Some((sort, kind)) = setting.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else { continue };
        if !matches!(sort, "health" | "useOpenLibs") {
            continue;
        }
        let wrong = |reason: String| RuleError::Setting { key: setting.to_owned(), reason };
        let key = key_of(kind).ok_or_else(|| wrong("it does not end in `GROUP_KIND` or `KIND`".to_owned()))?;
        let entry = scripts.entry(key).or_insert(HealthScript { script: String::new(), use_open_libs: false });
        match sort {
            "health" => text.clone_into(&mut entry.script),
            _ => entry.use_open_libs = flag(text).ok_or_else(|| wrong(format!("`{text}` is no truth value")))?,
        }
    }
    scripts.retain(|_, script| !script.script.is_empty());
    Ok(scripts)
}

fn key_of(kind: &str) -> Option<String> {
    match kind.split('_').collect::<Vec<_>>()[..] {
        ["all"] => Some("*/*".to_owned()),
        [kind] if !kind.is_empty() => Some(kind.to_owned()),
        [group, kind] => Some(format!("{group}/{kind}")),
        _ => None,
    }
}

/// Reads a truth value as Go's `strconv.ParseBool`.
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::scripts_of_settings;

    #[test]
    fn both_forms_are_read_and_the_newer_wins() {
        let block = json!({
            "*.crossplane.io/*": {"health.lua": "old pattern", "health.lua.useOpenLibs": true},
            "cert-manager.io/Certificate": {"health.lua": "old", "actions": "discovery.lua: x"},
            "apps/Deployment": {"ignoreDifferences": "jsonPointers: []"},
        });
        let settings = [
            ("resource.customizations", "the block"),
            ("resource.customizations.health.cert-manager.io_Certificate", "new"),
            ("resource.customizations.useOpenLibs.cert-manager.io_Certificate", "true"),
            ("resource.customizations.useOpenLibs.apps_Deployment", "T"),
            ("resource.customizations.health.Pod", "core"),
            ("resource.customizations.health.all", "any"),
            ("resource.customizations.ignoreDifferences.all", "jsonPointers: []"),
            ("url", "https://argocd.example"),
        ];
        let scripts = scripts_of_settings(settings, &block).expect("is readable");
        let have: Vec<(&str, &str, bool)> =
            scripts.iter().map(|(key, of)| (key.as_str(), of.script.as_str(), of.use_open_libs)).collect();
        let want = [
            ("*.crossplane.io/*", "old pattern", true),
            ("*/*", "any", false),
            ("Pod", "core", false),
            ("cert-manager.io/Certificate", "new", true),
        ];
        assert_eq!(have, want);
    }

    #[test]
    fn settings_that_cannot_be_read_are_named() {
        for (setting, text, want) in [
            ("resource.customizations.useOpenLibs.Pod", "yes", "`yes` is no truth value"),
            ("resource.customizations.health.a_b_c", "x", "it does not end in `GROUP_KIND` or `KIND`"),
        ] {
            let error = scripts_of_settings([(setting, text)], &Value::Null).expect_err("is wrong");
            assert_eq!(error.to_string(), format!("setting `{setting}`: {want}"));
        }
    }
}
