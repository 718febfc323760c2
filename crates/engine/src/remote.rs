//! From the model's words for a remote to those of `source`.

use bowline_model as model;
use bowline_source as source;

pub(crate) fn remote(remote: &model::Remote) -> source::Remote {
    let from = &remote.credentials;
    let basic = (from.username.is_some() || from.password.is_some()).then(|| source::Basic {
        username: from.username.clone().unwrap_or_default(),
        password: from.password.clone().unwrap_or_default(),
    });
    source::Remote {
        url: remote.url.clone(),
        credentials: source::Credentials {
            basic,
            bearer: from.bearer_token.clone(),
            ssh_key: from
                .ssh_private_key
                .clone()
                .map(|private_key| source::SshKey { private_key, passphrase: from.ssh_passphrase.clone() }),
            known_hosts: from.known_hosts.clone(),
            ca: from.ca.clone(),
            client_certificate: from
                .client_certificate
                .clone()
                .zip(from.client_key.clone())
                .map(|(certificate, key)| source::ClientCertificate { certificate, key }),
            insecure: from.insecure,
        },
    }
}

pub(crate) fn git_ref(git_ref: &model::GitRef) -> source::GitRef {
    match git_ref.clone() {
        model::GitRef::Head => source::GitRef::Head,
        model::GitRef::Branch(name) => source::GitRef::Branch(name),
        model::GitRef::Tag(name) => source::GitRef::Tag(name),
        model::GitRef::Semver(range) => source::GitRef::Semver(range),
        model::GitRef::Name(name) => source::GitRef::Name(name),
        model::GitRef::Commit(id) => source::GitRef::Commit(id),
        model::GitRef::Any(text) => source::GitRef::Any(text),
    }
}
