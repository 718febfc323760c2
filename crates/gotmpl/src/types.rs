//! Go's types, as far as templates see them: their names, what is assignable to what, and their zero values.

use std::fmt;

use crate::bytes::Str;
use crate::list::List;
use crate::map::Map;
use crate::value::{FloatKind, IntKind, UintKind, Value};

/// A Go type. Prints as Go prints it, for example `map[string]interface {}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: any value, and nil.
    Any,
    /// `error`.
    Error,
    /// `bool`.
    Bool,
    /// `int`, `int8`, … `int64`.
    Int(IntKind),
    /// `uint`, `uint8`, … `uintptr`.
    Uint(UintKind),
    /// `float32` and `float64`.
    Float(FloatKind),
    /// `complex128`.
    Complex,
    /// `string`.
    String,
    /// `[]T`.
    Slice(&'static Type),
    /// `map[string]T`.
    Map(&'static Type),
    /// A defined type, for example `common.Values`.
    Named(&'static Named),
    /// The type of a host object or function, known by its name alone.
    Host(&'static str),
    /// `reflect.Value`: what the functions of `text/template` itself take and give.
    Reflect,
}

/// A defined type: a name for what is built of other types.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// The name with its package, for example `common.Values`.
    pub name: &'static str,
    /// What it is a name for.
    pub underlying: Type,
}

impl Type {
    /// `int`.
    pub const INT: Self = Self::Int(IntKind::Int);
    /// `int64`.
    pub const INT64: Self = Self::Int(IntKind::Int64);
    /// `float64`.
    pub const FLOAT64: Self = Self::Float(FloatKind::Float64);
    /// `[]interface {}`.
    pub const LIST: Self = Self::Slice(&Self::Any);
    /// `[]string`.
    pub const STRINGS: Self = Self::Slice(&Self::String);
    /// `[]uint8`.
    pub const BYTES: Self = Self::Slice(&Self::Uint(UintKind::Uint8));
    /// `map[string]interface {}`.
    pub const MAP: Self = Self::Map(&Self::Any);
    /// `map[string]string`.
    pub const STRING_MAP: Self = Self::Map(&Self::String);

    /// Returns the type behind a defined type, and other types as they are.
    pub fn underlying(&self) -> &Self {
        match self {
            Self::Named(named) => &named.underlying,
            other => other,
        }
    }

    /// Returns the type of the elements of a slice or map; `interface {}` for everything else.
    pub fn elem(&self) -> &'static Self {
        match self.underlying() {
            Self::Slice(elem) | Self::Map(elem) => elem,
            _ => &Self::Any,
        }
    }

    /// Tells whether the type is an interface, so that its values carry a type of their own.
    pub fn is_interface(&self) -> bool {
        matches!(self, Self::Any | Self::Error)
    }

    /// Tells whether nil is among the type's values.
    pub fn can_be_nil(&self) -> bool {
        matches!(self.underlying(), Self::Any | Self::Error | Self::Slice(_) | Self::Map(_) | Self::Reflect)
    }

    /// Tells whether a value of this type may be assigned to a variable of type `to`.
    pub fn is_assignable_to(&self, to: &Self) -> bool {
        if self == to || *to == Self::Any {
            return true;
        }
        let one_is_plain = !matches!(self, Self::Named(_)) || !matches!(to, Self::Named(_));
        let composite = matches!(self.underlying(), Self::Slice(_) | Self::Map(_));
        one_is_plain && composite && self.underlying() == to.underlying()
    }

    /// Returns the type's zero value; `Value::Nil` for interfaces.
    pub fn zero(&'static self) -> Value {
        match *self.underlying() {
            Self::Any | Self::Error | Self::Host(_) | Self::Reflect | Self::Named(_) => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int(kind) => Value::Int(kind, 0),
            Self::Uint(kind) => Value::Uint(kind, 0),
            Self::Float(kind) => Value::Float(kind, 0.0),
            Self::Complex => Value::Complex(0.0, 0.0),
            Self::String => Value::Str(Str::EMPTY),
            Self::BYTES => Value::Bytes(None),
            Self::Slice(_) => Value::List(List::nil(self)),
            Self::Map(_) => Value::Map(Map::nil(self)),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("interface {}"),
            Self::Error => f.write_str("error"),
            Self::Bool => f.write_str("bool"),
            Self::Int(kind) => f.write_str(kind.name()),
            Self::Uint(kind) => f.write_str(kind.name()),
            Self::Float(kind) => f.write_str(kind.name()),
            Self::Complex => f.write_str("complex128"),
            Self::String => f.write_str("string"),
            Self::Slice(elem) => write!(f, "[]{elem}"),
            Self::Map(elem) => write!(f, "map[string]{elem}"),
            Self::Named(named) => f.write_str(named.name),
            Self::Host(name) => f.write_str(name),
            Self::Reflect => f.write_str("reflect.Value"),
        }
    }
}
