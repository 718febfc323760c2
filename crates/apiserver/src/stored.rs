//! One state of one object: kept as the JSON its watchers are sent, decoded while somebody reads it.
//!
//! A tree of JSON values takes about eight times the room of its text, and most objects of most clusters are written
//! once and read seldom. So a collection keeps text alone ([`Kept`]); a reader gets a handle ([`Stored`]) that decodes at
//! the first look; and the process remembers the newest decoded objects, so that what is written is not decoded again
//! for those who watch it.

mod recent;

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use crate::resource::Resource;
use crate::store::{Change, Key};

/// The last bytes of an event on the wire, after the object.
const FRAME_END: &[u8] = b"}\n";

/// In which order an object's text has its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldOrder {
    /// `kind` and `apiVersion` lead, as Go writes its own types; items of lists do without the two.
    KindFirst,
    /// The alphabet, as upstream writes custom resources.
    Sorted,
}

/// One state of one object as a collection keeps it; never changed, only replaced.
///
/// There is one for every object, so it is one text and a few numbers.
#[derive(Debug)]
pub(crate) struct Kept {
    /// `{"type":"ADDED","object":{…}}` and a line feed, with the change that made this state; then the uid, where the
    /// object's JSON spells it otherwise.
    text: Box<[u8]>,
    rv: u64,
    frame_len: u32,
    /// Where in the text the uid is.
    uid_at: u32,
    uid_len: u32,
    /// How many bytes of the object its `kind` and `apiVersion` take; zero where they do not lead.
    head: u16,
    change: Change,
}

/// What is handed out of a state, which lives as long as somebody reads it.
struct Frame(Arc<Kept>);

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.0.frame()
    }
}

/// The uid of an object, which its text holds.
#[derive(Debug, Clone)]
pub(crate) struct Uid(Arc<Kept>);

impl Deref for Uid {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.uid()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq for Uid {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Kept {
    fn new(value: &Value, rv: u64, change: Change, order: FieldOrder) -> Self {
        let uid = value["metadata"]["uid"].as_str().unwrap_or_default();
        let mut frame = Vec::with_capacity(1024);
        open_frame(&mut frame, change.word());
        let start = frame.len();
        let head = match order {
            FieldOrder::KindFirst => write_kind_first(value, &mut frame),
            FieldOrder::Sorted => {
                write(value, &mut frame);
                0
            }
        };
        debug_assert!(head < frame.len() - start, "the head is a part of the object");
        frame.extend_from_slice(FRAME_END);
        let frame_len = length(frame.len());
        let uid_at = memchr::memmem::find(&frame, uid.as_bytes()).unwrap_or_else(|| {
            frame.extend_from_slice(uid.as_bytes());
            frame.len() - uid.len()
        });
        Self {
            text: frame.into_boxed_slice(),
            rv,
            frame_len,
            uid_at: length(uid_at),
            uid_len: length(uid.len()),
            head: u16::try_from(head).unwrap_or(0),
            change,
        }
    }

    fn frame(&self) -> &[u8] {
        &self.text[..self.frame_len as usize]
    }

    fn json(&self) -> &[u8] {
        &self.frame()[self.json_place()]
    }

    fn json_place(&self) -> Range<usize> {
        frame_start(self.change.word()).len()..self.frame_len as usize - FRAME_END.len()
    }

    /// Returns the frame for others to keep.
    fn shared(self: &Arc<Self>) -> Bytes {
        Bytes::from_owner(Frame(Arc::clone(self)))
    }

    pub(crate) fn rv(&self) -> u64 {
        self.rv
    }

    pub(crate) fn uid(&self) -> &str {
        let at = self.uid_at as usize;
        str::from_utf8(&self.text[at..at + self.uid_len as usize]).expect("holds because a text was put there")
    }
}

/// Returns a length in less room.
fn length(of: usize) -> u32 {
    u32::try_from(of).expect("holds because bodies of requests and snapshots are shorter by far")
}

/// A handle on one state of one object; what it has decoded lives as long as the handle.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The object, decoded at the first look.
    pub(crate) value: Decoded,
    pub(crate) rv: u64,
    pub(crate) uid: Uid,
}

impl Stored {
    /// Encodes an object; `change` is what its being stored will be told as.
    pub(crate) fn new(value: Value, rv: u64, change: Change, order: FieldOrder) -> Self {
        let kept = Arc::new(Kept::new(&value, rv, change, order));
        let value = Arc::new(value);
        recent::shard(&kept).remember(&kept, &value);
        let uid = Uid(Arc::clone(&kept));
        Self { value: Decoded { kept, value: OnceLock::from(value) }, rv, uid }
    }

