//! What a `kustomization.yaml` says of what is generated: config maps, secrets and charts.

use serde_json::{Map, Value};

use super::ObjectMeta;
use crate::decode::{Decode, Decoder, decode_struct};
use crate::resource::Texts;

/// What a config map or a secret is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GeneratorArgs {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    pub(crate) options: Option<GeneratorOptions>,
    /// Of a secret.
    pub(crate) secret_type: String,
    /// Of one that stands in a file of its own.
    pub(crate) metadata: Option<ObjectMeta>,
}

impl Decode for GeneratorArgs {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let mut args = Self::default();
        // A type is of secrets alone, metadata of files alone: the one too many is told by name where it matters.
        let is_secret = path.starts_with("secretGenerator") || path.is_empty();
        let names: &[&'static str] = match (path.is_empty(), is_secret) {
            (true, _) => {
                &["namespace", "name", "behavior", "literals", "files", "envs", "env", "options", "type", "metadata"]
            }
            (false, true) => &["namespace", "name", "behavior", "literals", "files", "envs", "env", "options", "type"],
            (false, false) => &["namespace", "name", "behavior", "literals", "files", "envs", "env", "options"],
        };
        for (name, value) in decoder.fields(value, path, "types.GeneratorArgs", names) {
            match name {
                "namespace" => args.namespace = decoder.value(value, path, name),
                "name" => args.name = decoder.value(value, path, name),
                "behavior" => args.behavior = decoder.value(value, path, name),
                "literals" => args.literals = decoder.value(value, path, name),
                "files" => args.files = decoder.value(value, path, name),
                "envs" => args.envs = decoder.value(value, path, name),
                "env" => args.env = decoder.value(value, path, name),
                "options" => args.options = decoder.value(value, path, name),
                "type" => args.secret_type = decoder.value(value, path, name),
                _ => args.metadata = decoder.value(value, path, name),
            }
        }
        args
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Option<Texts>,
    pub(crate) annotations: Option<Texts>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}
decode_struct!(GeneratorOptions, "types.GeneratorOptions", {
    labels: "labels", annotations: "annotations", disable_name_suffix_hash: "disableNameSuffixHash",
    immutable: "immutable",
});

impl GeneratorOptions {
    /// Fills up what one generator leaves out from what holds for all.
    pub(crate) fn with_global(local: Option<Self>, global: Option<&Self>) -> Option<Self> {
        let Some(global) = global else { return local };
        let mut merged = local.unwrap_or_default();
        let fill = |own: &mut Option<Texts>, other: &Option<Texts>| {
            for (key, value) in other.iter().flatten() {
                own.get_or_insert_default().entry(key.clone()).or_insert_with(|| value.clone());
            }
        };
        fill(&mut merged.labels, &global.labels);
        fill(&mut merged.annotations, &global.annotations);
        merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
        merged.immutable |= global.immutable;
        Some(merged)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: String,
    pub(crate) config_home: String,
}
decode_struct!(HelmGlobals, "types.HelmGlobals", { chart_home: "chartHome", config_home: "configHome" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HelmChart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_file: String,
    pub(crate) values_inline: Map<String, Value>,
    pub(crate) values_merge: String,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
    pub(crate) skip_tests: bool,
    pub(crate) debug: bool,
    pub(crate) devel: bool,
}
decode_struct!(HelmChart, "types.HelmChart", {
    name: "name", version: "version", repo: "repo", release_name: "releaseName", namespace: "namespace",
    additional_values_files: "additionalValuesFiles", values_file: "valuesFile", values_inline: "valuesInline",
    values_merge: "valuesMerge", include_crds: "includeCRDs", skip_hooks: "skipHooks", api_versions: "apiVersions",
    kube_version: "kubeVersion", name_template: "nameTemplate", skip_tests: "skipTests", debug: "debug", devel: "devel",
});

/// The older way to name a chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HelmChartArgs {
    pub(super) chart_name: String,
    pub(super) chart_version: String,
    pub(super) chart_repo_url: String,
    pub(super) chart_home: String,
    pub(super) chart_repo_name: String,
    pub(super) helm_bin: String,
    pub(super) helm_home: String,
    pub(super) values: String,
    pub(super) values_local: Map<String, Value>,
    pub(super) values_merge: String,
    pub(super) release_name: String,
    pub(super) release_namespace: String,
    pub(super) extra_args: Vec<String>,
}
decode_struct!(HelmChartArgs, "types.HelmChartArgs", {
    chart_name: "chartName", chart_version: "chartVersion", chart_repo_url: "chartRepoUrl", chart_home: "chartHome",
    chart_repo_name: "chartRepoName", helm_bin: "helmBin", helm_home: "helmHome", values: "values",
    values_local: "valuesLocal", values_merge: "valuesMerge", release_name: "releaseName",
    release_namespace: "releaseNamespace", extra_args: "extraArgs",
});
