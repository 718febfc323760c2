//! Where the chart of `bowline render chart` is: here, in a repository, in a registry, at an address.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bowline_model::{Credentials, OciRef, Remote, Secret, Wanted};
use bowline_source::{SourceError, Sources};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::chart::Failure;

/// As long Helm waits for a server.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Where a chart is fetched from, and what it takes to get in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Charts from elsewhere")]
pub(super) struct Place {
    /// The address of the Helm repository that has the chart
    #[arg(long, value_name = "URL")]
    repo: Option<String>,

    /// The chart's version, exact or a constraint; without it, the newest that is no pre-release
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    version: String,

    /// Takes pre-releases too, where no version is said
    #[arg(long)]
    devel: bool,

    /// The user that the repository knows
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// The user's password
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,

    /// Certificates of authorities to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// The certificate to show to the server
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// The certificate's key
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// Trusts any certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,

    /// Speaks HTTP with the registry
    #[arg(long)]
    plain_http: bool,

    /// Sends user and password to other hosts too, where the repository leads there
    #[arg(long)]
    pass_credentials: bool,

    /// Helm's list of repositories, for `REPO/CHART`; by default, where Helm keeps it
    #[arg(long, value_name = "FILE", env = "HELM_REPOSITORY_CONFIG")]
    repository_config: Option<PathBuf>,
}

/// A chart that was found.
pub(super) enum Found {
    Directory(PathBuf),
    File(PathBuf),
    /// It came over the network.
    Archive(Bytes),
}

/// What fetches, made when first needed.
#[derive(Default)]
pub(super) struct Fetcher {
    network: OnceCell<Network>,
    /// Repositories of this machine may be named.
    allow_local: bool,
}

pub(super) struct Network {
    pub(super) runtime: Runtime,
    pub(super) sources: Sources,
    /// Goes with the fetcher.
    _cache: TempDir,
}

impl Fetcher {
    /// One that reads repositories of this machine, too.
    pub(super) fn of_this_machine_too() -> Self {
        Self { allow_local: true, ..Self::default() }
    }

    pub(super) fn network(&self) -> Result<&Network, Failure> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Failure::new)?;
        let cache = tempfile::tempdir().map_err(Failure::new)?;
        let options = bowline_source::Options { allow_local: self.allow_local, timeout: TIMEOUT, ..Default::default() };
        let sources = {
            let _inside = runtime.enter();
            Sources::new(cache.path(), options)
        };
        Ok(self.network.get_or_init(|| Network { runtime, sources, _cache: cache }))
    }
}

impl Place {
    /// Finds a chart in the order in which Helm looks (`LocateChart`).
    pub(super) fn locate(&self, chart: &str, fetcher: &Fetcher) -> Result<Found, Failure> {
        let chart = chart.trim();
        if self.repo.is_none() {
            if let Ok(metadata) = std::fs::metadata(chart) {
                let path = PathBuf::from(chart);
                return Ok(if metadata.is_dir() { Found::Directory(path) } else { Found::File(path) });
            }
            if chart.starts_with('/') || chart.starts_with('.') {
                return Err(not_found(chart));
            }
        }
        let network = || fetcher.network();
        let told = |error: SourceError| {
            let failure = error.to_failure();
            Failure { help: failure.help, ..Failure::new(failure.message) }
        };
        let version = match self.version.trim() {
            "" if self.devel => ">0.0.0-0",
            version => version,
        };
        let (remote, wanted) = if let Some(url) = &self.repo {
            let wanted = Wanted::Chart { name: chart.to_owned(), version: version.to_owned() };
            (self.remote(url)?, wanted)
        } else if chart.starts_with("oci://") {
            let (url, wanted) = in_registry(chart, version)?;
            (self.remote(&url)?, wanted)
        } else if chart.contains("://") {
            let remote = self.remote(chart)?;
            let Network { runtime, sources, .. } = network()?;
            return runtime.block_on(sources.download(&remote)).map(Found::Archive).map_err(told);
        } else {
            let Some((name, chart)) = chart.split_once('/') else { return Err(not_found(chart)) };
            let known = self.repositories()?;
            let known = known.iter().find(|known| known["name"] == name).ok_or_else(|| {
                Failure::with_help(
                    format!("repo {name} not found"),
                    "`helm repo add` it, or give its address by `--repo`",
                )
            })?;
            (known_remote(known)?, Wanted::Chart { name: chart.to_owned(), version: version.to_owned() })
        };
        let Network { runtime, sources, .. } = network()?;
        let archive = runtime.block_on(async {
            let revision = sources.resolve(&remote, &wanted).await?;
            sources.archive(&remote, &wanted, &revision).await
        });
        archive.map(Found::Archive).map_err(told)
    }

