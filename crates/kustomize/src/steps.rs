//! The steps that change objects, made ready before the first is taken.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::build::{Build, ObjectId, Objects};
use crate::config::{Config, FieldSpec, merge_field, merge_fields};
use crate::error::BuildError;
use crate::kustomization::{Image, Kustomization, Label, Patch, Replacement, Replica, Selector};
use crate::loader::Loader;
use crate::node::NodeId;
use crate::origin::{Origin, add_transformation};
use crate::read::read_objects;
use crate::resource::Texts;
use crate::transform::affix::{Side, affix};
use crate::transform::hash::add_hashes;
use crate::transform::images::set_image;
use crate::transform::json_patch::JsonPatch;
use crate::transform::labels::set_entries;
use crate::transform::namespace::SetNamespace;
use crate::transform::patch::{self, LoadedPatch, apply_json, merge_by_name};
use crate::transform::replacement::replace;
use crate::transform::replicas::set_replicas;
use crate::transform::value_add::add_value;

/// The fields that a step looks at: those of the configuration, or its own.
pub(crate) type Fields<'c> = Cow<'c, [FieldSpec]>;

/// One step.
#[derive(Debug, Clone)]
pub(crate) enum Step<'c> {
    Merges(Vec<NodeId>),
    Patch(Box<LoadedPatch>),
    JsonPatch { target: Option<Box<Selector>>, patch: JsonPatch },
    Namespace { namespace: String, fields: Fields<'c>, unset_only: bool, subjects: String },
    Affix { side: Side, text: String, fields: Fields<'c> },
    Entries { entries: Texts, fields: Fields<'c> },
    Replicas { replica: Replica, fields: Fields<'c> },
    Image { image: Box<Image>, fields: Fields<'c> },
    Replacements(Vec<Replacement>),
    Hash,
    AddValue { value: String, targets: Vec<ValueTarget> },
    Several(Vec<Step<'c>>),
}

/// Where a value is put.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ValueTarget {
    pub(crate) selector: Option<Selector>,
    pub(crate) field_path: String,
    pub(crate) position: i64,
}
crate::decode::decode_struct!(ValueTarget, "builtins.Target", {
    selector: "selector", field_path: "fieldPath", position: "filePathPosition",
});

/// A step and where it comes from, where that is noted.
#[derive(Debug, Clone)]
pub(crate) struct Planned<'c> {
    pub(crate) step: Step<'c>,
    pub(crate) origin: Option<Origin>,
}

/// Takes steps one after the other.
pub(crate) fn take(build: &mut Build<'_>, objects: &mut Objects, steps: &[Planned<'_>]) -> Result<(), BuildError> {
    for planned in steps {
        planned.step.apply(build, objects)?;
        if let Some(origin) = &planned.origin {
            add_transformation(build, objects, origin)?;
        }
        objects.retain(|id| !build.is_gone(*id));
        build.check_size()?;
    }
    Ok(())
}

impl Step<'_> {
    pub(crate) fn apply(&self, build: &mut Build<'_>, objects: &mut Objects) -> Result<(), BuildError> {
        match self {
            Self::Merges(patches) => merge_by_name(build, objects, patches),
            Self::Patch(patch) => patch.apply(build, objects),
            Self::JsonPatch { target, patch } => {
                let target = target.as_deref().ok_or_else(|| BuildError::new("must specify a target for patch"))?;
                build.select(objects, target)?.into_iter().try_for_each(|id| apply_json(build, id, patch))
            }
            Self::Namespace { namespace, fields, unset_only, subjects } => {
                SetNamespace { namespace, fields, unset_only: *unset_only, subjects }.apply(build, objects)
            }
            Self::Affix { side, text, fields } => affix(build, objects, *side, text, fields),
            Self::Entries { entries, fields } => set_entries(build, objects, entries, fields),
            Self::Replicas { replica, fields } => set_replicas(build, objects, replica, fields),
            Self::Image { image, fields } => set_image(build, objects, image, fields),
            Self::Replacements(replacements) => replace(build, objects, replacements),
            Self::Hash => add_hashes(build, objects),
            Self::AddValue { value, targets } => add_values(build, objects, value, targets),
            Self::Several(steps) => steps.iter().try_for_each(|step| step.apply(build, objects)),
        }
    }
}

fn add_values(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    value: &str,
    targets: &[ValueTarget],
) -> Result<(), BuildError> {
    for target in targets {
        let selected = match &target.selector {
            Some(selector) => build.select(objects, selector)?,
            None => objects.to_vec(),
        };
        for id in selected {
            let Some(node) = build.node(id) else { continue };
            if target.field_path == "metadata/namespace" {
                SetNamespace { namespace: value, fields: &[], unset_only: false, subjects: "" }.set_one(build, node)?;
            } else {
                add_value(&mut build.store, node, value, &target.field_path, target.position)?;
            }
        }
    }
    Ok(())
}

/// Makes the steps of a kustomization's own fields ready, in the order in which they are taken.
pub(crate) fn plan<'c>(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
    kustomization: &Kustomization,
    config: &'c Config,
    origin: &dyn Fn(&str) -> Option<Origin>,
) -> Result<Vec<Planned<'c>>, BuildError> {
    let mut steps = Vec::new();
    let mut add = |kind: &str, step: Step<'c>| steps.push(Planned { step, origin: origin(kind) });
    let merges = kustomization.patches_strategic_merge.as_deref().unwrap_or_default();
    if !merges.is_empty() {
        let kind = "PatchStrategicMergeTransformer";
        let loaded = load_merges(build, loader, merges, "");
        let config = || json!({"paths": merges});
        add(kind, Step::Merges(loaded.map_err(|error| trouble(error, kind, &config()))?));
    }
    for entry in &kustomization.patches {
        let kind = "PatchTransformer";
        let loaded = patch::load(build, loader, entry, &|| bowline_yaml::to_yaml(&patch_config(entry)));
        add(kind, Step::Patch(Box::new(loaded.map_err(|error| trouble(error, kind, &patch_config(entry)))?)));
    }
    if !kustomization.namespace.is_empty() {
        let (namespace, fields) = (kustomization.namespace.clone(), Cow::from(&config.namespace));
        add("NamespaceTransformer", Step::Namespace { namespace, fields, unset_only: false, subjects: String::new() });
    }
    for (side, kind, text, fields) in [
        (Side::Before, "PrefixTransformer", &kustomization.name_prefix, &config.name_prefix),
        (Side::After, "SuffixTransformer", &kustomization.name_suffix, &config.name_suffix),
    ] {
        if !text.is_empty() {
            add(kind, Step::Affix { side, text: text.clone(), fields: Cow::from(fields) });
        }
    }
    let common = kustomization.common_labels.clone().unwrap_or_default();
    if !kustomization.labels.is_empty() || !common.is_empty() {
        for label in &kustomization.labels {
            let fields = Cow::from(label_fields(label, config)?);
            add("LabelTransformer", Step::Entries { entries: label.pairs.clone(), fields });
        }
        add("LabelTransformer", Step::Entries { entries: common, fields: Cow::from(&config.common_labels) });
    }
    if !kustomization.common_annotations.is_empty() {
        let (entries, fields) = (kustomization.common_annotations.clone(), Cow::from(&config.common_annotations));
        add("AnnotationsTransformer", Step::Entries { entries, fields });
    }
    for entry in kustomization.patches_json6902.iter().flatten() {
        let kind = "PatchJson6902Transformer";
        let step = load_json(loader, entry.target.as_ref(), &entry.path, &entry.inline);
        add(kind, step.map_err(|error| trouble(error, kind, &json_config(entry)))?);
    }
    for replica in &kustomization.replicas {
        add(
            "ReplicaCountTransformer",
            Step::Replicas { replica: replica.clone(), fields: Cow::from(&config.replicas) },
        );
    }
    for image in &kustomization.images {
        add("ImageTagTransformer", Step::Image { image: Box::new(image.clone()), fields: Cow::from(&config.images) });
    }
    if !kustomization.replacements.is_empty() {
        let kind = "ReplacementTransformer";
        let loaded = load_replacements(loader, &kustomization.replacements);
        add(kind, Step::Replacements(loaded.map_err(|error| trouble(error, kind, &Value::Null))?));
    }
    Ok(steps)
}

