//! Functions that templates can call.

#[expect(clippy::disallowed_types, reason = "functions are looked up by name; nobody sees their order")]
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::builtins::{self, Builtin};
use crate::context::Context;
use crate::error::FuncError;
use crate::types::Type;
use crate::value::Value;

/// A function's parameters and result, as Go declares them.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// The parameters' types. Of a variadic function the last one is the type of each further argument.
    pub params: &'static [Type],
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// The declared type of the result: `Type::Any` where Go declares `interface{}`.
    pub result: Type,
}

/// What a function does.
///
/// The arguments fit the signature: as many as it declares, each of the declared type (`Value::Nil` only where the type
/// has a nil: for `Type::Any`). They may be taken out of the slice.
pub type Native = fn(&mut Context<'_, '_>, &mut [Value]) -> Result<Value, FuncError>;

/// A function under its name.
#[derive(Clone, Copy)]
pub struct Function {
    /// The name in templates.
    pub name: &'static str,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

#[derive(Clone, Copy)]
pub(crate) enum Body {
    Native(Native),
    Builtin(Builtin),
}

impl Function {
    /// Declares a function. For use in a `static` table:
    ///
    /// ```
    /// use bowline_gotmpl::{Context, FuncError, Function, Functions, Set, Type, Value};
    ///
    /// fn trunc(_: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
    ///     let (Some(len), Some(text)) = (args[0].as_int(), args[1].as_str()) else {
    ///         return Err(FuncError::new("unreachable: the signature says int, string"));
    ///     };
    ///     let len = usize::try_from(len).unwrap_or(0).min(text.len());
    ///     Ok(Value::str(&text[..len]))
    /// }
    ///
    /// static TABLE: [Function; 1] = [Function::new("trunc", &[Type::INT, Type::String], Type::String, trunc)];
    ///
    /// let mut set = Set::new(Functions::builtin().with(&TABLE));
    /// set.parse("page", "{{ trunc 5 .name }}")?;
    /// let data = Value::from_json(&serde_json::json!({"name": "templates"}));
    /// assert_eq!(set.render("page", &data)?, b"templ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(name: &'static str, params: &'static [Type], result: Type, run: Native) -> Self {
        Self { name, signature: Signature { params, variadic: false, result }, body: Body::Native(run) }
    }

    /// Declares a function whose last parameter takes any number of arguments.
    pub const fn variadic(name: &'static str, params: &'static [Type], result: Type, run: Native) -> Self {
        Self { name, signature: Signature { params, variadic: true, result }, body: Body::Native(run) }
    }

    pub(crate) const fn builtin(name: &'static str, signature: Signature, builtin: Builtin) -> Self {
        Self { name, signature, body: Body::Builtin(builtin) }
    }

    /// Returns the signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// The functions that the templates of a set may call. A name that is not here is an error of the parser.
///
/// Clones share the table.
#[derive(Debug, Clone)]
pub struct Functions(Arc<Table>);

#[derive(Debug, Clone, Default)]
#[expect(clippy::disallowed_types, reason = "as above")]
struct Table {
    functions: Vec<&'static Function>,
    places: HashMap<&'static str, u32, BuildHasherDefault<NameHasher>>,
}

/// As many functions as sprig and Helm have, with some to spare.
const USUAL: usize = 320;

/// Hashes the names of functions, which are few, short and known beforehand: FNV-1a.
#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // Tables look at both ends of a hash, and the upper end of this one varies little.
        self.0 ^ self.0.rotate_left(32)
    }
}

impl Functions {
    /// The functions that are part of Go's `text/template`.
    pub fn builtin() -> Self {
        let mut table = Table::default();
        table.functions.reserve(USUAL);
        table.places.reserve(USUAL);
        Self(Arc::new(table)).with(&builtins::TABLE)
    }

    /// Adds functions; they come before older ones of the same names.
    #[must_use]
    pub fn with(mut self, table: &'static [Function]) -> Self {
        let all = Arc::make_mut(&mut self.0);
        for function in table {
            all.places.insert(function.name, all.functions.len() as u32);
            all.functions.push(function);
        }
        self
    }

    /// Takes functions away, for example `env`.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        Arc::make_mut(&mut self.0).places.retain(|name, _| !names.contains(name));
        self
    }

    /// Returns the names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let mut names: Vec<_> = self.0.places.keys().copied().collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Returns a function by its name.
    pub fn get(&self, name: &str) -> Option<&'static Function> {
        self.find(name).map(|place| self.at(place))
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.0.places.get(name).copied()
    }

    pub(crate) fn at(&self, place: u32) -> &'static Function {
        self.0.functions[place as usize]
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

/// A function as a value.
pub struct Func {
    type_name: String,
    pub(crate) signature: &'static Signature,
    pub(crate) body: FuncBody,
}

/// What a function value does.
pub enum FuncBody {
    /// Is called, by `call`.
    Call(Closure),
    /// Gives values to `range`: a `func(yield func(T) bool)`.
    Seq(Box<dyn Fn() -> Box<dyn Iterator<Item = Value>>>),
    /// Gives pairs to `range`: a `func(yield func(K, V) bool)`.
    Seq2(Box<dyn Fn() -> Pairs>),
}

/// What a function value gives to a `range` with two variables.
pub type Pairs = Box<dyn Iterator<Item = (Value, Value)>>;

/// A function value's code.
pub type Closure = Box<dyn Fn(&mut Context<'_, '_>, &mut [Value]) -> Result<Value, FuncError>>;

impl Func {
    /// Makes a function value; `type_name` is what Go prints as its type, for example `func(string) string`.
    pub fn new(type_name: impl Into<String>, signature: &'static Signature, body: FuncBody) -> Self {
        Self { type_name: type_name.into(), signature, body }
    }

    /// Returns the type as Go prints it.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}
