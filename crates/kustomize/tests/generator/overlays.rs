//! Random kustomizations.

use std::fmt::Write as _;

use super::extras::extras;
use super::objects::{Made, head, image, object, quoted};
use super::{Chance, Files, entries, scalar, text};

/// Makes a kustomization with all that it names.
pub(crate) fn kustomization(
    chance: &mut Chance,
    files: &mut Files,
    directory: &str,
    bases: &[String],
    made: &mut Vec<Made>,
    is_top: bool,
) {
    let mut yaml = String::new();
    let mut resources: Vec<String> = bases.to_vec();
    let count = if bases.is_empty() { 1 + chance.below(4) } else { chance.below(2) };
    for file in 0..count.div_ceil(2) {
        let mut documents = Vec::new();
        for _ in 0..2 {
            let (object, text) = object(chance);
            let is_there = made.iter().any(|other| other.kind == object.kind && other.name == object.name);
            if !is_there || chance.once_in(60) {
                made.push(object);
                documents.push(text);
            }
        }
        if documents.is_empty() {
            continue;
        }
        resources.push(format!("r{file}.yaml"));
        let text = match chance.below(30) {
            0 => as_list(&documents, "v1", "List"),
            1 => as_list(&documents, "example.com/v1", "WidgetList"),
            2 => format!("# Copyright\n---\n{}---\n# end\n", documents.join("---\n")),
            _ => documents.join("---\n"),
        };
        files.insert(format!("/{directory}/r{file}.yaml"), text);
    }
    if chance.once_in(40) && !bases.is_empty() {
        let (named, own) = resources.split_at(bases.len());
        let _ = writeln!(yaml, "bases:\n- {}", named.join("\n- "));
        if !own.is_empty() {
            let _ = writeln!(yaml, "resources:\n- {}", own.join("\n- "));
        }
    } else if !resources.is_empty() {
        let _ = writeln!(yaml, "resources:\n- {}", resources.join("\n- "));
    }
    if chance.once_in(6) {
        component(chance, files, &format!("{directory}-component"), made);
        let _ = writeln!(yaml, "components:\n- ../{directory}-component");
        if chance.once_in(4) {
            component(chance, files, &format!("{directory}-other"), made);
            let _ = writeln!(yaml, "- ../{directory}-other");
        }
    }
    generators(chance, files, &mut yaml, directory, made);
    settings(chance, files, &mut yaml, directory, made);
    patches(chance, files, &mut yaml, directory, made);
    extras(chance, files, &mut yaml, directory, made);
    if (is_top && chance.once_in(8)) || chance.once_in(60) {
        let _ = writeln!(
            yaml,
            "sortOptions:\n  order: {}",
            chance.pick(&["legacy", "legacy", "legacy", "legacy", "legacy", "fifo", "other"])
        );
        if chance.once_in(2) {
            let _ = writeln!(
                yaml,
                "  legacySortOptions:\n    orderFirst: [{}]\n    orderLast: [{}]",
                chance.pick(&["Service", "Widget, Secret", ""]),
                chance.pick(&["Namespace", "ConfigMap, Deployment", ""])
            );
        }
    }
    if is_top && chance.once_in(8) {
        let _ = writeln!(
            yaml,
            "buildMetadata: [{}]",
            chance.pick(&[
                "originAnnotations",
                "transformerAnnotations",
                "originAnnotations, transformerAnnotations",
                "managedByLabel",
                "managedByLabel, originAnnotations",
                "other"
            ])
        );
    }
    if yaml.is_empty() {
        yaml.push_str("namePrefix: p-\n");
    }
    files.insert(format!("/{directory}/kustomization.yaml"), yaml);
}

/// Documents as the items of a list.
fn as_list(documents: &[String], api_version: &str, kind: &str) -> String {
    let mut list = format!("apiVersion: {api_version}\nkind: {kind}\nitems:\n");
    for document in documents {
        for (at, line) in document.lines().enumerate() {
            let _ = writeln!(list, "{}{line}", if at == 0 { "- " } else { "  " });
        }
    }
    list
}

