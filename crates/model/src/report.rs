use std::fmt;

use jiff::Timestamp;

use crate::{AppId, Failure, Hook, LastRelease, Location, ObjectKey, Phase, Revisions};

/// What the engine tells a dialect of one app, to be raised to the resource's status.
///
/// It is the whole of what is known now, not a change: the dialect compares with the status it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The app.
    pub id: AppId,
    /// The generation of the resource that this report answers.
    pub generation: i64,
    /// What the loop is doing.
    pub activity: Activity,
    /// The newest revisions of the sources that were resolved.
    pub revision: Option<Revisions>,
    /// The last revisions that were wholly applied.
    pub applied: Option<Revisions>,
    /// The commit behind `revision`, of the first source.
    pub commit: Option<Commit>,
    /// Every desired object and every object that waits to be pruned, by key; empty before the first render.
    pub objects: Vec<ObjectReport>,
    /// Names the rendered objects: the same render always has the same digest (`sha256:…`).
    pub render_digest: Option<String>,
    /// What made objects of the files of each source, once something did; `None` for a source that is not rendered.
    pub renderers: Vec<Option<Renderer>>,
    /// The chart that was rendered, the first one where there are several.
    pub chart: Option<ChartReport>,
    /// Objects that the sources hold more than once, and how often.
    pub repeated: Vec<(ObjectKey, usize)>,
    /// What comes of time or chance in the render: another render gives something else.
    pub unstable: Vec<Unstable>,
    /// The sync that runs, or the last one that this process ran.
    pub sync: Option<SyncReport>,
    /// What stands in the way.
    pub failure: Option<Failure>,
    /// When this was so.
    pub now: Timestamp,
}

/// An object in whose render time or chance has a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstable {
    /// The object.
    pub key: ObjectKey,
    /// The fields that another render gives otherwise, as `.spec.replicas`: not all where there are many.
    pub paths: Vec<String>,
}

impl fmt::Display for Unstable {
    /// Writes what is wrong and what to do; never a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "{} is rendered otherwise each time: {paths}; give a fixed value where the template takes a random one or the time",
            self.key
        )
    }
}

/// What makes objects of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renderer {
    /// They are objects already.
    Directory,
    /// They are a Helm chart.
    Chart,
    /// They are a kustomization.
    Kustomize,
}

/// A chart that was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartReport {
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
    /// The version of what the chart holds; may be empty.
    pub app_version: String,
    /// The number that it was rendered with: that of the release that it makes, or has made.
    pub release: u32,
    /// Names the values that were given beside the chart's own; empty where nobody asked.
    pub config_digest: String,
}

/// What the loop is doing with one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Finding out the revision, the files, or the live state for the first time.
    Starting,
    /// Waiting for the apps it depends on; `failure` says which.
    WaitingForDependency,
    /// Writing.
    Syncing,
    /// Everything is written; objects are becoming healthy.
    WaitingForHealth,
    /// Nothing to do until something changes. With a `failure`: nothing can be done until something changes
    /// or the next retry.
    Settled,
}

/// The commit behind a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// `Name <address>`.
    pub author: String,
    /// The first line of the message.
    pub subject: String,
    /// When it was made.
    pub date: Timestamp,
}

/// One object of an app.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectReport {
    /// The object.
    pub key: ObjectKey,
    /// The API version it is desired in; of an object to be pruned, the one it was applied in.
    pub version: String,
    /// Whether live is as desired.
    pub sync: ObjectSync,
    /// How it is; `None` for kinds that have no health.
    pub health: Option<Health>,
    /// Its place in the order.
    pub wave: i32,
    /// Set when it is a hook.
    pub hook: Option<Hook>,
    /// It is live, in the inventory, and no longer desired.
    pub requires_pruning: bool,
    /// The fields that depart.
    pub drift: Vec<Drifted>,
    /// The images it runs, sorted.
    pub images: Vec<String>,
    /// Where it was written.
    pub origin: Option<Location>,
}

