//! What a `kustomization.yaml` says.

mod generators;

use serde_json::Value;

use crate::config::FieldSpec;
use crate::decode::{Decode, Decoder, Strictness, decode_struct};
use crate::error::BuildError;
use crate::id::{Gvk, ResId};
use crate::resource::Texts;
pub(crate) use generators::{GeneratorArgs, GeneratorOptions, HelmChart, HelmChartArgs, HelmGlobals};

pub(crate) const COMPONENT: &str = "Component";
const KUSTOMIZATION: &str = "Kustomization";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";
const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";

/// A whole kustomization.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: Option<ObjectMeta>,
    pub(crate) openapi: Option<Texts>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Option<Texts>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Texts,
    pub(crate) patches_strategic_merge: Option<Vec<String>>,
    pub(crate) patches_json6902: Option<Vec<Patch>>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) image_tags: Option<Vec<Image>>,
    pub(crate) replacements: Vec<Replacement>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Option<Vec<Var>>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) bases: Option<Vec<String>>,
    pub(crate) config_map_generator: Vec<GeneratorArgs>,
    pub(crate) secret_generator: Vec<GeneratorArgs>,
    pub(crate) helm_globals: Option<HelmGlobals>,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) helm_chart_inflation_generator: Vec<HelmChartArgs>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
}

