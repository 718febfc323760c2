//! Sources that fail: it is told where it belongs, the last good revision stays, and it goes on by itself once mended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bystander::{Bystander, heals};
use crate::git::Repository;
use crate::remotes::{git_server, http, ssh};
use crate::stage::{Stage, condition, config_map};

crate::stories!(
    a_repository_that_goes_away_leaves_the_last_good,
    a_repository_that_never_was_is_told,
    a_wrong_branch_is_told_until_it_is_pushed,
    a_wrong_path_is_told_until_it_is_pushed,
    credentials_are_asked_for_and_may_come_later,
    an_unknown_host_key_is_told,
    a_server_that_hangs_is_given_up,
    a_force_pushed_branch_is_followed,
    references_of_every_kind_are_followed,
    a_refresh_is_answered,
    a_suspended_source_stays_where_it_is,
);

fn two(path: &str) -> [(String, String); 2] {
    ["one", "two"].map(|name| (format!("{name}/{path}"), config_map(name, "right")))
}

/// A repository for the two apps of a story, `one` of Argo CD's dialect and `two` of Flux's.
fn repository() -> Repository {
    let files = two("a.yaml");
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Repository::new(&files)
}

async fn until_installed(stage: &Stage, commit: &str) {
    stage.until_synced("one", commit).await;
    stage.until_ready("two", commit).await;
}

async fn source(stage: &Stage, name: &str) -> bowline_model::Object {
    let found = stage.get("source.toolkit.fluxcd.io/v1", "GitRepository", &stage.home(), name).await;
    found.expect("the GitRepository is there")
}

/// Waits until a GitRepository has failed with a text, checks the reason, and that it says so in both places.
async fn until_source_fails(stage: &Stage, name: &str, reason: &str, text: &str) {
    stage
        .until(&format!("GitRepository {name} says {text}"), async || {
            let source = source(stage, name).await;
            condition(&source, "Ready").is_some_and(|ready| {
                ready["status"] == "False" && ready["message"].as_str().is_some_and(|message| message.contains(text))
            })
        })
        .await;
    let source = source(stage, name).await;
    assert_eq!(condition(&source, "Ready").map(|ready| &ready["reason"]), Some(&json!(reason)));
    assert_eq!(condition(&source, "FetchFailed").map(|failed| &failed["status"]), Some(&json!("True")));
}

/// Waits until a GitRepository is ready and says of no failure.
///
/// Its status is written by itself: a Kustomization that uses what was fetched may have told of it before.
async fn until_source_is_well(stage: &Stage, name: &str) {
    stage
        .until(&format!("GitRepository {name} is well"), async || {
            let source = source(stage, name).await;
            condition(&source, "Ready").is_some_and(|ready| ready["status"] == "True")
                && condition(&source, "FetchFailed").is_none()
        })
        .await;
}

/// Nothing has been applied, and both apps say why.
async fn until_both_fail(stage: &Stage, source_reason: &str, text: &str) {
    stage.until_condition("one", "ComparisonError", text).await;
    let app = stage.application("one").await;
    assert_eq!(app.text("/status/sync/status"), Some("Unknown"));
    until_source_fails(stage, "two", source_reason, text).await;
    let ready = stage.until_not_ready("two", text).await;
    assert_eq!(ready["reason"], "ArtifactFailed");
    for name in ["one", "two"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_none(), "nothing is applied");
    }
}

async fn a_repository_that_goes_away_leaves_the_last_good(stage: &Stage) {
    let repository = repository();
    stage.start();
    let bystander = Bystander::install(stage).await;
    let url = repository.url();
    stage.argo_app("one", &url, "one").await;
    stage.flux_app("two", &url, "two").await;
    until_installed(stage, "").await;

    let away = repository.path().with_extension("away");
    std::fs::rename(repository.path(), &away).expect("can be renamed");
    let text = format!("there is no repository at `{url}`");
    let message = stage.until_condition("one", "ComparisonError", &text).await;
    assert!(message.contains("check the URL"), "{message}");
    until_source_fails(stage, "two", "GitOperationFailed", &text).await;
    // What was fetched before still counts: the Kustomization stays ready, and drift is put back in both.
    assert_eq!(
        condition(&stage.kustomization("two").await, "Ready").map(|ready| &ready["status"]),
        Some(&json!("True"))
    );
    heals(stage, "one").await;
    heals(stage, "two").await;
    bystander.goes_on(stage).await;

    std::fs::rename(&away, repository.path()).expect("can be renamed");
    let commit = repository.change("one/b.yaml", &config_map("more", "1"));
    until_installed(stage, &commit).await;
    assert!(condition(&stage.application("one").await, "ComparisonError").is_none());
    until_source_is_well(stage, "two").await;
}

