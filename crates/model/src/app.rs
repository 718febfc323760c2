use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{ChartOptions, KustomizeOptions, Location, Object, ObjectKey, Remote, SourceSpec, Wanted};

/// Names an app: the key of the resource it was lowered from.
pub type AppId = ObjectKey;

/// What both dialects lower to: everything the engine needs to keep one part of a cluster equal to its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The resource this app was lowered from.
    pub id: AppId,
    /// The resource's UID.
    pub uid: String,
    /// The resource's generation, reported back as the observed one.
    pub generation: i64,
    /// Where the files come from and how they become objects: at least one place, nearly always just one. Of objects
    /// with one key, the last counts.
    pub sources: Vec<AppSource>,
    /// Where objects go.
    pub destination: Destination,
    /// When and how to write.
    pub sync: SyncRules,
    /// What counts as healthy, and whether to wait for it.
    pub health: HealthRules,
    /// What others may change.
    pub diff: Arc<DiffRules>,
    /// The field manager of every write.
    pub field_manager: String,
}

/// One of the places that an app's files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSource {
    /// The place.
    pub spec: SourceSpec,
    /// How its files become objects; `None` where they only serve other sources.
    pub render: Option<Render>,
    /// The name by which charts of other sources find files of this one: `$NAME/path`.
    pub reference: Option<String>,
    /// Files that, where they are there, say how the source is rendered: the dialect reads them, in this order.
    pub overrides: Vec<String>,
    /// Repositories that a chart's dependencies may come from and that ask for credentials, or go by a name.
    pub repositories: Vec<ChartRepository>,
}

/// A repository that charts name as the place of their dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRepository {
    /// What charts may call it (`@name`) in place of its address.
    pub name: Option<String>,
    /// The repository, with what it takes to get in.
    pub remote: Remote,
    /// The same lets into every repository whose address begins with this one's.
    pub is_template: bool,
}

impl AppSource {
    /// A source that is rendered, and that no other one knows of.
    pub fn rendered(spec: SourceSpec, render: Render) -> Self {
        Self { spec, render: Some(render), reference: None, overrides: Vec::new(), repositories: Vec::new() }
    }

    /// Tells whether the same files become the same objects.
    pub fn renders_as(&self, other: &Self) -> bool {
        self.render == other.render
            && self.reference == other.reference
            && self.overrides == other.overrides
            && self.repositories == other.repositories
    }
}

/// How files become objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Render {
    /// Plain YAML and JSON files.
    Directory(DirectoryOptions),
    /// A Helm chart.
    Chart(Box<ChartOptions>),
    /// A kustomization.
    Kustomize(Box<KustomizeOptions>),
    /// Whatever the files say: a chart where there is a `Chart.yaml`, a kustomization where there is its file, else
    /// plain files.
    Detect(DirectoryOptions, Box<ChartOptions>, Box<KustomizeOptions>),
    /// A kustomization; where there is no file of one, it is made of the directory's manifests, as Flux does.
    Generate(DirectoryOptions, Box<KustomizeOptions>),
}

impl Render {
    /// Returns how a kustomization is built, where there may be one.
    pub fn kustomization(&self) -> Option<&KustomizeOptions> {
        match self {
            Self::Kustomize(options) | Self::Detect(_, _, options) | Self::Generate(_, options) => Some(options),
            Self::Directory(_) | Self::Chart(_) => None,
        }
    }
}

/// Which files of a directory are manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryOptions {
    /// The directory inside the source; may start with `./` or `/`.
    pub path: String,
    /// Whether to descend into sub-directories.
    pub recurse: bool,
    /// A glob of the files to take; empty for all. Matched against the path below `path`; `*` crosses `/`.
    pub include: String,
    /// A glob of the files to leave out; wins over `include`.
    pub exclude: String,
    /// Takes files whatever their extension.
    pub any_extension: bool,
    /// Whose rules for everything the fields above do not say.
    pub rules: DirectoryRules,
}

/// Whose rules a directory is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryRules {
    /// Argo CD: `.yaml`, `.yml` and `.json`; documents that are no objects are skipped where Argo CD skips them.
    ArgoCd,
    /// Flux: `.yaml` and `.yml`; every document must be an object.
    Flux,
}

