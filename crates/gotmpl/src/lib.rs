//! Go's `text/template`, as of Go 1.26: the same text, and the same errors, byte for byte.
//!
//! A [`Set`] holds templates that know each other. They are parsed once and executed many times, by any number of
//! threads, each with a [`Value`] as its data. Functions come from tables of [`Function`]s, declared with the types Go
//! declares them with, so that calls are checked, and refused, in Go's words. This crate knows neither sprig nor Helm.
//!
//! ```
//! use bowline_gotmpl::{Functions, Set, Value};
//!
//! let mut set = Set::new(Functions::builtin());
//! set.parse("page", r#"{{ range $i, $name := .names }}{{ $i }}: {{ printf "%q" $name }}{{ "\n" }}{{ end }}"#)?;
//! let data = Value::from_json(&serde_json::json!({"names": ["a", "b"]}));
//! assert_eq!(set.render("page", &data)?, b"0: \"a\"\n1: \"b\"\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Functions
//!
//! [`Function::new`] shows how to add one. What a function gets and gives:
//!
//! - Arguments as plain [`Value`]s that fit the declared types: a wrong type or number of arguments never reaches it.
//!   `Type::Any` takes everything, nil included. Where Go declares `interface{}` as the result, declare `Type::Any`:
//!   the difference shows in error texts.
//! - [`Context`]: the set ([`Context::set`]), other templates ([`Context::execute`] for `include`,
//!   [`Context::execute_in`] for `tpl`), the host's own state ([`Context::host`]: clocks, random sources, recursion
//!   counters), and the limits ([`Context::charge`]).
//! - Errors by [`FuncError`]; the template reports `error calling NAME: TEXT`.
//!
//! # Bounds
//!
//! An execution takes at most so many steps, bytes and levels as its [`Limits`] say, and ends in an error otherwise.
//! Nothing here panics, whatever the template or data, and nothing overflows the stack: what recurses (walking,
//! parsing, printing) moves to a new piece of stack when the old one runs out, and what is bounded by nothing else is
//! bounded by a limit. The one thing that is not freed is a map that contains itself: see [`Map`].

mod builtins;
mod bytes;
mod call;
mod compare;
mod context;
mod drop;
mod error;
mod escape;
mod eval;
mod exec;
mod float;
mod function;
mod index;
mod json;
mod lex;
mod limits;
mod list;
mod map;
mod number;
mod object;
mod parse;
mod print;
mod printf;
mod quote;
mod rv;
mod set;
mod stack;
mod tables;
mod tree;
mod types;
mod unicode;
mod value;
mod verb;

pub use bytes::Str;
pub use context::Context;
pub use error::{ExecError, FuncError, Limit, Location, ParseError};
pub use function::{Closure, Func, FuncBody, Function, Functions, Native, Pairs, Signature};
pub use limits::Limits;
pub use list::List;
pub use map::Map;
pub use object::{Field, Object, Shape};
pub use print::{quote, sprint};
pub use printf::sprintf;
pub use set::{MissingKey, Set};
pub use types::{Named, Type};
pub use unicode::{REPLACEMENT, decode as decode_rune};
pub use value::{FloatKind, IntKind, TypeName, UintKind, Value};
