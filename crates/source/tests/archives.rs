//! Charts of Helm repositories and of registries, and artifacts.

mod support;

use std::time::Duration;

use bowline_model::{OciRef, Reason, Remote, Revision, Secret, Wanted};
use bowline_source::{Polled, SourceError};
use support::web::{Page, Web, basic, chart, packed, sha256};
use support::{Hub, INTERVAL, TIMEOUT, files};

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const FLUX: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

fn wanted(name: &str, version: &str) -> Wanted {
    Wanted::Chart { name: name.into(), version: version.into() }
}

fn tag(name: &str) -> Wanted {
    OciRef::Tag(name.into()).into()
}

/// One entry of an index.
fn entry(name: &str, version: &str, url: &str, digest: Option<&str>) -> String {
    let digest = digest.map(|digest| format!(", digest: {digest}")).unwrap_or_default();
    format!("  - {{name: {name}, version: {version}, urls: ['{url}']{digest}}}\n")
}

/// Publishes an index with these versions of `shop`.
fn publish(web: &Web, versions: &[&str]) {
    let mut index = "apiVersion: v1\nentries:\n  shop:\n".to_owned();
    for version in versions {
        let archive = chart("shop", version);
        index += &entry("shop", version, &format!("shop-{version}.tgz"), Some(&sha256(&archive)));
        web.put(&format!("/charts/shop-{version}.tgz"), Page::of(archive));
    }
    let etag = format!("\"{}\"", sha256(index.as_bytes()));
    web.put("/charts/index.yaml", Page::of(index).with("ETag", etag));
}

impl Hub {
    async fn look(&self, remote: &Remote, wanted: &Wanted) -> Polled {
        self.sources.subscribe(remote, wanted, INTERVAL, TIMEOUT).fresh().await
    }

    async fn found(&self, remote: &Remote, wanted: &Wanted) -> Revision {
        self.look(remote, wanted).await.outcome.unwrap_or_else(|error| panic!("{wanted} does not resolve: {error}"))
    }

    async fn refused(&self, remote: &Remote, wanted: &Wanted) -> std::sync::Arc<SourceError> {
        self.look(remote, wanted).await.outcome.expect_err("fails")
    }
}

#[tokio::test]
async fn a_repository_gives_the_greatest_version_that_fits() {
    let (web, hub) = (Web::start().await, Hub::default());
    publish(&web, &["1.2.0", "1.10.0", "2.0.0-rc.1"]);
    let remote = Remote::new(web.url("charts"));
    for (version, want) in [("", "1.10.0"), ("~1.2", "1.2.0"), ("1.2.0", "1.2.0"), (">0.0.0-0", "2.0.0-rc.1")] {
        let revision = hub.found(&remote, &wanted("shop", version)).await;
        let digest = sha256(&chart("shop", want));
        assert_eq!(revision.to_string(), format!("{want}@sha256:{digest}"), "{version}");
        let tree = hub.sources.open(&remote, &wanted("shop", version), &revision).await.expect("opens");
        assert_eq!(files(&*tree)[1], ("templates/a.yaml".to_owned(), want.to_owned()));
        assert!(hub.sources.commit_info(&remote, &revision).await.expect("is asked").is_none());
        assert_eq!(hub.sources.is_ancestor(&remote, &revision, &revision).await, None);
    }
    let by_version = Revision::of_version("1.2.0");
    let archive = hub.sources.archive(&remote, &wanted("shop", "*"), &by_version).await.expect("is there");
    assert_eq!(sha256(&archive), sha256(&chart("shop", "1.2.0")), "whatever is wanted now");
    for (name, version, want) in [
        ("shop", ">3", "chart `shop` with version `>3` is not in"),
        ("gone", "", "chart `gone` is not in"),
        ("shop", "not a version", "chart `shop` with version `not a version` cannot be resolved"),
        ("a\nb", "", "cannot be resolved: of its name, it holds the character"),
    ] {
        let error = hub.refused(&remote, &wanted(name, version)).await;
        assert!(error.to_string().contains(want), "{error}");
    }
    let error = hub.refused(&Remote::new(web.url("elsewhere")), &wanted("shop", "")).await;
    assert!(matches!(*error, SourceError::RepositoryNotFound { .. }), "{error}");
    let error = hub.refused(&Remote::new("git@localhost:charts"), &wanted("shop", "")).await;
    assert!(matches!(*error, SourceError::InvalidUrl { .. }), "{error}");
}

