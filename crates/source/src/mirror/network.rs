//! Mirrors of repositories behind a network.

use std::sync::Arc;
use std::time::Duration;

use bowline_model::GitRef;
use git2::Oid;
use tokio::sync::mpsc;

use super::{Choice, Found, Mirror, blocking};
use crate::SourceError;
use crate::resolve::{Listing, Resolve as _};
use crate::store::Store;
use crate::wire::{Depth, Session, Stage, Want};

/// How many pieces of a pack wait between the network and the disk.
const QUEUE: usize = 16;

impl Mirror {
    /// Holds one conversation within the time given.
    pub(super) async fn talk<T>(
        &self,
        timeout: Duration,
        talk: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        // The wait for a turn is bounded by the deadlines of those who have theirs.
        let _permit = self.edge.remotes.acquire().await;
        let stage = Stage::new("connecting");
        let conversation = async {
            let mut session = Session::open(&self.remote, &self.edge.clients, stage.clone()).await?;
            let result = talk(&mut session).await?;
            session.close().await;
            Ok(result)
        };
        self.within(timeout, &stage, conversation).await
    }

    pub(super) async fn resolve_remote(
        self: &Arc<Self>,
        session: &mut Session<'_>,
        wanted: &GitRef,
    ) -> Result<Found, SourceError> {
        let prefixes = wanted.prefixes();
        let listing = if prefixes.is_empty() { Listing::default() } else { session.list(&prefixes).await? };
        let found = match self.choose(wanted, &listing)? {
            Choice::Found(found) => found,
            Choice::Short(digits) => self.find_short(session, &listing, wanted, digits).await?,
        };
        if !self.has(found.commit).await? {
            self.take(session, &found).await?;
        }
        Ok(found)
    }

    /// Fetches what was found and is not here.
    pub(super) async fn take(self: &Arc<Self>, session: &mut Session<'_>, found: &Found) -> Result<(), SourceError> {
        let _alone = self.fetching.lock().await;
        if self.has(found.commit).await? {
            return Ok(());
        }
        let mut want = Want { objects: vec![found.object.unwrap_or(found.commit)], ..Want::default() };
        if found.object.is_none() && !session.can_want_any_commit() {
            let listing = session.list(&[]).await?;
            let tip = listing.refs.iter().find(|listed| listed.peeled.unwrap_or(listed.id) == found.commit);
            match tip {
                Some(tip) => want.objects = vec![tip.id],
                // An old server gives no commit by its id: take all it has, and look.
                None => want = Want { objects: listing.tips(), depth: Depth::All, ..Want::default() },
            }
        }
        let mirror = Arc::clone(self);
        let store = blocking(move || mirror.store()).await?;
        want.have = store.haves();
        match self.receive(session, &want, Arc::clone(&store)).await {
            // Perhaps the difference was to something that is no longer quite here: ask for all.
            Err(SourceError::Protocol { .. }) if !want.have.is_empty() => {
                want.have.clear();
                self.receive(session, &want, store).await?;
            }
            result => result?,
        }
        let (mirror, commit) = (Arc::clone(self), found.commit);
        let shallow = want.depth == Depth::One;
        blocking(move || {
            let store = mirror.store()?;
            if !store.has_commit(commit) {
                return Err(mirror.not_found(&GitRef::Commit(commit.to_string())));
            }
            store.keep(commit, shallow)?;
            mirror.tidy()
        })
        .await
    }

    /// Takes one pack in: the network on one side, a thread for the disk on the other.
    async fn receive(&self, session: &mut Session<'_>, want: &Want, store: Arc<Store>) -> Result<(), SourceError> {
        let (sink, parts) = mpsc::channel(QUEUE);
        let url = self.url.clone();
        let disk = tokio::task::spawn_blocking(move || store.take_pack(parts, &url));
        let sent = session.fetch(want, sink).await;
        let kept = disk.await.map_err(|error| SourceError::Internal { why: error.to_string() })?;
        match (sent, kept) {
            (Ok(()), kept) => kept,
            // When the pack broke off, the disk only noticed.
            (Err(error), _) => Err(error),
        }
    }

    /// Finds a shortened commit that no reference names: among what is here, then in the whole history.
    async fn find_short(
        self: &Arc<Self>,
        session: &mut Session<'_>,
        listing: &Listing,
        wanted: &GitRef,
        digits: String,
    ) -> Result<Found, SourceError> {
        for ask in [false, true] {
            if ask {
                self.take_history(session, listing.tips()).await?;
            }
            let mirror = Arc::clone(self);
            let short = digits.clone();
            let found = blocking(move || {
                let ambiguous = |_| SourceError::AmbiguousCommit { url: mirror.url.clone(), short: short.clone() };
                let here = mirror.store()?.find_commit(&short).map_err(ambiguous)?;
                match here {
                    // What is here may be one of several; the history knows all.
                    Some(commit) if !ask => Ok(Some(commit)),
                    _ => mirror.history()?.find_commit(&short).map_err(ambiguous),
                }
            })
            .await?;
            if let Some(commit) = found {
                return Ok(Found { name: None, commit, object: None });
            }
        }
        Err(self.not_found(wanted))
    }

    pub(super) async fn fetch_history(self: &Arc<Self>, tip: Oid, timeout: Duration) -> Result<(), SourceError> {
        self.talk(timeout, async |session| {
            if !session.can_filter() || !session.can_want_any_commit() {
                let what = "no way to fetch commits without files".into();
                return Err(SourceError::Unsupported { url: self.url.clone(), what });
            }
            self.take_history(session, vec![tip]).await
        })
        .await
    }

    async fn take_history(self: &Arc<Self>, session: &mut Session<'_>, tips: Vec<Oid>) -> Result<(), SourceError> {
        let _alone = self.fetching.lock().await;
        let history = self.history()?;
        let missing: Vec<Oid> = tips.into_iter().filter(|tip| !history.has(*tip)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let want = Want { objects: missing.clone(), have: history.haves(), depth: Depth::Commits };
        self.receive(session, &want, Arc::clone(&history)).await?;
        blocking(move || {
            for tip in missing {
                // Tags may lead to anything; commits are what later fetches can start from.
                if history.has_commit(tip) {
                    history.keep(tip, false)?;
                }
            }
            Ok(())
        })
        .await
    }
}
