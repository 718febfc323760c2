//! The types of CEL expressions, as the checker tells and prints them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type of CEL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Type {
    /// Anything: what is not known before evaluation.
    #[default]
    Dyn,
    /// What a mistake has; it is not told twice.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// An object with known fields.
    Object(Arc<ObjectType>),
    /// A type of a library, such as `kubernetes.Quantity` or `optional_type(int)`.
    Opaque(String, Vec<Type>),
    /// The type of a type.
    Meta(Box<Type>),
    /// A type yet to be found out.
    Param(String),
}

/// The fields of an object, by the names CEL has for them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectType {
    pub(crate) name: String,
    pub(crate) fields: BTreeMap<String, Type>,
}

impl Type {
    pub(crate) fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(crate) fn object(name: &str, fields: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        Self::Object(Arc::new(ObjectType { name: name.to_owned(), fields }))
    }

    pub(crate) fn optional(of: Self) -> Self {
        Self::Opaque("optional_type".to_owned(), vec![of])
    }

    pub(crate) fn opaque(name: &str) -> Self {
        Self::Opaque(name.to_owned(), Vec::new())
    }

    pub(super) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// Takes the `optional_type` off.
    pub(super) fn unwrap_optional(&self) -> Option<&Self> {
        match self {
            Self::Opaque(name, params) if name == "optional_type" => params.first(),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Error => f.write_str("!error!"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(object) => f.write_str(&object.name),
            Self::Opaque(name, params) if params.is_empty() => f.write_str(name),
            Self::Opaque(name, params) => {
                let params: Vec<String> = params.iter().map(Self::to_string).collect();
                write!(f, "{name}({})", params.join(", "))
            }
            Self::Meta(of) if **of == Self::Error => f.write_str("type"),
            Self::Meta(of) => write!(f, "type({of})"),
            Self::Param(name) => f.write_str(name),
        }
    }
}

/// Prints a type as cel-go's `Type.String` does.
pub(crate) fn go_name(ty: &Type) -> String {
    match ty {
        Type::Null => "null_type".to_owned(),
        Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
        Type::Duration => "google.protobuf.Duration".to_owned(),
        other => other.to_string(),
    }
}
