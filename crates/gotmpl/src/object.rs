//! What the host puts into templates beside plain values.

use std::borrow::Cow;
use std::rc::Rc;

use crate::bytes::Str;
use crate::context::Context;
use crate::error::FuncError;
use crate::function::Signature;
use crate::types::Type;
use crate::value::Value;

/// A value of the host's own: a Go struct, a pointer to one, or a named type with methods.
///
/// For example `.Files`, whose type is `engine.files`, which has methods and can be ranged over; or
/// `.Capabilities.APIVersions`, a list with a method `Has`. All methods but [`Object::type_name`] have a default: an
/// object that says nothing more is an empty struct.
pub trait Object {
    /// Returns the type's name as Go prints it, for example `engine.files` or `*common.Capabilities`.
    fn type_name(&self) -> Cow<'_, str>;

    /// Returns what the object is made of, which decides how it prints, ranges, indexes and whether it is true.
    fn shape(&self) -> Shape {
        Shape::Struct(Vec::new())
    }

    /// Returns one field of a struct: its value, and the type it is declared with.
    ///
    /// The default looks into [`Object::shape`]; objects with many fields answer faster by themselves.
    fn field(&self, name: &str) -> Option<(Value, Type)> {
        match self.shape() {
            Shape::Struct(fields) | Shape::Pointer(fields) => {
                fields.into_iter().find(|field| field.name == name).map(|field| (field.value, field.ty))
            }
            Shape::Plain(_) | Shape::NilPointer => None,
        }
    }

    /// Returns the signature of a method, if there is one by that name.
    fn method(&self, name: &str) -> Option<&'static Signature> {
        let _ = name;
        None
    }

    /// Calls a method with arguments that fit its signature.
    fn call(&self, name: &str, ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
        let _ = (ctx, args);
        Err(FuncError::new(format!("no method {name}")))
    }

    /// Returns the text that the object prints as, if its type has a method `String() string` or `Error() string`.
    fn text(&self) -> Option<Str> {
        None
    }

    /// Returns the text that the struct behind a pointer prints as, if that has the method too. Only pointers are asked.
    fn pointee_text(&self) -> Option<Str> {
        None
    }

    /// Tells whether the object is a Go `error`.
    fn is_error(&self) -> bool {
        false
    }

    /// Tells whether Go could compare objects of this type by `==`: pointers it can, structs if all their fields can be,
    /// and defined maps and lists never.
    fn is_comparable(&self) -> bool {
        matches!(self.shape(), Shape::Pointer(_) | Shape::NilPointer)
    }

    /// Tells whether the struct that a nil pointer would point to has a field of this name. Only nil pointers are asked.
    fn declares_field(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// Tells whether Go's `==` finds two objects of this type equal; pointers are equal if they are the same.
    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        let _ = other;
        false
    }

    /// Returns a value of the object's own type over a part of what it is made of, as slicing a defined list type gives;
    /// without one, the part itself is the result. Only objects of [`Shape::Plain`] are asked.
    fn over(&self, part: Value) -> Value {
        part
    }

    /// Returns the object, for hosts that need their own type back.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
}

/// What an [`Object`] is made of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A struct.
    Struct(Vec<Field>),
    /// A pointer to a struct.
    Pointer(Vec<Field>),
    /// A pointer that is nil.
    NilPointer,
    /// A defined type over something plain, for example `engine.files` over a map: it ranges, indexes, prints and is
    /// true as that.
    Plain(Value),
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name, with an upper-case initial.
    pub name: &'static str,
    /// The declared type: `Type::Any` where Go declares an interface.
    pub ty: Type,
    /// The value.
    pub value: Value,
}
