//! What a dialect tells the engine: its resources, how they lower to [`App`], and how a [`Report`] becomes
//! their status. All of it is pure: values in, values out.

use std::sync::Arc;
use std::time::Duration;

use bowline_model::{
    AppId, Deletion, Failure, GroupKind, Gvk, LiveMarks, Object, ObjectKey, ObjectRules, Reason, Recalled, Render,
    Report, Revision, SourceSpec,
};
use jiff::Timestamp;
use serde_json::Value;

/// One of the languages that desired state is described in.
pub trait Dialect: Send + Sync {
    /// Names the dialect in logs and metrics: `argo`, `flux`.
    fn name(&self) -> &'static str;

    /// Returns the kinds whose objects this dialect lowers. The engine watches them in every namespace
    /// that it is allowed to.
    fn resources(&self) -> Vec<ResourceKind>;

    /// Lowers one resource.
    ///
    /// Whatever else it depends on (a source, a Secret, another app) is asked of `world`, whose
    /// [`Unread`] answer is passed on by `?`: the engine then reads it, and lowers again. All that was
    /// asked for is watched, and a change lowers again.
    fn lower(&self, resource: &Object, world: &dyn World) -> Result<Lowered, LowerError>;

    /// Marks a rendered object as owned by `app` and says what may be done to it.
    ///
    /// Called after the object got its namespace; changes labels and annotations only. `destination` is the
    /// namespace of the app's destination, where that is known.
    fn adopt(&self, app: &AppId, destination: Option<&str>, object: &mut Object) -> ObjectRules;

    /// Reads the marks off a live object.
    fn marks(&self, live: &Object) -> LiveMarks;

    /// Reads back what the resource's own status says about the last sync.
    fn recall(&self, resource: &Object) -> Recalled;

    /// Says how the app goes away, or `None` when the resource holds none of this dialect's finalizers.
    ///
    /// Must not depend on anything but the resource, which is being deleted: its source may be gone.
    fn deletion(&self, resource: &Object) -> Option<Deletion>;

    /// Writes an app's report in the terms of the resource's status.
    ///
    /// Must answer with no change when the status says it already: at rest nothing is written. Times change
    /// only together with something else.
    fn raise(&self, resource: &Object, report: &Report) -> Raised;

    /// Reads the files that say, inside a source, how the source is rendered: those of
    /// [`AppSource::overrides`](bowline_model::AppSource::overrides) that are there, in their order, with their names.
    ///
    /// `source` counts the sources of the app; `render` is how it would be rendered without the files. Dialects whose
    /// apps name no such files are never asked.
    fn overridden(
        &self,
        resource: &Object,
        source: usize,
        files: &[(String, Value)],
        render: &Render,
    ) -> Result<Render, Failure> {
        let _ = (resource, files, render);
        Err(Failure::new(Reason::Internal, format!("source {source} has files that nobody reads")))
    }

    /// Writes what is known of a source in the terms of the resource's status, for resources that lower to
    /// [`Lowered::Source`] and, with neither revision nor failure, to [`Lowered::Reference`]. The same rule of quiet
    /// holds.
    fn raise_source(&self, resource: &Object, report: &SourceReport) -> Raised;

    /// Tells whether somebody asked, on the resource, for a look at its source right now, and this status does
    /// not say that it was answered.
    fn wants_refresh(&self, resource: &Object) -> bool;

    /// Tells whether this dialect's marks on a live object prove that its app applied it.
    ///
    /// Marks that name the very object they are on do; labels do not, since controllers copy them to objects
    /// of their own. Without proof only the inventory licenses to prune.
    fn marks_are_proof(&self) -> bool;

    /// Tells whether an app shows the failures of its source even while the last good revision stands.
    /// A dialect with resources for sources shows them there.
    fn shows_source_failures(&self) -> bool;

    /// Writes a failure to lower the resource, or its being suspended, in the terms of its status.
    fn raise_refusal(&self, resource: &Object, refusal: &Refusal, now: Timestamp) -> Raised;
}

/// A kind of resource that a dialect lowers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceKind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The plural, as in URLs.
    pub plural: String,
    /// Whether status has an endpoint of its own.
    pub status_subresource: bool,
    /// The engine starts without it where the cluster does not have the kind, and takes it up when it comes.
    pub is_optional: bool,
    /// The field manager that writes status and finalizers, named as the peer names its own.
    pub manager: String,
    /// The component that Events come from, named as the peer names its own.
    pub component: String,
}

/// What lowering may look at beside the resource itself.
pub trait World {
    /// Returns an object, `None` when it does not exist, or says that it has not been read.
    fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread>;

    /// Returns the objects of a kind in a namespace that carry a label with this value, sorted by name; all of them
    /// where the label is empty.
    fn labelled(&self, kind: &GroupKind, namespace: &str, label: &str, value: &str)
    -> Result<Vec<Arc<Object>>, Unread>;

    /// Returns the newest revision of a source as far as it is known; `None` before the first answer.
    fn revision(&self, source: &SourceSpec) -> Option<Revision>;
}

/// Something that lowering asked for and that has not been read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// One object.
    Object(ObjectKey),
    /// The objects of a kind in a namespace with this label and value; all of them where the label is empty.
    Labelled(GroupKind, String, String, String),
}

/// What a resource is to the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Lowered {
    /// Something to keep equal to its source.
    App(Box<bowline_model::App>),
    /// A source that others refer to: the engine keeps its status, and polls it even if nobody does.
    Source(Box<SourceSpec>),
    /// Something that others refer to and for which nothing is fetched: the engine keeps its status.
    Reference,
    /// Nothing is to be done, and nothing undone.
    Suspended,
}

/// Why a resource could not be lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LowerError {
    /// Something must be read first.
    Unread(Unread),
    /// The resource, or something it refers to, is wrong; only a change can mend it.
    Invalid(Failure),
    /// Something it depends on is not ready; looked at again when that changes, or after this time.
    Waiting(Failure, Option<Duration>),
}

impl From<Unread> for LowerError {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// The generation of the resource that this answers.
    pub generation: i64,
    /// The newest revision, once there is one.
    pub revision: Option<Revision>,
    /// Why the last look failed.
    pub failure: Option<Failure>,
    /// The commit behind the revision.
    pub commit: Option<bowline_model::Commit>,
    /// When this was so.
    pub now: Timestamp,
}

/// Why nothing is done with a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// It is suspended.
    Suspended,
    /// It is wrong.
    Invalid(Failure),
    /// It waits.
    Waiting(Failure),
}

/// What to write to a resource so that it says what is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Raised {
    /// The whole new status; `None` leaves it. The engine writes the difference, by merge patch.
    pub status: Option<Value>,
    /// A merge patch of everything but status: takes off an annotation or an operation that was handled,
    /// adds a finalizer. `None` leaves it.
    pub patch: Option<Value>,
    /// Events to record on the resource.
    pub events: Vec<EventDraft>,
}

impl Raised {
    /// Tells whether there is nothing to write.
    pub fn is_quiet(&self) -> bool {
        self.status.is_none() && self.patch.is_none() && self.events.is_empty()
    }
}

/// An Event to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// Whether somebody should look.
    pub warning: bool,
    /// One word, in the peer's own terms.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// Extra annotations, in the peer's own terms.
    pub annotations: Vec<(String, String)>,
}
