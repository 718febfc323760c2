//! What is kept, what is not, and for which revisions it holds.

use std::path::Path;
use std::sync::Arc;

use bowline_model::{
    AppId, ChartValues, Deletion, DirectoryOptions, DirectoryRules, LiveMarks, Object, ObjectRules, Recalled, Remote,
    Report, Revision, Revisions, Secret, SourceSpec, Wanted,
};
use bowline_tree::{MemoryTree, Tree, TreePath};
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::dialect::{Dialect, LowerError, Lowered, Raised, Refusal, ResourceKind, SourceReport, World};
use crate::render::Chance;

/// A dialect of which only the name is asked.
struct Nobody;

impl Dialect for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }
    fn resources(&self) -> Vec<ResourceKind> {
        Vec::new()
    }
    fn lower(&self, _: &Object, _: &dyn World) -> Result<Lowered, LowerError> {
        Ok(Lowered::Suspended)
    }
    fn adopt(&self, _: &AppId, _: Option<&str>, _: &mut Object) -> ObjectRules {
        unreachable!("nothing is applied")
    }
    fn marks(&self, _: &Object) -> LiveMarks {
        LiveMarks::default()
    }
    fn recall(&self, _: &Object) -> Recalled {
        Recalled::default()
    }
    fn deletion(&self, _: &Object) -> Option<Deletion> {
        None
    }
    fn raise(&self, _: &Object, _: &Report) -> Raised {
        Raised::default()
    }
    fn raise_source(&self, _: &Object, _: &SourceReport) -> Raised {
        Raised::default()
    }
    fn wants_refresh(&self, _: &Object) -> bool {
        false
    }
    fn marks_are_proof(&self) -> bool {
        false
    }
    fn shows_source_failures(&self) -> bool {
        false
    }
    fn raise_refusal(&self, _: &Object, _: &Refusal, _: Timestamp) -> Raised {
        Raised::default()
    }
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', y: 'text of the map'}\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {x: very-secret}\n";

fn tree(files: &[(&str, &str)]) -> Arc<dyn Tree> {
    let mut tree = MemoryTree::new();
    for (path, content) in files {
        tree.insert(TreePath::parse(path).expect("a path"), (*content).to_owned());
    }
    Arc::new(tree)
}

fn directory(path: &str) -> Render {
    Render::Directory(DirectoryOptions {
        path: path.to_owned(),
        recurse: false,
        include: String::new(),
        exclude: String::new(),
        any_extension: false,
        rules: DirectoryRules::Flux,
    })
}

fn chart(options: ChartOptions) -> Render {
    let options = ChartOptions { path: "chart".to_owned(), release: "web".to_owned(), ..options };
    Render::Chart(Box::new(options))
}

fn rendering(render: Render, files: &[(&str, &str)]) -> Rendering {
    let spec = SourceSpec {
        remote: Remote::new("https://example.com/repository"),
        wanted: Wanted::Git(bowline_model::GitRef::Head),
        interval: std::time::Duration::from_mins(1),
        timeout: std::time::Duration::from_mins(1),
        pinned: None,
    };
    let resource = json!({"apiVersion": "v1", "kind": "App", "metadata": {"name": "a", "namespace": "b"}, "spec": {}});
    Rendering {
        net: None,
        is_fresh: false,
        sources: vec![AppSource::rendered(spec, render)],
        trees: vec![tree(files)],
        chances: vec![Chance::default()],
        surroundings: Some(Surroundings { kube_version: "1.35.0".to_owned(), api_versions: Arc::default() }),
        revisions: Revisions::from(Revision::named("main", "aa")),
        last: None,
        fetcher: None,
        dialect: Arc::new(Nobody),
        resource: Object::from_value(resource).expect("is an object"),
    }
}

fn open(folder: &Path, build: &str) -> RenderCache {
    RenderCache::open(CacheOptions { folder: folder.to_owned(), max_bytes: 1 << 20, build: build.to_owned() })
}

fn keep(cache: &RenderCache, rendering: &Rendering) -> Rendered {
    let (rendered, objects) = rendering.run();
    assert_eq!(rendered.outcome, Ok(()));
    cache.keep(rendering, &rendered, &objects);
    rendered
}

fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(bytes_below(&entry.path()));
        } else {
            found.extend(std::fs::read(entry.path()).expect("is there"));
        }
    }
    found
}

