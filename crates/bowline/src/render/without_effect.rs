//! Flags of `helm template` that it takes and that change nothing of what it prints.

/// Taken so that a command line that is there already keeps working.
#[derive(Debug, clap::Args)]
pub(super) struct WithoutEffect {
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    keyring: Option<String>,
    #[arg(long, hide = true)]
    description: Option<String>,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[arg(long, hide = true)]
    render_subchart_notes: bool,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true)]
    skip_crds: bool,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    timeout: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<String>,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
    #[arg(long, hide = true)]
    atomic: bool,
    #[arg(long, hide = true)]
    rollback_on_failure: bool,
    #[arg(long, hide = true)]
    force_conflicts: bool,
    #[arg(long, hide = true)]
    force_replace: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<String>,
    #[arg(long, short, hide = true, value_delimiter = ',', value_parser = label)]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    post_renderer_args: Vec<String>,
    #[command(flatten)]
    of_clients: OfClients,
}

/// Flags that all of Helm's commands have: how it speaks, and to which cluster.
#[derive(Debug, clap::Args)]
struct OfClients {
    #[arg(long, hide = true)]
    burst_limit: Option<i64>,
    #[arg(long, hide = true)]
    qps: Option<f32>,
    #[arg(long, alias = "colour", hide = true, value_parser = ["never", "auto", "always"])]
    color: Option<String>,
    #[arg(long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    kube_apiserver: Option<String>,
    #[arg(long, hide = true)]
    kube_as_group: Vec<String>,
    #[arg(long, hide = true)]
    kube_as_user: Option<String>,
    #[arg(long, hide = true)]
    kube_ca_file: Option<String>,
    #[arg(long, hide = true)]
    kube_context: Option<String>,
    #[arg(long, hide = true)]
    kube_insecure_skip_tls_verify: bool,
    #[arg(long, hide = true)]
    kube_tls_server_name: Option<String>,
    #[arg(long, hide = true)]
    kube_token: Option<String>,
    #[arg(long, hide = true)]
    kubeconfig: Option<String>,
}

/// A label is refused where Helm refuses it.
fn label(text: &str) -> Result<String, String> {
    if text.contains('=') { Ok(text.to_owned()) } else { Err(format!("{text} must be formatted as key=value")) }
}

/// Flags of `helm template` that are refused, each with what is done instead.
#[derive(Debug, clap::Args)]
pub(super) struct Refused {
    #[arg(long, hide = true)]
    validate: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    dry_run: Option<String>,
    #[arg(long, hide = true)]
    enable_dns: bool,
    #[arg(long, hide = true)]
    post_renderer: Option<String>,
    #[arg(long, hide = true)]
    verify: bool,
}

impl Refused {
    /// Returns the first refused flag that was given, and what to do instead.
    pub(super) fn given(&self) -> Option<(&'static str, &'static str)> {
        // By itself the flag says what is done anyway.
        let server = self.dry_run.as_ref().is_some_and(|to| !matches!(to.as_str(), "client" | "true" | ""));
        let flags = [
            (
                self.validate,
                "--validate",
                "a rendering asks no cluster: apply it with `kubectl apply --dry-run=server`",
            ),
            (server, "--dry-run", "a rendering asks no cluster: leave the flag out, or say `--dry-run=client`"),
            (self.enable_dns, "--enable-dns", "templates see no network: pass addresses as values"),
            (self.post_renderer.is_some(), "--post-renderer", "no other program is run: pipe the output into it"),
            (self.verify, "--verify", "signatures are not checked here: `helm verify` does"),
        ];
        flags.into_iter().find(|(given, ..)| *given).map(|(_, flag, instead)| (flag, instead))
    }
}