#[tokio::test]
async fn an_index_is_fetched_once_for_all_and_again_only_when_it_is_another() {
    let (web, hub) = (Web::start().await, Hub::default());
    publish(&web, &["1.0.0", "1.1.0"]);
    let remote = Remote::new(web.url("charts/"));
    let versions = ["", "1.0.0", "1.1.0", "^1", "*", ">1.0", "<1.1", "1.x"];
    let mut subscriptions: Vec<_> = versions
        .iter()
        .map(|version| hub.sources.subscribe(&remote, &wanted("shop", version), Duration::from_hours(1), TIMEOUT))
        .collect();
    for subscription in &mut subscriptions {
        subscription.changed().await.outcome.expect("resolves");
    }
    assert_eq!(web.count("GET /charts/index.yaml"), 1);
    assert_eq!(web.count("GET /charts/shop-1.1.0.tgz"), 1);
    let first = subscriptions[0].fresh().await.outcome.expect("resolves");
    assert_eq!(web.count("GET /charts/index.yaml"), 2, "who asks gets the newest");

    publish(&web, &["1.0.0", "1.1.0", "1.2.0"]);
    let second = subscriptions[0].fresh().await.outcome.expect("resolves");
    assert_eq!((first.name.as_deref(), second.name.as_deref()), (Some("1.1.0"), Some("1.2.0")));
    web.put("/charts/index.yaml", Page { status: 503, ..Page::default() });
    let polled = subscriptions[0].fresh().await;
    let error = polled.outcome.expect_err("fails");
    assert!(error.is_transient(), "{error}");
    assert_eq!(polled.last_good, Some(second));
}

#[tokio::test]
async fn archives_are_checked_kept_and_fetched_again_when_lost() {
    let (web, hub) = (Web::start().await, Hub::default());
    publish(&web, &["1.0.0"]);
    let remote = Remote::new(web.url("charts"));
    let shop = wanted("shop", "1.0.0");
    let revision = hub.found(&remote, &shop).await;
    let kept = hub.dir.path().join("charts").join(&revision.digest);
    assert!(kept.is_file());
    hub.sources.open(&remote, &shop, &revision).await.expect("opens");
    assert_eq!(web.count("GET /charts/shop-1.0.0.tgz"), 1);
    for damage in [None, Some("damage")] {
        match damage {
            None => std::fs::remove_file(&kept).expect("removed"),
            Some(text) => std::fs::write(&kept, text).expect("written"),
        }
        hub.sources.open(&remote, &shop, &revision).await.expect("opens");
    }
    assert_eq!(web.count("GET /charts/shop-1.0.0.tgz"), 3);

    // Published anew under the same version, with the index as it was.
    std::fs::remove_file(&kept).expect("removed");
    web.put("/charts/shop-1.0.0.tgz", Page::of(chart("shop", "1.0.0-other")));
    let error = hub.sources.open(&remote, &shop, &revision).await.err().expect("fails");
    assert!(matches!(error, SourceError::DigestMismatch { .. }), "{error}");
    assert_eq!(error.to_failure().reason, Reason::SourceUnreadable);
    assert!(matches!(*hub.refused(&remote, &shop).await, SourceError::DigestMismatch { .. }));

    // An index that gives no digest.
    let index = format!("apiVersion: v1\nentries:\n  shop:\n{}", entry("shop", "1.0.0", "shop-1.0.0.tgz", None));
    web.put("/charts/index.yaml", Page::of(index).with("ETag", "\"2\""));
    let learnt = hub.found(&remote, &shop).await;
    assert_eq!(learnt.digest, sha256(&chart("shop", "1.0.0-other")));
    let fetched = web.count("GET /charts/shop-1.0.0.tgz");
    assert_eq!(hub.found(&remote, &shop).await, learnt);
    assert_eq!(web.count("GET /charts/shop-1.0.0.tgz"), fetched, "nothing has changed");
}

