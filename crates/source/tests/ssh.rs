//! Git over SSH: a real SSH server in front of Git's own `upload-pack`.

mod support;

use std::time::Duration;

use bowline_model::{Credentials, Explain as _, GitRef, Reason, Remote, Secret};
use bowline_source::SourceError;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use support::ssh::{Rules, Server, known_hosts, new_key};
use support::{Hub, INTERVAL, Repo, branch, git_server};

macro_rules! backend {
    () => {
        match git_server() {
            Some(backend) => backend,
            None => return,
        }
    };
}

fn with_key(url: &str, key: &PrivateKey, known_hosts: String) -> Remote {
    let private_key = Secret::new(key.to_openssh(LineEnding::LF).expect("is encoded").as_str());
    Remote {
        url: url.to_owned(),
        credentials: Credentials {
            ssh_private_key: Some(private_key),
            known_hosts: Some(known_hosts),
            ..Credentials::default()
        },
    }
}

fn rules(key: &PrivateKey) -> Rules {
    Rules { key: Some(key.public_key().clone()), ..Rules::default() }
}

#[tokio::test]
async fn every_kind_of_reference_resolves() {
    let backend = backend!();
    let key = new_key();
    for version_zero in [false, true] {
        let (repo, hub) = (Repo::default(), Hub::default());
        let first = repo.commit("main", &[("a", "1"), ("dir/b", &"text ".repeat(100_000))]);
        let second = repo.commit("main", &[("a", "2")]);
        let third = repo.commit("main", &[("a", "3")]);
        repo.annotated_tag("v1.1.0", third);
        let server = Server::start(&backend, repo.dir.path(), Rules { version_zero, ..rules(&key) }).await;
        let remote = with_key(&server.url("repo.git"), &key, server.known_hosts());
        for (wanted, want) in [
            (GitRef::Head, format!("main@sha1:{third}")),
            (branch("main"), format!("main@sha1:{third}")),
            (GitRef::Semver("^1".into()), format!("v1.1.0@sha1:{third}")),
            (GitRef::Any(second.to_string()[..8].to_owned()), format!("sha1:{second}")),
            (GitRef::Commit(first.to_string()), format!("sha1:{first}")),
            (branch("nope"), format!("branch `nope` is not in `{}`", remote.url)),
        ] {
            assert_eq!(hub.resolve(&remote, wanted.clone()).await, want, "{wanted}, version zero: {version_zero}");
        }
        assert_eq!(hub.files(&remote, branch("main")).await.len(), 2);
        assert_eq!(hub.clones().len(), 1);
        let commands = server.commands.lock().expect("not poisoned").clone();
        assert!(commands.iter().all(|command| command == "git-upload-pack '/repo.git'"), "{commands:?}");
    }
}

#[tokio::test]
async fn a_path_cannot_become_a_command() {
    let backend = backend!();
    let (repo, hub, key) = (Repo::default(), Hub::default(), new_key());
    let server = Server::start(&backend, repo.dir.path(), rules(&key)).await;
    let remote = with_key(&server.url("x';touch%20y;'"), &key, server.known_hosts());
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::RepositoryNotFound { .. }), "{error}");
    assert_eq!(*server.commands.lock().expect("not poisoned"), [r"git-upload-pack '/x'\'';touch y;'\'''"]);
}

#[tokio::test]
async fn a_missing_repository_is_named() {
    let backend = backend!();
    let (repo, hub, key) = (Repo::default(), Hub::default(), new_key());
    let server = Server::start(&backend, repo.dir.path(), rules(&key)).await;
    let error = hub.fails(&with_key(&server.url("gone.git"), &key, server.known_hosts()), branch("main")).await;
    assert!(matches!(*error, SourceError::RepositoryNotFound { .. }), "{error}");
}

#[tokio::test]
async fn host_keys_are_checked() {
    let backend = backend!();
    let (repo, hub, key) = (Repo::default(), Hub::default(), new_key());
    repo.commit("main", &[("a", "1")]);
    let server = Server::start(&backend, repo.dir.path(), rules(&key)).await;
    let url = server.url("repo.git");

    let error = hub.fails(&with_key(&url, &key, String::new()), branch("main")).await;
    assert!(matches!(&*error, SourceError::HostKeyUnknown { fingerprint, .. } if *fingerprint == server.fingerprint()));
    assert_eq!(error.reason(), Reason::HostKeyUnknown);
    assert!(!error.is_transient());

    let other = known_hosts(server.address.port(), new_key().public_key());
    let error = hub.fails(&with_key(&url, &key, other), branch("main")).await;
    assert!(matches!(*error, SourceError::HostKeyMismatch { .. }), "{error}");
    assert_eq!(error.reason(), Reason::HostKeyMismatch);
    assert!(server.commands.lock().expect("not poisoned").is_empty(), "nothing is asked of an unknown server");

    let mut careless = with_key(&url, &key, String::new());
    careless.credentials.insecure = true;
    hub.check(&careless, branch("main")).await.outcome.expect("resolves");
}

