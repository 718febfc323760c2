use std::collections::BTreeMap;

use bowline_model::ObjectKey;
use serde_json::Value;

/// What the API server is known to make of what it is sent.
///
/// A server may store something else than was applied: a webhook rewrites a field, a definition prunes one,
/// a number takes another form. Right after an apply such a field still departs, and applying again would
/// change nothing. It is noted here, and is no drift for as long as both sides stay as they were. The notes
/// live in memory: after a restart one apply that changes nothing learns them again.
#[derive(Debug, Clone, Default)]
pub struct Accepted {
    fields: BTreeMap<ObjectKey, Fields>,
}

/// By path, what was wanted and what the server made of it.
type Fields = BTreeMap<String, (Option<Value>, Option<Value>)>;

impl Accepted {
    /// Notes every field of one object that departs in the server's own answer to an apply; replaces what was
    /// noted of the object before.
    pub fn note(&mut self, key: ObjectKey, fields: impl IntoIterator<Item = (String, Option<Value>, Option<Value>)>) {
        let fields: BTreeMap<_, _> = fields.into_iter().map(|(path, want, have)| (path, (want, have))).collect();
        if fields.is_empty() {
            self.fields.remove(&key);
        } else {
            self.fields.insert(key, fields);
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.fields.remove(key);
    }

    pub(crate) fn holds(&self, key: &ObjectKey, path: &str, want: Option<&Value>, have: Option<&Value>) -> bool {
        self.fields
            .get(key)
            .and_then(|fields| fields.get(path))
            .is_some_and(|(known_want, known_have)| known_want.as_ref() == want && known_have.as_ref() == have)
    }
}
