//! The tour: plays what the demo invites to try, and checks that it comes true.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bowline_cluster::ApiResource;
use bowline_model::{Gvk, Object, Propagation};
use serde_json::{Value, json};

use super::Stage;

/// Nothing on the tour takes longer than this on any machine that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the cluster is asked while a result is awaited; the timings are true to this much.
const STEP: Duration = Duration::from_millis(2);

pub(crate) async fn play(stage: &Stage, page: SocketAddr) -> anyhow::Result<()> {
    let guide = Guide::new(stage).await?;
    let begin = Instant::now();

    guide.until("both apps become synced and healthy", begin, async || guide.all_is_well().await).await?;

    let at = Instant::now();
    let file = "shop/deployment.yaml";
    let text = stage.repository.read(file)?.replace("replicas: 2", "replicas: 3");
    stage.repository.write(file, &text)?;
    let commit = stage.repository.commit("shop: one more replica")?;
    guide
        .until("a commit is applied", at, async || guide.replicas("shop", "shop").await.is_some_and(|n| n == 3))
        .await?;
    guide.until("and both apps report it", at, async || guide.reports(&commit).await).await?;

    let at = Instant::now();
    let uid =
        guide.get("apps/v1", "Deployment", "podinfo", "podinfo").await.context("podinfo is there")?.uid().to_owned();
    guide.delete("podinfo", "podinfo", &uid).await?;
    guide
        .until("a deleted Deployment comes back", at, async || {
            let back = guide.get("apps/v1", "Deployment", "podinfo", "podinfo").await;
            back.is_some_and(|back| back.uid() != uid)
        })
        .await?;

    let at = Instant::now();
    guide.scale("shop", "shop", 7).await?;
    guide.until("a scaling by hand is put right", at, async || guide.replicas("shop", "shop").await == Some(3)).await?;

    let at = Instant::now();
    stage.repository.remove("shop/config.yaml")?;
    stage.repository.commit("shop: no settings")?;
    guide
        .until("an object removed from Git is pruned", at, async || {
            guide.get("v1", "ConfigMap", "shop", "shop").await.is_none()
        })
        .await?;

    let at = Instant::now();
    let broken = "podinfo/service.yaml";
    let good = stage.repository.read(broken)?;
    stage.repository.write(broken, "apiVersion: v1\nkind: Service\nmetadata: {name: podinfo\n")?;
    stage.repository.commit("podinfo: broken")?;
    guide.until("a broken file is told, and nothing deleted", at, async || guide.tells_broken().await).await?;

    let at = Instant::now();
    stage.repository.write(broken, &good)?;
    stage.repository.commit("podinfo: mended")?;
    guide.until("and all is well when it is mended", at, async || guide.all_is_well().await).await?;

    let count = stage.engine.apps().len();
    anyhow::ensure!(count >= 2, "the engine shows {count} apps");
    let shown = page_shows(page).await?;
    anyhow::ensure!(shown.contains("shop") && shown.contains("podinfo"), "the page does not show both apps");
    anstream::println!("\nAll of it came true. The page showed both apps.");
    Ok(())
}

struct Guide<'a> {
    stage: &'a Stage,
    deployments: ApiResource,
}

impl<'a> Guide<'a> {
    async fn new(stage: &'a Stage) -> anyhow::Result<Self> {
        let gvk = Gvk::new("apps", "v1", "Deployment");
        let deployments = stage.cluster.resource(&gvk).await?.context("the cluster has Deployments")?;
        Ok(Self { stage, deployments })
    }

    /// Waits until something is true, and prints how long it took.
    async fn until(&self, what: &str, since: Instant, mut is_true: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
        while !is_true().await {
            if since.elapsed() > PATIENCE {
                let apps: Vec<_> = self.stage.engine.apps().iter().map(|app| format!("{:#?}", app.report)).collect();
                bail!("{what}: not within {PATIENCE:?}\n{}", apps.join("\n"));
            }
            tokio::time::sleep(STEP).await;
        }
        anstream::println!("  {:<46} {:>7.0} ms", what, since.elapsed().as_secs_f64() * 1000.0);
        Ok(())
    }

    async fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Object> {
        let resource = self.stage.cluster.resource(&Gvk::from_api_version(api_version, kind)).await.ok()??;
        self.stage.cluster.read(&resource, namespace, name).await.ok()?
    }

    async fn application(&self) -> Option<Object> {
        self.get("argoproj.io/v1alpha1", "Application", "argocd", "shop").await
    }

    async fn kustomization(&self) -> Option<Object> {
        self.get("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "podinfo").await
    }

    async fn all_is_well(&self) -> bool {
        let (Some(application), Some(kustomization)) = (self.application().await, self.kustomization().await) else {
            return false;
        };
        application.text("/status/sync/status") == Some("Synced")
            && application.text("/status/health/status") == Some("Healthy")
            && ready(&kustomization).is_some_and(|condition| condition["status"] == "True")
    }

    async fn reports(&self, commit: &str) -> bool {
        let (Some(application), Some(kustomization)) = (self.application().await, self.kustomization().await) else {
            return false;
        };
        application.text("/status/sync/revision") == Some(commit)
            && kustomization.text("/status/lastAppliedRevision") == Some(&format!("main@sha1:{commit}"))
    }

    async fn tells_broken(&self) -> bool {
        let Some(kustomization) = self.kustomization().await else { return false };
        let told = ready(&kustomization).is_some_and(|condition| {
            condition["status"] == "False"
                && condition["message"].as_str().is_some_and(|message| message.contains("podinfo/service.yaml:"))
        });
        told && self.get("v1", "Service", "podinfo", "podinfo").await.is_some()
    }

    async fn replicas(&self, namespace: &str, name: &str) -> Option<i64> {
        self.get("apps/v1", "Deployment", namespace, name).await?.at("/spec/replicas")?.as_i64()
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> anyhow::Result<()> {
        let background = Propagation::Background;
        self.stage.cluster.delete(&self.deployments, namespace, name, uid, background, false).await?;
        Ok(())
    }

    async fn scale(&self, namespace: &str, name: &str, replicas: u32) -> anyhow::Result<()> {
        let patch = json!({"spec": {"replicas": replicas}});
        self.stage.cluster.merge_patch(&self.deployments, namespace, name, "", "kubectl-edit", &patch).await?;
        Ok(())
    }
}

fn ready(object: &Object) -> Option<&Value> {
    object.at("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == "Ready")
}

/// Gets the page as a browser would, over the wire.
async fn page_shows(page: SocketAddr) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(page).await.context("cannot reach the page")?;
    let request = format!("GET / HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "the page answers: {}", text.lines().next().unwrap_or_default());
    Ok(text)
}
