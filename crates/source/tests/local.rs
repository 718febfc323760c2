//! Repositories on this machine, and the reading of trees.

mod support;

use bowline_model::{Explain as _, GitRef, Reason, Remote};
use bowline_source::{Options, SourceError, Sources};
use bowline_tree::{EntryKind, TreeError};
use support::{Hub, Repo, branch, path};

#[tokio::test]
async fn every_kind_of_reference_resolves() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let first = repo.commit("main", &[("a", "1")]);
    let second = repo.commit("main", &[("a", "2")]);
    repo.tag("v1.0.0", first);
    repo.annotated_tag("v1.1.0", second);
    repo.tag("v1.2.0-rc.1", second);
    repo.git.reference("refs/pull/7/head", first, true, "").expect("a reference");
    let remote = Remote::new(repo.url());
    for (wanted, want) in [
        (GitRef::Head, format!("main@sha1:{second}")),
        (branch("main"), format!("main@sha1:{second}")),
        (GitRef::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{first}")),
        (GitRef::Tag("v1.1.0".into()), format!("v1.1.0@sha1:{second}")),
        (GitRef::Semver("1.x".into()), format!("v1.1.0@sha1:{second}")),
        (GitRef::Semver("<1.1".into()), format!("v1.0.0@sha1:{first}")),
        (GitRef::Name("refs/pull/7/head".into()), format!("refs/pull/7/head@sha1:{first}")),
        (GitRef::Commit(first.to_string()), format!("sha1:{first}")),
        (GitRef::Any("HEAD".into()), format!("main@sha1:{second}")),
        (GitRef::Any(String::new()), format!("main@sha1:{second}")),
        (GitRef::Any("main".into()), format!("main@sha1:{second}")),
        (GitRef::Any("v1.0.0".into()), format!("v1.0.0@sha1:{first}")),
        (GitRef::Any("1.*".into()), format!("v1.1.0@sha1:{second}")),
        (GitRef::Any(first.to_string()), format!("sha1:{first}")),
        (GitRef::Any(first.to_string()[..7].to_owned()), format!("sha1:{first}")),
        (branch("nope"), format!("branch `nope` is not in `{}`", repo.url())),
        (GitRef::Any("nope".into()), format!("revision `nope` is not in `{}`", repo.url())),
        (GitRef::Commit("1".repeat(40)), format!("commit `{}` is not in `{}`", "1".repeat(40), repo.url())),
    ] {
        assert_eq!(hub.resolve(&remote, wanted.clone()).await, want, "{wanted}");
    }
    assert_eq!(hub.clones().len(), 1, "all share one clone");
}

#[tokio::test]
async fn a_new_commit_is_seen_and_the_old_one_stays_readable() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let first = repo.commit("main", &[("dir/a", "1"), ("dir/b", "same")]);
    let remote = Remote::new(repo.path().display().to_string());
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let old = subscription.changed().await.outcome.expect("resolves");
    assert_eq!(old.digest, first.to_string());

    let second = repo.commit("main", &[("dir/a", "2")]);
    let new = subscription.changed().await.outcome.expect("resolves");
    assert_eq!(new.digest, second.to_string());

    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &new).await.expect("opens");
    assert_eq!(tree.read(&path("dir/a")).expect("read"), "2");
    assert_eq!(tree.read(&path("dir/b")).expect("read"), "same");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &old).await.expect("opens");
    assert_eq!(tree.read(&path("dir/a")).expect("read"), "1");

    let info = hub.sources.commit_info(&remote, &new).await.expect("is there").expect("is a commit");
    assert_eq!((info.author.as_str(), info.subject()), ("Ann Lee", "Change"));
    assert_eq!(hub.sources.is_ancestor(&remote, &old, &new).await, Some(true));
    assert_eq!(hub.sources.is_ancestor(&remote, &new, &old).await, Some(false));
}

#[tokio::test]
async fn the_last_good_revision_outlives_the_repository() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let remote = Remote::new(repo.url());
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let good = subscription.fresh().await.outcome.expect("resolves");

    std::fs::remove_dir_all(repo.path()).expect("removed");
    let gone = subscription.fresh().await;
    let error = gone.outcome.expect_err("is gone");
    assert!(matches!(*error, SourceError::RepositoryNotFound { .. }), "{error}");
    assert_eq!(error.reason(), Reason::RepositoryNotFound);
    assert_eq!(gone.last_good.as_ref(), Some(&good));
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &good).await.expect("opens");
    assert_eq!(tree.read(&path("a")).expect("read"), "1");

    // Another process on the same directory reads it too.
    let later = Sources::new(hub.dir.path(), support::options());
    assert!(later.open(&remote, &GitRef::Head.into(), &good).await.is_ok());
}

