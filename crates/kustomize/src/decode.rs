//! Values to settings, as Go's JSON decoder reads them into structs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How unexpected values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A field that is not known is a mistake, and a number is no text.
    Strict,
    /// Numbers and booleans are texts where texts are wanted, but a field that is not known is a mistake.
    StrictNames,
    /// Fields that are not known are left alone.
    Loose,
}

/// Reads values; keeps the first mistake, and goes on.
#[derive(Debug)]
pub(crate) struct Decoder {
    strictness: Strictness,
    root: &'static str,
    mistake: Option<String>,
}

/// What can be read from a value.
pub(crate) trait Decode: Default {
    /// Reads a value that is not null; the path is for messages.
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self;
}

impl Decoder {
    pub(crate) fn new(strictness: Strictness, root: &'static str) -> Self {
        Self { strictness, root, mistake: None }
    }

    /// Reads a whole value.
    ///
    /// # Errors
    ///
    /// The first mistake, in the words of Go's decoder.
    pub(crate) fn read<T: Decode>(mut self, value: &Value) -> Result<T, String> {
        let read = if value.is_null() { T::default() } else { T::decode(&mut self, value, "") };
        self.mistake.map_or(Ok(read), Err)
    }

    fn note(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }

    pub(crate) fn mismatch(&mut self, value: &Value, path: &str, wanted: &str) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let place =
            if path.is_empty() { "Go value".to_owned() } else { format!("Go struct field {}.{path}", self.root) };
        self.note(format!("json: cannot unmarshal {found} into {place} of type {wanted}"));
    }

    /// Goes through the fields of an object by their known names, in the order of the keys.
    pub(crate) fn fields<'v>(
        &mut self,
        value: &'v Value,
        path: &str,
        wanted: &str,
        known: &[&'static str],
    ) -> Vec<(&'static str, &'v Value)> {
        let Value::Object(map) = value else {
            self.mismatch(value, path, wanted);
            return Vec::new();
        };
        let mut fields = Vec::with_capacity(map.len());
        for (key, value) in map {
            let exact = known.iter().find(|name| *name == key);
            match exact.or_else(|| known.iter().find(|name| name.eq_ignore_ascii_case(key))) {
                Some(_) if value.is_null() => {}
                Some(name) => fields.push((*name, value)),
                None if self.strictness == Strictness::Loose => {}
                None => self.note(format!("json: unknown field {key:?}")),
            }
        }
        fields
    }

    pub(crate) fn value<T: Decode>(&mut self, value: &Value, path: &str, name: &str) -> T {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        T::decode(self, value, &path)
    }
}

impl Decode for String {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) if decoder.strictness != Strictness::Strict => value.to_string(),
            other => {
                decoder.mismatch(other, path, "string");
                Self::new()
            }
        }
    }
}

impl Decode for bool {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        value.as_bool().unwrap_or_else(|| {
            decoder.mismatch(value, path, "bool");
            false
        })
    }
}

impl Decode for i64 {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        value.as_i64().unwrap_or_else(|| {
            decoder.mismatch(value, path, "int64");
            0
        })
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let Value::Array(items) = value else {
            decoder.mismatch(value, path, "[]string");
            return Self::new();
        };
        items.iter().map(|item| if item.is_null() { T::default() } else { T::decode(decoder, item, path) }).collect()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        Some(T::decode(decoder, value, path))
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        Self::new(T::decode(decoder, value, path))
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        let Value::Object(map) = value else {
            decoder.mismatch(value, path, "map[string]string");
            return Self::new();
        };
        let read = |(key, value): (&String, &Value)| {
            let value = if value.is_null() { T::default() } else { T::decode(decoder, value, path) };
            (key.clone(), value)
        };
        map.iter().map(read).collect()
    }
}

impl Decode for Map<String, Value> {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        match value {
            Value::Object(map) => map.clone(),
            other => {
                decoder.mismatch(other, path, "map[string]interface {}");
                Self::new()
            }
        }
    }
}

/// Makes a struct readable: each field with its name in JSON.
macro_rules! decode_struct {
    ($type:ty, $go:literal, { $($field:ident: $name:literal),* $(,)? }) => {
        impl crate::decode::Decode for $type {
            fn decode(decoder: &mut crate::decode::Decoder, value: &serde_json::Value, path: &str) -> Self {
                let mut read = Self::default();
                for (name, value) in decoder.fields(value, path, $go, &[$($name),*]) {
                    match name {
                        $($name => read.$field = decoder.value(value, path, name),)*
                        _ => {}
                    }
                }
                read
            }
        }
    };
}
pub(crate) use decode_struct;