async fn a_repository_that_never_was_is_told(stage: &Stage) {
    stage.start();
    let bystander = Bystander::install(stage).await;
    let nowhere = tempfile::tempdir().expect("a directory can be made");
    let url = format!("file://{}/gone", nowhere.path().display());
    stage.argo_app("one", &url, "one").await;
    stage.flux_app("two", &url, "two").await;
    until_both_fail(stage, "GitOperationFailed", &format!("there is no repository at `{url}`")).await;
    bystander.goes_on(stage).await;
}

async fn a_wrong_branch_is_told_until_it_is_pushed(stage: &Stage) {
    let repository = repository();
    stage.start();
    let bystander = Bystander::install(stage).await;
    let mut app = stage.application_value("one", &repository.url(), "one");
    app["spec"]["source"]["targetRevision"] = json!("mian");
    stage.apply(app).await;
    let mut git_repository = stage.git_repository_value("two", &repository.url());
    git_repository["spec"]["ref"] = json!({"branch": "mian"});
    stage.apply(git_repository).await;
    stage.apply(stage.kustomization_value("two", "two")).await;
    until_both_fail(stage, "GitOperationFailed", "`mian` is not in").await;
    bystander.goes_on(stage).await;

    repository.branch("mian");
    until_installed(stage, &repository.head()).await;
}

async fn a_wrong_path_is_told_until_it_is_pushed(stage: &Stage) {
    let repository = Repository::new(&[("elsewhere/a.yaml", &config_map("elsewhere", "1"))]);
    stage.start();
    let bystander = Bystander::install(stage).await;
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "./two").await;
    stage.until_condition("one", "ComparisonError", "path `one` is not in the source").await;
    let ready = stage.until_not_ready("two", "kustomization path not found").await;
    assert_eq!(ready["reason"], "ArtifactFailed");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("`./two`")), "{ready}");
    // The source itself is well.
    until_source_is_well(stage, "two").await;
    bystander.goes_on(stage).await;

    for (path, text) in two("a.yaml") {
        repository.write(&path, &text);
    }
    let commit = repository.commit("what was missing");
    until_installed(stage, &commit).await;

    // A directory that leaves the source is not an empty one: nothing is pruned.
    repository.remove("one/a.yaml");
    repository.remove("two/a.yaml");
    repository.commit("gone again");
    stage.until_condition("one", "ComparisonError", "path `one` is not in the source").await;
    stage.until_not_ready("two", "kustomization path not found").await;
    for name in ["one", "two"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "{name} stays");
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// The Secrets that let both apps in.
async fn give_credentials(stage: &Stage, url: &str, password: &str) {
    let secret = |name: &str, labels: Value, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": stage.home(), "labels": labels},
            "stringData": data,
        })
    };
    let labels = json!({"argocd.argoproj.io/secret-type": "repository"});
    let data = json!({"type": "git", "url": url, "username": "robot", "password": password});
    stage.apply(secret("for-one", labels, data)).await;
    stage.apply(secret("for-two", json!({}), json!({"username": "robot", "password": password}))).await;
}

async fn credentials_are_asked_for_and_may_come_later(stage: &Stage) {
    let Some(backend) = git_server("credentials_are_asked_for_and_may_come_later") else { return };
    let repository = repository();
    let rules = http::Rules { authorization: Some(basic("robot", "right")), ..http::Rules::default() };
    let server = http::Server::start(&backend, repository.path(), rules).await;
    let url = server.url(".git");
    stage.start();
    let bystander = Bystander::install(stage).await;

    // None are given.
    stage.argo_app("one", &url, "one").await;
    stage.flux_app("two", &url, "two").await;
    until_both_fail(stage, "AuthenticationFailed", &format!("`{url}` asks for credentials")).await;

    // The Secret that is named is not there yet.
    let source = source(stage, "two").await;
    stage.patch(&source, "", json!({"spec": {"secretRef": {"name": "for-two"}}})).await;
    until_source_fails(stage, "two", "AuthenticationFailed", "secrets \"for-two\" not found").await;

    give_credentials(stage, &url, "wrong").await;
    let text = format!("`{url}` refused the credentials");
    let message = stage.until_condition("one", "ComparisonError", &text).await;
    assert!(!message.contains("wrong"), "a password is never told: {message}");
    until_source_fails(stage, "two", "AuthenticationFailed", &text).await;
    bystander.goes_on(stage).await;

    give_credentials(stage, &url, "right").await;
    until_installed(stage, &repository.head()).await;
}