fn component(chance: &mut Chance, files: &mut Files, directory: &str, made: &mut Vec<Made>) {
    let mut yaml = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned();
    if chance.once_in(4) {
        let (object, text) = object(chance);
        if !made.iter().any(|other| other.kind == object.kind && other.name == object.name) {
            made.push(object);
            files.insert(format!("/{directory}/more.yaml"), text);
            yaml.push_str("resources:\n- more.yaml\n");
        }
    }
    if chance.once_in(4) {
        generators(chance, files, &mut yaml, directory, made);
    }
    settings(chance, files, &mut yaml, directory, made);
    patches(chance, files, &mut yaml, directory, made);
    extras(chance, files, &mut yaml, directory, made);
    if !yaml.contains("commonAnnotations:") {
        yaml.push_str("commonAnnotations:\n  component: \"1\"\n");
    }
    files.insert(format!("/{directory}/kustomization.yaml"), yaml);
}

fn generators(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str, made: &mut Vec<Made>) {
    for (field, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
        if !chance.once_in(4) {
            continue;
        }
        // A base knows nothing of the objects of another.
        let is_base = directory.starts_with("base");
        let known = made.iter().find(|it| it.kind == kind && it.namespace.is_empty()).filter(|_| !is_base);
        let name = match known {
            Some(known) if chance.once_in(2) => known.name.clone(),
            _ => format!("gen-{directory}"),
        };
        let quoted = if name == "0" { "\"0\"".to_owned() } else { name.clone() };
        let _ = writeln!(yaml, "{field}:\n- name: {quoted}");
        let is_known = known.is_some_and(|known| known.name == name);
        if is_known || chance.once_in(30) {
            let _ = writeln!(yaml, "  behavior: {}", chance.pick(&["merge", "replace", "merge", "merge"]));
        }
        let _ = writeln!(
            yaml,
            "  literals: [a=1, \"b='x y'\", {}]",
            chance.pick(&["c=", "app=z", "\"d=a=b\"", "x.y=true"])
        );
        if chance.once_in(2) {
            files.insert(format!("/{directory}/some.env"), "# comment\nE=1\n\n F = 2\nG\n".to_owned());
            let _ = writeln!(yaml, "  {}", chance.pick(&["envs: [some.env]", "envs: [some.env]", "env: some.env"]));
        }
        if chance.once_in(2) {
            let content =
                chance.pick(&["one line", "line one\nline two\n", "", "  indented\n\n", "tab\there\n", "é\r\nx"]);
            files.insert(format!("/{directory}/file.txt"), content.to_owned());
            let _ = writeln!(yaml, "  files: [{}]", chance.pick(&["file.txt", "key=file.txt"]));
        }
        if chance.once_in(3) {
            if chance.once_in(4) {
                let _ = writeln!(yaml, "  namespace: {}", chance.pick(&["other", "default"]));
            }
            if chance.once_in(6) && kind == "Secret" {
                let _ = writeln!(yaml, "  type: {}", chance.pick(&["Opaque", "kubernetes.io/tls", "x"]));
            }
            let _ = writeln!(
                yaml,
                "  options:\n    labels: {{gen: \"1\"}}\n    annotations: {{gen: \"true\"}}\n    {}: true",
                chance.pick(&["disableNameSuffixHash", "immutable"])
            );
        }
        if !is_known {
            let (api_version, kind) = ("v1", if kind == "Secret" { "Secret" } else { "ConfigMap" });
            made.push(Made { api_version, kind, name, namespace: "" });
        }
    }
    if chance.once_in(10) {
        let _ = writeln!(
            yaml,
            "generatorOptions:\n  annotations: {{note: x}}\n  {}: {}",
            chance.pick(&["disableNameSuffixHash", "disableNameSuffixHash", "immutable"]),
            chance.pick(&["true", "false"])
        );
    }
}

