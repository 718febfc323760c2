//! What the quick reader makes of what it reads: values, or whatever else is asked for.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::Rules;
use crate::nodes::Style;
use crate::number::{self, Num};
use crate::resolve::{Meaning, resolve};

/// A key of a map, and how it is written.
pub(crate) struct Name<'t> {
    pub(crate) text: Cow<'t, str>,
    pub(crate) style: Style,
}

/// Makes something of what is read; `None` leaves it to the full reader.
pub(crate) trait Make {
    type Made;
    type Key<'t>;
    type List: Default;
    type Map: Default;

    fn key<'t>(&mut self, name: Name<'t>) -> Option<Self::Key<'t>>;

    /// Tells whether the entry of a key of the map at the top is made.
    fn is_wanted(&self, _key: &Self::Key<'_>) -> bool {
        true
    }

    /// Where nothing stands.
    fn nothing(&mut self) -> Self::Made;

    /// A plain scalar; what is not kept is checked, and made into anything.
    fn plain(&mut self, text: &str, keep: bool) -> Option<Self::Made>;

    /// A scalar that is not plain.
    fn text(&mut self, text: Cow<'_, str>, style: Style, keep: bool) -> Self::Made;

    fn add_item(&mut self, list: &mut Self::List, item: Self::Made);
    fn list(&mut self, list: Self::List) -> Self::Made;
    fn add_entry(&mut self, map: &mut Self::Map, key: Self::Key<'_>, value: Self::Made) -> Option<()>;
    fn map(&mut self, map: Self::Map) -> Self::Made;
}

/// Makes JSON values; of the map at the top only the entries that are wanted.
pub(super) struct Values<'w> {
    pub(super) rules: Rules,
    pub(super) wanted: &'w dyn Fn(&str) -> bool,
}

impl Make for Values<'_> {
    type Made = Value;
    type Key<'t> = Cow<'t, str>;
    type List = Vec<Value>;
    type Map = Map<String, Value>;

    fn key<'t>(&mut self, name: Name<'t>) -> Option<Cow<'t, str>> {
        if name.style != Style::Plain {
            return Some(name.text);
        }
        if name.text == "<<" {
            return None;
        }
        Some(match resolve(&name.text, self.rules) {
            Meaning::Text => name.text,
            Meaning::Timestamp(_) if self.rules != Rules::Kyaml => name.text,
            Meaning::Timestamp(timestamp) => Cow::Owned(timestamp.to_rfc3339()),
            Meaning::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            Meaning::Number(Num::Signed(number)) => Cow::Owned(number.to_string()),
            Meaning::Number(Num::Float(number)) => Cow::Owned(number::format_float_key(number)),
            // Go refuses these.
            Meaning::Null | Meaning::Number(Num::Unsigned(_)) => return None,
        })
    }

    fn is_wanted(&self, key: &Cow<'_, str>) -> bool {
        (self.wanted)(key)
    }

    fn nothing(&mut self) -> Value {
        Value::Null
    }

    fn plain(&mut self, text: &str, keep: bool) -> Option<Value> {
        let is_text = !matches!(text.as_bytes().first(), None | Some(b'0'..=b'9' | b'+' | b'-' | b'.'));
        if !keep && is_text {
            return Some(Value::Null);
        }
        match resolve(text, self.rules) {
            Meaning::Null => Some(Value::Null),
            Meaning::Bool(truth) => Some(Value::Bool(truth)),
            Meaning::Number(number) => number::to_json(number),
            Meaning::Timestamp(timestamp) if self.rules == Rules::Kyaml => Some(Value::String(timestamp.to_rfc3339())),
            Meaning::Timestamp(_) | Meaning::Text if keep => Some(Value::String(text.to_owned())),
            Meaning::Timestamp(_) | Meaning::Text => Some(Value::Null),
        }
    }

    fn text(&mut self, text: Cow<'_, str>, _style: Style, keep: bool) -> Value {
        if keep { Value::String(text.into_owned()) } else { Value::Null }
    }

    fn add_item(&mut self, list: &mut Vec<Value>, item: Value) {
        list.push(item);
    }

    fn list(&mut self, list: Vec<Value>) -> Value {
        Value::Array(list)
    }

    fn add_entry(&mut self, map: &mut Map<String, Value>, key: Cow<'_, str>, value: Value) -> Option<()> {
        let is_new = map.insert(key.into_owned(), value).is_none();
        // A key that is there twice is found only where values are made: to the rules that refuse it all are wanted.
        (is_new || self.rules == Rules::Sigs).then_some(())
    }

    fn map(&mut self, map: Map<String, Value>) -> Value {
        Value::Object(map)
    }
}
