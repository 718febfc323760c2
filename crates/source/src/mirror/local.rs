//! Mirrors of repositories on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bowline_model::GitRef;
use git2::{Oid, Repository};

use super::{Choice, Found, Mirror, blocking};
use crate::SourceError;
use crate::local;
use crate::wire::Stage;

impl Mirror {
    pub(super) async fn resolve_local(
        self: &Arc<Self>,
        path: PathBuf,
        wanted: &GitRef,
        timeout: Duration,
    ) -> Result<Found, SourceError> {
        let (mirror, wanted) = (Arc::clone(self), wanted.clone());
        let work = async {
            let _permit = self.edge.reads.acquire().await;
            let (found, held) = blocking(move || {
                let source = local::open(&path, &mirror.url)?;
                let found = mirror.choose_local(&source, &wanted)?;
                let held = mirror.store()?.has_commit(found.commit);
                Ok((found, held.then_some(()).ok_or((mirror, path))))
            })
            .await?;
            if let Err((mirror, path)) = held {
                let _alone = self.fetching.lock().await;
                let commit = found.commit;
                blocking(move || mirror.copy_local(&path, commit)).await?;
            }
            Ok(found)
        };
        self.within(timeout, &Stage::new("reading the repository"), work).await
    }

    fn choose_local(&self, source: &Repository, wanted: &GitRef) -> Result<Found, SourceError> {
        let failed =
            |error: git2::Error| SourceError::Protocol { url: self.url.clone(), why: error.message().to_owned() };
        let listing = local::list(source, wanted).map_err(failed)?;
        match self.choose(wanted, &listing)? {
            Choice::Found(found) => {
                let is_commit = source.find_commit(found.commit).is_ok();
                if is_commit { Ok(found) } else { Err(self.not_found(wanted)) }
            }
            Choice::Short(digits) => {
                let object = source.revparse_single(&digits).map_err(|error| match error.code() {
                    git2::ErrorCode::Ambiguous => SourceError::AmbiguousCommit { url: self.url.clone(), short: digits },
                    _ => self.not_found(wanted),
                })?;
                let commit = object.peel_to_commit().map_err(|_| self.not_found(wanted))?.id();
                Ok(Found { name: None, commit, object: None })
            }
        }
    }

    fn copy_local(&self, path: &Path, commit: Oid) -> Result<(), SourceError> {
        let source = local::open(path, &self.url)?;
        let store = self.store()?;
        if store.has_commit(commit) {
            return Ok(());
        }
        local::copy(&source, &[commit], &store, &self.url)?;
        store.keep(commit, true)?;
        self.tidy()
    }
}