fn settings(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str, made: &[Made]) {
    if chance.once_in(4) {
        let _ = writeln!(yaml, "namespace: {}", chance.pick(&["ns", "other", "prod"]));
    }
    if chance.once_in(4) {
        let _ = writeln!(yaml, "namePrefix: {}", chance.pick(&["p-", "\"1\"", "x-y-"]));
    }
    if chance.once_in(6) {
        let _ = writeln!(yaml, "nameSuffix: {}", chance.pick(&["-s", "\"2\""]));
    }
    if chance.once_in(5) {
        let _ = write!(yaml, "commonLabels:\n{}", entries(chance, 2, text));
    }
    if chance.once_in(5) {
        let _ = write!(yaml, "labels:\n- pairs:\n{}", entries(chance, 4, text));
        match chance.below(7) {
            3 => yaml.push_str("  includeSelectors: true\n- pairs: {second: \"2\"}\n"),
            4 => yaml.push_str("  includeSelectors: false\n  includeTemplates: true\n  fields:\n  - path: spec/map\n    create: false\n"),
            0 => yaml.push_str("  includeSelectors: true\n"),
            1 => yaml.push_str("  includeTemplates: true\n"),
            2 => yaml.push_str("  fields:\n  - path: spec/extra\n    kind: Widget\n    create: true\n"),
            _ => {}
        }
    }
    if chance.once_in(5) {
        let _ = write!(yaml, "commonAnnotations:\n{}", entries(chance, 2, text));
    }
    if chance.once_in(4) {
        let name = image(chance).trim_matches('"').split([':', '@']).next().unwrap_or_default().to_owned();
        let change = chance.pick(&[
            "newTag: v2",
            "newTag: v2\n- name: app\n  newName: ''",
            "newTag: \"1.10\"\n  digest: sha256:both",
            "newTag: \"1.10\"",
            "newName: other/app",
            "digest: sha256:def",
            "tagSuffix: -x",
        ]);
        let _ = writeln!(yaml, "images:\n- name: {name}\n  {change}");
    }
    if chance.once_in(8)
        && let Some(target) = made.iter().find(|it| matches!(it.kind, "Deployment" | "StatefulSet"))
    {
        let name = if target.name == "0" { "\"0\"" } else { &target.name };
        let _ = writeln!(yaml, "replicas:\n- name: {name}\n  count: {}", chance.below(9));
    }
    if chance.once_in(14)
        && let Some(source) = pick(chance, made)
    {
        let name = if source.name == "0" { "\"0\"" } else { &source.name };
        let _ = writeln!(
            yaml,
            "vars:\n- name: {}\n  objref:\n    apiVersion: {}\n    kind: {}\n    name: {name}\n  fieldref:\n    fieldPath: {}",
            chance.pick(&["VAR", "OTHER"]),
            source.api_version,
            source.kind,
            chance.pick(&[
                "metadata.name",
                "metadata.name",
                "metadata.name",
                "metadata.name",
                "spec.replicas",
                "data.app",
                "metadata.labels",
                "metadata.namespace",
                "spec.ports[0].port"
            ])
        );
    }
    if chance.once_in(12)
        && let Some(source) = pick(chance, made)
    {
        let list = replacement(chance, &source);
        if chance.once_in(4) {
            // In a file the list stands by itself, and one of one may stand without it.
            let own: String = list.lines().fold(String::new(), |all, line| all + line + "\n");
            files.insert(format!("/{directory}/replacements.yaml"), own);
            yaml.push_str("replacements:\n- path: replacements.yaml\n");
        } else {
            yaml.push_str("replacements:\n");
            yaml.push_str(&list);
        }
    }
}

