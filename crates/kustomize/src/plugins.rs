//! Generators and transformers with configurations of their own: those that Kustomize has built in.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::decode::{Decode, Decoder, Strictness, decode_struct};
use crate::error::BuildError;
use crate::generate::Generated;
use crate::kustomization::{
    GeneratorArgs, HelmChart, Image, ObjectMeta, Patch, PatchOptions, Replacement, Replica, Selector,
};
use crate::loader::Loader;
use crate::resource::Texts;
use crate::steps::{Step, ValueTarget, load_json, load_merges, load_replacements};
use crate::transform::affix::Side;
use crate::transform::namespace::SetNamespace;
use crate::transform::patch;

/// Everything that the configuration of a transformer may say.
#[derive(Debug, Clone, Default)]
struct Settings {
    metadata: ObjectMeta,
    labels: Texts,
    annotations: Texts,
    field_specs: Option<Vec<FieldSpec>>,
    image_tag: Image,
    unset_only: bool,
    subjects: String,
    target: Option<Selector>,
    path: String,
    json_op: String,
    paths: Vec<String>,
    patches: String,
    patch: String,
    options: Option<PatchOptions>,
    prefix: String,
    suffix: String,
    replacements: Vec<Replacement>,
    replica: Replica,
    value: String,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}
decode_struct!(Settings, "builtins.Plugin", {
    metadata: "metadata", labels: "labels", annotations: "annotations", field_specs: "fieldSpecs", image_tag: "imageTag",
    unset_only: "unsetOnly", subjects: "setRoleBindingSubjects", target: "target", path: "path", json_op: "jsonOp",
    paths: "paths", patches: "patches", patch: "patch", options: "options", prefix: "prefix", suffix: "suffix",
    replacements: "replacements", replica: "replica", value: "value", targets: "targets",
    target_file_path: "targetFilePath",
});

/// Which of the settings each transformer takes: another's may be of another shape.
const TAKEN: [(&str, &[&str]); 15] = [
    ("AnnotationsTransformer", &["annotations", "fieldSpecs"]),
    ("HashTransformer", &[]),
    ("ImageTagTransformer", &["imageTag", "fieldSpecs"]),
    ("LabelTransformer", &["labels", "fieldSpecs"]),
    ("NamespaceTransformer", &["metadata", "fieldSpecs", "unsetOnly", "setRoleBindingSubjects"]),
    ("PatchJson6902Transformer", &["target", "path", "jsonOp"]),
    ("PatchStrategicMergeTransformer", &["paths", "patches"]),
    ("PatchTransformer", &["path", "patch", "target", "options"]),
    ("PrefixSuffixTransformer", &["prefix", "suffix", "fieldSpecs"]),
    ("PrefixTransformer", &["prefix", "fieldSpecs"]),
    ("ReplacementTransformer", &["replacements"]),
    ("ReplicaCountTransformer", &["replica", "fieldSpecs"]),
    ("SuffixTransformer", &["suffix", "fieldSpecs"]),
    ("ValueAddTransformer", &["value", "targets", "targetFilePath"]),
    ("", &[]),
];

/// A generator with a configuration of its own.
#[derive(Debug, Clone)]
pub(crate) enum Generator {
    Pairs(Generated, Box<GeneratorArgs>),
    IamPolicy(Box<IamPolicy>),
    Chart(Box<HelmChart>),
}

/// What a cloud's service account is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IamPolicy {
    pub(crate) cloud: String,
    pub(crate) kubernetes_service: ServiceName,
    pub(crate) service_account: AccountName,
}
decode_struct!(IamPolicy, "types.IAMPolicyGeneratorArgs", {
    cloud: "cloud", kubernetes_service: "kubernetesService", service_account: "serviceAccount",
});

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ServiceName {
    pub(crate) name: String,
    pub(crate) namespace: String,
}
decode_struct!(ServiceName, "types.KubernetesService", { name: "name", namespace: "namespace" });

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AccountName {
    pub(crate) name: String,
    pub(crate) project_id: String,
}
decode_struct!(AccountName, "types.ServiceAccount", { name: "name", project_id: "projectId" });

