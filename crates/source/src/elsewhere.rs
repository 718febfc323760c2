use std::sync::Arc;

use bowline_model::{GitRef, Remote, Revision};
use bowline_tree::Tree;
use futures::future::BoxFuture;

use crate::SourceError;
use crate::commit::CommitInfo;

/// Git repositories that are reached otherwise than by the network: in memory, where a simulation takes them away,
/// slows them down and rewinds them.
///
/// The other implementation is this crate's own: a bare clone on the disk and Git's wire protocol.
pub trait GitRemotes: Send + Sync {
    /// Finds out what a reference means now.
    fn resolve<'a>(&'a self, remote: &'a Remote, wanted: &'a GitRef) -> BoxFuture<'a, Result<Revision, SourceError>>;

    /// Opens the files of a revision.
    fn open<'a>(
        &'a self,
        remote: &'a Remote,
        revision: &'a Revision,
    ) -> BoxFuture<'a, Result<Arc<dyn Tree>, SourceError>>;

    /// Reads author, date and message of a revision's commit.
    fn commit_info<'a>(
        &'a self,
        remote: &'a Remote,
        revision: &'a Revision,
    ) -> BoxFuture<'a, Result<CommitInfo, SourceError>>;

    /// Tells whether `new` has `old` among its ancestors, or is the same commit; `None` when that is not known.
    fn is_ancestor<'a>(
        &'a self,
        remote: &'a Remote,
        old: &'a Revision,
        new: &'a Revision,
    ) -> BoxFuture<'a, Option<bool>>;
}
