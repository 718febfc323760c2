//! Random settings that stand in files of their own, or in plugins: what a kustomization may name besides the usual.

use std::fmt::Write as _;

use super::objects::{Made, quoted};
use super::{Chance, Files, entries, scalar, text};

/// Adds some of them to a kustomization.
pub(crate) fn extras(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str, made: &[Made]) {
    if chance.once_in(14) {
        configurations(chance, files, yaml, directory);
    }
    if chance.once_in(40) {
        crds(files, yaml, directory);
    }
    // The schemas of Kubernetes are read anew after each: that takes long.
    if chance.once_in(600) {
        openapi(files, yaml, directory);
    }
    if chance.once_in(10) {
        plugins(chance, files, yaml, directory, made, "transformers");
    }
    if chance.once_in(24) {
        plugins(chance, files, yaml, directory, made, "generators");
    }
    if chance.once_in(60) {
        plugins(chance, files, yaml, directory, made, "validators");
    }
    if chance.once_in(12)
        && let Some(target) = super::overlays::pick(chance, made)
    {
        json_6902(chance, files, yaml, directory, &target);
    }
    if chance.once_in(150) {
        yaml.push_str(chance.pick(&[
            "metadata:\n  name: it\n",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
            "unknown: 1\n",
            "inventory: {}\n",
            "imageTags:\n- name: nginx\n  newTag: v3\n",
            "kind: Other\n",
            "apiVersion: v1\n",
        ]));
    }
}

fn file(files: &mut Files, directory: &str, name: &str, text: impl Into<String>) {
    files.insert(format!("/{directory}/{name}"), text.into());
}

fn configurations(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str) {
    let mut config = String::new();
    let whole = [
        "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - path: spec/value\n    kind: Widget\n",
        "nameReference:\n- kind: Deployment\n  group: apps\n  fieldSpecs:\n  - path: spec/list\n    kind: Widget\n  - path: data/app\n    kind: ConfigMap\n",
        "nameReference:\n- kind: Secret\n  fieldSpecs:\n  - path: spec/containers/name\n    kind: Widget\n    group: example.com\n",
        "namePrefix:\n- path: spec/value\n  kind: Widget\n",
        "nameSuffix:\n- path: metadata/name\n",
        "namespace:\n- path: spec/namespace\n  kind: Widget\n  create: true\n",
        "commonLabels:\n- path: spec/map\n  kind: Widget\n  create: true\n",
        "labels:\n- path: spec/map\n  kind: Widget\n  create: false\n",
        "commonAnnotations:\n- path: spec/notes\n  kind: Widget\n  create: true\n",
        "varReference:\n- path: spec/value\n  kind: Widget\n- path: data\n  kind: ConfigMap\n",
        "images:\n- path: spec/containers/image\n  kind: Widget\n- path: spec/containers[]/image\n  kind: Widget\n",
        "replicas:\n- path: spec/value\n  kind: Widget\n  create: true\n",
        "namePrefix:\n- path: metadata/name\n  kind: ConfigMap\n  skip: true\n",
        "unknownSection:\n- path: a\n",
    ];
    // The last two are refused.
    let known = whole.len() - if chance.once_in(12) { 0 } else { 2 };
    let start = chance.below(known as u64) as usize;
    for at in 0..=chance.below(3) as usize {
        let section = whole[(start + at * 5) % known];
        let name = section.split(':').next().unwrap_or_default();
        // A section that is there twice is refused.
        if !config.contains(&format!("{name}:")) || chance.once_in(10) {
            config.push_str(section);
        }
    }
    file(files, directory, "config.yaml", config);
    yaml.push_str("configurations:\n- config.yaml\n");
    if chance.once_in(4) {
        file(files, directory, "config2.yaml", chance.pick(&whole[..known]));
        yaml.push_str("- config2.yaml\n");
    }
}

fn crds(files: &mut Files, yaml: &mut String, directory: &str) {
    let crd = r#"{"github.com/example.Widget":{"Schema":{"description":"a widget","properties":{
        "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"$ref":"k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta"},
        "spec":{"$ref":"github.com/example.WidgetSpec"}},
        "x-kubernetes-group-version-kind":[{"group":"example.com","kind":"Widget","version":"v1"}]},
        "Dependencies":["github.com/example.WidgetSpec"]},
        "github.com/example.WidgetSpec":{"Schema":{"properties":{
        "value":{"type":"object","x-kubernetes-object-ref-api-version":"v1","x-kubernetes-object-ref-kind":"ConfigMap"},
        "map":{"x-kubernetes-annotation":"","type":"object"},
        "list":{"x-kubernetes-label-selector":"","type":"object"}}},"Dependencies":[]}}"#;
    file(files, directory, "crd.json", crd);
    yaml.push_str("crds:\n- crd.json\n");
}