decode_struct!(Kustomization, "types.Kustomization", {
    api_version: "apiVersion", kind: "kind", metadata: "metadata", openapi: "openapi", name_prefix: "namePrefix",
    name_suffix: "nameSuffix", namespace: "namespace", common_labels: "commonLabels", labels: "labels",
    common_annotations: "commonAnnotations", patches_strategic_merge: "patchesStrategicMerge",
    patches_json6902: "patchesJson6902", patches: "patches", images: "images", image_tags: "imageTags",
    replacements: "replacements", replicas: "replicas", vars: "vars", sort_options: "sortOptions",
    resources: "resources", components: "components", crds: "crds", bases: "bases",
    config_map_generator: "configMapGenerator", secret_generator: "secretGenerator", helm_globals: "helmGlobals",
    helm_charts: "helmCharts", helm_chart_inflation_generator: "helmChartInflationGenerator",
    generator_options: "generatorOptions", configurations: "configurations", generators: "generators",
    transformers: "transformers", validators: "validators", build_metadata: "buildMetadata",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ObjectMeta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: Texts,
    pub(crate) annotations: Texts,
}
decode_struct!(ObjectMeta, "types.ObjectMeta", {
    name: "name", namespace: "namespace", labels: "labels", annotations: "annotations",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Label {
    pub(crate) pairs: Texts,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}
decode_struct!(Label, "types.Label", {
    pairs: "pairs", include_selectors: "includeSelectors", include_templates: "includeTemplates",
    include_volume_claim_templates: "includeVolumeClaimTemplates", fields: "fields",
});

impl Decode for FieldSpec {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let mut spec = Self::default();
        for (name, value) in
            decoder.fields(value, path, "types.FieldSpec", &["group", "version", "kind", "path", "create"])
        {
            match name {
                "group" => spec.gvk.group = decoder.value(value, path, name),
                "version" => spec.gvk.version = decoder.value(value, path, name),
                "kind" => spec.gvk.kind = decoder.value(value, path, name),
                "path" => spec.path = decoder.value(value, path, name),
                _ => spec.create = decoder.value(value, path, name),
            }
        }
        spec
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) inline: String,
    pub(crate) target: Option<Selector>,
    pub(crate) options: Option<PatchOptions>,
}
decode_struct!(Patch, "types.Patch", { path: "path", inline: "patch", target: "target", options: "options" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}
decode_struct!(PatchOptions, "types.PatchArgs", {
    allow_name_change: "allowNameChange", allow_kind_change: "allowKindChange",
});

/// Names objects: by patterns where it is a target, by texts where it is a source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotations: String,
    pub(crate) labels: String,
}
decode_struct!(Selector, "types.Selector", {
    group: "group", version: "version", kind: "kind", name: "name", namespace: "namespace",
    annotations: "annotationSelector", labels: "labelSelector",
});

impl Selector {
    pub(crate) fn id(&self) -> ResId {
        let gvk = Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            is_cluster_scoped: false,
        };
        ResId { gvk, name: self.name.clone(), namespace: self.namespace.clone() }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}
decode_struct!(Image, "types.Image", {
    name: "name", new_name: "newName", tag_suffix: "tagSuffix", new_tag: "newTag", digest: "digest",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}
decode_struct!(Replica, "types.Replica", { name: "name", count: "count" });

/// A replacement, or the file that holds some.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replacement {
    pub(crate) source: Option<SourceSelector>,
    pub(crate) targets: Option<Vec<TargetSelector>>,
    pub(crate) source_value: Option<String>,
    pub(crate) path: String,
}
decode_struct!(Replacement, "types.Replacement", {
    source: "source", targets: "targets", source_value: "sourceValue", path: "path",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceSelector {
    pub(crate) selector: Selector,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

impl Decode for SourceSelector {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let mut source = Self::default();
        let names = ["group", "version", "kind", "name", "namespace", "fieldPath", "options"];
        for (name, value) in decoder.fields(value, path, "types.SourceSelector", &names) {
            match name {
                "group" => source.selector.group = decoder.value(value, path, name),
                "version" => source.selector.version = decoder.value(value, path, name),
                "kind" => source.selector.kind = decoder.value(value, path, name),
                "name" => source.selector.name = decoder.value(value, path, name),
                "namespace" => source.selector.namespace = decoder.value(value, path, name),
                "fieldPath" => source.field_path = decoder.value(value, path, name),
                _ => source.options = decoder.value(value, path, name),
            }
        }
        source
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TargetSelector {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}
decode_struct!(TargetSelector, "types.TargetSelector", {
    select: "select", reject: "reject", field_paths: "fieldPaths", options: "options",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) encoding: String,
    pub(crate) create: bool,
}
decode_struct!(FieldOptions, "types.FieldOptions", {
    delimiter: "delimiter", index: "index", encoding: "encoding", create: "create",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) objref: VarTarget,
    pub(crate) fieldref: FieldRef,
}
decode_struct!(Var, "types.Var", { name: "name", objref: "objref", fieldref: "fieldref" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct VarTarget {
    pub(crate) api_version: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}
decode_struct!(VarTarget, "types.Target", {
    api_version: "apiVersion", group: "group", version: "version", kind: "kind", name: "name", namespace: "namespace",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldRef {
    pub(crate) field_path: String,
}
decode_struct!(FieldRef, "types.FieldSelector", { field_path: "fieldPath" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy: Option<LegacySortOptions>,
}
decode_struct!(SortOptions, "types.SortOptions", { order: "order", legacy: "legacySortOptions" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LegacySortOptions {
    pub(crate) first: Vec<String>,
    pub(crate) last: Vec<String>,
}
decode_struct!(LegacySortOptions, "types.LegacySortOptions", { first: "orderFirst", last: "orderLast" });

/// Reads a kustomization; the old names of fields are put in place of the new ones.
///
/// Returns it with what Kustomize warns of.
pub(crate) fn parse(text: &[u8]) -> Result<(Kustomization, Vec<String>), BuildError> {
    let invalid = |why: String| BuildError::new(format!("invalid Kustomization: {why}"));
    let value = crate::text::yaml_to_json(text).map_err(invalid)?;
    let mut read: Kustomization = Decoder::new(Strictness::Strict, KUSTOMIZATION).read(&value).map_err(invalid)?;
    let warnings = warnings(&read);
    read.fix();
    if says_nothing(&value) {
        return Err(BuildError::new("kustomization.yaml is empty"));
    }
    Ok((read, warnings))
}

/// Tells whether there is no more than a kind and a version. An empty list says something, unless its field is an old one.
fn says_nothing(value: &Value) -> bool {
    const LOST: [&str; 4] = ["bases", "imageTags", "helmChartInflationGenerator", "apiVersion"];
    let is_lost = |name: &str| LOST.iter().any(|lost| lost.eq_ignore_ascii_case(name));
    value.as_object().into_iter().flatten().all(|(name, value)| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || is_lost(name) || name.eq_ignore_ascii_case("kind"),
        Value::Array(items) => items.is_empty() && is_lost(name),
        _ => false,
    })
}

fn warnings(read: &Kustomization) -> Vec<String> {
    let old = [
        (read.bases.is_some(), "bases", "resources", ""),
        (read.common_labels.is_some(), "commonLabels", "labels", ""),
        (read.image_tags.is_some(), "imageTags", "images", ""),
        (read.patches_json6902.is_some(), "patchesJson6902", "patches", ""),
        (read.patches_strategic_merge.is_some(), "patchesStrategicMerge", "patches", ""),
        (read.vars.is_some(), "vars", "replacements", "[EXPERIMENTAL] "),
    ];
    let told = old.into_iter().filter(|(is_there, ..)| *is_there).map(|(_, old, new, mark)| {
        format!(
            "# Warning: '{old}' is deprecated. Please use '{new}' instead. {mark}Run 'kustomize edit fix' to update your Kustomization automatically."
        )
    });
    told.collect()
}

impl Kustomization {
    fn fix(&mut self) {
        if self.kind.is_empty() {
            KUSTOMIZATION.clone_into(&mut self.kind);
        }
        if self.api_version.is_empty() {
            let version = if self.kind == COMPONENT { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
            version.clone_into(&mut self.api_version);
        }
        self.resources.extend(self.bases.take().unwrap_or_default());
        self.images.extend(self.image_tags.take().unwrap_or_default());
        for args in self.config_map_generator.iter_mut().chain(&mut self.secret_generator) {
            if !args.env.is_empty() {
                args.envs.push(std::mem::take(&mut args.env));
            }
        }
        let mut globals = HelmGlobals::default();
        for old in std::mem::take(&mut self.helm_chart_inflation_generator) {
            if !old.helm_home.is_empty() {
                globals.config_home = old.helm_home;
            }
            if !old.chart_home.is_empty() {
                globals.chart_home = old.chart_home;
            }
            self.helm_charts.push(HelmChart {
                name: old.chart_name,
                version: old.chart_version,
                repo: old.chart_repo_url,
                values_file: old.values,
                values_inline: old.values_local,
                values_merge: old.values_merge,
                release_name: old.release_name,
                ..HelmChart::default()
            });
        }
        if self.helm_globals.is_none() && globals != HelmGlobals::default() {
            self.helm_globals = Some(globals);
        }
    }

    /// Tells what is wrong with the kind and the version.
    pub(crate) fn enforce_fields(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            wrong.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
        }
        let version = if self.kind == COMPONENT { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
        if self.api_version != version {
            wrong.push(format!("apiVersion for {} should be {version}", self.kind));
        }
        wrong
    }
}