#[tokio::test]
async fn credentials_go_to_the_repository_alone_unless_they_are_passed() {
    let (web, other, hub) = (Web::start().await, Web::start().await, Hub::default());
    let archive = chart("shop", "1.0.0");
    let index = |urls: [&str; 3]| {
        let lines: String =
            urls.iter().enumerate().map(|(n, url)| entry("shop", &format!("1.0.{n}"), url, None)).collect();
        format!("apiVersion: v1\nentries:\n  shop:\n{lines}")
    };
    let text = index([&other.url("far.tgz"), &web.url("near.tgz"), "sent.tgz"]);
    web.put("/index.yaml", Page::of(text));
    web.put("/near.tgz", Page::of(&archive[..]));
    web.put("/sent.tgz", Page { status: 302, ..Page::default() }.with("Location", other.url("signed.tgz?key=1")));
    other.put("/far.tgz", Page::of(&archive[..]));
    other.put("/signed.tgz", Page::of(&archive[..]));
    web.guard(&basic("me", "p@ss"), "Basic realm=\"charts\"", &[]);

    let mut remote = Remote::new(web.url(""));
    let error = hub.refused(&remote, &wanted("shop", "1.0.1")).await;
    assert!(matches!(*error, SourceError::AuthenticationRequired { .. }), "{error}");
    remote.credentials.username = Some("me".into());
    remote.credentials.password = Some(Secret::new("wrong"));
    let error = hub.refused(&remote, &wanted("shop", "1.0.1")).await;
    assert!(matches!(*error, SourceError::AuthenticationRefused { .. }), "{error}");
    remote.credentials.password = Some(Secret::new("p@ss"));
    for version in ["1.0.0", "1.0.1", "1.0.2"] {
        hub.found(&remote, &wanted("shop", version)).await;
    }
    assert_eq!(*other.log.lock().expect("not poisoned"), ["GET /far.tgz", "GET /signed.tgz?key=1"]);

    remote.credentials.pass_credentials = true;
    hub.found(&remote, &wanted("shop", "1.0.0")).await;
    assert_eq!(other.count(&format!("GET /far.tgz {}", basic("me", "p@ss"))), 1);
    let in_address = Remote::new(web.url("").replace("http://", "http://me:p%40ss@"));
    hub.found(&in_address, &wanted("shop", "1.0.1")).await;
}