#[tokio::test]
async fn the_known_kind_of_host_key_is_asked_for() {
    let backend = backend!();
    let (repo, hub, key) = (Repo::default(), Hub::default(), new_key());
    repo.commit("main", &[("a", "1")]);
    let curve = EcdsaCurve::NistP256;
    let second = PrivateKey::random(&mut rand::rng(), Algorithm::Ecdsa { curve }).expect("a key");
    let more = Rules { more_host_keys: vec![second.clone()], ..rules(&key) };
    let server = Server::start(&backend, repo.dir.path(), more).await;
    // The server prefers its other key, which is not on record.
    let known = known_hosts(server.address.port(), second.public_key());
    hub.check(&with_key(&server.url("repo.git"), &key, known), branch("main")).await.outcome.expect("resolves");
}

#[tokio::test]
async fn keys_passphrases_and_passwords_are_checked() {
    let backend = backend!();
    let (repo, hub, key) = (Repo::default(), Hub::default(), new_key());
    repo.commit("main", &[("a", "1")]);
    let both = Rules { password: Some("p@ss".into()), ..rules(&key) };
    let server = Server::start(&backend, repo.dir.path(), both).await;
    let (url, known) = (server.url("repo.git"), server.known_hosts());

    let error = hub.fails(&with_key(&url, &new_key(), known.clone()), branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRefused { .. }), "{error}");

    let nothing = Credentials { known_hosts: Some(known.clone()), ..Credentials::default() };
    let mut remote = Remote { url: url.clone(), credentials: nothing };
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRequired { .. }), "{error}");

    let password = |text: &str| Some(Secret::new(text));
    remote.credentials.password = password("wrong");
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::AuthenticationRefused { .. }), "{error}");
    remote.credentials.password = password("p@ss");
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");

    let locked = key.encrypt(&mut rand::rng(), "open sesame").expect("is encrypted");
    let mut remote = with_key(&url, &locked, known.clone());
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::InvalidCredentials { what: "SSH key", .. }), "{error}");
    let with_passphrase = |text: &str| {
        let mut remote = remote.clone();
        remote.credentials.ssh_passphrase = Some(Secret::new(text));
        remote
    };
    let error = hub.fails(&with_passphrase("wrong"), branch("main")).await;
    assert!(matches!(*error, SourceError::InvalidCredentials { .. }), "{error}");
    hub.check(&with_passphrase("open sesame"), branch("main")).await.outcome.expect("resolves");

    remote.credentials.ssh_private_key = Some(Secret::new("nonsense"));
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::InvalidCredentials { .. }), "{error}");
    assert!(!format!("{error:?}").contains("nonsense"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let hub = Hub::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let short = Duration::from_millis(300);
    for url in [format!("ssh://localhost:{port}/x"), format!("http://localhost:{port}/x")] {
        let mut subscription = hub.sources.subscribe(&Remote::new(url), &branch("main").into(), INTERVAL, short);
        let error = subscription.changed().await.outcome.expect_err("is silent");
        assert!(matches!(*error, SourceError::TimedOut { .. }), "{error}");
    }
}

#[tokio::test]
async fn every_common_kind_of_key_is_read() {
    let backend = backend!();
    let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let kinds = [
        rsa.expect("a key"),
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"),
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key"),
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key"),
    ];
    for pem in kinds.map(|key| key.serialize_pem()) {
        let key = russh::keys::decode_secret_key(&pem, None).expect("is read");
        let openssh = key.to_openssh(LineEnding::LF).expect("is encoded").to_string();
        for text in [pem, openssh] {
            let (repo, hub) = (Repo::default(), Hub::default());
            repo.commit("main", &[("a", "1")]);
            let server = Server::start(&backend, repo.dir.path(), rules(&key)).await;
            let mut remote = with_key(&server.url("repo.git"), &key, server.known_hosts());
            remote.credentials.ssh_private_key = Some(Secret::new(text));
            hub.check(&remote, branch("main")).await.outcome.expect("resolves");
        }
    }
}
