//! The six promises, as a judge who sees every request applies them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::git::Git;
use crate::model::{App, Book, CANARY, ItemKey, KINDS, TARGET, VERSION};

/// One of the promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    Converge,
    Quiet,
    NeverDeleteByMistake,
    NeverGoBack,
    KeepSecrets,
    LastGood,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converge => "converge",
            Self::Quiet => "quiet",
            Self::NeverDeleteByMistake => "never delete by mistake",
            Self::NeverGoBack => "never go back silently",
            Self::KeepSecrets => "keep secrets",
            Self::LastGood => "last good",
        })
    }
}

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.how)
    }
}

/// How long an engine may go on with a commit after it was told of a newer one: replies are slow, writes are tried
/// again, waves are waited for.
const GRACE: Duration = Duration::from_mins(4);

/// What one request was, as the server carried it out.
pub(crate) struct Seen<'a> {
    pub(crate) cluster: usize,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) is_success: bool,
    pub(crate) answer: &'a [u8],
    /// The UID of the live object before, for a deletion.
    pub(crate) uid_before: Option<String>,
}

/// What the judge remembers.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) broken: Vec<Broken>,
    /// Versions written, and the UIDs that were applied, by cluster and item.
    written: BTreeMap<(usize, ItemKey), (u64, BTreeSet<String>)>,
    /// Writes so far, all clusters together.
    pub(crate) writes: u64,
    /// Deletions of items so far.
    pub(crate) deletions: u64,
}

/// Takes `/api/v1/namespaces/shop/configmaps/i1` apart: the item, and the subresource.
pub(crate) fn item_of(path: &str) -> Option<(ItemKey, Option<&str>)> {
    let rest = path.strip_prefix("/api/v1/").or_else(|| path.strip_prefix("/apis/apps/v1/"))?;
    let rest = rest.strip_prefix("namespaces/")?.strip_prefix(TARGET)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (plural, name) = (parts.next()?, parts.next()?);
    let kind = KINDS.into_iter().find(|kind| kind.plural() == plural)?;
    Some((ItemKey { kind, name: name.to_owned() }, parts.next()))
}

impl Judge {
    pub(crate) fn breaks(&mut self, promise: Promise, how: impl Into<String>) {
        self.broken.push(Broken { promise, how: how.into() });
    }

    /// Looks at one write that the server was asked to make.
    pub(crate) fn look(&mut self, seen: &Seen<'_>, book: &Book, git: &Git) {
        if seen.method == "GET" {
            return;
        }
        let is_dry_run = seen.query.contains("dryRun");
        if !is_dry_run {
            self.writes += 1;
        }
        self.look_for_secrets(seen);
        let Some((key, _)) = item_of(seen.path) else { return };
        if is_dry_run {
            return;
        }
        if !book.was_desired(seen.cluster, &key) {
            let how = format!("c{} {} of {key}, which no app ever desired", seen.cluster, seen.method);
            return self.breaks(Promise::NeverDeleteByMistake, how);
        }
        match seen.method {
            "DELETE" => self.look_at_deletion(seen, &key, book, git),
            "PATCH" => self.look_at_apply(seen, &key, book),
            _ => {}
        }
    }

    fn look_for_secrets(&mut self, seen: &Seen<'_>) {
        if seen.path.contains("/secrets/") {
            return;
        }
        if leaks(seen.body) {
            let how = format!("c{} {} {} holds a secret value", seen.cluster, seen.method, seen.path);
            self.breaks(Promise::KeepSecrets, how);
        }
    }

    fn look_at_deletion(&mut self, seen: &Seen<'_>, key: &ItemKey, book: &Book, git: &Git) {
        self.deletions += 1;
        let cluster = seen.cluster;
        let options: Value = serde_json::from_slice(seen.body).unwrap_or_default();
        let Some(uid) = options.pointer("/preconditions/uid").and_then(Value::as_str) else {
            let how = format!("c{cluster} DELETE of {key} whatever its UID");
            return self.breaks(Promise::NeverDeleteByMistake, how);
        };
        // Of an object that is gone, or another by now, nothing is deleted.
        if seen.uid_before.as_deref() != Some(uid) {
            return;
        }
        let is_ours = self.written.get(&(cluster, key.clone())).is_some_and(|(_, uids)| uids.contains(uid));
        if !is_ours {
            let how = format!("c{cluster} DELETE of {key}, which was never applied under this UID");
            return self.breaks(Promise::NeverDeleteByMistake, how);
        }
        let floor = git.floor(cluster, GRACE);
        if book.is_always_desired(cluster, key, floor) {
            let how = format!("c{cluster} DELETE of {key}, desired at every commit since {floor}");
            self.breaks(Promise::NeverDeleteByMistake, how);
        }
    }

    fn look_at_apply(&mut self, seen: &Seen<'_>, key: &ItemKey, book: &Book) {
        let cluster = seen.cluster;
        let body: Value = serde_json::from_slice(seen.body).unwrap_or_default();
        let version = body.pointer("/metadata/annotations").and_then(|annotations| annotations.get(VERSION));
        let Some(version) = version.and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok()) else { return };
        let answer: Value = serde_json::from_slice(seen.answer).unwrap_or_default();
        let written = self.written.entry((cluster, key.clone())).or_default();
        if seen.is_success {
            let before = written.0;
            written.0 = before.max(version);
            if let Some(uid) = answer.pointer("/metadata/uid").and_then(Value::as_str) {
                written.1.insert(uid.to_owned());
            }
            if version < before {
                let how = format!("c{cluster} {key} is written as of version {version} after {before}");
                self.breaks(Promise::NeverGoBack, how);
            }
        }
        // Everybody who desires it rests.
        let wants = |app: &&App| {
            app.cluster == cluster
                && !app.is_deleted
                && book.snapshots.iter().any(|snapshot| {
                    snapshot.get(&app.directory).is_some_and(|directory| directory.items.contains_key(key))
                })
        };
        let mut wanting = book.apps.iter().filter(wants).peekable();
        let since = |app: &App| app.suspended_since.is_some_and(|since| since.elapsed() > GRACE);
        if wanting.peek().is_some() && wanting.all(since) {
            let how = format!("c{cluster} {key} is written, and every app that desires it is suspended");
            self.breaks(Promise::LastGood, how);
        }
    }
}

/// Tells whether bytes hold a secret value, plain or as base64.
pub(crate) fn leaks(bytes: &[u8]) -> bool {
    // Of `canary-`, the base64 of the first six bytes stands whatever follows.
    [CANARY.as_bytes(), b"Y2FuYXJ5"].iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
}
