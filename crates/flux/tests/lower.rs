//! Lowering, one folder a case: `resource.yaml` and the `world.yaml` it refers to give `answer.txt`.
//!
//! `newest.txt`, where there is one, is the newest revision of every source; `options.txt` names options that
//! are on. `UPDATE=1 cargo test` rewrites the answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bowline_engine::{Dialect, LowerError, Lowered, Unread, World};
use bowline_flux::{Flux, FluxOptions};
use bowline_model::{GroupKind, Object, ObjectKey, RemoteBases, Render, Revision, SourceSpec};
use bowline_yaml::{Limits, parse_documents};

#[derive(Default)]
struct Known {
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    newest: Option<Revision>,
}

impl World for Known {
    fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
        Ok(self.objects.get(key).cloned())
    }

    fn labelled(&self, _: &GroupKind, _: &str, _: &str, _: &str) -> Result<Vec<Arc<Object>>, Unread> {
        Ok(Vec::new())
    }

    fn revision(&self, _: &SourceSpec) -> Option<Revision> {
        self.newest.clone()
    }
}

/// Knows nothing: every question must be asked first.
struct Nothing;

impl World for Nothing {
    fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
        Err(Unread::Object(key.clone()))
    }

    fn labelled(&self, kind: &GroupKind, ns: &str, label: &str, value: &str) -> Result<Vec<Arc<Object>>, Unread> {
        Err(Unread::Labelled(kind.clone(), ns.to_owned(), label.to_owned(), value.to_owned()))
    }

    fn revision(&self, _: &SourceSpec) -> Option<Revision> {
        None
    }
}

#[test]
fn cases() {
    let mut wrong = Vec::new();
    let folders = folders();
    assert!(folders.len() > 20, "only {} cases were found", folders.len());
    for folder in &folders {
        let have = answer(folder);
        let file = folder.join("answer.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &have).expect("can be written");
        }
        let want = std::fs::read_to_string(&file).unwrap_or_default();
        if want != have {
            wrong.push(format!("{}\nwant:\n{want}\nhave:\n{have}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), folders.len(), wrong.join("\n\n"));
}

#[test]
fn what_is_not_read_is_asked_for() {
    for folder in folders() {
        let resource = objects(&folder.join("resource.yaml")).remove(0);
        let asked = match Flux::default().lower(&resource, &Nothing) {
            Err(LowerError::Unread(Unread::Object(key))) => key,
            // Decided by the resource alone.
            Ok(_) | Err(LowerError::Invalid(_)) => continue,
            other => panic!("{}: {other:?}", folder.display()),
        };
        assert!(
            ["ConfigMap", "GitRepository", "HelmRepository", "OCIRepository", "Secret"].contains(&&*asked.kind),
            "{}: {asked}",
            folder.display()
        );
    }
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .expect("is a folder")
        .map(|entry| entry.expect("is readable").path())
        .filter(|path| path.join("resource.yaml").is_file())
        .collect();
    folders.sort();
    folders
}

fn answer(folder: &Path) -> String {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let resource = objects(&folder.join("resource.yaml")).remove(0);
    let mut world = Known { newest: text("newest.txt").trim().parse().ok(), ..Known::default() };
    let others = if folder.join("world.yaml").is_file() { objects(&folder.join("world.yaml")) } else { Vec::new() };
    for object in others.into_iter().chain([resource.clone()]) {
        world.objects.insert(object.key(), Arc::new(object));
    }
    let no_cross_namespace_refs = text("options.txt").contains("no_cross_namespace_refs");
    let flux = Flux::new(FluxOptions { no_cross_namespace_refs, ..FluxOptions::default() });
    match flux.lower(&resource, &world) {
        Ok(lowered) => format!("{lowered:#?}\n"),
        Err(LowerError::Invalid(failure)) => format!("invalid, {}: {failure}\n", failure.reason),
        Err(LowerError::Waiting(failure, again)) => {
            format!("waiting, {}: {failure}\nagain: {again:?}\n", failure.reason)
        }
        Err(LowerError::Unread(unread)) => format!("unread: {unread:?}\n"),
    }
}

fn objects(file: &Path) -> Vec<Object> {
    let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (documents, problems) = parse_documents(&text, &Limits::default());
    assert!(problems.is_empty(), "{}: {problems:?}", file.display());
    documents
        .into_iter()
        .map(|document| {
            Object::from_value(document.value).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect()
}

#[test]
fn remote_bases_are_off_where_the_flag_says_so() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/defaults");
    let resource = objects(&folder.join("resource.yaml")).remove(0);
    let mut world = Known::default();
    for object in objects(&folder.join("world.yaml")) {
        world.objects.insert(object.key(), Arc::new(object));
    }
    let remotes = |no_remote_bases: bool| {
        let flux = Flux::new(FluxOptions { no_remote_bases, ..FluxOptions::default() });
        let Ok(Lowered::App(app)) = flux.lower(&resource, &world) else { panic!("is lowered") };
        app.sources[0].render.as_ref().and_then(Render::kustomization).expect("is a kustomization").build.remotes
    };
    assert_eq!((remotes(false), remotes(true)), (RemoteBases::Anonymous, RemoteBases::Refused));
}
