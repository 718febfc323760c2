//! The objects a real server makes by itself at its first start: roles, bindings, priority levels and the like.
//!
//! They were recorded from one (`tests/bootstrap/record.sh`). Clusters started within the same minute share them, text and
//! all: what a cluster keeps of its own is their names. They have no history, so the first watch or exact list may ask for
//! the last of their revisions at the earliest.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::builtins::Builtins;
use crate::clock::rfc3339_seconds;
use crate::owners::Place;
use crate::resource::split_api_version;
use crate::store::{Change, Key, Stored};
use crate::stored::{FieldOrder, Kept};

static RECORDED: &[u8] = include_bytes!("../data/bootstrap.zst");

/// More than the recorded objects take when decompressed.
const MAX_BYTES: usize = 1 << 20;

/// How long ago the shared objects may seem to have been made, at a cluster's start.
const SHARED_SECS: i64 = 60;

/// The revision of the first of them.
const FIRST_REVISION: u64 = 2;

/// The recorded objects, made at one time.
#[derive(Debug)]
pub(crate) struct Seeds {
    made: Timestamp,
    pub(crate) objects: Vec<(Place, Arc<Kept>)>,
    places: HashMap<Arc<str>, Place>,
}

impl Seeds {
    /// Returns the objects as made at `now`, or not long before.
    pub(crate) fn at(now: Timestamp) -> Arc<Self> {
        static LAST: Mutex<Option<Arc<Seeds>>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |seeds: &Seeds| now.as_second() - seeds.made.as_second();
        if let Some(seeds) = last.as_ref().filter(|seeds| (0..SHARED_SECS).contains(&age(seeds))) {
            return Arc::clone(seeds);
        }
        let seeds = Arc::new(Self::make(now));
        *last = Some(Arc::clone(&seeds));
        seeds
    }

    fn make(now: Timestamp) -> Self {
        let text = zstd::bulk::decompress(RECORDED, MAX_BYTES).expect("holds because the data is whole");
        let time = rfc3339_seconds(now);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let objects: Vec<(Place, Arc<Kept>)> = (FIRST_REVISION..)
            .zip(lines)
            .map(|(rv, line)| {
                let object = serde_json::from_slice(line).expect("holds because each line was recorded from a server");
                one(object, rv, &time)
            })
            .collect();
        let places = objects.iter().map(|(place, kept)| (kept.uid().into(), place.clone())).collect();
        Self { made: now, objects, places }
    }

    /// Returns where the object with this uid was put.
    pub(crate) fn place(&self, uid: &str) -> Option<&Place> {
        self.places.get(uid)
    }
}

fn one(mut object: Value, rv: u64, time: &str) -> (Place, Arc<Kept>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, version) = split_api_version(object["apiVersion"].as_str().unwrap_or_default());
    let kind = object["kind"].as_str().unwrap_or_default();
    let resource =
        Builtins::get().resources().iter().find(|it| it.group == group && it.version == version && it.kind == kind);
    let resource = resource.expect("holds because recorded kinds are served, as a test shows");
    let store = (resource.group.clone(), resource.plural.clone());
    let key: Key = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
    stamp(&mut object, time);
    object["metadata"]["uid"] = json!(uid_of(&store.0, &store.1, &key));
    object["metadata"]["resourceVersion"] = json!(rv.to_string());
    let stored = Stored::new(object, rv, Change::Added, FieldOrder::KindFirst);
    ((store, key), Arc::clone(stored.kept()))
}

/// Puts the time in place of the marks that stand for it.
fn stamp(value: &mut Value, time: &str) {
    match value {
        Value::String(text) if text == "<now>" => time.clone_into(text),
        Value::String(text) if text == "<today>" => *text = time.chars().take(10).collect(),
        Value::Array(all) => all.iter_mut().for_each(|value| stamp(value, time)),
        Value::Object(map) => map.values_mut().for_each(|value| stamp(value, time)),
        _ => {}
    }
}

/// Makes a uid out of a name, so that it is the same in every cluster that shares the object.
fn uid_of(group: &str, plural: &str, key: &Key) -> String {
    let digest = Sha256::digest(format!("{group}/{plural}/{}/{}", key.0, key.1));
    let mut out = String::with_capacity(36);
    for (at, byte) in digest.iter().take(16).enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // The bits that say "random", as the uids beside these are.
        let byte = match at {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_of_the_same_minute_share_what_they_begin_with() {
        let start: Timestamp = "2001-01-01T00:00:00Z".parse().expect("a time");
        let later = |secs: i64| start.checked_add(jiff::SignedDuration::from_secs(secs)).expect("a time");
        let first = Seeds::make(start);
        assert!(first.objects.len() > 150, "{}", first.objects.len());
        for (place, kept) in &first.objects {
            let object = Stored::of(kept);
            let text = object.value.to_string();
            assert!(!text.contains("<now>") && !text.contains("<today>"), "{text}");
            assert_eq!(first.place(&object.uid), Some(place), "uids tell objects apart");
        }
        let again = Seeds::make(later(1));
        assert_eq!(first.objects[0].1.uid(), again.objects[0].1.uid());
    }
}
