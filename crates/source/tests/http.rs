//! Git over HTTP, served by Git's own `http-backend`.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline_model::{Credentials, Explain as _, GitRef, Reason, Remote, Secret};
use bowline_source::SourceError;
use support::http::{Rules, Server};
use support::{Hub, INTERVAL, Repo, branch, git_server, path};

macro_rules! backend {
    () => {
        match git_server() {
            Some(backend) => backend,
            None => return,
        }
    };
}

async fn server(repo: &Repo, rules: Rules) -> Option<Server> {
    Some(Server::start(&git_server()?, repo.dir.path(), rules).await)
}

#[tokio::test]
async fn every_kind_of_reference_resolves() {
    let backend = backend!();
    for version_zero in [false, true] {
        let (repo, hub) = (Repo::default(), Hub::default());
        let first = repo.commit("main", &[("a", "1"), ("dir/b", "same")]);
        let second = repo.commit("main", &[("a", "2")]);
        let third = repo.commit("main", &[("a", "3")]);
        repo.tag("v1.0.0", first);
        repo.annotated_tag("v1.1.0", third);
        repo.git.reference("refs/pull/7/head", first, true, "").expect("a reference");
        let server = Server::start(&backend, repo.dir.path(), Rules { version_zero, ..Rules::default() }).await;
        let remote = Remote::new(server.url("repo.git"));
        for (wanted, want) in [
            (GitRef::Head, format!("main@sha1:{third}")),
            (branch("main"), format!("main@sha1:{third}")),
            (GitRef::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{first}")),
            (GitRef::Tag("v1.1.0".into()), format!("v1.1.0@sha1:{third}")),
            (GitRef::Semver("^1".into()), format!("v1.1.0@sha1:{third}")),
            (GitRef::Name("refs/pull/7/head".into()), format!("refs/pull/7/head@sha1:{first}")),
            (GitRef::Any("HEAD".into()), format!("main@sha1:{third}")),
            (GitRef::Any("refs/pull/7/head".into()), format!("refs/pull/7/head@sha1:{first}")),
            (GitRef::Any(third.to_string()[..8].to_owned()), format!("sha1:{third}")),
            // No reference names the second commit.
            (GitRef::Any(second.to_string()[..8].to_owned()), format!("sha1:{second}")),
            (GitRef::Commit(second.to_string()), format!("sha1:{second}")),
            (branch("nope"), format!("branch `nope` is not in `{}`", remote.url)),
            (GitRef::Any("abcdef01".into()), format!("revision `abcdef01` is not in `{}`", remote.url)),
            (GitRef::Commit("1".repeat(40)), format!("commit `{}` is not in `{}`", "1".repeat(40), remote.url)),
        ] {
            assert_eq!(hub.resolve(&remote, wanted.clone()).await, want, "{wanted}, version zero: {version_zero}");
        }
        let want = [("a".to_owned(), "2".to_owned()), ("dir/b".to_owned(), "same".to_owned())];
        assert_eq!(hub.files(&remote, GitRef::Commit(second.to_string())).await, want);
    }
}

#[tokio::test]
async fn a_commit_no_reference_names_comes_from_an_old_server_too() {
    let backend = backend!();
    let (repo, hub) = (Repo::default(), Hub::default());
    let first = repo.commit("main", &[("a", "1")]);
    repo.commit("main", &[("a", "2")]);
    let server = Server::start(&backend, repo.dir.path(), Rules { version_zero: true, ..Rules::default() }).await;
    let remote = Remote::new(server.url("repo.git"));
    let files = hub.files(&remote, GitRef::Commit(first.to_string())).await;
    assert_eq!(files, [("a".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn a_fetch_is_shallow_and_the_next_brings_the_difference_only() {
    let (repo, hub) = (Repo::default(), Hub::default());
    // Content that does not compress, so that sizes tell.
    let noise = |seed: u64| {
        let mut state = seed;
        (0..40_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(33 + (state >> 33) as u8 % 90)
            })
            .collect::<String>()
    };
    repo.commit("main", &[("history", &noise(1))]);
    repo.commit("main", &[("history", ""), ("large", &noise(2)), ("dir/small", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    let first = server.sent.swap(0, Ordering::Relaxed);
    assert!((30_000..60_000).contains(&first), "the tip alone, not its history: {first}");

    repo.commit("main", &[("dir/small", "2")]);
    let files = hub.files(&remote, branch("main")).await;
    assert_eq!(files.len(), 3);
    let second = server.sent.load(Ordering::Relaxed);
    assert!(second < 5_000, "the difference alone: {second}");

    // Git itself finds the clone in order.
    let clone = &hub.clones()[0];
    let fsck = std::process::Command::new("git").arg("--git-dir").arg(clone).args(["fsck", "--full"]).output();
    let fsck = fsck.expect("git runs");
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
}

#[tokio::test]
async fn subscribers_share_one_clone_and_one_poll() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let commit = repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let mut subscriptions: Vec<_> = (0..20).map(|_| hub.subscribe(&remote, branch("main"))).collect();
    for subscription in &mut subscriptions {
        let polled = subscription.changed().await;
        assert_eq!(polled.outcome.expect("resolves").digest, commit.to_string());
    }
    let posts =
        |command: &str| server.log.lock().expect("not poisoned").iter().filter(|line| line.contains(command)).count();
    assert_eq!((server.count("GET"), posts("command=ls-refs"), posts("command=fetch")), (1, 1, 1));
    assert_eq!(hub.clones().len(), 1);

    // Nothing new: a check costs the greeting and the list, and opening the files costs nothing.
    let polled = subscriptions[0].fresh().await;
    assert_eq!(polled.sequence, 2);
    let revision = polled.outcome.expect("resolves");
    hub.sources.open(&remote, &GitRef::Head.into(), &revision).await.expect("opens");
    assert_eq!((server.count("GET"), posts("command=ls-refs"), posts("command=fetch")), (2, 2, 1));

    // A commit that is here is resolved without a word.
    hub.check(&remote, GitRef::Commit(commit.to_string())).await.outcome.expect("resolves");
    assert_eq!(server.count("GET"), 2);
}

#[tokio::test]
async fn pokes_are_answered_together() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let mut subscription = hub.subscribe(&remote, branch("main"));
    subscription.changed().await;
    for _ in 0..100 {
        subscription.poke();
    }
    let polled = subscription.fresh().await;
    assert!(polled.sequence <= 3, "{} checks", polled.sequence);
}

#[tokio::test]
async fn basic_and_bearer_credentials_are_sent_and_checked() {
    let backend = backend!();
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let rules = Rules { authorization: Some("Basic bWU6cEBzcw==".into()), ..Rules::default() };
    let server = Server::start(&backend, repo.dir.path(), rules).await;
    let url = server.url("repo.git");

    let error = hub.fails(&Remote::new(&url), branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRequired { .. }), "{error}");
    assert_eq!(error.reason(), Reason::AuthenticationFailed);

    let with = |username: &str, password: &str| Remote {
        url: url.clone(),
        credentials: Credentials {
            username: Some(username.into()),
            password: Some(Secret::new(password)),
            ..Credentials::default()
        },
    };
    let error = hub.fails(&with("me", "wrong"), branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRefused { .. }), "{error}");
    assert!(!format!("{error:?} {error}").contains("wrong"));
    hub.check(&with("me", "p@ss"), branch("main")).await.outcome.expect("resolves");
    let in_address = Remote::new(url.replace("http://", "http://me:p%40ss@"));
    let error = hub.fails(&in_address, branch("nope")).await.to_string();
    assert!(error.contains("not in") && !error.contains("p%40ss"), "{error}");

    server.rules.lock().expect("not poisoned").authorization = Some("Bearer token-1".into());
    let mut bearer = Remote::new(&url);
    bearer.credentials.bearer_token = Some(Secret::new("token-1"));
    hub.check(&bearer, branch("main")).await.outcome.expect("resolves");

    // What one may read, another may not: not even from the clone that is here.
    let other = Remote::new(&url);
    let revision = hub.check(&bearer, branch("main")).await.outcome.expect("resolves");
    assert!(hub.sources.open(&other, &GitRef::Head.into(), &revision).await.is_err());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let backend = backend!();
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let server = Server::start(&backend, repo.dir.path(), Rules::default()).await;
    let error = hub.fails(&Remote::new(server.url("gone.git")), branch("main")).await;
    assert!(matches!(*error, SourceError::RepositoryNotFound { .. }), "{error}");

    let remote = Remote::new(server.url("repo.git"));
    for (status, reason, transient) in [
        (503, Reason::Unreachable, true),
        (429, Reason::Unreachable, true),
        (403, Reason::AuthenticationFailed, false),
        (404, Reason::RepositoryNotFound, false),
        (200, Reason::SourceUnreadable, true),
    ] {
        server.rules.lock().expect("not poisoned").status = Some(status);
        let error = hub.fails(&remote, branch("main")).await;
        assert_eq!((error.reason(), error.is_transient()), (reason, transient), "{status}: {error}");
    }
    drop(server);
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_and_lose_credentials_on_the_way_to_another_host() {
    let backend = backend!();
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let redirect = Some(("/old".to_owned(), "/repo.git".to_owned()));
    let server = Server::start(&backend, repo.dir.path(), Rules { redirect, ..Rules::default() }).await;
    hub.check(&Remote::new(server.url("old")), branch("main")).await.outcome.expect("resolves");
    assert_eq!(server.count("POST /repo.git"), 2, "later requests go to the new place at once");

    let guarded = Rules { authorization: Some("Bearer token-1".into()), ..Rules::default() };
    let guarded = Server::start(&backend, repo.dir.path(), guarded).await;
    let redirect = Some(("/repo.git".to_owned(), guarded.url("repo.git")));
    let sender = Server::start(&backend, repo.dir.path(), Rules { redirect, ..Rules::default() }).await;
    let mut remote = Remote::new(sender.url("repo.git"));
    remote.credentials.bearer_token = Some(Secret::new("token-1"));
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRequired { .. }), "{error}");

    server.rules.lock().expect("not poisoned").redirect = Some(("/repo.git".into(), "/repo.git".into()));
    let error = hub.fails(&Remote::new(server.url("repo.git")), branch("main")).await;
    assert!(error.to_string().contains("redirects more than"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_or_breaks_off_mid_pack_leaves_nothing_broken() {
    let backend = backend!();
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", &"text ".repeat(1000))]);
    let server = Server::start(&backend, repo.dir.path(), Rules { hang_after: Some(150), ..Rules::default() }).await;
    let remote = Remote::new(server.url("repo.git"));
    let short = Duration::from_millis(1500);
    let mut subscription = hub.sources.subscribe(&remote, &branch("main").into(), INTERVAL, short);
    let error = subscription.changed().await.outcome.expect_err("hangs");
    assert!(matches!(*error, SourceError::TimedOut { after, .. } if after == short), "{error}");
    assert_eq!(error.reason(), Reason::TimedOut);

    {
        let mut rules = server.rules.lock().expect("not poisoned");
        rules.hang_after = None;
        rules.cut_after = Some(150);
    }
    let error = subscription.fresh().await.outcome.expect_err("breaks off");
    assert!(error.is_transient(), "{error}");

    server.rules.lock().expect("not poisoned").cut_after = None;
    let revision = subscription.fresh().await.outcome.expect("resolves");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &revision).await.expect("opens");
    assert_eq!(tree.read(&path("a")).expect("read").len(), 5000);
    let pack_dir = hub.clones()[0].join("objects/pack");
    let wait_until_clean = async {
        loop {
            let leftovers = std::fs::read_dir(&pack_dir).expect("listed").flatten();
            if !leftovers.into_iter().any(|file| !file.file_name().to_string_lossy().starts_with("pack-")) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait_until_clean).await.expect("no partial pack stays");
}

#[tokio::test]
async fn a_garbled_pack_does_no_harm_to_what_is_here() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let good = subscription.changed().await.outcome.expect("resolves");
    let clones = hub.clones();

    repo.commit("main", &[("a", "2")]);
    server.rules.lock().expect("not poisoned").garble = true;
    let error = subscription.fresh().await.outcome.expect_err("is garbled");
    assert!(matches!(*error, SourceError::Protocol { .. }), "{error}");
    assert_eq!(hub.clones(), clones);
    assert!(hub.sources.open(&remote, &GitRef::Head.into(), &good).await.is_ok());

    server.rules.lock().expect("not poisoned").garble = false;
    subscription.fresh().await.outcome.expect("resolves");
}

#[tokio::test]
async fn a_branch_that_was_forced_elsewhere_is_followed() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.git.config().and_then(|mut config| config.set_bool("uploadpack.allowFilter", true)).expect("set");
    let base = repo.commit("main", &[("a", "1")]);
    repo.commit("main", &[("a", "2")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let old = subscription.changed().await.outcome.expect("resolves");

    repo.git.reference("refs/heads/main", base, true, "").expect("moved");
    let forced = repo.commit("main", &[("a", "3")]);
    let new = subscription.fresh().await.outcome.expect("resolves");
    assert_eq!(new.digest, forced.to_string());
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &new).await.expect("opens");
    assert_eq!(tree.read(&path("a")).expect("read"), "3");
    assert_eq!(hub.sources.is_ancestor(&remote, &old, &new).await, Some(false));

    repo.commit("main", &[("a", "4")]);
    let newer = subscription.fresh().await.outcome.expect("resolves");
    assert_eq!(hub.sources.is_ancestor(&remote, &new, &newer).await, Some(true));
    assert_eq!(hub.sources.is_ancestor(&remote, &newer, &new).await, Some(false));
}

#[tokio::test]
async fn history_is_unknown_where_the_server_gives_no_commits_alone() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let old = hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    repo.commit("main", &[("a", "2")]);
    let new = hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    assert_eq!(hub.sources.is_ancestor(&remote, &old, &new).await, None);
}

#[tokio::test]
async fn the_last_good_revision_outlives_the_server() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    let remote = Remote::new(server.url("repo.git"));
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let good = subscription.changed().await.outcome.expect("resolves");
    drop(server);
    let polled = subscription.fresh().await;
    assert!(polled.outcome.is_err());
    assert_eq!(polled.last_good.as_ref(), Some(&good));
    assert!(hub.sources.open(&remote, &GitRef::Head.into(), &good).await.is_ok());
}

#[tokio::test]
async fn many_remotes_are_read_at_once() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let Some(server) = server(&repo, Rules::default()).await else { return };
    // The same repository for twelve users is twelve remotes.
    let remote = |n: u32| {
        let mut remote = Remote::new(server.url("repo.git"));
        remote.credentials.username = Some(format!("user-{n}"));
        remote
    };
    let remotes: Vec<_> = (0..12).map(remote).collect();
    let mut subscriptions: Vec<_> = remotes.iter().map(|remote| hub.subscribe(remote, branch("main"))).collect();
    for subscription in &mut subscriptions {
        subscription.changed().await.outcome.expect("resolves");
    }
    assert_eq!(hub.clones().len(), 12);
}
