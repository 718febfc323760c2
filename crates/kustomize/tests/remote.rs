//! What kustomizations name by addresses, from a web in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bowline_kustomize::{
    BuildError, Built, Charts, LoadRestrictions, NotFetched, Options, RemoteChart, Remotes, RepositoryUrl, build,
};
use bowline_tree::{MemoryTree, Tree, TreePath};
use bytes::Bytes;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(TreePath::parse(name).expect("is inside"), (*content).to_owned());
    }
    tree
}

/// Files, repositories and charts by their addresses.
#[derive(Default)]
struct Web {
    files: BTreeMap<&'static str, Result<&'static str, u16>>,
    trees: BTreeMap<&'static str, Vec<(&'static str, &'static str)>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, String> {
        self.asked.lock().expect("not poisoned").push(name.to_owned());
        let files = self.trees.get(name).ok_or_else(|| format!("there is no `{name}`"))?;
        Ok(Arc::new(tree(files)))
    }
}

impl Remotes for Web {
    fn file(&self, url: &str) -> Result<Bytes, NotFetched> {
        self.asked.lock().expect("not poisoned").push(url.to_owned());
        match self.files.get(url) {
            Some(Ok(content)) => Ok(Bytes::from_static(content.as_bytes())),
            Some(Err(status)) => Err(NotFetched::Status(*status)),
            None => Err(NotFetched::Failed(format!("`{url}` cannot be reached"))),
        }
    }

    fn repository(&self, url: &RepositoryUrl) -> Result<Arc<dyn Tree>, String> {
        self.tree(&url.to_string())
    }

    fn chart(&self, chart: &RemoteChart<'_>) -> Result<Arc<dyn Tree>, String> {
        self.tree(&format!("{} {} {}", chart.repository, chart.name, chart.version))
    }
}

fn built(web: &Web, kustomization: &str) -> Result<Built, BuildError> {
    let charts = Charts {
        now: (0, 0),
        random: Arc::new(|| Box::new(|bytes: &mut [u8]| bytes.fill(0))),
        kube_version: String::new(),
        api_versions: Vec::new(),
    };
    let options = Options { remotes: Some(web), charts: Some(charts), ..Options::default() };
    let files = tree(&[("top/kustomization.yaml", kustomization), ("secret.yaml", MAP)]);
    build(&files, &TreePath::parse("top").expect("is inside"), &options)
}

fn why(web: &Web, kustomization: &str) -> String {
    built(web, kustomization).expect_err("is refused").to_string()
}

#[test]
fn files_and_directories_of_repositories_are_resources() {
    let web = Web {
        files: [("https://example.com/a.yaml", Ok(MAP)), ("https://example.com/org/repo//dir?ref=v1", Err(404))].into(),
        trees: [(
            "https://example.com/org/repo@v1",
            vec![
                ("dir/kustomization.yaml", "resources: [../base]\nnamePrefix: far-\n"),
                ("base/kustomization.yaml", "resources: [a.yaml]\n"),
                ("base/a.yaml", MAP),
            ],
        )]
        .into(),
        ..Web::default()
    };
    let text = "resources:\n- https://example.com/a.yaml\n- https://example.com/org/repo//dir?ref=v1\n\
                buildMetadata: [originAnnotations]\n";
    let built = built(&web, text).expect("is built");
    let told: Vec<(&str, &str)> = built
        .objects
        .iter()
        .map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
            (text("/metadata/name"), text("/metadata/annotations/config.kubernetes.io~1origin"))
        })
        .collect();
    let far = "path: base/a.yaml\nrepo: https://example.com/org/repo\nref: v1\n";
    let near = told.iter().find(|(name, _)| *name == "a").expect("is there").1;
    assert!(near.contains("a.yaml"), "{near}");
    assert!(told.contains(&("far-a", far)), "{told:?}");
}

#[test]
fn a_server_that_has_no_such_file_is_told() {
    let web = Web { files: [("https://example.com/a.yaml", Err(404))].into(), ..Web::default() };
    assert_eq!(
        why(&web, "resources: ['https://example.com/a.yaml']\n"),
        "accumulating resources: accumulating resources from 'https://example.com/a.yaml': HTTP Error: status code 404 (Not Found)"
    );
    let gone = why(&web, "resources: ['https://example.com/org/repo']\n");
    assert!(
        gone.contains("cannot be reached") && gone.contains("there is no `https://example.com/org/repo`"),
        "{gone}"
    );
}

#[test]
fn a6_what_comes_from_elsewhere_reads_nothing_beside_itself() {
    let files = |kustomization| {
        let trees = [("https://example.com/org/repo", vec![("k/kustomization.yaml", kustomization), ("x.yaml", MAP)])];
        Web { trees: trees.into(), ..Web::default() }
    };
    for (kustomization, words) in [
        ("resources: [../x.yaml]\n", "security; file"),
        ("resources: [../../secret.yaml]\n", "security; file"),
        ("resources: [/secret.yaml]\n", "cannot be absolute"),
        ("configMapGenerator: [{name: b, files: [../x.yaml]}]\n", "security; file"),
    ] {
        let web = files(kustomization);
        let options = Options { remotes: Some(&web), restrictions: LoadRestrictions::None, ..Options::default() };
        let top = tree(&[("kustomization.yaml", "components: []\nresources: ['https://example.com/org/repo//k']\n")]);
        let error = build(&top, &TreePath::root(), &options).expect_err(kustomization).to_string();
        assert!(error.contains(words), "{kustomization}: {error}");
    }
}

#[test]
fn c10_repositories_that_name_each_other_are_told() {
    let one = "resources: ['https://example.com/b/b//k?ref=v1']\n";
    let other = "resources: ['https://example.com/a/a//k?ref=v1']\n";
    let web = Web {
        trees: [
            ("https://example.com/a/a@v1", vec![("k/kustomization.yaml", one)]),
            ("https://example.com/b/b@v1", vec![("k/kustomization.yaml", other)]),
        ]
        .into(),
        ..Web::default()
    };
    let error = why(&web, other);
    let words = "cycle detected: URI 'https://example.com/a/a//k?ref=v1' referenced by previous URI";
    assert!(error.contains(words), "{error}");
}

#[test]
fn charts_of_the_chart_home_are_not_fetched_and_others_are() {
    const CHART: [(&str, &str); 3] = [
        ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        ("values.yaml", "key: its own\n"),
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '{{ .Values.key }}'}\n",
        ),
    ];
    let web = Web { trees: [("https://example.com/charts shop 1.0.0", CHART.to_vec())].into(), ..Web::default() };
    let chart = "helmCharts: [{name: shop, releaseName: s, repo: 'https://example.com/charts', version: 1.0.0";
    let of =
        |more: &str| built(&web, &format!("{chart}{more}}}]\n")).map(|built| built.objects[0]["data"]["key"].clone());
    assert_eq!(of("").expect("is built"), "its own");
    assert_eq!(of(", valuesInline: {key: inline}").expect("is built"), "inline");
    assert_eq!(of(", valuesInline: {key: inline}, valuesMerge: merge").expect("is built"), "its own");
    let other = why(&web, "helmCharts: [{name: cart, repo: 'https://example.com/charts', version: 1.0.0}]\n");
    assert!(other.contains("chart `cart` of `https://example.com/charts`"), "{other}");
    let asked = web.asked.lock().expect("not poisoned").len();
    assert_eq!(asked, 4, "one time each");
    let none = why(&web, "helmCharts: [{name: cart}]\n");
    assert!(none.contains("no repo specified for pull"), "{none}");
}