#[test]
fn a_render_holds_for_every_revision_that_reads_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = rendering(directory("a"), &[("a/one.yaml", CONFIG), ("b/two.yaml", "x: 1")]);
    let made = keep(&open(folder.path(), "1"), &first);
    // Another process, and a commit that touches something else.
    let cache = open(folder.path(), "1");
    let later = rendering(directory("a"), &[("a/one.yaml", CONFIG), ("b/two.yaml", "x: 2")]);
    let (found, objects) = cache.find(&later).expect("is kept");
    assert_eq!((found.digest, found.reads, found.by), (made.digest, made.reads, made.by));
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].object.text("/data/x"), Some("1"));
    let touched = [("a/one.yaml", CONFIG), ("a/new.yaml", CONFIG)];
    assert!(cache.find(&rendering(directory("a"), &touched)).is_none(), "a file is new");
    assert!(cache.find(&rendering(directory("b"), &[("a/one.yaml", CONFIG)])).is_none(), "another directory");
    assert!(open(folder.path(), "2").find(&later).is_none(), "another program");
    let mut elsewhere = rendering(directory("a"), &[("a/one.yaml", CONFIG)]);
    elsewhere.sources[0].spec.remote = Remote::new("https://example.com/other");
    assert!(cache.find(&elsewhere).is_none(), "another repository");
    let mut upgraded = rendering(directory("a"), &[("a/one.yaml", CONFIG)]);
    upgraded.surroundings = None;
    assert!(cache.find(&upgraded).is_some(), "plain files see nothing of the cluster");
}

#[test]
fn going_back_finds_the_render_of_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(folder.path(), "1");
    let at = |count: usize| {
        let content = CONFIG.replace("'1'", &format!("'{count}'"));
        rendering(directory("a"), &[("a/one.yaml", &content)])
    };
    for count in 0..=TRACES {
        keep(&cache, &at(count));
    }
    assert!(cache.find(&at(0)).is_none(), "the oldest made room");
    for count in 1..=TRACES {
        let (_, objects) = cache.find(&at(count)).expect("is kept");
        assert_eq!(objects[0].object.text("/data/x"), Some(count.to_string().as_str()));
    }
}

#[test]
fn secrets_are_never_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(folder.path(), "1");
    let secret = rendering(directory("a"), &[("a/one.yaml", CONFIG), ("a/two.yaml", SECRET)]);
    keep(&cache, &secret);
    assert!(cache.find(&secret).is_none());
    let of = |is_secret: bool| {
        let text = Secret::new("password: very-secret\n");
        let given = ChartValues { from: "Secret a".to_owned(), is_secret, text, place: None };
        let files = [
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("chart/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"),
        ];
        rendering(chart(ChartOptions { values_from: vec![given], ..ChartOptions::default() }), &files)
    };
    keep(&cache, &of(true));
    assert!(cache.find(&of(true)).is_none(), "made of a Secret");
    assert_eq!(bytes_below(folder.path()), b"", "nothing at all was written");
    keep(&cache, &of(false));
    assert!(cache.find(&of(false)).is_some());
    assert!(cache.find(&of(true)).is_none(), "whose values they are makes a difference");
}

#[test]
fn what_comes_of_chance_is_named_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(folder.path(), "1");
    let of = |field: &str| {
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  fixed: a\n  x: {{{{ {field} }}}}\n"
        );
        let files =
            [("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"), ("chart/templates/a.yaml", &*map)];
        rendering(chart(ChartOptions::default()), &files)
    };
    for (field, paths, is_pinned) in [
        ("randAlphaNum 8 | quote", &[".data.x"][..], true),
        ("now | date \"2006-01-02\" | quote", &[".data.x"], false),
        ("randAlphaNum 8 | len | quote", &[], true),
        ("\"a\"", &[], false),
    ] {
        let rendered = keep(&cache, &of(field));
        let told: Vec<&str> = rendered.unstable.iter().flat_map(|found| &found.paths).map(String::as_str).collect();
        assert_eq!(told, paths, "{field}");
        assert_eq!(rendered.pinned.is_some(), is_pinned, "{field}");
        let found = cache.find(&of(field));
        // A password may lie anywhere.
        assert_eq!(found.is_none(), is_pinned, "{field}");
        assert!(found.is_none_or(|(found, _)| found.unstable == rendered.unstable), "{field}");
    }
}

#[test]
fn a_damaged_cache_is_rendered_around() {
    fn damage(folder: &Path, content: &[u8]) {
        for entry in std::fs::read_dir(folder).expect("is there").flatten() {
            if entry.path().is_dir() {
                damage(&entry.path(), content);
            } else {
                std::fs::write(entry.path(), content).expect("can be written");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(folder.path(), "1");
    let wanted = rendering(directory("a"), &[("a/one.yaml", CONFIG)]);
    keep(&cache, &wanted);
    for content in [&b""[..], b"bowline cache 1\n", b"garbage"] {
        damage(folder.path(), content);
        assert!(cache.find(&wanted).is_none());
        keep(&cache, &wanted);
        assert!(cache.find(&wanted).is_some(), "it is kept anew");
    }
    // All of it may be lost while the process runs.
    for entry in std::fs::read_dir(folder.path()).expect("is there").flatten() {
        std::fs::remove_dir_all(entry.path()).expect("is ours");
    }
    assert!(cache.find(&wanted).is_none());
    keep(&cache, &wanted);
    assert!(cache.find(&wanted).is_some(), "it is kept anew");
}
