//! Lowering, case by case: `tests/cases/<story>/{story.md, application.yaml, world.yaml, app.txt}`.
//!
//! `world.yaml` holds what may be read beside the application; Secrets there use `stringData`. `UPDATE=1` rewrites
//! the answers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use bowline_argo::{Argo, ArgoOptions};
use bowline_engine::{Dialect, LowerError, Lowered, Unread, World};
use bowline_model::{App, Credentials, GroupKind, Object, ObjectKey, Render, Revision, Secret, SourceSpec};
use bowline_yaml::Limits;
use serde_json::{Value, json};

#[test]
fn every_case_lowers_to_its_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the cases are there").map(|entry| entry.expect("is readable").path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in &cases {
        assert!(case.join("story.md").is_file(), "{} tells no story", case.display());
        let have = answer(case);
        let file = case.join("app.txt");
        if update {
            fs::write(&file, &have).expect("the answer can be written");
        } else if fs::read_to_string(&file).unwrap_or_default() != have {
            wrong.push(format!("{}:\n{have}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn answer(case: &Path) -> String {
    let application = documents(&case.join("application.yaml")).pop().expect("an application");
    let world = Cluster(documents(&case.join("world.yaml")));
    match Argo::new(ArgoOptions::default()).lower(&application, &world) {
        Ok(Lowered::App(app)) => describe(&app),
        Ok(Lowered::Suspended) => "suspended\n".to_owned(),
        Ok(Lowered::Source(_)) => "a source\n".to_owned(),
        Ok(Lowered::Reference) => "for others\n".to_owned(),
        Err(LowerError::Invalid(failure)) => format!("invalid: {}: {failure}\n", failure.reason),
        Err(LowerError::Waiting(failure, _)) => format!("waiting: {}: {failure}\n", failure.reason),
        Err(LowerError::Unread(unread)) => format!("unread: {unread:?}\n"),
    }
}

fn documents(file: &Path) -> Vec<Object> {
    let text = fs::read(file).unwrap_or_default();
    let (documents, problems) = bowline_yaml::parse_documents(&text, &Limits::default());
    assert!(problems.is_empty(), "{}: {problems:?}", file.display());
    documents.into_iter().map(|document| stored(document.value)).collect()
}

/// Stores texts of Secrets as the API server does.
fn stored(mut value: Value) -> Object {
    if let Some(Value::Object(texts)) = value.as_object_mut().and_then(|map| map.remove("stringData")) {
        for (name, text) in texts {
            let text = text.as_str().expect("stringData holds texts");
            value["data"][name] = json!(base64::engine::general_purpose::STANDARD.encode(text));
        }
    }
    Object::from_value(value).expect("is an object")
}

/// A world of which everything has been read.
struct Cluster(Vec<Object>);

impl World for Cluster {
    fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
        Ok(self.0.iter().find(|object| object.key() == *key).cloned().map(Arc::new))
    }

    fn labelled(
        &self,
        kind: &GroupKind,
        namespace: &str,
        label: &str,
        value: &str,
    ) -> Result<Vec<Arc<Object>>, Unread> {
        let is_wanted = |object: &&Object| {
            object.gvk().group_kind() == *kind && object.namespace() == namespace && object.label(label) == Some(value)
        };
        Ok(self.0.iter().filter(is_wanted).cloned().map(Arc::new).collect())
    }

    fn revision(&self, _source: &SourceSpec) -> Option<Revision> {
        None
    }
}

/// Writes an app line by line; the secrets of test data are no secrets.
fn describe(app: &App) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name}: {value}");
    };
    line("id", format!("{} generation {}", app.id, app.generation));
    for source in &app.sources {
        line("source", format!("{} {:?}", source.spec.remote.url, source.spec.wanted));
        line("every", format!("{:?}, at most {:?}", source.spec.interval, source.spec.timeout));
        for (name, value) in credentials(&source.spec.remote.credentials) {
            line(name, value);
        }
        if let Some(name) = &source.reference {
            line("goes by", name.clone());
        }
        if let Some(render) = &source.render {
            line("render", format!("{render:?}"));
            line("unless told by", source.overrides.join(" and "));
        }
    }
    line("destination", format!("{:?}", app.destination));
    line("automatic", format!("{:?}", app.sync.automatic));
    if let Some(request) = &app.sync.request {
        // The id is a digest: its own test tells what it depends on.
        let request = bowline_model::SyncRequest { id: "…".to_owned(), ..request.clone() };
        line("request", format!("{request:?}"));
    }
    line("create namespace", format!("{:?}", app.sync.create_namespace));
    line(
        "rules",
        format!(
            "prune last {}, {:?}, force {}, fail on shared {}, wait between waves {}",
            app.sync.prune_last,
            app.sync.propagation,
            app.sync.force,
            app.sync.fail_on_shared,
            app.sync.wait_between_waves
        ),
    );
    line("retry", format!("{:?}", app.sync.retry));
    line("timeout", format!("{:?}", app.sync.timeout));
    line("health", format!("{:?}", app.health));
    line("field manager", app.field_manager.clone());
    text
}

