//! Kustomizations that mean harm, or are broken: each ends in an error that says so, and soon.
//!
//! The names tell the rows of the list of threats that each test is for.

use std::fmt::Write as _;

use bowline_kustomize::{BuildError, Built, LoadRestrictions, Options, build};
use bowline_tree::{ContentId, Entry, EntryKind, MemoryTree, Tree, TreeError, TreePath};
use bytes::Bytes;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("is inside")
}

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), (*content).to_owned());
    }
    tree
}

fn built(files: &[(&str, &str)], directory: &str) -> Result<Built, BuildError> {
    build(&tree(files), &path(directory), &Options::default())
}

fn why(files: &[(&str, &str)], directory: &str) -> String {
    built(files, directory).expect_err("is refused").to_string()
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn a6_no_field_reads_outside_the_source() {
    let outside = "../../outside.yaml";
    let fields = [
        format!("resources: [{outside}]"),
        format!("components: [{outside}]"),
        format!("bases: [{outside}]"),
        format!("patches: [{{path: {outside}}}]"),
        format!("patchesStrategicMerge: [{outside}]"),
        format!("patchesJson6902: [{{path: {outside}, target: {{kind: ConfigMap, name: a}}}}]"),
        format!("configurations: [{outside}]"),
        format!("crds: [{outside}]"),
        format!("openapi: {{path: {outside}}}"),
        format!("replacements: [{{path: {outside}}}]"),
        format!("configMapGenerator: [{{name: b, envs: [{outside}]}}]"),
        format!("configMapGenerator: [{{name: b, files: [{outside}]}}]"),
        format!("secretGenerator: [{{name: b, files: [k={outside}]}}]"),
        format!("generators: [{outside}]"),
        format!("transformers: [{outside}]"),
        format!("validators: [{outside}]"),
    ];
    for field in &fields {
        for (restrictions, place) in [(LoadRestrictions::RootOnly, outside), (LoadRestrictions::None, outside)] {
            for place in [place, "/etc/passwd"] {
                let field = field.replace(outside, place);
                let own =
                    if field.starts_with("resources") { String::new() } else { "resources: [a.yaml]\n".to_owned() };
                let files = [("top/a.yaml", MAP), ("top/kustomization.yaml", &format!("{own}{field}\n"))];
                let options = Options { restrictions, ..Options::default() };
                let error = build(&tree(&files), &path("top"), &options).expect_err(&field).to_string();
                let told = error.contains("security;") || error.contains("cannot be absolute");
                assert!(told, "{field}: {error}");
            }
        }
    }
}

#[test]
fn a6_files_beside_a_kustomization_are_read_only_where_that_is_allowed() {
    let files = [("shared/a.yaml", MAP), ("top/kustomization.yaml", "resources: [../shared/a.yaml]\n")];
    assert!(why(&files, "top").contains("security; file '/shared/a.yaml' is not in or below '/top'"));
    let options = Options { restrictions: LoadRestrictions::None, ..Options::default() };
    assert_eq!(build(&tree(&files), &path("top"), &options).expect("is built").objects.len(), 1);
}

/// A tree with one link.
struct Linked {
    files: MemoryTree,
    link: TreePath,
    target: &'static str,
}

impl Tree for Linked {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        if *path == self.link {
            let name = path.file_name().to_owned();
            return Ok(Some(Entry { name, kind: EntryKind::Symlink, id: ContentId(String::new()) }));
        }
        self.files.entry(path)
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        if *path == self.link { Ok(Bytes::from_static(self.target.as_bytes())) } else { self.files.read(path) }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.files.list(path)
    }
}

#[test]
fn a4_links_lead_nowhere_outside() {
    for (target, words) in [
        ("/etc/passwd", "leads out of the source"),
        ("../../secret", "leads out of the source"),
        ("link.yaml", "too many links"),
        ("../shared/a.yaml", "security; file"),
    ] {
        let files = tree(&[("shared/a.yaml", MAP), ("top/kustomization.yaml", "resources: [link.yaml]\n")]);
        let linked = Linked { files, link: path("top/link.yaml"), target };
        let error = build(&linked, &path("top"), &Options::default()).expect_err(target).to_string();
        assert!(error.contains(words), "{target}: {error}");
    }
}

#[test]
fn a5_what_is_no_file_is_not_read() {
    let error =
        why(&[("top/sub/x", ""), ("top/kustomization.yaml", "configMapGenerator: [{name: a, files: [sub]}]\n")], "top");
    assert!(error.contains("'/top/sub' must resolve to a file"), "{error}");
}

