//! Asks this crate what `conformance/gotemplate` asks Go: the same cases, the same form of answer.

pub(crate) mod cases;
pub(crate) mod chance;
pub(crate) mod host;
pub(crate) mod protocol;
pub(crate) mod random;

use std::sync::OnceLock;

use bowline_gotmpl::{Function, Functions, Str, Type, Value};
use serde_json::{Value as Json, json};

use protocol::raw;

/// Answers a case with the functions of `text/template`, and those that it names.
pub(crate) fn ask(case: &Json) -> Json {
    let named = case["functions"].as_array().map_or_else(Functions::builtin, |names| named_functions(names));
    protocol::answer(case, named.with(&host::FUNCTIONS), &mut ())
}

/// Returns functions of these names that do nothing.
fn named_functions(names: &[Json]) -> Functions {
    static NAMED: OnceLock<Vec<Function>> = OnceLock::new();
    let nothing = |name: &Json| {
        let name = Box::leak(name.as_str().expect("a name").to_owned().into_boxed_str());
        Function::variadic(name, &[Type::Any], Type::Any, |_, _| Ok(Value::Nil))
    };
    // The same names in every case that has any.
    Functions::builtin().with(NAMED.get_or_init(|| names.iter().map(nothing).collect()))
}

/// Returns an answer whose output is text, with U+FFFD for every byte that is not UTF-8.
pub(crate) fn with_text(answer: &Json) -> Json {
    let mut answer = answer.clone();
    if answer["out"].is_object() {
        answer["out"] = json!(Str::from(raw(&answer["out"])).to_text());
    }
    answer
}
