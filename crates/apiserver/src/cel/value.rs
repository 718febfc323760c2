//! The values expressions are evaluated to.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::quantity::Quantity;
use super::semver::Version;

/// A value of CEL.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<List>),
    Map(Arc<BTreeMap<Key, Value>>),
    /// An instant, and the offset in seconds it was written with.
    Timestamp(Timestamp, i32),
    /// In nanoseconds.
    Duration(i64),
    Optional(Option<Box<Value>>),
    /// A type, by name.
    Type(String),
    Quantity(Quantity),
    Url(Arc<super::urls::Url>),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Semver(Arc<Version>),
    /// A named format.
    Format(&'static str),
    /// The result of a comprehension so far, as its steps see it.
    Growing,
    /// An object whose fields are made when they are asked for.
    Lazy,
    /// A question to the authorizer, or its answer.
    Authorizer(Arc<super::authorizer::Step>),
}

/// A list, and what its schema says of the order of its items.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    pub(crate) items: Vec<Value>,
    pub(crate) kind: ListKind,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ListKind {
    #[default]
    Ordered,
    /// Equal to any list of the same items.
    Set,
    /// Equal to any list of the same items; items with equal values at these keys replace each other.
    Map(Vec<String>),
}

/// A key of a map. Equal whole numbers are one key, whatever their type.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    /// Any other value; Go finds it by what it points to, so that it is no other's equal.
    Other(u64, Box<Value>),
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort().cmp(&other.sort()).then_with(|| match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Double(one), Self::Double(other)) => one.total_cmp(other),
            (Self::String(one), Self::String(other)) => one.cmp(other),
            (Self::Other(one, _), Self::Other(other, _)) => one.cmp(other),
            _ => self.whole().cmp(&other.whole()),
        })
    }
}

/// Finds a key in a map: a number with a point finds a whole one, though not the other way round.
pub(super) fn find<'m>(map: &'m BTreeMap<Key, Value>, key: &Key) -> Option<&'m Value> {
    let found = map.get(key);
    if let (None, Key::Double(number)) = (found, key)
        && number.fract() == 0.0
        && number.abs() < 9.0e18
    {
        return map.get(&Key::Int(*number as i64));
    }
    found
}

impl Key {
    /// Returns the key to look a value up by, if it can be found.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Uint(number) => Self::Uint(*number),
            Value::Double(number) if !number.is_nan() => Self::Double(*number),
            Value::String(text) => Self::String(Arc::clone(text)),
            _ => return None,
        })
    }

    /// Returns the key a value becomes in a new map.
    pub(super) fn new(value: &Value) -> Self {
        static OTHERS: AtomicU64 = AtomicU64::new(0);
        let other = || Self::Other(OTHERS.fetch_add(1, atomic::Ordering::Relaxed), Box::new(value.clone()));
        Self::of(value).unwrap_or_else(other)
    }

    /// Keys of different sorts are never equal.
    fn sort(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Uint(_) => 1,
            Self::Double(_) => 2,
            Self::String(_) => 3,
            Self::Other(..) => 4,
        }
    }

    fn whole(&self) -> i128 {
        match self {
            Self::Int(number) => i128::from(*number),
            Self::Uint(number) => i128::from(*number),
            _ => 0,
        }
    }

    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::Double(number) => Value::Double(*number),
            Self::String(text) => Value::String(Arc::clone(text)),
            Self::Other(_, value) => Value::clone(value),
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::String(Arc::from(text.as_ref()))
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(List { items, kind: ListKind::Ordered }))
    }

    pub(crate) fn map(entries: impl IntoIterator<Item = (Key, Self)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().collect()))
    }

    pub(crate) fn some(value: Self) -> Self {
        Self::Optional(Some(Box::new(value)))
    }

    /// Returns the name of a value's type.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(..) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Growing => "list",
            Self::Lazy => "map",
            Self::Authorizer(step) => step.type_name(),
        }
    }

    /// Returns whether a value is what its type is without one.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Null | Self::Optional(None) => true,
            Self::Bool(flag) => !flag,
            Self::Int(number) => *number == 0,
            Self::Uint(number) => *number == 0,
            Self::Double(number) => *number == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(list) => list.items.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Duration(nanos) => *nanos == 0,
            _ => false,
        }
    }

    /// Turns JSON without a schema into a value.
    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Self::Double(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(map) => {
                Self::map(map.iter().map(|(name, child)| (Key::String(Arc::from(&**name)), Self::from_json(child))))
            }
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => same_items(a, b),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| find(b, key).is_some_and(|other| value == other))
            }
            (Self::Timestamp(a, _), Self::Timestamp(b, _)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Optional(a), Self::Optional(b)) => a == b,
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Quantity(a), Self::Quantity(b)) => a == b,
            (Self::Url(a), Self::Url(b)) => a == b,
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Cidr(a, m), Self::Cidr(b, n)) => a == b && m == n,
            (Self::Semver(a), Self::Semver(b)) => a.compare(b) == Ordering::Equal,
            (Self::Format(a), Self::Format(b)) => a == b,
            _ => compare_numbers(self, other) == Some(Ordering::Equal),
        }
    }
}

fn same_items(a: &List, b: &List) -> bool {
    if a.items.len() != b.items.len() {
        return false;
    }
    if a.kind == ListKind::Ordered && b.kind == ListKind::Ordered {
        return a.items == b.items;
    }
    a.items.iter().all(|item| b.items.contains(item)) && b.items.iter().all(|item| a.items.contains(item))
}

/// Compares numbers of any types.
pub(super) fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Uint(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        _ => None,
    }
}

/// Compares values that have an order.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a, _), Value::Timestamp(b, _)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => compare_numbers(a, b),
    }
}