#[test]
fn a14_texts_in_other_encodings_are_told() {
    for content in [&b"\xff\xfea\0"[..], b"resources: [\xff\xfe]\n", b"a: \x01\n"] {
        let mut files = MemoryTree::new();
        files.insert(path("kustomization.yaml"), content.to_vec());
        let error = build(&files, &path(""), &Options::default()).expect_err("is refused").to_string();
        assert!(error.starts_with("invalid Kustomization: "), "{error}");
    }
    let names = [("Kustomization", "namePrefix: a\n"), ("kustomization.yml", "namePrefix: a\n")];
    assert!(why(&names, "").starts_with("Found multiple kustomization files under: /"));
    assert!(
        why(&[("KUSTOMIZATION.YAML", "namePrefix: a\n")], "").starts_with("unable to find one of 'kustomization.yaml'")
    );
}

#[test]
fn c1_bombs_of_aliases_and_depth_are_refused() {
    let mut bomb =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = level - 1;
        let _ = writeln!(
            bomb,
            "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}]"
        );
    }
    let deep = format!("{MAP}data: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    for (resource, words) in [(&bomb, "excessive aliasing"), (&deep, "nested deeper")] {
        let error = why(&[("r.yaml", resource), ("kustomization.yaml", "resources: [r.yaml]\n")], "");
        assert!(error.contains(words), "{}", error.chars().take(300).collect::<String>());
    }
}

#[test]
fn c1_broken_texts_are_told_with_their_file() {
    for broken in
        ["a: [1", "a: {b", "a: \"x", "\ta: 1", "a: b: c", "- a\nb: c\n", "%YAML 9\n---\n", "a: *b\n", "!<x", "[!,a]"]
    {
        let error = why(&[("r.yaml", broken), ("kustomization.yaml", "resources: [r.yaml]\n")], "");
        assert!(error.contains("r.yaml"), "{broken}: {error}");
        assert!(why(&[("kustomization.yaml", broken)], "").starts_with("invalid Kustomization: "), "{broken}");
    }
}

#[test]
fn c2_what_yaml_means_is_what_go_reads() {
    let resource =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: NO, b: 0755, c: 1e3, d: !!str 1, e: 1_000}\n";
    let built = built(&[("r.yaml", resource), ("kustomization.yaml", "resources: [r.yaml]\n")], "").expect("is built");
    let want = "apiVersion: v1\ndata:\n  a: \"NO\"\n  b: 493\n  c: 1000\n  d: \"1\"\n  e: 1000\nkind: ConfigMap\nmetadata:\n  name: a\n";
    assert_eq!(built.to_yaml(), want);
    let twice = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: 1\ndata:\n  b: 2\n";
    let error = why(&[("r.yaml", twice), ("kustomization.yaml", "resources: [r.yaml]\n")], "");
    assert_eq!(
        error,
        "map[string]interface {}(nil): yaml: unmarshal errors:\n  line 7: mapping key \"data\" already defined at line 5"
    );
}

#[test]
fn c10_bases_in_a_circle_are_told() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", "resources: [../c]\n"),
        ("c/kustomization.yaml", "resources: [../a]\n"),
    ];
    assert!(why(&files, "a").contains("cycle detected: candidate root '/a' contains visited root '/a'"));
    let files = [("a/b/kustomization.yaml", "resources: [..]\n"), ("a/kustomization.yaml", "namePrefix: x\n")];
    assert!(why(&files, "a/b").contains("cycle detected: candidate root '/a' contains visited root '/a/b'"));
}

#[test]
fn c10_a_diamond_of_two_to_the_thirtieth_is_built_once_for_each_base() {
    let mut files = MemoryTree::new();
    for level in 1..=30 {
        let text = format!("resources: [../l{0}, ../r{0}]\nnamePrefix: x\n", level - 1);
        files.insert(path(&format!("l{level}/kustomization.yaml")), text.clone());
        files.insert(path(&format!("r{level}/kustomization.yaml")), text);
    }
    for side in ["l0", "r0"] {
        files.insert(path(&format!("{side}/kustomization.yaml")), "namePrefix: z\n");
    }
    let built = build(&Quick(files), &path("l30"), &Options::default()).expect("is built");
    assert!(built.objects.is_empty());
}

