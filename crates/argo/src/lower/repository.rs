//! What it takes to get into a repository, from the Secrets and ConfigMaps of the control namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowline_engine::{LowerError, Unread, World};
use bowline_model::{ChartRepository, Credentials, Failure, GroupKind, Object, ObjectKey, Reason, Remote, Secret};

use super::unsupported;
use crate::types::ApplicationSource;
use crate::{ArgoOptions, words};

/// Fields that let somebody in; a repository that has any takes none from a template.
const OWN_CREDENTIALS: &[&str] = &[
    "username",
    "password",
    "bearerToken",
    "sshPrivateKey",
    "insecureIgnoreHostKey",
    "githubAppPrivateKey",
    "useAzureWorkloadIdentity",
];

/// Fields that a template hands to repositories that have none of their own.
const TEMPLATE_FIELDS: &[&str] = &[
    "username",
    "password",
    "bearerToken",
    "sshPrivateKey",
    "tlsClientCertData",
    "tlsClientCertKey",
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
    "useAzureWorkloadIdentity",
    "azureServicePrincipalClientId",
    "proxy",
    "enableOCI",
    "insecureOCIForceHttp",
];

/// Ways in that this version does not know. Going without them would ask the wrong way.
const UNSUPPORTED_FIELDS: &[&str] = &[
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
    "useAzureWorkloadIdentity",
    "azureServicePrincipalClientId",
    "proxy",
];

/// Returns the repository of a source with the credentials that the control namespace holds for it.
pub(super) fn remote(
    source: &ApplicationSource,
    project: &str,
    options: &ArgoOptions,
    world: &dyn World,
) -> Result<Remote, LowerError> {
    let url = source.repo_url.trim();
    let is_chart = source.chart.as_deref().is_some_and(|chart| !chart.is_empty());
    // Charts of a registry go without a scheme; artifacts, and charts if somebody likes, with `oci://`.
    let bare = url.strip_prefix("oci://").filter(|_| is_chart).unwrap_or(url);
    let is_git = !is_chart && !url.starts_with("oci://");
    let fields = fields(bare, project, is_git, options, world)?;
    let is_registry = is_chart && (!bare.contains("://") || url != bare || flag(&fields, "enableOCI")?);
    let url = if is_registry { registry_url(bare) } else { url.to_owned() };
    let url = url.as_str();
    let pass = source.helm.as_ref().is_some_and(|helm| helm.pass_credentials == Some(true));
    let credentials = credentials(url, &fields, pass, options, world)?;
    Ok(Remote { url: url.to_owned(), credentials })
}

/// Returns the Helm repositories and registries that the control namespace knows, for the dependencies of a source's
/// charts. What is wrong with one of them is no matter to who may not need it.
pub(super) fn for_dependencies(
    source: &ApplicationSource,
    project: &str,
    options: &ArgoOptions,
    world: &dyn World,
) -> Result<Vec<ChartRepository>, LowerError> {
    let pass = source.helm.as_ref().is_some_and(|helm| helm.pass_credentials == Some(true));
    let mut found = Vec::new();
    for (kind, is_template) in [("repository", false), ("repo-creds", true)] {
        for secret in secrets(kind, options, world)? {
            let named = secret_fields(&secret);
            let is_foreign = named.get("project").is_some_and(|name| !name.is_empty() && name != project);
            let Some(url) = named.get("url").map(|url| url.trim()).filter(|url| !url.is_empty()) else { continue };
            if is_for_git(&named) || is_foreign {
                continue;
            }
            let bare = url.strip_prefix("oci://").unwrap_or(url);
            let fields = if is_template { named.clone() } else { fields(bare, project, false, options, world)? };
            let is_registry = !bare.contains("://") || flag(&fields, "enableOCI").unwrap_or(false);
            let url = if is_registry { registry_url(bare) } else { url.to_owned() };
            match credentials(&url, &fields, pass, options, world) {
                Ok(credentials) => found.push(ChartRepository {
                    name: named.get("name").filter(|name| !name.is_empty()).cloned(),
                    remote: Remote { url, credentials },
                    is_template,
                }),
                Err(LowerError::Unread(unread)) => return Err(unread.into()),
                Err(_) => {}
            }
        }
    }
    Ok(found)
}

/// Makes credentials of the fields of Secrets.
fn credentials(
    url: &str,
    fields: &Fields,
    pass_credentials: bool,
    options: &ArgoOptions,
    world: &dyn World,
) -> Result<Credentials, LowerError> {
    if let Some(field) = UNSUPPORTED_FIELDS.iter().find(|field| is_set(fields, field)) {
        let failure = unsupported(field).help("use a user name and a token, or an SSH key");
        return Err(LowerError::Invalid(failure));
    }
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let secret = |name: &str| text(name).map(Secret::new);
    let settings = |name: &str| config_map(name, options, world);
    let mut credentials = Credentials {
        username: text("username"),
        password: secret("password"),
        bearer_token: secret("bearerToken"),
        ssh_private_key: secret("sshPrivateKey"),
        client_certificate: text("tlsClientCertData"),
        client_key: secret("tlsClientCertKey"),
        insecure: flag(fields, "insecure")? || flag(fields, "insecureIgnoreHostKey")?,
        plain_http: flag(fields, "insecureOCIForceHttp")?,
        pass_credentials,
        ..Credentials::default()
    };
    if is_ssh_url(url) || url.starts_with("ssh://") {
        credentials.known_hosts = settings(words::KNOWN_HOSTS_MAP)?.and_then(|map| map_entry(&map, "ssh_known_hosts"));
    } else if let Some(host) = tls_host(url) {
        credentials.ca = settings(words::TLS_CERTS_MAP)?.and_then(|map| map_entry(&map, host));
    }
    Ok(credentials)
}

