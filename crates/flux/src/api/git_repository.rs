use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, Condition, LocalObjectReference};

/// Says which commit of which Git repository is wanted, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": "serviceAccountName can only be set when provider is 'azure' or 'aws'",
    "rule": "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))"
}]))]
pub struct GitRepositorySpec {
    /// Patterns, as in `.gitignore`, of files to leave out; takes the place of the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Other repositories whose files are added to this one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<GitRepositoryInclude>>,
    /// How often to look for a newer commit.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub interval: String,
    /// Whose way of authentication to use; `generic` when left out: what the Secret holds.
    #[schemars(extend("enum" = ["generic", "aws", "azure", "github"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The Secret with the address and credentials of a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Fetches submodules too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurse_submodules: Option<bool>,
    /// The commit wanted; the branch `master` when left out.
    #[serde(rename = "ref")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRepositoryRef>,
    /// The Secret with credentials: `username` and `password`, or `bearerToken`, and `ca.crt`, `tls.crt` and
    /// `tls.key` for HTTP; `identity`, `known_hosts` and, for an encrypted key, `password` for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The ServiceAccount that a cloud's credentials are fetched for; with `azure` and `aws` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The only directories to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparse_checkout: Option<Vec<String>>,
    /// Stays at the artifact there is, and looks no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How long one fetch may take; `60s` when left out.
    #[schemars(extend("default" = "60s", "pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The repository: `https://…`, `http://…` or `ssh://…`.
    #[schemars(extend("pattern" = "^(http|https|ssh|file)://.*$"))]
    pub url: String,
    /// Takes only commits or tags with a signature by a known key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<GitRepositoryVerification>,
}

/// Which commit is wanted: the first that is given of `commit`, `name`, `semver`, `tag` and `branch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryRef {
    /// The newest commit of a branch; `master` when no field is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// One commit, by its full id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A full reference name, as `refs/pull/420/head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The greatest tag within a range of semantic versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// The commit of a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Files of another repository to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryInclude {
    /// The directory to take; the root when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// The GitRepository to take from.
    pub repository: LocalObjectReference,
    /// The directory to put them in; the repository's name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

/// Which signatures must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryVerification {
    /// What must be signed: the commit (`HEAD`), the tag, or both. `head` is an old way to write `HEAD`.
    #[schemars(extend("default" = "HEAD", "enum" = ["head", "HEAD", "Tag", "TagAndHEAD"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The Secret with the public keys: PGP under keys that end in `.asc`, SSH under `.sshpub`.
    pub secret_ref: LocalObjectReference,
}

/// What is known of a Git source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryStatus {
    /// The newest revision that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// How the source stands: `Ready`, `Reconciling`, `Stalled`, `ArtifactInStorage`, `FetchFailed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// The artifacts of included repositories that went into this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_artifacts: Option<Vec<Artifact>>,
    /// The value of the last request for a look that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The generation that the artifact, or the refusal, answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The patterns that the artifact was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// The inclusions that the artifact was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_include: Option<Vec<GitRepositoryInclude>>,
    /// Whether the artifact was made with submodules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_recurse_submodules: Option<bool>,
    /// The directories that the artifact was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_sparse_checkout: Option<Vec<String>>,
    /// What was verified last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,
}