#[test]
fn c10_components_that_name_each_other_without_end_are_refused() {
    const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let mut files = MemoryTree::new();
    for level in 1..=30 {
        let text = format!("{HEAD}components: [../l{0}, ../r{0}]\n", level - 1);
        files.insert(path(&format!("l{level}/kustomization.yaml")), text.clone());
        files.insert(path(&format!("r{level}/kustomization.yaml")), text);
    }
    for side in ["l0", "r0"] {
        files.insert(path(&format!("{side}/kustomization.yaml")), format!("{HEAD}namePrefix: z\n"));
    }
    files.insert(path("top/kustomization.yaml"), "components: [../l30]\n");
    let error = build(&Quick(files), &path("top"), &Options::default()).expect_err("is refused");
    assert_eq!(error.to_string(), "the build goes through more than the limit of 10000 kustomizations");
    assert!(error.help.is_some());
}

#[test]
fn c10_a_hundred_thousand_overlays_are_refused() {
    let mut files = MemoryTree::new();
    for level in 0..100_000 {
        files.insert(path(&format!("d{level}/kustomization.yaml")), format!("resources: [../d{}]\n", level + 1));
    }
    let files = Quick(files);
    let error = build(&files, &path("d0"), &Options::default()).expect_err("is refused").to_string();
    assert_eq!(error, "kustomizations are nested deeper than the limit of 1000");
}

/// A tree that does not read all its files to tell what a directory is.
struct Quick(MemoryTree);

impl Tree for Quick {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let name = path.file_name().to_owned();
        let kind = match path.as_str() {
            "" => EntryKind::Directory,
            text if !text.contains('/') => EntryKind::Directory,
            text if text.ends_with("/kustomization.yaml") => EntryKind::File,
            _ => return Ok(None),
        };
        Ok(Some(Entry { name, kind, id: ContentId(String::new()) }))
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        self.0.read(path)
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.0.list(path)
    }
}

#[test]
fn c10_no_other_program_is_run() {
    let function = "apiVersion: example.com/v1\nkind: Tool\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/function: |\n      container: {image: evil}\n";
    for field in ["generators", "transformers", "validators"] {
        let files = [("f.yaml", function), ("kustomization.yaml", &format!("{field}: [f.yaml]\n"))];
        let error = built(&files, "").expect_err("is refused");
        assert!(
            error.to_string().contains("external plugins disabled; unable to load external plugin 'Tool'"),
            "{error}"
        );
        assert!(error.help.is_some());
    }
    let chart = [("kustomization.yaml", "helmCharts: [{name: a}]\n")];
    assert!(why(&chart, "").contains("must specify --enable-helm"));
}

#[test]
fn c10_nothing_remote_is_fetched() {
    for resource in
        ["https://example.com/a.yaml", "https://github.com/org/repo//dir?ref=v1", "git@github.com:org/repo.git"]
    {
        let error = why(&[("kustomization.yaml", &format!("resources: ['{resource}']\n"))], "");
        assert!(error.contains("is remote, and nothing is fetched here"), "{error}");
    }
}

#[test]
fn c13_patches_beyond_the_end_are_told() {
    for place in ["/data/2147483647/x", "/list/2147483647", "/list/~0~1", "/list/-/x"] {
        let patch = format!(
            "resources: [a.yaml]\npatches:\n- target: {{kind: ConfigMap}}\n  patch: |\n    - {{op: replace, path: {place}, value: 1}}\n"
        );
        let files = [
            ("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nlist: [1]\n"),
            ("kustomization.yaml", &patch),
        ];
        assert!(why(&files, "").contains("does not apply"), "{place}");
    }
    let wrong = "resources: [a.yaml]\nreplacements:\n- sourceValue: x\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: [list.2147483647]\n";
    let error = why(&[("a.yaml", &format!("{MAP}list: [1]\n")), ("kustomization.yaml", wrong)], "");
    assert!(error.contains("index 2147483647 specified but only 1 elements found"), "{error}");
}

#[test]
fn c10_messages_do_not_grow_without_end() {
    const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let mut files = MemoryTree::new();
    for level in 0..40 {
        let text = format!("{HEAD}components: [../d{}]\n", level + 1);
        files.insert(path(&format!("d{level}/kustomization.yaml")), text);
    }
    files.insert(path("d40/kustomization.yaml"), format!("{HEAD}namePrefix: [1]\n"));
    files.insert(path("top/kustomization.yaml"), "components: [../d0]\n");
    let error = build(&files, &path("top"), &Options::default()).expect_err("is refused").to_string();
    // Each level quotes the one below it, and so its quotes, again.
    assert!(error.len() < 1 << 20, "{}", error.len());
}