fn credentials(credentials: &Credentials) -> Vec<(&'static str, String)> {
    let reveal = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    let mut lines: Vec<(&'static str, String)> = [
        ("  username", credentials.username.clone()),
        ("  password", reveal(&credentials.password)),
        ("  bearer token", reveal(&credentials.bearer_token)),
        ("  ssh key", reveal(&credentials.ssh_private_key)),
        ("  known hosts", credentials.known_hosts.clone()),
        ("  ca", credentials.ca.clone()),
        ("  client certificate", credentials.client_certificate.clone()),
        ("  client key", reveal(&credentials.client_key)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    if credentials.insecure {
        lines.push(("  insecure", "true".to_owned()));
    }
    lines
}

/// An application that lowers, changed by a merge patch of its spec.
fn changed(patch: &Value) -> Object {
    let mut value = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/shop.git", "path": "deploy"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    });
    merge(&mut value["spec"], patch);
    Object::from_value(value).expect("is an object")
}

fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, patch) in fields {
        if patch.is_null() {
            value.as_object_mut().expect("holds because it was just made a map").remove(name);
        } else {
            merge(&mut value[name], patch);
        }
    }
}

/// Lowers and returns the failure's reason and message; empty when it lowers.
fn refusal(application: &Object) -> (String, String) {
    match Argo::default().lower(application, &Cluster(Vec::new())) {
        Err(LowerError::Invalid(failure)) => (failure.reason.to_string(), failure.message),
        Ok(_) => (String::new(), String::new()),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let source = |patch: Value| json!({ "source": patch });
    let cases = [
        (
            json!({"sourceHydrator": {
            "drySource": {"repoURL": "x", "path": "a", "targetRevision": "main"},
            "syncSource": {"path": "a", "targetBranch": "b"}}}),
            "Unsupported",
            "spec.sourceHydrator",
        ),
        (
            json!({"ignoreDifferences": [{"kind": "Deployment", "jqPathExpressions": [".a = 1"]}]}),
            "InvalidSpec",
            "spec.ignoreDifferences[0].jqPathExpressions[0]",
        ),
        (source(json!({"chart": "redis", "targetRevision": null})), "InvalidSpec", "targetRevision"),
        (json!({"sources": [{"repoURL": "a", "ref": "a/b"}]}), "InvalidSpec", "special characters"),
        (json!({"sources": [{"repoURL": "a", "ref": "a", "chart": "b"}]}), "InvalidSpec", "is a chart"),
        (source(json!({"kustomize": {"version": "v4"}})), "InvalidSpec", "version v4 is not registered"),
        (source(json!({"kustomize": {"images": ["nginx"]}})), "InvalidSpec", "is no image"),
        (source(json!({"kustomize": {"replicas": [{"name": "a", "count": "b"}]}})), "InvalidSpec", "replicas"),
        (source(json!({"plugin": {}})), "Unsupported", "plugin"),
        (source(json!({"tagPrefix": "shop-"})), "Unsupported", "tagPrefix"),
        (source(json!({"directory": {"jsonnet": {"libs": ["vendor"]}}})), "Unsupported", "directory.jsonnet"),
        (
            source(json!({"helm": {"version": "v3"}, "directory": {"recurse": true}})),
            "InvalidSpec",
            "multiple application sources",
        ),
        (source(json!({"path": null})), "InvalidSpec", "path"),
        (source(json!({"path": "/deploy"})), "InvalidSpec", "absolute"),
        (source(json!({"path": "deploy/../../etc"})), "InvalidSpec", "outside"),
        (source(json!({"repoURL": ""})), "InvalidSpec", "repoURL"),
        (json!({"source": null}), "InvalidSpec", "spec.source"),
        (json!({"destination": {"name": "in-cluster"}}), "InvalidSpec", "both"),
        (json!({"destination": {"server": null}}), "InvalidSpec", "neither"),
        (json!({"destination": {"server": "https://10.0.0.1"}}), "Unsupported", "https://10.0.0.1"),
        (json!({"destination": {"server": null, "name": "prod"}}), "Unsupported", "prod"),
        (
            json!({"destination": {"namespace": null}, "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}),
            "InvalidSpec",
            "CreateNamespace",
        ),
        (json!({"syncPolicy": {"retry": {"backoff": {"duration": "soon"}}}}), "InvalidSpec", "soon"),
        (json!({"syncPolicy": {"automated": {"prune": "yes"}}}), "InvalidSpec", "spec"),
    ];
    for (patch, reason, word) in cases {
        let (have, message) = refusal(&changed(&patch));
        assert_eq!(have, reason, "{patch}: {message}");
        assert!(message.contains(word), "{patch}: {message}");
    }
}

#[test]
fn what_says_nothing_changes_nothing() {
    let plain = |patch: Value| match Argo::default().lower(&changed(&patch), &Cluster(Vec::new())) {
        Ok(Lowered::App(app)) => *app,
        other => panic!("{patch}: {other:?}"),
    };
    let want = plain(json!({}));
    for patch in [
        json!({"project": ""}),
        json!({"sources": [], "ignoreDifferences": []}),
        json!({"source": {"helm": {}, "kustomize": {}, "chart": "", "directory": {}, "targetRevision": ""}}),
        json!({"source": {"directory": {"jsonnet": {"extVars": []}}}}),
        json!({"destination": {"server": null, "name": "in-cluster"}}),
        json!({"destination": {"server": "https://kubernetes.default.svc/"}}),
        json!({"syncPolicy": {"automated": {"enabled": false, "prune": true}}}),
        json!({"syncPolicy": {"syncOptions": ["ServerSideApply=true", "Validate=false", "Unheard=of"]}}),
        json!({"source": null, "sources": [{"repoURL": "https://git.example.com/shop.git", "path": "deploy"}]}),
    ] {
        assert_eq!(plain(patch.clone()), want, "{patch}");
    }
}

#[test]
fn what_has_not_been_read_is_asked_for() {
    struct Empty;
    impl World for Empty {
        fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
            Err(Unread::Object(key.clone()))
        }
        fn labelled(&self, kind: &GroupKind, ns: &str, label: &str, value: &str) -> Result<Vec<Arc<Object>>, Unread> {
            Err(Unread::Labelled(kind.clone(), ns.to_owned(), label.to_owned(), value.to_owned()))
        }
        fn revision(&self, _source: &SourceSpec) -> Option<Revision> {
            None
        }
    }
    let want = Unread::Object(ObjectKey::new("", "ConfigMap", "argocd", "argocd-cm"));
    assert_eq!(Argo::default().lower(&changed(&json!({})), &Empty), Err(LowerError::Unread(want)));
}

#[test]
fn an_operation_is_named_by_what_it_says_and_when() {
    let id = |operation: Value, time: &str| {
        let mut value = changed(&json!({})).into_value();
        value["operation"] = operation;
        value["metadata"]["managedFields"] = json!([
            {"manager": "argocd", "time": time, "fieldsV1": {"f:operation": {}}},
            {"manager": "kubectl", "time": "2026-02-02T00:00:00Z", "fieldsV1": {"f:spec": {}}},
        ]);
        let application = Object::from_value(value).expect("is an object");
        match Argo::default().lower(&application, &Cluster(Vec::new())) {
            Ok(Lowered::App(app)) => app.sync.request.map(|request| request.id),
            other => panic!("{other:?}"),
        }
    };
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    let first = id(json!({"sync": {"prune": true}}), early);
    assert!(first.is_some());
    assert_eq!(id(json!({"sync": {"prune": true}}), early), first);
    assert_ne!(id(json!({"sync": {"prune": true}}), late), first);
    assert_ne!(id(json!({"sync": {"prune": false}}), early), first);
    assert_eq!(id(json!({"info": []}), early), None);
}

#[test]
fn operations_that_cannot_be_done_are_refused_by_name() {
    for (sync, word) in [
        (json!({"manifests": ["{}"]}), "operation.sync.manifests"),
        (json!({"syncStrategy": {"apply": {}}}), "operation.sync.syncStrategy.apply"),
        (
            json!({"source": {"repoURL": "https://git.example.com/other.git", "path": "deploy"}}),
            "operation.sync.source",
        ),
        (
            json!({"sources": [{"repoURL": "https://git.example.com/other.git", "path": "deploy"}]}),
            "operation.sync.source",
        ),
    ] {
        let mut value = changed(&json!({})).into_value();
        value["operation"] = json!({ "sync": sync });
        let (reason, message) = refusal(&Object::from_value(value).expect("is an object"));
        assert_eq!(reason, "Unsupported", "{sync}");
        assert!(message.contains(word), "{sync}: {message}");
    }
}

#[test]
fn files_of_the_source_say_how_it_is_rendered() {
    let application = changed(&json!({"source": {"helm": {"releaseName": "web", "values": "a: 1"}}}));
    let argo = Argo::new(ArgoOptions::default());
    let overridden = |files: &[Value]| {
        let files: Vec<_> = files.iter().map(|file| (".argocd-source.yaml".to_owned(), file.clone())).collect();
        let Ok(Lowered::App(app)) = argo.lower(&application, &Cluster(Vec::new())) else { panic!("is lowered") };
        let render = app.sources[0].render.clone().expect("is rendered");
        argo.overridden(&application, 0, &files, &render)
    };
    let first =
        json!({"helm": {"releaseName": null, "parameters": [{"name": "b", "value": "2"}]}, "path": "elsewhere"});
    let second = json!({"helm": {"values": "a: 3"}, "repoURL": "https://evil.example.com", "targetRevision": "x"});
    let Ok(Render::Chart(chart)) = overridden(&[first, second]) else { panic!("is a chart") };
    assert_eq!((chart.release.as_str(), chart.values.as_str(), chart.parameters.len()), ("shop", "a: 3", 1));
    assert_ne!(chart.path, "elsewhere", "where files come from is not theirs to say");

    let directory = overridden(&[json!({"helm": null, "directory": {"recurse": true}})]);
    assert!(matches!(directory, Ok(Render::Directory(options)) if options.recurse));
    for (file, word) in [
        (json!(["a"]), "no map"),
        (json!({"kustomize": {"namePrefix": "a-"}}), "multiple"),
        (json!({"helm": {"valueFiles": 1}}), ".argocd-source.yaml"),
    ] {
        let failure = overridden(std::slice::from_ref(&file)).expect_err("is wrong");
        assert!(failure.one_line().contains(word), "{file}: {failure}");
    }
}