    /// Takes up what a collection keeps.
    pub(crate) fn of(kept: &Arc<Kept>) -> Arc<Self> {
        let value = Decoded { kept: Arc::clone(kept), value: OnceLock::new() };
        Arc::new(Self { value, rv: kept.rv, uid: Uid(Arc::clone(kept)) })
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        &self.value.kept
    }

    /// Returns the JSON, which all readers and watchers share.
    pub(crate) fn json(&self) -> Bytes {
        self.kept().shared().slice(self.kept().json_place())
    }

    /// Returns how long the JSON is.
    pub(crate) fn json_len(&self) -> usize {
        self.kept().json().len()
    }

    /// Returns the JSON after `kind` and `apiVersion`, without the opening brace; `None` where they do not lead.
    pub(crate) fn bare_json(&self) -> Option<&[u8]> {
        let head = usize::from(self.kept().head);
        (head > 0).then(|| &self.kept().json()[head..])
    }

    /// Returns the event that tells of this state: shared by all watchers when it is the change that made the state.
    pub(crate) fn frame(&self, word: &str) -> Bytes {
        let kept = self.kept();
        if kept.change.word() == word { kept.shared() } else { frame(word, kept.json()) }
    }

    /// Tells that the object has another state now, or none.
    pub(crate) fn supersede(&self) {
        recent::shard(self.kept()).supersede(self.kept());
    }

