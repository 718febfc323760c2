//! The program itself, as Kubernetes runs it: its answers to probes, its log, and how it goes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::git::Repository;
use crate::stage::{Stage, config_map, deployment};

crate::stories!(a_process_answers_probes_and_stops_in_the_middle_of_a_sync);

/// Kubernetes kills after 30 s; a sync that waits must not take a third of that to let go.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

struct Program {
    child: Child,
    dir: TempDir,
}

impl Program {
    async fn start(stage: &Stage) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, stage.kubeconfig().await).expect("a file can be written");
        let log = std::fs::File::create(dir.path().join("log")).expect("a file can be made");
        let child = Command::new(env!("CARGO_BIN_EXE_bowline"))
            .arg("run")
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--state-dir")
            .arg(dir.path().join("state"))
            .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--poll-interval", "1s"])
            .args(["--namespace", &stage.home(), "--argocd-namespace", &stage.home()])
            .env_remove("BOWLINE_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        Self { child, dir }
    }

    /// Returns the whole lines of the log so far; every one of them is JSON.
    fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.dir.path().join("log")).expect("the log can be read");
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    fn address(&self) -> Option<String> {
        let log = self.log();
        let line = log.iter().find(|line| line["message"] == "Listening")?;
        line["address"].as_str().map(str::to_owned)
    }

    /// Gets a page; `None` while nobody listens.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address()?).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bowline\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let code = answer.split(' ').nth(1)?.parse().ok()?;
        Some((code, answer))
    }

    /// Asks it to stop, as Kubernetes does, and returns its exit code.
    async fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("a signal can be sent");
        assert!(told.success());
        let begin = Instant::now();
        while begin.elapsed() < STOP_PATIENCE {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("still there {STOP_PATIENCE:?} after SIGTERM: {:#?}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// N2: SIGTERM in the middle of a sync leaves nothing behind that the next process trips over.
async fn a_process_answers_probes_and_stops_in_the_middle_of_a_sync(stage: &Stage) {
    let web = |fault: &str| {
        let annotated = format!(
            "metadata:\n      annotations:\n        sim.bowline.dev/fault: {fault}\n      labels:\n        app: web"
        );
        deployment("web", 1).replace("metadata:\n      labels:\n        app: web", &annotated)
    };
    let last = config_map("last", "1")
        .replace("  name: last", "  name: last\n  annotations:\n    argocd.argoproj.io/sync-wave: \"1\"");
    let repository = Repository::new(&[("app/a.yaml", &web("notready")), ("app/b.yaml", &last)]);
    let mut program = Program::start(stage).await;
    stage.until("it is ready", async || program.get("/readyz").is_some_and(|(code, _)| code == 200)).await;
    assert_eq!(program.get("/healthz").map(|(code, _)| code), Some(200));

    let app = stage.unique("process");
    stage.argo_app(&app, &repository.url(), "app").await;
    let phase = async || stage.application(&app).await.text("/status/operationState/phase").map(str::to_owned);
    stage
        .until("the sync waits for its first wave", async || {
            phase().await.as_deref() == Some("Running") && stage.object("apps/v1", "Deployment", "web").await.is_some()
        })
        .await;
    let (code, metrics) = program.get("/metrics").expect("it listens");
    assert!(code == 200 && metrics.contains("bowline_") && metrics.trim_end().ends_with("# EOF"), "{metrics}");

    assert_eq!(program.stop().await, Some(0), "it goes in good order: {:#?}", program.log());
    for line in program.log() {
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(stage.object("v1", "ConfigMap", "last").await.is_none());

    // The next process goes on, with a clone of its own.
    let uid = stage.object("apps/v1", "Deployment", "web").await.expect("stays").uid().to_owned();
    let commit = repository.change("app/a.yaml", &web("none"));
    let mut next = Program::start(stage).await;
    stage.until_synced(&app, &commit).await;
    stage.until("the sync has ended", async || phase().await.as_deref() == Some("Succeeded")).await;
    assert_eq!(stage.object("apps/v1", "Deployment", "web").await.expect("stays").uid(), uid);
    assert_eq!(next.stop().await, Some(0), "at rest it stops as well: {:#?}", next.log());
}