#[tokio::test]
async fn a_tree_is_read_as_it_was_committed() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a.b", ""), ("a/deep/file", "content"), ("link", "-> a/deep/file"), ("up", "-> ../../x")]);
    let head = repo.git.find_branch("main", git2::BranchType::Local).expect("a branch").get().peel_to_tree();
    let mut builder = repo.git.treebuilder(Some(&head.expect("a tree"))).expect("a builder");
    builder.insert("sub", git2::Oid::from_str(&"5".repeat(40)).expect("an id"), 0o160_000).expect("inserted");
    repo.commit_tree("main", builder.write().expect("a tree"), &[]);

    let remote = Remote::new(repo.url());
    let revision = hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &revision).await.expect("opens");
    let root: Vec<_> =
        tree.list(&path("")).expect("listed").into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let want = [
        ("a", EntryKind::Directory),
        ("a.b", EntryKind::File),
        ("link", EntryKind::Symlink),
        ("sub", EntryKind::Submodule),
        ("up", EntryKind::Symlink),
    ];
    assert_eq!(root, want.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(tree.read(&path("link")).expect("read"), "a/deep/file");
    assert_eq!(tree.read(&path("a/deep/file")).expect("read"), "content");
    assert_eq!(tree.entry(&path("link/x")), Ok(None), "links are not followed");
    assert_eq!(tree.entry(&path("a/none")), Ok(None));
    assert_eq!(tree.read(&path("a")), Err(TreeError::NotAFile(path("a"))));
    assert_eq!(tree.read(&path("sub")), Err(TreeError::NotAFile(path("sub"))));
    assert_eq!(tree.list(&path("a.b")), Err(TreeError::NotADirectory(path("a.b"))));
    assert_eq!(tree.list(&path("none")), Err(TreeError::NotFound(path("none"))));

    let want = repo.git.revparse_single("main:a/deep").expect("is there").id().to_string();
    assert_eq!(tree.entry(&path("a/deep")).expect("answers").expect("is there").id.0, want, "ids are Git's");
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let size = usize::try_from(bowline_source::MAX_BLOB_BYTES).expect("fits") + 1;
    repo.commit("main", &[("big", &"0".repeat(size)), ("small", "1")]);
    let remote = Remote::new(repo.url());
    let revision = hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &revision).await.expect("opens");
    assert!(matches!(tree.read(&path("big")), Err(TreeError::TooLarge { .. })));
    assert_eq!(tree.read(&path("small")).expect("read"), "1");
}

#[tokio::test]
async fn a_damaged_clone_is_made_anew() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let files: Vec<(String, String)> = (0..50).map(|n| (format!("f{n}"), format!("{n}").repeat(100))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    repo.commit("main", &files);
    let remote = Remote::new(repo.url());
    let revision = hub.check(&remote, branch("main")).await.outcome.expect("resolves");

    // Bytes in the middle of the pack are overwritten; the next process finds them so.
    let packs = hub.clones()[0].join("objects/pack");
    for file in std::fs::read_dir(packs).expect("listed").flatten() {
        let file = file.path();
        if file.extension().is_some_and(|extension| extension == "pack") {
            let mut bytes = std::fs::read(&file).expect("read");
            let end = bytes.len() - 20;
            bytes[12..end].fill(0);
            std::fs::remove_file(&file).expect("removed");
            std::fs::write(&file, bytes).expect("written");
        }
    }
    let later = Sources::new(hub.dir.path(), support::options());
    let tree = later.open(&remote, &GitRef::Head.into(), &revision).await.expect("opens");
    assert_eq!(support::files(&*tree).len(), 50);
}