async fn an_unknown_host_key_is_told(stage: &Stage) {
    let Some(backend) = git_server("an_unknown_host_key_is_told") else { return };
    let repository = repository();
    let key = ssh::new_key();
    let rules = ssh::Rules { key: Some(key.public_key().clone()), ..ssh::Rules::default() };
    let server = ssh::Server::start(&backend, repository.path(), rules).await;
    let url = server.url(".git");
    let identity = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).expect("is encoded").to_string();
    let other = ssh::known_hosts(1, ssh::new_key().public_key());
    let know = async |known_hosts: &str| {
        stage
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "for-two", "namespace": stage.home()},
                "stringData": {"identity": identity, "known_hosts": known_hosts},
            }))
            .await;
        stage
            .apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "argocd-ssh-known-hosts-cm", "namespace": stage.home()},
                "data": {"ssh_known_hosts": known_hosts},
            }))
            .await;
    };
    stage
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "for-one", "namespace": stage.home(),
                "labels": {"argocd.argoproj.io/secret-type": "repository"}},
            "stringData": {"type": "git", "url": url, "sshPrivateKey": identity},
        }))
        .await;
    know(&other).await;
    stage.start();
    let bystander = Bystander::install(stage).await;
    stage.argo_app("one", &url, "one").await;
    let mut git_repository = stage.git_repository_value("two", &url);
    git_repository["spec"]["secretRef"] = json!({"name": "for-two"});
    stage.apply(git_repository).await;
    stage.apply(stage.kustomization_value("two", "two")).await;
    let fingerprint = server.fingerprint();
    until_both_fail(stage, "AuthenticationFailed", &fingerprint).await;
    assert!(server.commands.lock().expect("not poisoned").is_empty(), "nothing is asked of an unknown server");
    bystander.goes_on(stage).await;

    know(&server.known_hosts()).await;
    until_installed(stage, &repository.head()).await;
}

async fn a_server_that_hangs_is_given_up(stage: &Stage) {
    let Some(backend) = git_server("a_server_that_hangs_is_given_up") else { return };
    let repository = repository();
    // One server accepts and says nothing, the other one stops in the middle of a pack.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_url = format!("http://localhost:{}/x", silent.local_addr().expect("an address").port());
    let server =
        http::Server::start(&backend, repository.path(), http::Rules { hang_after: Some(60), ..Default::default() })
            .await;
    stage.start();
    let bystander = Bystander::install(stage).await;
    stage.argo_app("silent", &silent_url, "one").await;
    stage.argo_app("one", &server.url(".git"), "one").await;
    let mut git_repository = stage.git_repository_value("two", &server.url(".git"));
    git_repository["spec"]["timeout"] = json!("2s");
    stage.apply(git_repository).await;
    stage.apply(stage.kustomization_value("two", "two")).await;
    bystander.goes_on(stage).await;
    stage.until_condition("silent", "ComparisonError", "did not finish within").await;
    until_both_fail(stage, "GitOperationFailed", "did not finish within").await;
    bystander.goes_on(stage).await;

    server.rules.lock().expect("not poisoned").hang_after = None;
    until_installed(stage, &repository.head()).await;
    drop(silent);
}

async fn a_force_pushed_branch_is_followed(stage: &Stage) {
    let repository = repository();
    let first = repository.head();
    repository.write("one/b.yaml", &config_map("one-more", "1"));
    repository.write("two/b.yaml", &config_map("two-more", "1"));
    let second = repository.commit("more");
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    until_installed(stage, &second).await;

    repository.rewind(&first);
    until_installed(stage, &first).await;
    for gone in ["one-more", "two-more"] {
        stage.until("it is pruned", async || stage.object("v1", "ConfigMap", gone).await.is_none()).await;
    }
    let other = repository.change("one/a.yaml", &config_map("one", "another history"));
    until_installed(stage, &other).await;
}

