//! The values that templates work on.

use std::fmt;
use std::rc::Rc;

use crate::bytes::Str;
use crate::function::Func;
use crate::list::List;
use crate::map::Map;
use crate::object::{Object, Shape};
use crate::types::Type;

/// A value as a Go program holds it in an `interface {}`: with its type, or nil.
///
/// Clones are cheap; those of maps and lists share what they hold.
#[derive(Clone, Default)]
pub enum Value {
    /// The nil interface.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// A signed integer of any size.
    Int(IntKind, i64),
    /// An unsigned integer of any size.
    Uint(UintKind, u64),
    /// A float.
    Float(FloatKind, f64),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string`
    Str(Str),
    /// `[]uint8`, also known as `[]byte`; `None` is the nil one.
    Bytes(Option<Rc<[u8]>>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A value of the host.
    Object(Rc<dyn Object>),
    /// A function as a value: to be called by `call`, or ranged over.
    Func(Rc<Func>),
}

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant),+
        }

        impl $name {
            /// Returns Go's name of the type.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

kinds! {
    /// The signed integer types.
    IntKind { Int = "int", Int8 = "int8", Int16 = "int16", Int32 = "int32", Int64 = "int64" }
}

kinds! {
    /// The unsigned integer types.
    UintKind { Uint = "uint", Uint8 = "uint8", Uint16 = "uint16", Uint32 = "uint32", Uint64 = "uint64", Uintptr = "uintptr" }
}

kinds! {
    /// The float types.
    FloatKind { Float32 = "float32", Float64 = "float64" }
}

impl Value {
    /// Makes an `int`.
    pub fn int(number: i64) -> Self {
        Self::Int(IntKind::Int, number)
    }

    /// Makes an `int64`.
    pub fn int64(number: i64) -> Self {
        Self::Int(IntKind::Int64, number)
    }

    /// Makes a `float64`.
    pub fn float(number: f64) -> Self {
        Self::Float(FloatKind::Float64, number)
    }

    /// Makes a `string`.
    pub fn str(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// Makes a `[]uint8`.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.into()))
    }

    /// Makes a value of the host.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// Returns the value's type; `None` for nil.
    pub fn ty(&self) -> Option<TypeName<'_>> {
        let ty = match self {
            Self::Nil => return None,
            Self::Bool(_) => &Type::Bool,
            Self::Int(kind, _) => return Some(TypeName::Type(Type::Int(*kind))),
            Self::Uint(kind, _) => return Some(TypeName::Type(Type::Uint(*kind))),
            Self::Float(kind, _) => return Some(TypeName::Type(Type::Float(*kind))),
            Self::Complex(..) => &Type::Complex,
            Self::Str(_) => &Type::String,
            Self::Bytes(_) => &Type::BYTES,
            Self::List(list) => list.ty(),
            Self::Map(map) => map.ty(),
            Self::Object(object) => return Some(TypeName::Object(object.as_ref())),
            Self::Func(func) => return Some(TypeName::Func(func)),
        };
        Some(TypeName::Type(*ty))
    }

    /// Returns the type's name as `printf "%T"` prints it; `<nil>` for nil.
    pub fn type_name(&self) -> String {
        self.ty().map_or_else(|| "<nil>".to_owned(), |ty| ty.to_string())
    }

    /// Tells whether the value is true: not the zero value of its type, and not empty.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(truth) => *truth,
            Self::Int(_, number) => *number != 0,
            Self::Uint(_, number) => *number != 0,
            Self::Float(_, number) => *number != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => bytes.as_ref().is_some_and(|bytes| !bytes.is_empty()),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => match object.shape() {
                Shape::Struct(_) | Shape::Pointer(_) => true,
                Shape::NilPointer => false,
                Shape::Plain(value) => value.is_true(),
            },
            Self::Func(_) => true,
        }
    }

    /// Tells whether this is nil: the nil interface, or a nil slice, map or pointer.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Bytes(bytes) => bytes.is_none(),
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            Self::Object(object) => match object.shape() {
                Shape::NilPointer => true,
                Shape::Plain(value) => value.is_nil(),
                Shape::Struct(_) | Shape::Pointer(_) => false,
            },
            _ => false,
        }
    }

    /// Returns the bytes of a string; nothing for other types.
    pub fn as_str(&self) -> Option<&Str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// Returns the number of a signed integer of any size.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(_, number) = self { Some(*number) } else { None }
    }

    /// Returns the map.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// Returns the list.
    pub fn as_list(&self) -> Option<&List> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

/// The type of a value, which prints as Go prints it.
#[derive(Clone, Copy)]
pub enum TypeName<'a> {
    /// One of the types known to templates.
    Type(Type),
    /// A host object, which names its own type.
    Object(&'a dyn Object),
    /// A function.
    Func(&'a Func),
}

impl fmt::Display for TypeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(ty) => ty.fmt(f),
            Self::Object(object) => f.write_str(&object.type_name()),
            Self::Func(func) => f.write_str(func.type_name()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Str(text) => write!(f, "{text:?}"),
            other => write!(f, "{}({})", other.type_name(), crate::print::sprint(std::slice::from_ref(other))),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Str(text.into())
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::Str(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_value_takes_three_words() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
    }
}