/// Where objects go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The namespace for objects; `None` when every object must name its own.
    pub namespace: Option<String>,
    /// Puts every namespaced object there, not only those that name none (Flux's `targetNamespace`).
    pub overrides_namespace: bool,
}

/// When and how to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRules {
    /// Writes without being asked; `None` leaves every sync to a request.
    pub automatic: Option<Automatic>,
    /// A sync that somebody asked for and that has not been carried out.
    pub request: Option<SyncRequest>,
    /// Creates the destination namespace when it is absent, with these labels and annotations.
    pub create_namespace: Option<NamespaceMetadata>,
    /// Prunes after everything else has been applied.
    pub prune_last: bool,
    /// How dependents of pruned objects go.
    pub propagation: Propagation,
    /// Deletes and creates again what cannot be changed.
    pub force: bool,
    /// Leaves objects alone that another app owns already, and fails.
    pub fail_on_shared: bool,
    /// Waits at the end of each wave until its objects are healthy.
    pub wait_between_waves: bool,
    /// How failed syncs are tried again.
    pub retry: Retry,
    /// How long one sync may take, waits included.
    pub timeout: Duration,
}

/// What an automatic sync may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Automatic {
    /// Deletes what is no longer desired.
    pub prune: bool,
    /// Writes again when live objects depart without a new revision.
    pub self_heal: bool,
    /// Goes on when nothing at all is desired any more.
    pub allow_empty: bool,
}

/// A sync that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRequest {
    /// Tells this request from others, so that it is carried out once.
    pub id: String,
    /// What to sync to instead of the app's own, source for source; nothing for a source that stays as it is.
    pub wanted: Vec<Option<Wanted>>,
    /// Deletes what is no longer desired.
    pub prune: bool,
    /// Asks the API server to check, not to store.
    pub dry_run: bool,
    /// Only these objects; empty for all. An empty namespace or name matches any.
    pub only: Vec<ObjectKey>,
    /// Who asked.
    pub initiated_by: String,
    /// How a failure is tried again.
    pub retry: Retry,
    /// It was begun before, by an attempt that failed or by a process that is gone.
    pub resumes: bool,
}

/// What a created namespace carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceMetadata {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// How dependents of a deleted object go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// After the object.
    Background,
    /// Before the object.
    Foreground,
    /// Not at all.
    Orphan,
}

impl Propagation {
    /// Returns the word of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// How failures are tried again: after `first`, growing by `factor` up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times; `None` for ever.
    pub limit: Option<u32>,
    /// The first wait.
    pub first: Duration,
    /// What each wait is multiplied by to give the next.
    pub factor: u32,
    /// The longest wait.
    pub max: Duration,
}

impl Retry {
    /// Returns how long to wait before retry `attempt`, counted from 1; `None` when there are no more.
    pub fn delay(&self, attempt: u32) -> Option<Duration> {
        if self.limit.is_some_and(|limit| attempt > limit) {
            return None;
        }
        let factor = self.factor.max(1).checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        Some(self.first.saturating_mul(factor).min(self.max))
    }
}

/// Fields that others may change: they are no drift.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiffRules {
    /// Which they are.
    pub ignore: Vec<IgnoreRule>,
    /// They also keep their values when the rest of the object is applied.
    pub respects: bool,
}

/// Fields of some objects that others may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The API group of the objects.
    pub group: Pattern,
    /// Their API version, without the group.
    pub version: Pattern,
    /// Their kind.
    pub kind: Pattern,
    /// Their namespace.
    pub namespace: Pattern,
    /// Their name.
    pub name: Pattern,
    /// The fields, as JSON pointers.
    pub pointers: Vec<String>,
    /// The fields, as expressions of jq.
    pub expressions: Vec<String>,
    /// The fields, as those that these managers own.
    pub managers: Vec<String>,
}

/// What a text must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Anything.
    #[default]
    Any,
    /// As a pattern with `*` says.
    Glob(String),
    /// As a regular expression says, from its beginning to its end.
    Whole(String),
}

/// What counts as healthy, and whether to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRules {
    /// Whose rules judge an object.
    pub judge: HealthJudge,
    /// Counts the app as ready only when these are healthy.
    pub wait_for: WaitFor,
    /// How long objects may take to become healthy.
    pub timeout: Duration,
    /// What goes before the judge's own rules.
    pub custom: Arc<CustomHealth>,
}

