//! What a cluster can do, as far as templates ask.

/// What templates see as `.Capabilities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The API versions, for example `apps/v1`; and kinds, for example `apps/v1/Deployment`, where they are known.
    pub api_versions: Vec<String>,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As the cluster says it, for example `v1.34.0-gke.1`.
    pub version: String,
    /// Without what follows the numbers.
    pub normalized: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

/// A text that is no version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid kube version '{version}': {why}")]
pub struct KubeVersionError {
    /// The text.
    pub version: String,
    /// What is wrong with it.
    pub why: String,
}

/// The version that Helm names as its own to templates, which is the one whose rules are followed here.
pub(crate) const HELM_VERSION: &str = "v4.3";
/// The Go that the followed release of Helm was built with.
pub(crate) const GO_VERSION: &str = "go1.26.8";
/// The client of Kubernetes in the followed release of Helm.
pub(crate) const KUBE_CLIENT_VERSION: &str = "v1.37";

/// The API versions that are taken for granted where no cluster is asked: those which Helm 4.3's client knows.
const API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

impl Default for Capabilities {
    /// What is taken for granted where no cluster is asked.
    fn default() -> Self {
        let version = "v1.37.0".to_owned();
        Self {
            kube_version: KubeVersion {
                normalized: version.clone(),
                version,
                major: "1".to_owned(),
                minor: "37".to_owned(),
            },
            api_versions: API_VERSIONS.iter().map(|version| (*version).to_owned()).collect(),
        }
    }
}

impl KubeVersion {
    /// Reads a version as Kubernetes' own libraries do: two or more numbers, and anything after.
    pub fn parse(text: &str) -> Result<Self, KubeVersionError> {
        let wrong = |why: String| KubeVersionError { version: text.to_owned(), why };
        let unparsed = || wrong(format!("could not parse {} as version", bowline_gotmpl::quote(text)));
        let trimmed = text.trim_start();
        let rest = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        // A number that something else follows counts as far as it goes: `1.28+` is 1.28.
        let parts: Vec<&str> = rest[..end].split('.').take_while(is_number).collect();
        match parts.len() {
            0 => return Err(unparsed()),
            1 => return Err(wrong(format!("illegal version string {}", bowline_gotmpl::quote(text)))),
            _ => {}
        }
        let mut components: Vec<u64> = Vec::new();
        for part in &parts {
            if part.len() > 1 && part.starts_with('0') {
                let (part, text) = (bowline_gotmpl::quote(part), bowline_gotmpl::quote(text));
                return Err(wrong(format!("illegal zero-prefixed version component {part} in {text}")));
            }
            components.push(part.parse().map_err(|_| unparsed())?);
        }
        let version = if text.starts_with('v') { text.to_owned() } else { format!("v{text}") };
        Ok(Self {
            version,
            normalized: format!("v{}", parts.join(".")),
            major: components[0].to_string(),
            minor: components[1].to_string(),
        })
    }
}
