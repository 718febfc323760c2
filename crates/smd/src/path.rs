//! Paths into an object: fields by name, list items by key, by value or by index.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A value that names a list item: the value of a key field, or a member of a set.
///
/// Ordered as the Go library orders values: numbers (integers and floats compared numerically), strings,
/// booleans, then anything else. `1` and `1.0` are equal.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    String(String),
    /// A boolean.
    Bool(bool),
    /// `null`.
    Null,
    /// A list or map where a scalar was expected: kept, so that a foreign field set survives reading and writing.
    Other(Value),
}

impl Scalar {
    fn rank(&self) -> u8 {
        match self {
            Self::Int(_) | Self::Float(_) => 0,
            Self::String(_) => 1,
            Self::Bool(_) => 2,
            Self::Other(Value::Array(_)) => 3,
            Self::Other(_) => 4,
            Self::Null => 5,
        }
    }

    /// Writes the JSON as Go's encoder does.
    fn encode(&self) -> String {
        let json = match self {
            Self::String(text) => json_text(text),
            other => Value::from(other).to_string(),
        };
        if crate::go::is_safe_in_html(&json) { json } else { crate::go::escape_html(&json) }
    }

    /// Whether `value` is this scalar.
    pub fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::String(text), Value::String(other)) => text == other,
            (Self::Bool(flag), Value::Bool(other)) => flag == other,
            (Self::Null, Value::Null) => true,
            (_, Value::Number(_)) => *self == Self::from(value),
            (Self::Other(own), other) => own == other,
            _ => false,
        }
    }
}

impl From<&Value> for Scalar {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::String(text) => Self::String(text.clone()),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            other => Self::Other(other.clone()),
        }
    }
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Int(whole) => Self::from(*whole),
            Scalar::Float(number) => Self::from(*number),
            Scalar::String(text) => Self::String(text.clone()),
            Scalar::Bool(flag) => Self::Bool(*flag),
            Scalar::Null => Self::Null,
            Scalar::Other(value) => value.clone(),
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Int(a), Self::Float(b)) => (*a as f64).total_cmp(b),
            (Self::Float(a), Self::Int(b)) => a.total_cmp(&(*b as f64)),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Other(a), Self::Other(b)) if self.rank() == other.rank() => a.to_string().cmp(&b.to_string()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(whole) => write!(f, "{whole}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::String(text) => write!(f, "{}", crate::go::quote(text)),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Null => f.write_str("null"),
            Self::Other(value) => write!(f, "{value}"),
        }
    }
}

/// One step of a [`Path`]. The order is that of the declaration: fields, keys, values, indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of a map or struct.
    Field(String),
    /// The item of an associative list whose key fields have these values, sorted by field name.
    Key(Vec<(String, Scalar)>),
    /// The item of a set that equals this value.
    Value(Scalar),
    /// The item at this position.
    Index(i64),
}

/// Why a text is not a path element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathElementError {
    /// Shorter than its two-letter prefix.
    #[error("key must be 2 characters long: `{0}`")]
    Short(String),
    /// The second letter is not a colon.
    #[error("missing colon: `{0}`")]
    NoColon(String),
    /// What follows the prefix is not what the prefix promises.
    #[error("path element `{0}` does not parse")]
    Malformed(String),
    /// A prefix of a later version of the format; readers skip these.
    #[error("unknown path element type: `{0}`")]
    UnknownType(String),
}

impl PathElement {
    /// A field of this name.
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// Reads the form used in `fieldsV1`: `f:name`, `k:{"name":"c"}`, `v:"x"`, `i:3`.
    pub fn parse(text: &str) -> Result<Self, PathElementError> {
        let bytes = text.as_bytes();
        if bytes.len() < 2 {
            return Err(PathElementError::Short(text.to_owned()));
        }
        if bytes[1] != b':' {
            return Err(PathElementError::NoColon(text.to_owned()));
        }
        let malformed = || PathElementError::Malformed(text.to_owned());
        let rest = &text[2..];
        match bytes[0] {
            b'f' => Ok(Self::Field(rest.to_owned())),
            b'k' => {
                let map: Map<String, Value> = serde_json::from_str(rest).map_err(|_| malformed())?;
                let mut key: Vec<(String, Scalar)> =
                    map.iter().map(|(name, value)| (name.clone(), Scalar::from(value))).collect();
                key.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(Self::Key(key))
            }
            b'v' => {
                let value: Value = serde_json::from_str(rest).map_err(|_| malformed())?;
                Ok(Self::Value(Scalar::from(&value)))
            }
            b'i' => rest.parse().map(Self::Index).map_err(|_| malformed()),
            _ => Err(PathElementError::UnknownType(text.to_owned())),
        }
    }

    /// Writes the form that [`parse`](Self::parse) reads, byte for byte as the API server writes it.
    pub fn encode(&self) -> String {
        match self {
            Self::Field(name) => ["f:", name].concat(),
            Self::Key(key) => {
                let mut text = String::from("k:{");
                for (position, (name, value)) in key.iter().enumerate() {
                    if position > 0 {
                        text.push(',');
                    }
                    text.push_str(&json_text(name));
                    text.push(':');
                    text.push_str(&value.encode());
                }
                text.push('}');
                text
            }
            Self::Value(value) => ["v:", &value.encode()].concat(),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("holds because a text is encoded")
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(key) => {
                f.write_str("[")?;
                for (position, (name, value)) in key.iter().enumerate() {
                    let comma = if position > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Where a walk through an object is: borrowed, so that a path is only built where one is told.
#[derive(Clone, Copy)]
pub(crate) enum Trail<'a> {
    Top,
    Field(&'a Self, &'a str),
    Item(&'a Self, &'a PathElement),
    Index(&'a Self, usize),
}

impl<'a> Trail<'a> {
    /// The last step and the way to it; `None` at the top.
    pub(crate) fn last(&self) -> Option<(&'a Self, Cow<'a, PathElement>)> {
        match *self {
            Self::Top => None,
            Self::Field(parent, name) => Some((parent, Cow::Owned(PathElement::field(name)))),
            Self::Item(parent, element) => Some((parent, Cow::Borrowed(element))),
            Self::Index(parent, position) => Some((parent, Cow::Owned(PathElement::Index(position as i64)))),
        }
    }
}

impl From<&Trail<'_>> for Path {
    fn from(trail: &Trail<'_>) -> Self {
        let mut elements = Vec::new();
        let mut at = trail.last();
        while let Some((parent, element)) = at {
            elements.push(element.into_owned());
            at = parent.last();
        }
        elements.reverse();
        Self(elements)
    }
}

/// A way from the top of an object to one of its parts; prints like `.spec.containers[name="c"].image`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<PathElement>);

impl Path {
    /// The path through fields of these names.
    pub fn of_fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(PathElement::field).collect())
    }

    /// The steps, outermost first.
    pub fn elements(&self) -> &[PathElement] {
        &self.0
    }

    /// Whether this path goes through, or ends at, `prefix`.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}

impl From<Vec<PathElement>> for Path {
    fn from(elements: Vec<PathElement>) -> Self {
        Self(elements)
    }
}