impl IamPolicy {
    /// The service account, as text.
    pub(crate) fn text(&self) -> Result<String, BuildError> {
        if self.cloud != "gke" {
            return Err(BuildError::new(format!("cloud provider {} not supported yet", self.cloud)));
        }
        let (account, service) = (&self.service_account, &self.kubernetes_service);
        let mut text = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
            account.name, account.project_id, service.name
        );
        if !service.namespace.is_empty() {
            let _ = writeln!(text, "  namespace: {}", service.namespace);
        }
        Ok(text)
    }
}

fn settings_of(build: &Build<'_>, id: ObjectId) -> Result<(String, Value), BuildError> {
    let gvk = build.current_id(id).gvk;
    if !gvk.group.is_empty() || gvk.version != "builtin" {
        let kind = build.original_id(id).gvk.kind;
        return Err(BuildError::new(format!("external plugins disabled; unable to load external plugin '{kind}'"))
            .with_help(
                "no other program is run: use what Kustomize has built in, or build beforehand what the plugin makes",
            ));
    }
    let node = build.node(id).ok_or_else(|| BuildError::new("a plugin says nothing"))?;
    Ok((gvk.kind, build.store.value(node).map_err(BuildError::new)?))
}

fn read<T: Decode>(build: &Build<'_>, id: ObjectId, value: &Value) -> Result<T, BuildError> {
    Decoder::new(Strictness::Loose, "Plugin").read(value).map_err(|why| {
        let why = format!("error unmarshaling JSON: while decoding JSON: {why}");
        BuildError::new(why).within(format!("plugin {} fails configuration", build.original_id(id)))
    })
}

/// Makes a generator ready.
pub(crate) fn generator(build: &Build<'_>, id: ObjectId) -> Result<Generator, BuildError> {
    let (kind, value) = settings_of(build, id)?;
    let what = match kind.as_str() {
        "ConfigMapGenerator" => Generated::ConfigMap,
        "SecretGenerator" => Generated::Secret,
        "IAMPolicyGenerator" => return Ok(Generator::IamPolicy(Box::new(read(build, id, &value)?))),
        "HelmChartInflationGenerator" => {
            let chart: HelmChart = read(build, id, &value)?;
            crate::helm::check(build, &chart)?;
            return Ok(Generator::Chart(Box::new(chart)));
        }
        kind if TAKEN.iter().any(|(name, _)| *name == kind) => {
            return Err(BuildError::new(format!("plugin {} not a generator", build.original_id(id))));
        }
        _ => return Err(BuildError::new(format!("unable to load builtin {}", build.current_id(id).gvk))),
    };
    let mut args: GeneratorArgs = read(build, id, &value)?;
    let metadata = args.metadata.take().unwrap_or_default();
    if args.name.is_empty() {
        args.name = metadata.name;
    }
    if args.namespace.is_empty() {
        args.namespace = metadata.namespace;
    }
    Ok(Generator::Pairs(what, Box::new(args)))
}

/// Makes a transformer ready.
pub(crate) fn transformer(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
    id: ObjectId,
) -> Result<Step<'static>, BuildError> {
    let (kind, value) = settings_of(build, id)?;
    let Some((_, taken)) = TAKEN.iter().find(|(name, _)| *name == kind) else {
        if matches!(
            kind.as_str(),
            "ConfigMapGenerator" | "SecretGenerator" | "IAMPolicyGenerator" | "HelmChartInflationGenerator"
        ) {
            return Err(BuildError::new(format!("plugin {} not a transformer", build.original_id(id))));
        }
        return Err(BuildError::new(format!("unable to load builtin {}", build.current_id(id).gvk)));
    };
    let own: Map<String, Value> = match value {
        Value::Object(map) => {
            map.into_iter().filter(|(key, _)| taken.iter().any(|name| name.eq_ignore_ascii_case(key))).collect()
        }
        _ => Map::new(),
    };
    let value = Value::Object(own);
    let settings: Settings = read(build, id, &value)?;
    let shown = bowline_yaml::to_yaml(&value);
    step(build, loader, &kind, settings, &shown)
        .map_err(|error| error.within(format!("plugin {} fails configuration", build.original_id(id))))
}