fn replacement(chance: &mut Chance, source: &Made) -> String {
    let mut list = String::new();
    let yaml = &mut list;
    let name = quoted(&source.name);
    if chance.once_in(6) {
        let _ = writeln!(yaml, "- sourceValue: {}", text(chance));
    } else {
        let field = chance.pick(&[
            "metadata.name",
            "metadata.name",
            "metadata.name",
            "metadata.name",
            "metadata.name",
            "metadata.name",
            "metadata.namespace",
            "spec.replicas",
            "metadata.labels.app",
            "kind",
            "metadata",
            "spec.template",
        ]);
        let _ = writeln!(yaml, "- source:\n    kind: {}\n    name: {name}\n    fieldPath: {field}", source.kind);
        if chance.once_in(4) {
            let _ = writeln!(
                yaml,
                "    options:\n      delimiter: \"{}\"\n      index: {}",
                chance.pick(&["-", "e", "."]),
                chance.below(3)
            );
        }
    }
    let _ = writeln!(
        yaml,
        "  targets:\n  - select:\n      kind: {}\n    fieldPaths:\n    - {}",
        chance.pick(&["Deployment", "Service", "ConfigMap", "Widget", "Dep.*", ".*"]),
        chance.pick(&[
            "metadata.annotations.copied",
            "spec.template.spec.containers.[name=main].image",
            "spec.template.spec.containers.*.image",
            "spec.template.spec.containers.0.env.[name=A].value",
            "data.app",
            "metadata.labels.[a/b]",
            "spec.ports.0.port",
            "spec.replicas",
            "spec.list.0",
            "spec.map",
        ])
    );
    if chance.once_in(4) {
        let _ = writeln!(
            yaml,
            "    - {}",
            chance.pick(&[
                "metadata.annotations.[a.b/c]",
                "metadata.labels.app\\.x",
                "spec.template.metadata.name",
                "data.*"
            ])
        );
    }
    match chance.below(4) {
        0 | 1 => yaml.push_str("    options:\n      create: true\n"),
        2 => {
            let index = chance.pick(&["-1", "0", "1", "9"]);
            let _ = writeln!(yaml, "    options:\n      delimiter: \":\"\n      index: {index}");
            if chance.once_in(3) {
                yaml.push_str("      create: true\n");
            }
        }
        _ => {}
    }
    if chance.once_in(4) {
        let _ = writeln!(
            yaml,
            "    reject:\n    - {}",
            chance.pick(&["kind: Service", "name: web", "kind: Dep.*\n      name: d.*", "labelSelector: app=web"])
        );
    }
    if chance.once_in(5) {
        yaml.push_str("  - select:\n      name: .*b.*\n    fieldPaths: [metadata.annotations.second]\n    options: {create: true}\n");
    }
    list
}

pub(crate) fn pick(chance: &mut Chance, made: &[Made]) -> Option<Made> {
    (!made.is_empty()).then(|| made[chance.below(made.len() as u64) as usize].clone())
}

fn patches(chance: &mut Chance, files: &mut Files, yaml: &mut String, directory: &str, made: &[Made]) {
    let mut list = String::new();
    for at in 0..chance.below(3) {
        let Some(target) = pick(chance, made) else { return };
        let is_json = chance.once_in(3);
        let selector = selector(chance, &target, is_json);
        let text = if is_json { json_patch(chance, target.kind) } else { merge_patch(chance, &target) };
        let needs_target = is_json;
        if chance.once_in(3) {
            let file = format!("patch{at}.yaml");
            files.insert(format!("/{directory}/{file}"), text);
            let _ = writeln!(list, "- path: {file}");
        } else {
            let indented = text.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
            let _ = write!(list, "- patch: |\n{indented}");
        }
        if needs_target || chance.once_in(3) {
            let _ = write!(list, "  target:\n{selector}");
        }
        if chance.once_in(10) {
            let _ = writeln!(list, "  options:\n    {}: true", chance.pick(&["allowNameChange", "allowKindChange"]));
        }
    }
    if !list.is_empty() {
        let _ = write!(yaml, "patches:\n{list}");
    }
    if chance.once_in(10)
        && let Some(target) = pick(chance, made)
    {
        files.insert(format!("/{directory}/merge.yaml"), merge_patch(chance, &target));
        yaml.push_str("patchesStrategicMerge:\n- merge.yaml\n");
    }
}

fn selector(chance: &mut Chance, target: &Made, is_exact: bool) -> String {
    match if is_exact { 9 } else { chance.below(6) } {
        0 => format!("    kind: {}\n", target.kind),
        1 => "    kind: (Deployment|StatefulSet)\n".to_owned(),
        2 => format!("    labelSelector: {}\n", chance.pick(&["app", "app=web", "tier in (v1, hello)", "\"!app\""])),
        3 => "    name: w.*\n".to_owned(),
        4 if !is_exact && chance.once_in(2) => chance
            .pick(&[
                "    group: apps\n",
                "    version: v1\n    kind: Service\n",
                "    namespace: other\n",
                "    annotationSelector: app\n",
                "    annotationSelector: \"x.y=one,!tier\"\n    kind: .*\n",
                "    name: (web|db)\n    namespace: ns\n",
                "    group: example.com\n    version: v1\n",
            ])
            .to_owned(),
        _ => {
            let name = quoted(&target.name);
            format!("    kind: {}\n    name: {name}\n", target.kind)
        }
    }
}

