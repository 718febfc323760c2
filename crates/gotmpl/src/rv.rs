//! Values during evaluation: what Go's `reflect.Value` knows beyond the value itself.

use crate::types::Type;
use crate::value::{UintKind, Value};

/// A value under evaluation.
#[derive(Debug, Clone)]
pub(crate) enum Rv {
    /// No value at all: the key of a map that has no such key, or the inside of a nil interface.
    Invalid,
    /// A value whose type is known; never `Value::Nil`.
    Typed(Value),
    /// A value found in a place declared as an interface, such as an element of a `map[string]interface {}`; may be nil.
    Iface(Value),
}

impl Rv {
    /// What `reflect.ValueOf` gives.
    pub(crate) fn concrete(value: Value) -> Self {
        if matches!(value, Value::Nil) { Self::Invalid } else { Self::Typed(value) }
    }

    /// A value found in a place of this type.
    pub(crate) fn of(ty: &Type, value: Value) -> Self {
        if ty.is_interface() { Self::Iface(value) } else { Self::concrete(value) }
    }

    pub(crate) fn byte(byte: u8) -> Self {
        Self::Typed(Value::Uint(UintKind::Uint8, u64::from(byte)))
    }

    /// What an `interface {}` would hold.
    pub(crate) fn into_any(self) -> Value {
        match self {
            Self::Invalid => Value::Nil,
            Self::Typed(value) | Self::Iface(value) => value,
        }
    }

    pub(crate) fn as_any(&self) -> &Value {
        match self {
            Self::Invalid => &Value::Nil,
            Self::Typed(value) | Self::Iface(value) => value,
        }
    }

    /// What is inside of an interface; other values as they are.
    pub(crate) fn dig(self) -> Self {
        match self {
            Self::Iface(value) => Self::concrete(value),
            other => other,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        self.as_any().is_true()
    }

    /// The name of the declared type. Invalid values have none; Go panics there.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Invalid => "<nil>".to_owned(),
            Self::Typed(value) => value.type_name(),
            Self::Iface(_) => Type::Any.to_string(),
        }
    }
}