    /// Returns a repository, with what the flags say.
    fn remote(&self, url: &str) -> Result<Remote, Failure> {
        let pem = |path: &Option<PathBuf>| path.as_deref().map(read_pem).transpose();
        Ok(Remote {
            url: url.to_owned(),
            credentials: Credentials {
                username: self.username.clone(),
                password: self.password.clone().map(Secret::new),
                ca: pem(&self.ca_file)?,
                client_certificate: pem(&self.cert_file)?,
                client_key: pem(&self.key_file)?.map(Secret::new),
                insecure: self.insecure_skip_tls_verify,
                plain_http: self.plain_http,
                pass_credentials: self.pass_credentials,
                ..Credentials::default()
            },
        })
    }

    /// Returns the repository of a dependency: one that Helm knows, with what Helm knows of it.
    pub(super) fn remote_of_dependency(&self, url: &str) -> Remote {
        let same = |known: &Value| {
            known["url"].as_str().is_some_and(|known| known.trim_end_matches('/') == url.trim_end_matches('/'))
        };
        let known = self.repositories().unwrap_or_default();
        let known = known.iter().find(|known| same(known)).and_then(|known| known_remote(known).ok());
        known.unwrap_or_else(|| {
            let credentials = Credentials { plain_http: self.plain_http, ..Credentials::default() };
            Remote { url: url.to_owned(), credentials }
        })
    }

    /// Returns the address of a repository by the name that Helm knows it by.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        let known = self.repositories().ok()?;
        known.iter().find(|known| known["name"] == name)?["url"].as_str().map(str::to_owned)
    }

    /// Reads Helm's list of repositories; there need not be one.
    fn repositories(&self) -> Result<Vec<Value>, Failure> {
        let home = || {
            let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let helm = named("HELM_CONFIG_HOME");
            let helm = helm.or_else(|| named("XDG_CONFIG_HOME").map(|home| home.join("helm")));
            helm.or_else(|| named("HOME").map(|home| home.join(".config/helm")))
                .map(|dir| dir.join("repositories.yaml"))
        };
        let Some(path) = self.repository_config.clone().or_else(home) else { return Ok(Vec::new()) };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::new(format!("open {}: {error}", path.display()))),
        };
        let read = bowline_yaml::parse_first_as(bowline_yaml::Rules::Sigs, &text, &bowline_yaml::Limits::default());
        let read = read.map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))?;
        Ok(read["repositories"].as_array().cloned().unwrap_or_default())
    }
}

fn not_found(chart: &str) -> Failure {
    let help = "name a chart's directory or archive, `oci://…`, `https://…/chart.tgz`, or a chart of `--repo`";
    Failure::with_help(format!("path {chart:?} not found"), help)
}

/// Reads `oci://host/path/name`, with or without `:tag` and `@sha256:…`.
fn in_registry(chart: &str, version: &str) -> Result<(String, Wanted), Failure> {
    let (place, digest) = match chart.split_once('@') {
        Some((place, digest)) => (place, Some(digest)),
        None => (chart, None),
    };
    let (parent, last) = place.rsplit_once('/').unwrap_or((place, ""));
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    if let Some(digest) = digest {
        return Ok((format!("{parent}/{name}"), OciRef::Digest(digest.to_owned()).into()));
    }
    if !tag.is_empty() && !version.is_empty() && tag != version {
        return Err(Failure::new(format!("chart reference and version mismatch: {version} is not {tag}")));
    }
    let version = if version.is_empty() { tag } else { version };
    Ok((parent.to_owned(), Wanted::Chart { name: name.to_owned(), version: version.to_owned() }))
}

/// Returns a repository that Helm knows.
fn known_remote(known: &Value) -> Result<Remote, Failure> {
    let text = |name: &str| known[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let pem = |name: &str| text(name).map(|path| read_pem(Path::new(&path))).transpose();
    Ok(Remote {
        url: text("url").unwrap_or_default(),
        credentials: Credentials {
            username: text("username"),
            password: text("password").map(Secret::new),
            ca: pem("caFile")?,
            client_certificate: pem("certFile")?,
            client_key: pem("keyFile")?.map(Secret::new),
            insecure: known["insecure_skip_tls_verify"] == true,
            pass_credentials: known["pass_credentials_all"] == true,
            ..Credentials::default()
        },
    })
}

fn read_pem(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("open {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_charts_in_registries_are_taken_apart() {
        let chart = |version: &str| Wanted::Chart { name: "shop".into(), version: version.into() };
        for (text, version, want) in [
            ("oci://example.com:5000/team/shop", "", ("oci://example.com:5000/team", chart(""))),
            ("oci://example.com/shop:1.2.3", "", ("oci://example.com", chart("1.2.3"))),
            ("oci://example.com/shop", "^1", ("oci://example.com", chart("^1"))),
            ("oci://example.com/shop:1.2.3", "1.2.3", ("oci://example.com", chart("1.2.3"))),
            (
                "oci://example.com/shop:1.2.3@sha256:aa",
                "",
                ("oci://example.com/shop", OciRef::Digest("sha256:aa".into()).into()),
            ),
        ] {
            let Ok((url, wanted)) = in_registry(text, version) else { panic!("{text} is read") };
            assert_eq!((url.as_str(), wanted), want, "{text}");
        }
        assert!(in_registry("oci://example.com/shop:1.2.3", "1.2.4").is_err());
    }
}