fn openapi(files: &mut Files, yaml: &mut String, directory: &str) {
    let schema = r#"{"definitions":{"v1.Widget":{"properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},
        "metadata":{"type":"object"},"spec":{"type":"object","properties":{"containers":{"type":"array",
        "items":{"type":"object"},"x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}}}},
        "type":"object","x-kubernetes-group-version-kind":[{"group":"example.com","kind":"Widget","version":"v1"}]}}}"#;
    file(files, directory, "schema.json", schema);
    yaml.push_str("openapi:\n  path: schema.json\n");
}

/// Plugins that are built in, in files or within the kustomization.
fn plugins(
    chance: &mut Chance,
    files: &mut Files,
    yaml: &mut String,
    directory: &str,
    made: &[Made],
    field: &'static str,
) {
    let _ = writeln!(yaml, "{field}:");
    for at in 0..=chance.below(2) {
        let config = match field {
            "generators" => generator(chance, at),
            _ => transformer(chance, made),
        };
        if chance.once_in(2) {
            let name = format!("{field}{at}.yaml");
            file(files, directory, &name, config);
            let _ = writeln!(yaml, "- {name}");
        } else {
            let indented = config.lines().fold(String::new(), |all, line| all + "  " + line + "\n");
            let _ = write!(yaml, "- |-\n{indented}");
        }
    }
}

fn head(kind: &str) -> String {
    format!("apiVersion: builtin\nkind: {kind}\nmetadata:\n  name: it\n")
}

fn generator(chance: &mut Chance, at: u64) -> String {
    let kind = chance.pick(&["ConfigMapGenerator", "SecretGenerator"]);
    let more = chance.pick(&["", "options:\n  disableNameSuffixHash: true\n", "behavior: create\n", "type: x/y\n"]);
    let more = if kind == "ConfigMapGenerator" && more.starts_with("type") { "" } else { more };
    let name = format!("plugin{at}");
    format!(
        "apiVersion: builtin\nkind: {kind}\nmetadata:\n  name: {name}\nliterals:\n- a={}\n{more}",
        chance.pick(&["1", "x=y", "''"])
    )
}