#[tokio::test]
async fn charts_of_a_registry_are_found_by_version_and_by_constraint() {
    let (web, hub) = (Web::start().await, Hub::default());
    for version in ["1.0.0", "1.1.0+build.5", "2.0.0-rc.1"] {
        web.push("team/charts/shop", &version.replace('+', "_"), CHART, &chart("shop", version));
    }
    let next = "</v2/team/charts/shop/tags/list?last=x>; rel=\"next\"";
    web.put("/v2/team/charts/shop/tags/list?n=1000", Page::of(r#"{"tags": ["latest", "1.0.0"]}"#).with("Link", next));
    let rest = Page::of(r#"{"tags": ["1.1.0_build.5", "2.0.0-rc.1", "v3.0.0", "1.9"]}"#);
    web.put("/v2/team/charts/shop/tags/list?last=x", rest);
    web.put("/token", Page::of(r#"{"token": "opened"}"#));
    web.guard("Bearer opened", "Bearer realm=\"http://{host}/token\",service=\"local\"", &["/token"]);
    let mut remote = Remote::new(web.oci("team/charts"));
    for (version, want) in [
        ("1.0.0", "1.0.0"),
        ("1.1.0+build.5", "1.1.0+build.5"),
        ("", "1.1.0+build.5"),
        ("~1.0", "1.0.0"),
        (">=2-0", "2.0.0-rc.1"),
    ] {
        let revision = hub.found(&remote, &wanted("shop", version)).await;
        let digest = sha256(&chart("shop", want));
        assert_eq!(revision.to_string(), format!("{want}@sha256:{digest}"), "{version}");
        let tree = hub.sources.open(&remote, &wanted("shop", version), &revision).await.expect("opens");
        assert_eq!(files(&*tree)[1].1, want);
    }
    assert_eq!(web.count("GET /token?service=local&scope=repository%3Ateam%2Fcharts%2Fshop%3Apull"), 1);
    let archive = format!("GET /v2/team/charts/shop/blobs/sha256:{}", sha256(&chart("shop", "1.0.0")));
    assert_eq!(web.count(&archive), 1, "kept by its digest");
    for (name, version) in [("shop", "9.9.9"), ("shop", ">9")] {
        let error = hub.refused(&remote, &wanted(name, version)).await;
        assert!(matches!(*error, SourceError::ReferenceNotFound { .. }), "{error}");
    }
    let error = hub.refused(&remote, &wanted("../Shop", "1.0.0")).await;
    assert!(matches!(*error, SourceError::InvalidUrl { .. }), "{error}");
    web.push("team/charts/image", "1.0.0", "application/octet-stream", b"x");
    let error = hub.refused(&remote, &wanted("image", "1.0.0")).await;
    assert!(error.to_string().contains("does not contain a layer with mediatype"), "{error}");

    // The password goes to the server of tokens, and nowhere else.
    remote.credentials.username = Some("me".into());
    remote.credentials.password = Some(Secret::new("p@ss"));
    hub.found(&remote, &wanted("shop", "1.0.0")).await;
    let log = web.log.lock().expect("not poisoned");
    let with_password: Vec<_> = log.iter().filter(|line| line.contains("Basic ")).collect();
    assert!(with_password.iter().all(|line| line.starts_with("GET /token")) && !with_password.is_empty());
}

#[tokio::test]
async fn artifacts_follow_their_tags() {
    let (web, hub) = (Web::start().await, Hub::default());
    let content = |text: &str| packed(&[("deploy/a.yaml", text)]);
    let first = web.push("team/app", "latest", FLUX, &content("1"));
    let remote = Remote::new(web.oci("team/app"));
    let mut subscription = hub.sources.subscribe(&remote, &tag("latest"), INTERVAL, TIMEOUT);
    let revision = subscription.fresh().await.outcome.expect("resolves");
    assert_eq!(revision.to_string(), format!("latest@sha256:{first}"));
    let second = web.push("team/app", "latest", FLUX, &content("2"));
    let moved = subscription.fresh().await.outcome.expect("resolves");
    assert_eq!(moved.digest, second);
    for (revision, want) in [(&revision, "1"), (&moved, "2")] {
        let tree = hub.sources.open(&remote, &tag("latest"), revision).await.expect("opens");
        assert_eq!(files(&*tree), [("deploy/a.yaml".to_owned(), want.to_owned())]);
    }
    assert_eq!(
        hub.found(&remote, &OciRef::Digest(format!("sha256:{first}")).into()).await.to_string(),
        format!("sha256:{first}")
    );

    web.push("team/app", "1.2.0-alpha", FLUX, &content("3"));
    web.push("team/app", "v1.1.0", "application/vnd.docker.image.rootfs.diff.tar.gzip", &content("4"));
    web.put("/v2/team/app/tags/list", Page::of(r#"{"tags": ["latest", "1.2.0-alpha", "v1.1.0", "1.0"]}"#));
    let semver = |range: &str, filter: Option<&str>| -> Wanted {
        OciRef::Semver { range: range.into(), filter: filter.map(str::to_owned) }.into()
    };
    for (wanted, want) in [
        (semver("*", None), "v1.1.0"),
        (semver(">=1.0.0-0", None), "1.2.0-alpha"),
        (semver(">=1.0.0-0", Some("^v")), "v1.1.0"),
    ] {
        assert_eq!(hub.found(&remote, &wanted).await.name.as_deref(), Some(want));
    }
    assert!(matches!(*hub.refused(&remote, &semver("*", Some("("))).await, SourceError::InvalidReference { .. }));
    assert!(matches!(*hub.refused(&remote, &tag("no such")).await, SourceError::InvalidReference { .. }));
    assert!(matches!(*hub.refused(&remote, &tag("gone")).await, SourceError::ReferenceNotFound { .. }));

    // Many platforms under one tag.
    let inner = web.push("team/app", "inner", FLUX, &content("5"));
    let many = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"sha256:{inner}"}}]}}"#);
    let outer = web.put_manifest("team/app", "many", &many);
    let revision = hub.found(&remote, &tag("many")).await;
    assert_eq!(revision.digest, outer);
    let tree = hub.sources.open(&remote, &tag("many"), &revision).await.expect("opens");
    assert_eq!(files(&*tree)[0].1, "5");
}

#[tokio::test]
async fn an_index_may_lead_to_a_registry() {
    let (web, hub) = (Web::start().await, Hub::default());
    let archive = chart("shop", "1.0.0");
    web.push("charts/shop", "1.0.0", CHART, &archive);
    let url = format!("{}:1.0.0", web.oci("charts/shop"));
    let entry = entry("shop", "1.0.0", &url, Some(&sha256(&archive)));
    web.put("/index.yaml", Page::of(format!("apiVersion: v1\nentries:\n  shop:\n{entry}")));
    let revision = hub.found(&Remote::new(web.url("")), &wanted("shop", "")).await;
    assert_eq!(revision.digest, sha256(&archive));
}

#[tokio::test]
async fn what_is_too_large_or_broken_is_refused() {
    let (web, hub) = (Web::start().await, Hub::default());
    let remote = Remote::new(web.url(""));
    web.put("/index.yaml", Page::of("").with("Content-Length", "99999999999"));
    let error = hub.refused(&remote, &wanted("shop", "")).await;
    assert!(matches!(*error, SourceError::TooLarge { .. }), "{error}");
    for bad in ["", "<html>", "entries: {}", "{\"apiVersion\": 1}"] {
        web.put("/index.yaml", Page::of(bad));
        let error = hub.refused(&remote, &wanted("shop", "")).await;
        assert!(matches!(*error, SourceError::Malformed { what: "index", .. }), "{bad}: {error}");
    }
    for url in ["ftp://example.com/a.tgz", "http://"] {
        web.put(
            "/index.yaml",
            Page::of(format!("apiVersion: v1\nentries:\n  shop:\n{}", entry("shop", "1.0.0", url, None))),
        );
        let error = hub.refused(&remote, &wanted("shop", "")).await;
        assert!(matches!(*error, SourceError::Malformed { .. }), "{url}: {error}");
    }
    web.put(
        "/index.yaml",
        Page::of(format!("apiVersion: v1\nentries:\n  shop:\n{}", entry("shop", "1.0.0", "a.tgz", None))),
    );
    web.put("/a.tgz", Page::of("no archive"));
    let revision = hub.found(&remote, &wanted("shop", "")).await;
    let error = hub.sources.open(&remote, &wanted("shop", ""), &revision).await.err().expect("fails");
    assert!(matches!(error, SourceError::Malformed { what: "archive", .. }), "{error}");
    web.put("/around", Page { status: 302, ..Page::default() }.with("Location", "/around"));
    web.put("/index.yaml", Page { status: 302, ..Page::default() }.with("Location", "/around"));
    let error = hub.refused(&remote, &wanted("shop", "")).await;
    assert!(error.to_string().contains("redirects more than"), "{error}");
}
