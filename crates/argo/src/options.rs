use std::time::Duration;

/// What an installation of Argo CD says in its settings, as far as the dialect needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgoOptions {
    /// The namespace of repository Secrets and settings. Applications there go by their bare name.
    pub control_namespace: String,
    /// How often to look for a newer commit when nothing says there is one.
    ///
    /// Argo CD's `timeout.reconciliation`; its jitter is added by whoever polls.
    pub poll_interval: Duration,
    /// How long one fetch may take.
    pub fetch_timeout: Duration,
    /// How long one sync may take, waits included. Argo CD's own default is for ever; here every wait ends.
    pub sync_timeout: Duration,
    /// How objects are marked as an application's.
    pub tracking: TrackingMethod,
    /// The label that holds an application's name where labels are used for tracking.
    ///
    /// Argo CD's `application.instanceLabelKey`.
    pub instance_label_key: String,
    /// Tells this installation from others on the same cluster; Argo CD's `installationID`.
    pub installation_id: Option<String>,
}

impl Default for ArgoOptions {
    fn default() -> Self {
        Self {
            control_namespace: "argocd".to_owned(),
            poll_interval: Duration::from_mins(2),
            fetch_timeout: Duration::from_secs(90),
            sync_timeout: Duration::from_hours(1),
            tracking: TrackingMethod::Annotation,
            instance_label_key: "app.kubernetes.io/instance".to_owned(),
            installation_id: None,
        }
    }
}

/// How objects are marked as an application's; Argo CD's `application.resourceTrackingMethod`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrackingMethod {
    /// By an annotation that names the application and the object.
    #[default]
    Annotation,
    /// By a label that names the application.
    Label,
    /// By the annotation; the label is there for people and cut to 63 characters.
    AnnotationAndLabel,
}