async fn references_of_every_kind_are_followed(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &config_map("first", "1"))]);
    let first = repository.head();
    repository.tag("v1.0.0");
    let second = repository.change("app/a.yaml", &config_map("second", "1"));
    repository.tag("v1.2.0");
    let third = repository.change("app/a.yaml", &config_map("third", "1"));
    repository.tag("v2.0.0");
    stage.start();
    let argo = [
        ("a-head", "HEAD", &third),
        ("a-tag", "v1.0.0", &first),
        ("a-range", "^1", &second),
        ("a-commit", first.as_str(), &first),
        ("a-short", &second[..9], &second),
    ];
    for (name, revision, _) in argo {
        let mut app = stage.application_value(name, &repository.url(), "app");
        app["spec"]["source"]["targetRevision"] = json!(revision);
        // All of them own one object: it is what they resolve to that counts here.
        app["spec"]["syncPolicy"] = json!({});
        stage.apply(app).await;
    }
    let flux = [
        ("f-tag", json!({"tag": "v1.0.0"}), format!("v1.0.0@sha1:{first}")),
        ("f-range", json!({"semver": "1.x"}), format!("v1.2.0@sha1:{second}")),
        ("f-commit", json!({"commit": first, "branch": "main"}), format!("sha1:{first}")),
        ("f-name", json!({"name": "refs/tags/v2.0.0"}), format!("refs/tags/v2.0.0@sha1:{third}")),
        ("f-branch", json!({"branch": "main"}), format!("main@sha1:{third}")),
    ];
    for (name, reference, _) in &flux {
        let mut git_repository = stage.git_repository_value(name, &repository.url());
        git_repository["spec"]["ref"] = reference.clone();
        stage.apply(git_repository).await;
    }
    for (name, _, commit) in argo {
        stage
            .until(&format!("{name} is compared with {commit}"), async || {
                let app = stage.application(name).await;
                app.text("/status/sync/revision") == Some(commit)
            })
            .await;
    }
    for (name, _, revision) in &flux {
        stage
            .until(&format!("{name} has {revision}"), async || {
                let source = source(stage, name).await;
                source.text("/status/artifact/revision").is_some_and(|have| have.ends_with(revision.as_str()))
            })
            .await;
        let found = source(stage, name).await;
        assert!(found.text("/status/artifact/revision").is_some_and(|have| have == revision), "{name}: {found:?}");
    }
    // A tag that moves and a better version are followed too.
    repository.rewind(&second);
    repository.tag("v1.3.0");
    stage
        .until("the better version is taken", async || {
            let found = source(stage, "f-range").await;
            found.text("/status/artifact/revision") == Some(&*format!("v1.3.0@sha1:{second}"))
        })
        .await;
}

async fn a_refresh_is_answered(stage: &Stage) {
    let repository = repository();
    stage.start();
    let app = stage.argo_app("one", &repository.url(), "one").await;
    let kustomization = stage.flux_app("two", &repository.url(), "two").await;
    until_installed(stage, "").await;

    stage.patch(&app, "", json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})).await;
    stage
        .until("the annotation is taken off", async || {
            stage.application("one").await.annotation("argocd.argoproj.io/refresh").is_none()
        })
        .await;
    let asks = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "a token"}}});
    stage.patch(&kustomization, "", asks.clone()).await;
    stage.patch(&source(stage, "two").await, "", asks).await;
    stage
        .until("the requests are answered", async || {
            let answers =
                |object: &bowline_model::Object| object.text("/status/lastHandledReconcileAt") == Some("a token");
            answers(&stage.kustomization("two").await) && answers(&source(stage, "two").await)
        })
        .await;
    until_installed(stage, "").await;
}

async fn a_suspended_source_stays_where_it_is(stage: &Stage) {
    let repository = repository();
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    until_installed(stage, "").await;
    let before = repository.head();

    stage.patch(&source(stage, "two").await, "", json!({"spec": {"suspend": true}})).await;
    let generation = source(stage, "two").await.generation();
    assert_eq!(generation, 2);
    repository.write("one/a.yaml", &config_map("one", "newer"));
    repository.write("two/a.yaml", &config_map("two", "newer"));
    let after = repository.commit("newer");
    // The other app has it, so it has been seen; the suspended source stays at what it had, and is healed to that.
    stage.until_synced("one", &after).await;
    heals(stage, "two").await;
    let two = stage.object("v1", "ConfigMap", "two").await.expect("is there");
    assert_eq!(two.text("/data/key"), Some("right"));
    let had = source(stage, "two").await;
    assert_eq!(had.text("/status/artifact/revision"), Some(&*format!("main@sha1:{before}")));

    stage.patch(&had, "", json!({"spec": {"suspend": false}})).await;
    stage.until_ready("two", &after).await;
}