fn step(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
    kind: &str,
    settings: Settings,
    shown: &str,
) -> Result<Step<'static>, BuildError> {
    let fields = Cow::from(settings.field_specs.clone().unwrap_or_default());
    let affix = |side: Side, text: String| {
        if settings.field_specs.is_none() {
            return Err(BuildError::new("fieldSpecs is not expected to be nil"));
        }
        Ok(Step::Affix { side, text, fields: fields.clone() })
    };
    Ok(match kind {
        "AnnotationsTransformer" => Step::Entries { entries: settings.annotations, fields },
        "LabelTransformer" => Step::Entries { entries: settings.labels, fields },
        "ImageTagTransformer" => Step::Image { image: Box::new(settings.image_tag), fields },
        "NamespaceTransformer" => {
            let (namespace, subjects) = (settings.metadata.namespace, settings.subjects);
            SetNamespace { namespace: &namespace, fields: &fields, unset_only: false, subjects: &subjects }.check()?;
            Step::Namespace { namespace, fields, unset_only: settings.unset_only, subjects }
        }
        "PatchJson6902Transformer" => load_json(loader, settings.target.as_ref(), &settings.path, &settings.json_op)?,
        "PatchStrategicMergeTransformer" => {
            if settings.paths.is_empty() && settings.patches.is_empty() {
                return Err(BuildError::new("empty file path and empty patch content"));
            }
            Step::Merges(load_merges(build, loader, &settings.paths, &settings.patches)?)
        }
        "PatchTransformer" => {
            let (path, inline, target, options) = (settings.path, settings.patch, settings.target, settings.options);
            Step::Patch(Box::new(patch::load(build, loader, &Patch { path, inline, target, options }, &|| {
                shown.to_owned()
            })?))
        }
        "PrefixTransformer" => affix(Side::Before, settings.prefix.clone())?,
        "SuffixTransformer" => affix(Side::After, settings.suffix.clone())?,
        "PrefixSuffixTransformer" => Step::Several(vec![
            affix(Side::Before, settings.prefix.clone())?,
            affix(Side::After, settings.suffix.clone())?,
        ]),
        "ReplicaCountTransformer" => Step::Replicas { replica: settings.replica, fields },
        "ReplacementTransformer" => Step::Replacements(load_replacements(loader, &settings.replacements)?),
        "ValueAddTransformer" => value_add(loader, settings)?,
        _ => Step::Hash,
    })
}

fn value_add(loader: &Loader<'_>, settings: Settings) -> Result<Step<'static>, BuildError> {
    let mut value = settings.value.trim().to_owned();
    if value.is_empty() {
        loader.root_path().file_name().clone_into(&mut value);
    }
    let mut targets = settings.targets;
    if !settings.target_file_path.is_empty() {
        let content = loader.load(&settings.target_file_path)?;
        let read = crate::text::yaml_to_json(&content).map_err(BuildError::new)?;
        let more: Settings = Decoder::new(Strictness::Loose, "Plugin").read(&read).map_err(BuildError::new)?;
        targets.extend(more.targets);
    }
    if targets.is_empty() {
        return Err(BuildError::new("must specify at least one target"));
    }
    for target in &targets {
        if target.field_path.is_empty() {
            return Err(BuildError::new("fieldPath cannot be empty"));
        }
        if target.position < 0 {
            return Err(BuildError::new(format!("value of FilePathPosition ({}) cannot be negative", target.position)));
        }
    }
    Ok(Step::AddValue { value, targets })
}