fn json_patch(chance: &mut Chance, kind: &str) -> String {
    let has_pods = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job");
    let paths: &[&str] = match kind {
        _ if has_pods => &[
            "/spec/replicas",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/-",
            "/spec/template/spec/containers/0/new",
        ],
        "Service" => &["/spec/ports/0", "/spec/ports/-", "/spec/ports/0/name"],
        "Widget" => &["/spec/list/-1", "/spec/list/0", "/spec/map", "/spec/value"],
        "ConfigMap" => &["/data/new", "/data"],
        _ => &["/metadata/name", "/new", "/metadata/labels", "/metadata/annotations", "/metadata/annotations/x~1y"],
    };
    let mut patch = String::new();
    for _ in 0..=chance.below(2) {
        let path = if chance.once_in(60) { "/missing/path" } else { chance.pick(paths) };
        let value = match path {
            "/metadata/labels" | "/metadata/annotations" | "/data" | "/spec/map" => "{app: \"1\", b: x}",
            path if path.ends_with("containers/-") => "{name: x, image: y}",
            path if path.ends_with("ports/-") || path.ends_with("ports/0") => "{port: 5, name: five}",
            "/metadata/name" => "renamed",
            _ => scalar(chance),
        };
        let op = if chance.once_in(12) { chance.pick(&["replace", "remove"]) } else { "add" };
        let op = if path.ends_with('-') { "add" } else { op };
        let _ = writeln!(patch, "- op: {op}\n  path: {path}\n  value: {value}");
    }
    patch
}

fn merge_patch(chance: &mut Chance, target: &Made) -> String {
    let mut target = target.clone();
    if chance.once_in(40) {
        target.namespace = "other";
    }
    let mut yaml = head(&target);
    match chance.below(10) {
        0 => yaml.push_str("$patch: delete\n"),
        1 => yaml.push_str("  annotations: null\n"),
        2 | 3 => {
            let _ = write!(yaml, "  labels:\n{}", entries(chance, 4, scalar));
        }
        4 => {
            let _ = write!(yaml, "  annotations:\n    $patch: replace\n{}", entries(chance, 4, scalar));
        }
        _ => {}
    }
    yaml.push_str(&patch_body(chance, target.kind));
    yaml
}

fn patch_body(chance: &mut Chance, kind: &str) -> String {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            let mut yaml = "spec:\n".to_owned();
            if chance.once_in(3) {
                let _ = writeln!(yaml, "  replicas: {}", chance.pick(&["3", "null", "\"3\""]));
            }
            yaml.push_str("  template:\n    spec:\n");
            if chance.once_in(4) {
                let _ = writeln!(yaml, "      nodeSelector:\n        disk: {}", scalar(chance));
            }
            let name = chance.pick(&["main", "main", "side", "new"]);
            let _ = writeln!(yaml, "      containers:\n      - name: {name}");
            match chance.below(6) {
                0 => yaml.push_str("        $patch: delete\n"),
                1 => yaml.push_str("        image: patched:1\n      - $patch: replace\n"),
                2 => yaml.push_str("        args: [patched]\n        ports:\n        - containerPort: 80\n          name: http\n        - containerPort: 82\n"),
                3 => yaml.push_str("        ports:\n        - containerPort: 81\n          protocol: UDP\n          $patch: delete\n"),
                _ => {
                    let _ = writeln!(yaml, "        env:\n        - name: A\n          value: {}\n        - name: C\n          value: c", scalar(chance));
                }
            }
            if chance.once_in(4) {
                yaml.push_str(
                    "      volumes:\n      - name: v\n        $patch: delete\n      - name: n\n        emptyDir: {}\n",
                );
            }
            yaml
        }
        "Service" => format!(
            "spec:\n  ports:\n  - port: {}\n    name: patched\n    protocol: TCP\n  selector:\n    app: {}\n",
            chance.pick(&["80", "443", "81"]),
            chance.pick(&["x", "null"])
        ),
        "ConfigMap" => format!("data:\n{}", entries(chance, 2, scalar)),
        "Widget" => format!(
            "spec:\n  list: [{}]\n  map:\n{}  containers:\n  - name: new\n",
            scalar(chance),
            entries(chance, 4, scalar)
        ),
        _ => String::new(),
    }
}