    pub(crate) fn key(&self) -> Key {
        let meta = &self.value["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    }
}

/// An object as a client of one version sees it: its stored text, wherever that will do.
#[derive(Debug)]
pub(crate) enum Shown {
    AsStored(Arc<Stored>),
    Converted(Arc<Value>),
}

impl Shown {
    /// Shows a stored object to a client of `resource`'s version.
    pub(crate) fn of(resource: &Resource, stored: &Arc<Stored>) -> Self {
        let json = stored.kept().json();
        let head = match stored.kept().head {
            0 => format!(r#"{{"apiVersion":"{}","#, resource.api_version()),
            _ => format!(r#"{{"kind":"{}","apiVersion":"{}","#, resource.kind, resource.api_version()),
        };
        // What a definition has learned to fill in since is not in the text.
        let is_filled_in = resource.custom().is_some_and(|custom| custom.storage_defaults);
        if !is_filled_in && json.starts_with(head.as_bytes()) {
            return Self::AsStored(Arc::clone(stored));
        }
        Self::Converted(crate::rules::present(resource, &stored.value))
    }

    pub(crate) fn value(&self) -> &Arc<Value> {
        match self {
            Self::AsStored(stored) => &stored.value,
            Self::Converted(value) => value,
        }
    }

    /// Writes it as an item of a list, where it has its `kind` and `apiVersion` only when it is custom.
    pub(crate) fn write_item(&self, is_custom: bool, out: &mut Vec<u8>) {
        match self {
            Self::AsStored(stored) if is_custom => out.extend_from_slice(stored.kept().json()),
            Self::AsStored(stored) => match stored.bare_json() {
                Some(text) => {
                    out.push(b'{');
                    out.extend_from_slice(text);
                }
                None => write_bare(&stored.value, out),
            },
            Self::Converted(value) if is_custom => write(value, out),
            Self::Converted(value) => write_bare(value, out),
        }
    }
}

impl From<Arc<Value>> for Shown {
    fn from(value: Arc<Value>) -> Self {
        Self::Converted(value)
    }
}

/// Writes an object without the two fields that items of built-in lists leave out.
fn write_bare(value: &Value, out: &mut Vec<u8>) {
    let mut whole = Vec::new();
    let head = write_kind_first(value, &mut whole);
    if head > 0 {
        out.push(b'{');
    }
    out.extend_from_slice(&whole[head..]);
}

/// An object that is decoded at the first look.
#[derive(Debug)]
pub(crate) struct Decoded {
    kept: Arc<Kept>,
    value: OnceLock<Arc<Value>>,
}

impl Deref for Decoded {
    type Target = Arc<Value>;

    fn deref(&self) -> &Arc<Value> {
        self.value.get_or_init(|| recent::shard(&self.kept).decode(&self.kept))
    }
}

/// Encodes a value that cannot fail to encode.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    let mut out = Vec::new();
    write(value, &mut out);
    out.into()
}

fn write(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("holds because a JSON value has only text keys");
}

/// Writes an object with `kind` and `apiVersion` before its other fields; returns how long that head is.
fn write_kind_first(value: &Value, out: &mut Vec<u8>) -> usize {
    let Some(map) = value.as_object() else {
        write(value, out);
        return 0;
    };
    let start = out.len();
    out.push(b'{');
    let (heads, rest): (Vec<_>, Vec<_>) =
        map.iter().partition(|(key, _)| matches!(key.as_str(), "kind" | "apiVersion"));
    let mut head = 1;
    for (at, (key, value)) in heads.iter().rev().chain(&rest).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if at == heads.len() {
            head = out.len() - start;
        }
        serde_json::to_writer(&mut *out, key).expect("holds because a text is encoded");
        out.push(b':');
        write(value, out);
    }
    if rest.is_empty() {
        head = out.len() - start;
    }
    out.push(b'}');
    head
}

fn frame_start(word: &str) -> &'static [u8] {
    match word {
        "ADDED" => b"{\"type\":\"ADDED\",\"object\":",
        "MODIFIED" => b"{\"type\":\"MODIFIED\",\"object\":",
        "DELETED" => b"{\"type\":\"DELETED\",\"object\":",
        "BOOKMARK" => b"{\"type\":\"BOOKMARK\",\"object\":",
        _ => b"{\"type\":\"ERROR\",\"object\":",
    }
}

fn open_frame(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(frame_start(word));
}

/// Encodes an event about an object that is encoded already.
pub(crate) fn frame(word: &str, object: &[u8]) -> Bytes {
    let start = frame_start(word);
    let mut out = BytesMut::with_capacity(start.len() + object.len() + FRAME_END.len());
    out.put_slice(start);
    out.put_slice(object);
    out.put_slice(FRAME_END);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"name": "x", "uid": "u"}})
    }

    #[test]
    fn the_kind_leads_and_a_list_does_without_it() {
        let stored = Stored::new(object(), 1, Change::Added, FieldOrder::KindFirst);
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("it is text");
        assert!(text(stored.json()).starts_with(r#"{"kind":"ConfigMap","apiVersion":"v1","data":"#));
        let bare = stored.bare_json().expect("the kind leads");
        let bare = format!("{{{}", String::from_utf8(bare.to_vec()).expect("it is text"));
        let bare: Value = serde_json::from_str(&bare).expect("it is an object");
        assert_eq!(bare, json!({"data": {"a": "b"}, "metadata": {"name": "x", "uid": "u"}}));
        let custom = Stored::new(object(), 1, Change::Added, FieldOrder::Sorted);
        assert!(custom.bare_json().is_none());
        assert!(text(custom.json()).starts_with(r#"{"apiVersion":"v1","data":"#));
    }

    #[test]
    fn the_uid_is_found_in_the_text_or_beside_it() {
        for uid in ["", "u", "6d3c1d0e-6d0b-4a86-8a2b-3f7f6b5d9c11", "quoted \"\\\" and \u{7} \u{e4}"] {
            let value = json!({"metadata": {"name": "x", "uid": uid}});
            let stored = Stored::new(value.clone(), 1, Change::Added, FieldOrder::Sorted);
            assert_eq!(&*stored.uid, uid);
            let told: Value = serde_json::from_slice(&stored.frame("ADDED")).expect("it is JSON");
            assert_eq!(told["object"], value, "what is beside the text is not told");
            assert_eq!(stored.json_len(), stored.json().len());
        }
    }

    #[test]
    fn what_was_forgotten_is_decoded_again() {
        let stored = Stored::new(object(), 1, Change::Added, FieldOrder::KindFirst);
        let kept = Arc::clone(stored.kept());
        drop(stored);
        for at in 0..10_000 {
            drop(Stored::new(
                json!({"metadata": {"name": at}, "pad": "x".repeat(500)}),
                1,
                Change::Added,
                FieldOrder::Sorted,
            ));
        }
        let again = Stored::of(&kept);
        assert_eq!(**again.value, object());
        assert!(Arc::ptr_eq(&again.value, &Stored::of(&kept).value), "two readers share what was decoded");
    }

    #[test]
    fn the_change_that_made_a_state_is_told_without_a_copy() {
        let stored = Stored::new(object(), 1, Change::Modified, FieldOrder::KindFirst);
        assert_eq!(stored.frame("MODIFIED").as_ptr(), stored.frame("MODIFIED").as_ptr());
        assert_ne!(stored.frame("ADDED").as_ptr(), stored.frame("ADDED").as_ptr());
        let told: Value = serde_json::from_slice(&stored.frame("ADDED")).expect("it is JSON");
        assert_eq!(told, json!({"type": "ADDED", "object": object()}));
    }
}