/// Tells that a transformer cannot be made ready.
fn trouble(error: BuildError, kind: &str, config: &Value) -> BuildError {
    let config = if config.is_null() { String::new() } else { bowline_yaml::to_yaml(config) };
    error.within(format!("trouble configuring builtin {kind} with config: `\n{config}`"))
}

fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().map(|(key, value)| (key, without_empty(value)));
            Value::Object(
                kept.filter(|(_, value)| !matches!(value, Value::Null) && value != "" && *value != false).collect(),
            )
        }
        other => other,
    }
}

fn selector_config(selector: Option<&Selector>) -> Value {
    selector.map_or(Value::Null, |selector| {
        json!({
            "group": selector.group, "version": selector.version, "kind": selector.kind, "name": selector.name,
            "namespace": selector.namespace, "annotationSelector": selector.annotations,
            "labelSelector": selector.labels,
        })
    })
}

fn patch_config(patch: &Patch) -> Value {
    let options = patch.options.as_ref().map(
        |options| json!({"allowNameChange": options.allow_name_change, "allowKindChange": options.allow_kind_change}),
    );
    let target = selector_config(patch.target.as_ref());
    without_empty(json!({"path": patch.path, "patch": patch.inline, "target": target, "options": options}))
}

fn json_config(patch: &Patch) -> Value {
    let target = selector_config(patch.target.as_ref());
    without_empty(json!({"path": patch.path, "jsonOp": patch.inline, "target": target}))
}

