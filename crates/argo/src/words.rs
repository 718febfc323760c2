//! The names that Argo CD gives to labels, annotations, finalizers, objects and options.

/// Says which application an object belongs to, and which object the mark was made for.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Tells installations apart that share a cluster.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
/// Asks for a look at the source: `normal`, or `hard` to render again whatever is cached.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Leaves an application alone while true.
pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
/// Makes an object a hook of the phases it lists.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// Says when a hook's object goes away.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// The place of an object within its phase.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Options for one object.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// Counts an object as healthy whatever it says.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";

/// Helm's own mark of a hook.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm's own place of a hook within its phase.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// Helm's own word on when a hook's object goes away.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// Helm's own word on keeping an object.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The label of the Secrets that speak of repositories.
pub const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
/// The ConfigMap that holds the settings of an installation.
pub const SETTINGS_MAP: &str = "argocd-cm";
/// The ConfigMap that holds known SSH hosts.
pub const KNOWN_HOSTS_MAP: &str = "argocd-ssh-known-hosts-cm";
/// The ConfigMap that holds certificates to trust, by host.
pub const TLS_CERTS_MAP: &str = "argocd-tls-certs-cm";

/// Deletes an application's objects before the application, dependents first.
pub const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// The same, by its longer name.
pub const FOREGROUND_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io/foreground";
/// Deletes an application's objects before the application, dependents later.
pub const BACKGROUND_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io/background";
/// What finalizers begin with that wait for hooks of deletion.
pub const DELETE_HOOK_FINALIZERS: [&str; 2] =
    ["pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"];

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "argocd-controller";
/// The component that writes status and that Events come from.
pub const CONTROLLER: &str = "argocd-application-controller";

/// Reads a boolean as Go's `strconv.ParseBool` does; `None` for any other text.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Splits a list of words separated by commas; empty ones are left out.
pub(crate) fn comma_separated(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
}