/// Brings a Git URL to the form in which Argo CD compares them.
///
/// Lower case, no `.git`, no `ssh://`, and the colon of `user@host:path` written as a slash
/// (Argo CD: `util/git/git.go`, `NormalizeGitURL`).
fn normalize_git_url(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    if is_ssh_url(&url) && !url.starts_with("ssh://") {
        url = url.replacen(':', "/", 1);
    }
    let url = url.strip_suffix(".git").unwrap_or(&url);
    url.strip_prefix("ssh://").unwrap_or(url).to_owned()
}

/// Tells whether a URL is `user@host…`, with or without `ssh://`.
fn is_ssh_url(url: &str) -> bool {
    let Some((user, rest)) = url.strip_prefix("ssh://").unwrap_or(url).split_once('@') else { return false };
    !user.contains(['/', ':']) && !rest.is_empty() && !rest.contains('@')
}

/// Writes the address of a registry with its scheme.
fn registry_url(bare: &str) -> String {
    let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    format!("oci://{}", bare.trim_end_matches('/'))
}

fn tls_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("oci://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

type Fields = BTreeMap<String, String>;

/// Returns the repository's own fields, completed by the template with the longest matching URL.
fn fields(
    url: &str,
    project: &str,
    is_git: bool,
    options: &ArgoOptions,
    world: &dyn World,
) -> Result<Fields, LowerError> {
    let labelled = |kind: &str| -> Result<Vec<Fields>, LowerError> {
        let secrets = secrets(kind, options, world)?;
        let fields = secrets.iter().map(|secret| secret_fields(secret));
        Ok(fields.filter(|fields| !is_git || is_for_git(fields)).collect())
    };
    let want = normalize_git_url(url.strip_prefix("oci://").unwrap_or(url));
    let mut fields = own_fields(labelled("repository")?, &want, project).unwrap_or_default();
    if !OWN_CREDENTIALS.iter().any(|field| is_set(&fields, field))
        && let Some(template) = template(labelled("repo-creds")?, &want)
    {
        for (name, value) in template {
            if TEMPLATE_FIELDS.contains(&name.as_str()) && !is_set(&fields, &name) {
                fields.insert(name, value);
            }
        }
    }
    Ok(fields)
}

fn secrets(kind: &str, options: &ArgoOptions, world: &dyn World) -> Result<Vec<Arc<Object>>, Unread> {
    world.labelled(&GroupKind::new("", "Secret"), &options.control_namespace, words::SECRET_TYPE, kind)
}

/// A Secret of the application's own project wins over one that names none.
fn own_fields(secrets: Vec<Fields>, want: &str, project: &str) -> Option<Fields> {
    let mut shared = None;
    for fields in secrets.into_iter().filter(|fields| url_of(fields) == want) {
        match fields.get("project").map(String::as_str).unwrap_or_default() {
            name if name == project => return Some(fields),
            "" => shared = shared.or(Some(fields)),
            _ => {}
        }
    }
    shared
}

/// The longest URL that `want` begins with wins; of equals, the first by name.
fn template(secrets: Vec<Fields>, want: &str) -> Option<Fields> {
    let mut best: Option<(usize, Fields)> = None;
    for fields in secrets {
        let prefix = url_of(&fields);
        let is_longer = best.as_ref().is_none_or(|(length, _)| prefix.len() > *length);
        if !prefix.is_empty() && want.starts_with(&prefix) && is_longer {
            best = Some((prefix.len(), fields));
        }
    }
    best.map(|(_, fields)| fields)
}

fn url_of(fields: &Fields) -> String {
    let url = fields.get("url").map(String::as_str).unwrap_or_default();
    normalize_git_url(url.trim().strip_prefix("oci://").unwrap_or(url))
}

/// Secrets for Helm repositories and OCI registries are not for Git.
fn is_for_git(fields: &Fields) -> bool {
    matches!(fields.get("type").map(String::as_str), None | Some("" | "git"))
}

/// Tells whether a field says something; a boolean that is false says nothing.
fn is_set(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|text| !text.is_empty() && text != "false")
}

fn flag(fields: &Fields, name: &str) -> Result<bool, LowerError> {
    match fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty()) {
        None => Ok(false),
        Some(text) => words::parse_bool(text).ok_or_else(|| {
            let message = format!("`{name}` of the repository Secret must be `true` or `false`");
            LowerError::Invalid(Failure::new(Reason::InvalidSpec, message))
        }),
    }
}

/// Decodes a Secret's data; what is no base64 or no text is left out.
fn secret_fields(secret: &Object) -> Fields {
    let data = secret.at("/data").and_then(serde_json::Value::as_object);
    data.into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            Some((name.clone(), String::from_utf8(bytes).ok()?))
        })
        .collect()
}

fn config_map(name: &str, options: &ArgoOptions, world: &dyn World) -> Result<Option<Arc<Object>>, Unread> {
    world.get(&ObjectKey::new("", "ConfigMap", &*options.control_namespace, name))
}

fn map_entry(map: &Object, key: &str) -> Option<String> {
    map.at("/data")?.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