fn label_fields(label: &Label, config: &Config) -> Result<Vec<FieldSpec>, BuildError> {
    let within = |error: BuildError| error.within("failed to merge labels");
    let mut fields = label.fields.clone();
    merge_fields(&mut fields, &config.labels).map_err(within)?;
    if label.include_selectors {
        merge_fields(&mut fields, &config.common_labels).map_err(within)?;
        return Ok(fields);
    }
    if label.include_templates {
        merge_fields(&mut fields, &config.template_labels)
            .map_err(|error| error.within("failed to merge template fieldSpec"))?;
    }
    if label.include_volume_claim_templates {
        merge_fields(&mut fields, &config.volume_claim_template_labels)
            .map_err(|error| error.within("failed to merge volumeClaimTemplate fieldSpec"))?;
    }
    let own = FieldSpec { path: "metadata/labels".to_owned(), create: true, ..FieldSpec::default() };
    merge_field(&mut fields, &own).map_err(within)?;
    Ok(fields)
}

/// Reads strategic merges: each entry is a patch, or the path of a file with some.
pub(crate) fn load_merges(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
    paths: &[String],
    inline: &str,
) -> Result<Vec<NodeId>, BuildError> {
    let mut patches = Vec::new();
    for path in paths {
        match read_objects(&mut build.store, path.as_bytes()) {
            Ok(nodes) => patches.extend(nodes),
            Err(_) => {
                let content = loader.load(path)?;
                let nodes = read_objects(&mut build.store, &content).map_err(|error| in_file(error, path))?;
                patches.extend(nodes);
            }
        }
    }
    if !inline.is_empty() {
        patches.extend(read_objects(&mut build.store, inline.as_bytes())?);
    }
    if patches.is_empty() {
        return Err(BuildError::new(format!("patch appears to be empty; files=[{}], Patch={inline}", paths.join(" "))));
    }
    Ok(patches)
}

/// Tells of a broken text in which file it is.
pub(crate) fn in_file(error: BuildError, path: &str) -> BuildError {
    if error.is_malformed() {
        let message = format!("{error} in File: {path}");
        return error.reworded(message);
    }
    error
}

/// Reads a JSON patch with its target.
pub(crate) fn load_json(
    loader: &Loader<'_>,
    target: Option<&Selector>,
    path: &str,
    inline: &str,
) -> Result<Step<'static>, BuildError> {
    if target.is_none_or(|target| target.name.is_empty()) {
        return Err(BuildError::new("must specify the target name"));
    }
    let text = match (path.is_empty(), inline.is_empty()) {
        (true, true) => return Err(BuildError::new("empty file path and empty jsonOp")),
        (false, false) => return Err(BuildError::new("must specify a file path or jsonOp, not both")),
        (true, false) => inline.to_owned(),
        (false, true) => String::from_utf8_lossy(&loader.load(path)?).into_owned(),
    };
    if text.is_empty() {
        return Err(BuildError::new(format!("patch file '{path}' empty seems to be empty")));
    }
    let patch = JsonPatch::parse(&text).map_err(|why| BuildError::new(why).within(format!("decoding {text}")))?;
    if patch.operations.is_empty() {
        return Err(BuildError::new(format!("patch appears to be empty; file={path}, JsonOp={text}")));
    }
    Ok(Step::JsonPatch { target: target.cloned().map(Box::new), patch })
}

/// Reads the replacements that stand in files of their own.
pub(crate) fn load_replacements(loader: &Loader<'_>, entries: &[Replacement]) -> Result<Vec<Replacement>, BuildError> {
    use crate::decode::{Decoder, Strictness};
    let mut loaded = Vec::new();
    for entry in entries {
        if entry.path.is_empty() {
            loaded.push(entry.clone());
            continue;
        }
        if entry.source.is_some() || entry.targets.as_ref().is_some_and(|targets| !targets.is_empty()) {
            return Err(BuildError::new("cannot specify both path and inline replacement"));
        }
        let content = loader.load(&entry.path)?;
        let value = crate::text::yaml_to_json(&content).map_err(BuildError::new)?;
        let read = |value: &Value| {
            let read = Decoder::new(Strictness::Loose, "Replacement").read(value);
            read.map_err(|why| BuildError::new(format!("error unmarshaling JSON: while decoding JSON: {why}")))
        };
        match &value {
            Value::Array(items) => {
                for item in items {
                    loaded.push(read(item)?);
                }
            }
            Value::Object(_) => loaded.push(read(&value)?),
            other => {
                let kind = match other {
                    Value::Null => "invalid",
                    Value::Bool(_) => "bool",
                    Value::Number(_) => "float64",
                    _ => "string",
                };
                return Err(BuildError::new(format!(
                    "unsupported replacement type encountered within replacement path: {kind}"
                )));
            }
        }
    }
    Ok(loaded)
}