/// Whether one live object is as desired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectSync {
    /// It is.
    Synced,
    /// It is not, or is absent, or should be.
    OutOfSync,
    /// The live state is not known.
    Unknown,
}

/// One field that departs from the desired state, and who took it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drifted {
    /// As `.spec.replicas`.
    pub path: String,
    /// The desired value as JSON text, cut short; `None` when the field should not be there.
    pub want: Option<String>,
    /// The live value as JSON text, cut short; `None` when the field is not there.
    pub have: Option<String>,
    /// The field manager that holds it.
    pub manager: Option<String>,
    /// How that manager wrote.
    pub operation: Option<DriftOperation>,
    /// When that manager last wrote, as Kubernetes tells it.
    pub since: Option<String>,
}

/// How a field manager wrote a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftOperation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl DriftOperation {
    /// Returns the word of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// How an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why, in the words of whoever judges.
    pub message: String,
}

impl Health {
    /// A verdict and why.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// How an object is, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// It does its work.
    Healthy,
    /// It was told to pause.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It failed, or cannot get there.
    Degraded,
    /// It cannot be told.
    Unknown,
}

impl HealthStatus {
    /// Returns the field's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }
}

/// One sync: what it was to do and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncReport {
    /// Tells this sync from others of the same app.
    pub number: u64,
    /// What it applies.
    pub revision: Revisions,
    /// How it stands.
    pub phase: SyncPhase,
    /// One sentence for people.
    pub message: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; while a retry is awaited, when the last attempt ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was tried again.
    pub retries: u32,
    /// The sync was not asked for by anybody.
    pub automatic: bool,
    /// It only put back what had drifted: the revision was applied before.
    pub heals: bool,
    /// Who asked, and the id of the request.
    pub request: Option<(String, String)>,
    /// Whether it may prune.
    pub prune: bool,
    /// Whether it only checked.
    pub dry_run: bool,
    /// What was done to each object, in the order it was done.
    pub results: Vec<ObjectResult>,
}

/// How a sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPhase {
    /// It goes on, or waits to be tried again.
    Running,
    /// Everything was done.
    Succeeded,
    /// Objects were refused, or did not become healthy.
    Failed,
    /// The sync itself could not go on.
    Error,
}

/// What a sync did to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectResult {
    /// The object.
    pub key: ObjectKey,
    /// The API version it was written in.
    pub version: String,
    /// The part of the sync.
    pub phase: Phase,
    /// Whether it was a hook.
    pub is_hook: bool,
    /// What was done.
    pub outcome: ObjectOutcome,
    /// The server's words, or the failure's.
    pub message: String,
    /// The images it runs.
    pub images: Vec<String>,
}

/// What was done to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectOutcome {
    /// It was not there.
    Created,
    /// It was changed.
    Configured,
    /// It was as desired already.
    Unchanged,
    /// It was deleted.
    Pruned,
    /// It should be deleted, and the rules say no.
    PruneSkipped,
    /// It was refused.
    Failed,
    /// A hook that still runs.
    Running,
}

/// What a dialect reads back from a resource's own status, after a restart or a hand-over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recalled {
    /// The objects that the last sync applied: the only licence to prune.
    pub inventory: Vec<InventoryEntry>,
    /// The last revisions that were wholly applied.
    pub applied: Option<Revisions>,
    /// The release of a chart that was made last.
    pub release: Option<LastRelease>,
    /// The sync that was begun and of which no end is on record: whoever comes next ends it.
    pub begun: Option<BegunSync>,
}

/// A sync of which only the beginning is on record.
#[derive(Debug, Clone, PartialEq)]
pub struct BegunSync {
    /// What it applies.
    pub revision: Revisions,
    /// When it began.
    pub started_at: Timestamp,
}

/// One object of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryEntry {
    /// The object.
    pub key: ObjectKey,
    /// The API version it was applied in.
    pub version: String,
}
