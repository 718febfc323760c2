//! `bowline apiserver` as a program: its words, its exit codes, and that clusters outlive it when they are saved.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use tempfile::TempDir;

fn program(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.arg("apiserver").args(arguments).current_dir(dir).stdin(Stdio::null()).env_remove("BOWLINE_LOG");
    command.env("COLUMNS", "100").env("NO_COLOR", "1");
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    program(dir, arguments).output().expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

/// A server that runs, and what it said when it was ready.
struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = program(dir, arguments);
        let mut child = command.args(["--output", "json"]).stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).expect("it says something");
        let ready = serde_json::from_str(&line).expect("it is one line of JSON");
        Self { child, ready }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &id]).status().expect("there is `kill`");
        assert!(done.success());
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().expect("it ends").code()
    }

    async fn config_maps(&self, context: &str) -> Api<DynamicObject> {
        let file = self.ready["kubeconfig"].as_str().expect("it is a path");
        let kubeconfig = Kubeconfig::read_from(file).expect("it is a kubeconfig");
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("it has the context");
        let client = kube::Client::try_from(config).expect("a client can be made");
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
        Api::namespaced_with(client, "default", &resource)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config_map(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": name},
    }))
    .expect("it is an object")
}

#[test]
fn mistakes_are_told_with_reason_place_and_help() {
    let dir = TempDir::new().expect("a directory can be made");
    let plan = "rules:\n- match: {verbs: [udpate]}\n  do: {status: 418}\n";
    std::fs::write(dir.path().join("faults.yaml"), plan).expect("a file can be written");
    std::fs::write(dir.path().join("notes.txt"), "hello").expect("a file can be written");
    std::fs::write(dir.path().join("new"), "bowline-snapshot 9 00\n").expect("a file can be written");
    let rows: [(&[&str], i32, &str); 7] = [
        (
            &["--faults", "faults.yaml"],
            1,
            "error: cannot use the fault plan `faults.yaml`\n  why: `rules[0].match.verbs[0]` there is no verb `udpate`\n   \
             at: faults.yaml:2\n help: write `update`\n  why: `rules[0].do.status` want 409, 429, 500, 503 or 504, have 418\n   \
             at: faults.yaml:3\n",
        ),
        (
            &["--faults", "absent.yaml"],
            1,
            "error: cannot use the fault plan `absent.yaml`\n  why: No such file or directory (os error 2)\n help: give a file \
             that can be read to `--faults`\n",
        ),
        (
            &["--save", "notes.txt"],
            1,
            "error: cannot restore the clusters of `notes.txt`\n  why: it is not a snapshot: it does not begin with \
             `bowline-snapshot`\n help: move the file away to begin with new clusters; it is left as it is\n",
        ),
        (
            &["--save", "new"],
            1,
            "error: cannot restore the clusters of `new`\n  why: it is of version 9, and this program reads versions up to 1\n \
             help: use the newer program that wrote it, or another file\n",
        ),
        (
            &["--http", "--listen", "0.0.0.0:0"],
            2,
            "error: cannot serve plain HTTP\n  why: over plain HTTP everybody is the administrator, and 0.0.0.0 is open to \
             others\n help: listen on 127.0.0.1, or leave `--http` out\n",
        ),
        (
            &["--kubeconfig", "absent/kubeconfig"],
            1,
            "error: cannot write the kubeconfig `absent/kubeconfig`\n  why: entity not found\n help: give a path that can be written to \
             `--kubeconfig`\n",
        ),
        (
            &["--clusters", "0"],
            2,
            "error: invalid value '0' for '--clusters <N|NAMES>': want from 1 to 10000 clusters\n\nFor more information, try \
             '--help'.\n",
        ),
    ];
    for (arguments, code, want) in rows {
        let out = run(dir.path(), arguments);
        let said = text(&out.stderr);
        assert_eq!((said, text(&out.stdout), out.status.code()), (want, "", Some(code)), "{arguments:?}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("notes.txt")).expect("it is there"), "hello");
}

#[test]
fn it_says_in_words_when_it_is_ready_and_ends_cleanly() {
    let dir = TempDir::new().expect("a directory can be made");
    let mut child = program(dir.path(), &["--clusters", "eu,us", "--kubeconfig", "kubeconfig"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).expect("it says something");
    let path = dir.path().canonicalize().expect("it is there").join("kubeconfig");
    assert_eq!(line, format!("export KUBECONFIG={}\n", path.display()));
    let done = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("there is `kill`");
    assert!(done.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    child.stderr.take().expect("it was piped").read_to_string(&mut said).expect("it is text");
    let (before, after) = said.split_once(" ms: ").expect("it says how long it took");
    assert!(before.starts_with("Ready after "), "{said}");
    assert!(after.starts_with("2 clusters, `eu` to `us`, at https://127.0.0.1:"), "{said}");
    assert!(path.exists(), "a kubeconfig that was asked for stays");
}

#[tokio::test]
async fn clusters_outlive_the_process_and_even_its_death() {
    let dir = TempDir::new().expect("a directory can be made");
    let arguments = ["--clusters", "eu,us", "--save", "clusters"];
    let server = Server::start(dir.path(), &arguments);
    assert_eq!(server.ready["clusters"], json!(["eu", "us"]));
    let maps = server.config_maps("us").await;
    let first = maps.create(&PostParams::default(), &config_map("first")).await.expect("it can be made");
    assert_eq!(server.end("TERM"), Some(0));

    // The clusters are those of the file, without their being named again.
    let server = Server::start(dir.path(), &["--save", "clusters"]);
    assert_eq!(server.ready["clusters"], json!(["eu", "us"]));
    let maps = server.config_maps("us").await;
    let again = maps.get("first").await.expect("it is there again");
    assert_eq!((&again.metadata, &again.data), (&first.metadata, &first.data));
    assert!(server.config_maps("eu").await.get("first").await.is_err(), "the other cluster never had it");
    let revision = |text: &str| text.parse::<u64>().expect("it is a number");
    let listed = maps.list(&ListParams::default()).await.expect("it can be listed");
    let lost = maps.create(&PostParams::default(), &config_map("lost")).await.expect("it can be made");
    assert_eq!(server.end("KILL"), None);

    // What a crash took with it is gone, and its names and numbers are not given out again.
    let server = Server::start(dir.path(), &["--save", "clusters"]);
    let maps = server.config_maps("us").await;
    assert!(maps.get("first").await.is_ok());
    let relisted = maps.list(&ListParams::default()).await.expect("it can be listed");
    let (before, now) = (listed.metadata.resource_version, relisted.metadata.resource_version);
    assert!(revision(&now.expect("it has one")) > revision(&before.expect("it has one")));
    if maps.get("lost").await.is_err() {
        let new = maps.create(&PostParams::default(), &config_map("lost")).await.expect("it can be made");
        assert_ne!(new.metadata.uid, lost.metadata.uid);
        assert_ne!(new.metadata.resource_version, lost.metadata.resource_version);
    }
}

#[tokio::test]
async fn faults_of_a_file_are_met() {
    let dir = TempDir::new().expect("a directory can be made");
    let plan = "rules:\n- match: {verbs: [create], clusters: [us]}\n  when: {count: 1}\n  do: {status: {code: 409, message: busy}}\n";
    std::fs::write(dir.path().join("faults.yaml"), plan).expect("a file can be written");
    let server = Server::start(dir.path(), &["--clusters", "eu,us", "--faults", "faults.yaml", "--no-controllers"]);
    let eu = server.config_maps("eu").await;
    eu.create(&PostParams::default(), &config_map("a")).await.expect("nothing goes wrong there");
    let us = server.config_maps("us").await;
    let error = us.create(&PostParams::default(), &config_map("a")).await.expect_err("it goes wrong once");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 409 && status.message == "busy"), "{error:?}");
    us.create(&PostParams::default(), &config_map("a")).await.expect("and then no more");
}

#[tokio::test]
async fn plain_http_takes_everybody_for_the_administrator() {
    let dir = TempDir::new().expect("a directory can be made");
    let server = Server::start(dir.path(), &["--http", "--start-delay", "1s", "--nodes", "3", "--seed", "7"]);
    assert!(server.ready["server"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
    assert_eq!(server.ready["token"], Value::Null);
    let maps = server.config_maps("cluster-0001").await;
    maps.create(&PostParams::default(), &config_map("a")).await.expect("it can be made");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
    let nodes: Api<DynamicObject> = Api::all_with(maps.into_client(), &resource);
    assert_eq!(nodes.list(&ListParams::default()).await.expect("it can be listed").items.len(), 3);
}
