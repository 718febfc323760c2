//! How far each app has come, so that nobody deletes what another is about to desire.
//!
//! Who desires an object is known from apps that have looked at their sources. An object that one commit hands from an
//! app to another is pruned by the first only when the second has seen that commit too: their remotes are asked by
//! pollers of their own, at times of their own, and after a start nobody has looked at anything.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bowline_model::{App, AppId, Failure, Reason, Revisions, Wanted};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::index::lock;
use crate::shared::Shared;

/// How long a prune waits for others to look at the commit it goes by, before it is put off.
const PATIENCE: Duration = Duration::from_mins(2);

/// What one app has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It has not looked at anything since then.
    New(Instant),
    /// It desires nothing: it is no app, or stands still.
    Idle,
    /// It has made known what it desires at these revisions.
    Seen(Vec<Seen>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    url: String,
    wanted: Wanted,
    digest: String,
}

/// How far everybody has come.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    apps: Mutex<BTreeMap<AppId, Standing>>,
    changed: Notify,
}

impl Standings {
    fn set(&self, app: &AppId, standing: Standing) {
        let before = lock(&self.apps).insert(app.clone(), standing.clone());
        if before != Some(standing) {
            self.changed.notify_waiters();
        }
    }

    /// Notes a resource that nobody has looked at yet.
    pub(crate) fn begin(&self, app: &AppId) {
        self.set(app, Standing::New(Instant::now()));
    }

    /// Notes that a resource desires nothing.
    pub(crate) fn rest(&self, app: &AppId) {
        self.set(app, Standing::Idle);
    }

    /// Notes that what an app desires at these revisions is known.
    pub(crate) fn see(&self, app: &App, revisions: &Revisions) {
        let sources = app.sources.iter().zip(revisions.all());
        // What is pinned follows no commit, so there is none that it has yet to see.
        let seen = sources.filter(|(source, _)| source.spec.pinned.is_none()).map(|(source, revision)| Seen {
            url: source.spec.remote.url.clone(),
            wanted: source.spec.wanted.clone(),
            digest: revision.digest.clone(),
        });
        self.set(&app.id, Standing::Seen(seen.collect()));
    }

    pub(crate) fn remove(&self, app: &AppId) {
        lock(&self.apps).remove(app);
        self.changed.notify_waiters();
    }

    /// Returns an app, other than this one, of which is not known what it desires at the newest revisions.
    fn laggard(&self, app: &AppId, newest: &BTreeMap<(String, Wanted), String>) -> Option<AppId> {
        let lags = |standing: &Standing| match standing {
            Standing::New(_) => true,
            Standing::Idle => false,
            Standing::Seen(seen) => seen.iter().any(|seen| {
                let newest = newest.get(&(seen.url.clone(), seen.wanted.clone()));
                newest.is_some_and(|newest| *newest != seen.digest)
            }),
        };
        lock(&self.apps).iter().find(|(id, standing)| *id != app && lags(standing)).map(|(id, _)| id.clone())
    }

    /// Tells whether somebody came a moment ago and has not looked at anything.
    pub(crate) fn has_newcomers(&self, app: &AppId) -> bool {
        let is_new = |standing: &Standing| matches!(standing, Standing::New(since) if since.elapsed() < PATIENCE);
        lock(&self.apps).iter().any(|(id, standing)| id != app && is_new(standing))
    }
}

/// Waits until every other app has looked at the newest commits of the remotes that this app comes from.
///
/// Fails when one does not in time; then nothing is proven, and nothing may be deleted.
pub(crate) async fn all_have_looked(shared: &Shared, app: &App) -> Result<(), Failure> {
    let until = Instant::now() + PATIENCE;
    let follows = app.sources.iter().filter(|source| source.spec.pinned.is_none());
    let urls: std::collections::BTreeSet<&str> = follows.map(|source| source.spec.remote.url.as_str()).collect();
    for url in &urls {
        let looked = tokio::time::timeout_at(until, shared.sources.look_again(url)).await;
        looked.map_err(|_| {
            Failure::new(Reason::SourceUnreadable, format!("`{url}` is slow, and nothing is pruned before it answers"))
                .transient()
        })?;
    }
    loop {
        let changed = shared.standings.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut newest = BTreeMap::new();
        for url in &urls {
            for (wanted, revision) in shared.sources.newest(url) {
                newest.insert(((*url).to_owned(), wanted), revision.digest);
            }
        }
        let Some(laggard) = shared.standings.laggard(&app.id, &newest) else { return Ok(()) };
        if tokio::time::timeout_at(until, changed).await.is_err() {
            let what = format!(
                "nothing is pruned before {} {}/{} has looked at the same commit",
                laggard.kind, laggard.namespace, laggard.name
            );
            return Err(Failure::new(Reason::TimedOut, what).transient());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_seen_the_newest_lags() {
        let standings = Standings::default();
        let id = |name: &str| AppId::new("argoproj.io", "Application", "ns", name);
        let wanted = Wanted::from(bowline_model::GitRef::Branch("main".to_owned()));
        let newest = BTreeMap::from([(("u".to_owned(), wanted.clone()), "b".to_owned())]);
        let seen = |url: &str, digest: &str| {
            Standing::Seen(vec![Seen { url: url.to_owned(), wanted: wanted.clone(), digest: digest.to_owned() }])
        };
        standings.begin(&id("own"));
        assert_eq!(standings.laggard(&id("own"), &newest), None, "nobody waits for itself");
        for (standing, lags) in [
            (Standing::New(Instant::now()), true),
            (Standing::Idle, false),
            (seen("u", "a"), true),
            (seen("u", "b"), false),
            (seen("elsewhere", "a"), false),
        ] {
            standings.set(&id("other"), standing.clone());
            assert_eq!(standings.laggard(&id("own"), &newest).is_some(), lags, "{standing:?}");
        }
        standings.begin(&id("third"));
        standings.remove(&id("third"));
        assert_eq!(standings.laggard(&id("own"), &newest), None, "who is gone desires nothing");
    }
}