fn transformer(chance: &mut Chance, made: &[Made]) -> String {
    const NAME: &str = "fieldSpecs:\n- path: metadata/name\n";
    match chance.below(14) {
        0 => head("PrefixTransformer") + "prefix: t-\n" + NAME,
        1 => head("SuffixTransformer") + "suffix: -t\n" + NAME + "- path: spec/value\n  kind: Widget\n",
        2 => {
            let specs = chance.pick(&[
                "fieldSpecs:\n- path: metadata/labels\n  create: true\n",
                "fieldSpecs:\n- path: spec/template/metadata/labels\n  kind: Deployment\n  create: true\n",
                "",
            ]);
            format!("{}labels:\n{}{specs}", head("LabelTransformer"), entries(chance, 2, text))
        }
        3 => {
            let path = chance.pick(&["metadata/annotations", "metadata/annotations", "spec/notes"]);
            let annotations = entries(chance, 2, text);
            format!(
                "{}annotations:\n{annotations}fieldSpecs:\n- path: {path}\n  create: true\n",
                head("AnnotationsTransformer")
            )
        }
        4 | 5 => {
            let unset = chance.pick(&["", "unsetOnly: true\n", "unsetOnly: false\n"]);
            let subjects = chance.pick(&[
                "",
                "setRoleBindingSubjects: none\n",
                "setRoleBindingSubjects: allServiceAccounts\n",
                "setRoleBindingSubjects: defaultOnly\n",
                "setRoleBindingSubjects: other\n",
            ]);
            let specs = chance.pick(&[
                "",
                "fieldSpecs:\n- path: metadata/namespace\n  create: true\n",
                "fieldSpecs:\n- path: spec/namespace\n  kind: Widget\n  create: true\n",
            ]);
            let head = "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata:\n  name: it\n  namespace: t\n";
            format!("{head}{unset}{subjects}{specs}")
        }
        6 => {
            let tag = chance.pick(&["newTag: t", "newName: t/app", "digest: sha256:1", "newTag: \"1\"\n  newName: t"]);
            format!(
                "{}imageTag:\n  name: nginx\n  {tag}\nfieldSpecs:\n- path: spec/template/spec/containers[]/image\n",
                head("ImageTagTransformer")
            )
        }
        7 => {
            let name = super::overlays::pick(chance, made).map_or_else(|| "web".to_owned(), |it| it.name);
            let create = chance.pick(&["true", "false"]);
            format!(
                "{}replica:\n  name: {}\n  count: 5\nfieldSpecs:\n- path: spec/replicas\n  create: {create}\n  kind: Deployment\n",
                head("ReplicaCountTransformer"),
                quoted(&name)
            )
        }
        8 => {
            let kind = chance.pick(&["Deployment", "Widget", "ConfigMap", ".*"]);
            format!(
                "{}target:\n  kind: {kind}\npatch: |-\n  - op: add\n    path: /metadata/labels\n    value: {{t: \"1\"}}\n",
                head("PatchTransformer")
            )
        }
        9 => {
            format!(
                "{}patches: |-\n  apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: {}\n  data:\n    t: {}\n",
                head("PatchStrategicMergeTransformer"),
                super::overlays::pick(chance, made).map_or_else(|| "web".to_owned(), |it| quoted(&it.name)),
                scalar(chance)
            )
        }
        10 => {
            let name = super::overlays::pick(chance, made).map_or_else(|| "web".to_owned(), |it| it.name);
            format!(
                "{}target:\n  version: v1\n  kind: ConfigMap\n  name: {}\njsonOp: '[{{\"op\": \"add\", \"path\": \"/data/t\", \"value\": \"x\"}}]'\n",
                head("PatchJson6902Transformer"),
                quoted(&name)
            )
        }
        11 => {
            head("ReplacementTransformer")
                + "replacements:\n- sourceValue: from\n  targets:\n  - select:\n      kind: ConfigMap\n    fieldPaths:\n    - data.t\n    options:\n      create: true\n"
        }
        12 => {
            let path = chance.pick(&["metadata/annotations/t", "spec/replicas", "data/t"]);
            format!(
                "{}value: {}\ntargets:\n- fieldPath: {path}\n",
                head("ValueAddTransformer"),
                chance.pick(&["x", "\"5\"", "a/b"])
            )
        }
        _ => head(chance.pick(&[
            "HashTransformer",
            "LegacyOrderTransformer",
            "NoSuchTransformer",
            "SortOrderTransformer",
        ])),
    }
}

fn json_6902(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str, target: &Made) {
    let (group, version) = target.api_version.split_once('/').unwrap_or(("", target.api_version));
    let operations = chance.pick(&[
        "- op: add\n  path: /metadata/annotations\n  value: {six: \"1\"}\n",
        "- op: test\n  path: /kind\n  value: Deployment\n",
        "- op: copy\n  from: /metadata/name\n  path: /metadata/generateName\n",
        "- op: move\n  from: /metadata/name\n  path: /metadata/generateName\n",
        "- {op: replace, path: /metadata/name, value: six}\n",
        "[{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"a~b\": \"x\", \"n\": 1.50, \"t\": true}}]\n",
        "[{\"op\": \"add\", \"path\": \"/metadata/labels~1x\", \"value\": 1e3}]\n",
        "[]\n",
    ]);
    let group = if group.is_empty() { String::new() } else { format!("    group: {group}\n") };
    let name = quoted(&target.name);
    let _ = write!(
        yaml,
        "patchesJson6902:\n- target:\n{group}    version: {version}\n    kind: {}\n    name: {name}\n",
        target.kind
    );
    if !target.namespace.is_empty() && !chance.once_in(4) {
        let _ = writeln!(yaml, "    namespace: {}", target.namespace);
    }
    if chance.once_in(2) {
        file(files, directory, "six.yaml", operations);
        yaml.push_str("  path: six.yaml\n");
    } else {
        let indented = operations.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
        let _ = write!(yaml, "  patch: |-\n{indented}");
    }
}