#[tokio::test]
async fn a_clone_that_vanishes_is_made_anew() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1")]);
    let remote = Remote::new(repo.url());
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    std::fs::remove_dir_all(hub.dir.path().join("git")).expect("removed");
    repo.commit("main", &[("a", "2")]);
    assert_eq!(hub.files(&remote, branch("main")).await, [("a".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn many_commits_do_not_scatter_the_clone() {
    let (repo, dir) = (Repo::default(), tempfile::tempdir().expect("a directory"));
    // No check but those asked for, so that what has gone would not come back by itself.
    let sources = Sources::new(dir.path(), Options { local_interval: support::INTERVAL, ..Options::default() });
    let hub = Hub { dir, sources };
    let remote = Remote::new(repo.url());
    let mut subscription = hub.subscribe(&remote, branch("main"));
    let quiet = repo.commit("quiet", &[("q", "quiet")]);
    let mut quiet_subscription = hub.subscribe(&remote, branch("quiet"));
    let quiet_revision = quiet_subscription.fresh().await.outcome.expect("resolves");
    assert_eq!(quiet_revision.digest, quiet.to_string());
    let mut last = None;
    for n in 0..60 {
        repo.commit("main", &[("a", &n.to_string()), ("b", "same")]);
        last = Some(subscription.fresh().await.outcome.expect("resolves"));
    }
    let clones = hub.clones();
    assert_eq!(clones.len(), 1, "{clones:?}");
    let packs = std::fs::read_dir(clones[0].join("objects/pack")).expect("listed").count();
    assert!(packs < 2 * 45, "{packs} files");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &last.expect("has been")).await.expect("opens");
    assert_eq!(tree.read(&path("a")).expect("read"), "59");
    assert_eq!(tree.read(&path("b")).expect("read"), "same");

    // What another reference means has stayed, without its repository.
    std::fs::remove_dir_all(repo.path()).expect("removed");
    let tree = hub.sources.open(&remote, &GitRef::Head.into(), &quiet_revision).await.expect("opens");
    assert_eq!(tree.read(&path("q")).expect("read"), "quiet");
}

#[tokio::test]
async fn no_hook_filter_or_configured_program_runs() {
    let (repo, hub) = (Repo::default(), Hub::default());
    repo.commit("main", &[("a", "1"), (".gitattributes", "* filter=evil\n")]);
    let remote = Remote::new(repo.url());
    let revision = hub.check(&remote, branch("main")).await.outcome.expect("resolves");

    let mark = repo.dir.path().join("ran");
    let script = format!("#!/bin/sh\ntouch '{}'\n", mark.display());
    let clone = hub.clones()[0].clone();
    for dir in [repo.path(), clone] {
        std::fs::create_dir_all(dir.join("hooks")).expect("made");
        for hook in ["post-checkout", "reference-transaction", "post-update", "pre-receive", "update", "post-merge"] {
            let file = dir.join("hooks").join(hook);
            std::fs::write(&file, &script).expect("written");
            #[cfg(unix)]
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
        }
        let command = format!("touch '{}'", mark.display());
        let config = format!(
            "\n[core]\n\tfsmonitor = {command}\n\tsshCommand = {command}\n[filter \"evil\"]\n\tsmudge = {command}\n\
             [uploadpack]\n\tpackObjectsHook = {command}\n"
        );
        let old = std::fs::read_to_string(dir.join("config")).expect("read");
        std::fs::write(dir.join("config"), old + &config).expect("written");
    }
    let second = repo.commit("main", &[("a", "2")]);
    let later = hub.check(&remote, branch("main")).await.outcome.expect("resolves");
    assert_eq!(later.digest, second.to_string());
    assert_ne!(later, revision);
    assert_eq!(hub.files(&remote, branch("main")).await.len(), 2);
    assert!(!mark.exists(), "a program ran");
}

#[tokio::test]
async fn a_work_tree_and_its_git_directory_are_the_same_repository() {
    let dir = tempfile::tempdir().expect("a directory");
    let git = git2::Repository::init(dir.path().join("work")).expect("a repository");
    git.set_head("refs/heads/main").expect("a branch name");
    let repo = support::Repo { dir, git };
    let commit = repo.commit("main", &[("a", "1")]);
    let hub = Hub::default();
    for place in ["work", "work/.git", "work/"] {
        let remote = Remote::new(repo.dir.path().join(place).display().to_string());
        assert_eq!(hub.resolve(&remote, GitRef::Head).await, format!("main@sha1:{commit}"), "{place}");
    }
}

#[tokio::test]
async fn an_empty_repository_has_no_head() {
    let (repo, hub) = (Repo::default(), Hub::default());
    let error = hub.fails(&Remote::new(repo.url()), GitRef::Head).await;
    assert!(matches!(*error, SourceError::ReferenceNotFound { .. }), "{error}");
}

#[tokio::test]
async fn local_repositories_can_be_forbidden() {
    let repo = Repo::default();
    repo.commit("main", &[("a", "1")]);
    let dir = tempfile::tempdir().expect("a directory");
    let sources = Sources::new(dir.path(), Options { allow_local: false, ..support::options() });
    let remote = Remote::new(repo.url());
    let mut subscription = sources.subscribe(&remote, &branch("main").into(), support::INTERVAL, support::TIMEOUT);
    let error = subscription.fresh().await.outcome.expect_err("is refused");
    assert!(matches!(*error, SourceError::LocalNotAllowed { .. }), "{error}");
}

#[tokio::test]
async fn a_local_repository_that_comes_late_is_found_without_being_asked_for() {
    let hub = Hub::default();
    let repo = Repo::default();
    let remote = Remote::new(repo.url());
    let mut subscription = hub.subscribe(&remote, branch("main"));
    assert!(subscription.changed().await.outcome.is_err());
    let commit = repo.commit("main", &[("a", "1")]);
    // The interval asked for is an hour.
    assert_eq!(subscription.changed().await.outcome.expect("resolves").digest, commit.to_string());
}
