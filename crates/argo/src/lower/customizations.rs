//! What the settings of an installation (`argocd-cm`) say of kinds: when they are healthy, and what others may change.

use std::sync::Arc;

use bowline_engine::{check_expression, read_yaml};
use bowline_health::scripts_of_settings;
use bowline_model::{CustomHealth, DiffRules, Failure, IgnoreRule, Object, Pattern, Reason};
use serde_json::Value;

use super::{filled, listed};
use crate::types::{ApplicationSpec, ResourceIgnoreDifferences};

/// The older form: a map by `GROUP/Kind`, as YAML.
const BLOCK: &str = "resource.customizations";
const IGNORE: &str = "resource.customizations.ignoreDifferences.";

/// What the settings say of kinds.
pub(super) struct Customizations {
    pub(super) health: Arc<CustomHealth>,
    ignore: Vec<IgnoreRule>,
}

impl Customizations {
    /// Reads the settings, where there are any.
    pub(super) fn of(map: Option<&Object>) -> Result<Self, Failure> {
        let data = map.and_then(|map| map.at("/data")).and_then(Value::as_object);
        let settings = || data.into_iter().flatten().filter_map(|(key, text)| Some((key.as_str(), text.as_str()?)));
        let block = settings().find(|(key, _)| *key == BLOCK).map_or(Ok(Value::Null), |(key, text)| yaml(key, text))?;
        let scripts =
            scripts_of_settings(settings(), &block).map_err(|error| invalid(format!("`argocd-cm`: {error}")))?;
        let mut ignore = Vec::new();
        for (kind, said) in block.as_object().into_iter().flatten() {
            if let Some(text) = said.get("ignoreDifferences").and_then(Value::as_str) {
                let key = format!("{BLOCK}: {kind}: ignoreDifferences");
                let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
                ignore.push(rule(&key, group, kind, &yaml(&key, text)?)?);
            }
        }
        for (key, text) in settings() {
            let Some(kind) = key.strip_prefix(IGNORE) else { continue };
            let (group, kind) = match kind.rsplit_once('_') {
                None if kind == "all" => ("*", "*"),
                None => ("", kind),
                Some(both) => both,
            };
            ignore.push(rule(key, group, kind, &yaml(key, text)?)?);
        }
        let health = CustomHealth { scripts, ..CustomHealth::default() };
        Ok(Self { health: Arc::new(health), ignore })
    }

    /// Returns what others may change of an application's objects: by its own rules, and by the installation's.
    pub(super) fn diff(self, spec: &ApplicationSpec, respects: bool) -> Result<Arc<DiffRules>, Failure> {
        let mut ignore = self.ignore;
        for (at, rule) in listed(spec.ignore_differences.as_ref()).iter().enumerate() {
            ignore.push(own_rule(at, rule)?);
        }
        Ok(Arc::new(DiffRules { ignore, respects }))
    }
}

fn own_rule(at: usize, rule: &ResourceIgnoreDifferences) -> Result<IgnoreRule, Failure> {
    let any_or = |text: Option<&str>| filled(text).map_or(Pattern::Any, |text| Pattern::Glob(text.to_owned()));
    let expressions = listed(rule.jq_path_expressions.as_ref()).to_vec();
    for (number, expression) in expressions.iter().enumerate() {
        check(&format!("spec.ignoreDifferences[{at}].jqPathExpressions[{number}]"), expression)?;
    }
    Ok(IgnoreRule {
        group: Pattern::Glob(rule.group.clone().unwrap_or_default()),
        kind: Pattern::Glob(rule.kind.clone()),
        namespace: any_or(rule.namespace.as_deref()),
        name: any_or(rule.name.as_deref()),
        pointers: listed(rule.json_pointers.as_ref()).to_vec(),
        expressions,
        managers: listed(rule.managed_fields_managers.as_ref()).to_vec(),
        ..IgnoreRule::default()
    })
}

fn rule(key: &str, group: &str, kind: &str, said: &Value) -> Result<IgnoreRule, Failure> {
    let texts = |field: &str| -> Result<Vec<String>, Failure> {
        let wrong = || invalid(format!("`argocd-cm`: setting `{key}`: `{field}` is no list of texts"));
        match said.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(list) => {
                let texts = list.as_array().ok_or_else(wrong)?;
                texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
        }
    };
    let expressions = texts("jqPathExpressions")?;
    for expression in &expressions {
        check(&format!("argocd-cm: {key}"), expression)?;
    }
    Ok(IgnoreRule {
        group: Pattern::Glob(group.to_owned()),
        kind: Pattern::Glob(kind.to_owned()),
        pointers: texts("jsonPointers")?,
        expressions,
        managers: texts("managedFieldsManagers")?,
        ..IgnoreRule::default()
    })
}

fn check(field: &str, expression: &str) -> Result<(), Failure> {
    check_expression(expression).map_err(|error| invalid(format!("`{field}`: `{expression}`: {error}")))
}

fn yaml(key: &str, text: &str) -> Result<Value, Failure> {
    read_yaml(text).map_err(|why| invalid(format!("`argocd-cm`: setting `{key}` is no YAML: {why}")))
}

fn invalid(message: String) -> Failure {
    Failure::new(Reason::InvalidSpec, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(data: Value) -> Result<Customizations, Failure> {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data});
        Customizations::of(Some(&Object::from_value(map).expect("is an object")))
    }

    #[test]
    fn both_forms_of_settings_are_read() {
        let block = "apps/Deployment:\n  ignoreDifferences: |\n    jsonPointers: [/spec/replicas]\n\
                     example.com/Cake:\n  health.lua: return {}\n";
        let read = of(json!({
            "resource.customizations": block,
            "resource.customizations.ignoreDifferences.all": "managedFieldsManagers: [scaler]",
            "resource.customizations.ignoreDifferences.Service": "jqPathExpressions: ['.spec.ports[].nodePort']",
            "resource.customizations.ignoreDifferences.admissionregistration.k8s.io_MutatingWebhookConfiguration":
                "jqPathExpressions: ['.webhooks[]?.clientConfig.caBundle']",
            "resource.customizations.health.example.com_Pie": "return {}",
            "url": "https://argocd.example",
        }))
        .expect("can be read");
        let scripts: Vec<&str> = read.health.scripts.keys().map(String::as_str).collect();
        assert_eq!(scripts, ["example.com/Cake", "example.com/Pie"]);
        let glob = |text: &str| Pattern::Glob(text.to_owned());
        let kinds: Vec<_> = read.ignore.iter().map(|rule| (rule.group.clone(), rule.kind.clone())).collect();
        assert_eq!(
            kinds,
            [
                (glob("apps"), glob("Deployment")),
                (glob(""), glob("Service")),
                (glob("admissionregistration.k8s.io"), glob("MutatingWebhookConfiguration")),
                (glob("*"), glob("*")),
            ]
        );
        assert_eq!(read.ignore[3].managers, ["scaler"]);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        for (key, text, want) in [
            ("resource.customizations", "a: [", "`resource.customizations` is no YAML"),
            ("resource.customizations.ignoreDifferences.all", "jsonPointers: 1", "`jsonPointers` is no list of texts"),
            ("resource.customizations.ignoreDifferences.all", "jqPathExpressions: ['def f: f; f']", "`def`"),
            ("resource.customizations.health.a_b_c", "x", "resource.customizations.health.a_b_c"),
        ] {
            let mut data = json!({});
            data[key] = json!(text);
            let failure = of(data).err().expect("is refused");
            assert!(failure.message.contains(want), "{failure}");
        }
    }
}