/// Rules of health that users wrote, as they wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomHealth {
    /// Argo CD's scripts, by `group/Kind`, `Kind` of the core group, or a pattern with `*`.
    pub scripts: BTreeMap<String, HealthScript>,
    /// Flux's expressions.
    pub expressions: Vec<HealthExpressions>,
}

/// A script in Lua 5.1 that judges an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthScript {
    /// The program.
    pub script: String,
    /// Whether it may use all libraries that are harmless.
    pub use_open_libs: bool,
}

/// Expressions in CEL that judge the objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthExpressions {
    /// The group and a version, which does not count.
    pub api_version: String,
    /// Empty for all kinds of the group.
    pub kind: String,
    /// True of an object that is as it should be.
    pub current: String,
    /// True of one that is on its way; empty for none.
    pub in_progress: String,
    /// True of one that failed; empty for none.
    pub failed: String,
}

/// Whose rules judge an object's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthJudge {
    /// Argo CD's built-in checks.
    ArgoCd,
    /// kstatus, as Flux uses it.
    Kstatus,
}

/// Which objects a sync waits for at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// None.
    Nothing,
    /// Every object that was applied.
    Everything,
    /// These.
    Objects(Vec<ObjectKey>),
}

/// What a dialect says of one desired object: where it stands in the order, and what may be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRules {
    /// The part of the sync it belongs to.
    pub phase: Phase,
    /// Its place within the phase; lower first.
    pub wave: i32,
    /// The place of its kind within the wave; lower first.
    pub rank: u32,
    /// Set when it is a hook: made for one sync, not part of the desired state.
    pub hook: Option<Hook>,
    /// Whether to write it.
    pub apply: ApplyRule,
    /// Whether it may be deleted when it is no longer desired.
    pub prune: bool,
    /// Deletes and creates it again when it cannot be changed.
    pub force: bool,
    /// Counts as healthy whatever it says.
    pub ignore_health: bool,
}

/// Whether to write an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyRule {
    /// Whenever live departs from desired.
    Always,
    /// Only when there is none.
    IfAbsent,
    /// Never.
    Never,
}

/// A part of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before anything else.
    PreSync,
    /// The desired state itself.
    Sync,
    /// After all of it is healthy.
    PostSync,
    /// When the sync failed.
    SyncFail,
    /// Not part of a sync: hooks for deletion, or hooks whose phase is unknown.
    Never,
}

impl Phase {
    /// Returns Argo CD's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
            Self::Never => "Skip",
        }
    }
}

/// When a hook's object goes away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hook {
    /// Deleted before the next one is made.
    pub delete_before_creation: bool,
    /// Deleted once it has succeeded.
    pub delete_when_succeeded: bool,
    /// Deleted once it has failed.
    pub delete_when_failed: bool,
}

/// One desired object, ready for the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The object, with its namespace and its owner's marks.
    pub object: Object,
    /// What the dialect says of it.
    pub rules: ObjectRules,
    /// Where it was written.
    pub origin: Option<Location>,
}

/// What a dialect reads off a live object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveMarks {
    /// The app that owns the object by the marks on it, where this dialect's marks are there and true.
    pub owner: Option<AppId>,
    /// The object asks not to be deleted.
    pub keep: bool,
    /// The object asks not to be touched at all.
    pub leave_alone: bool,
}

/// How an app goes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The finalizers to take off when done.
    pub finalizers: Vec<String>,
    /// Deletes the objects of the inventory, in this way; `None` leaves them.
    pub prune: Option<Propagation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_doubles_and_stops_growing() {
        let retry = Retry { limit: Some(4), first: Duration::from_secs(5), factor: 2, max: Duration::from_secs(15) };
        let delays: Vec<_> = (1..=5).map(|n| retry.delay(n).map(|delay| delay.as_secs())).collect();
        assert_eq!(delays, [Some(5), Some(10), Some(15), Some(15), None]);
        let endless = Retry { limit: None, ..retry };
        assert_eq!(endless.delay(u32::MAX), Some(Duration::from_secs(15)));
    }
}
