//! Expressions of jq that name fields, such as `.spec.containers[] | select(.name == "proxy")`.
//!
//! An expression is not trusted, and a decision reads no clock. So what is taken is the part of the language that
//! names fields: from a value it only ever goes down, and whatever multiplies (definitions, folds, variables, loops)
//! is left out or counted. The work is then bounded by the size of the object and of the expression.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::{Fun, run, unary, v};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, Ctx, Error, Filter, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use jaq_std::ValT as _;
use regex::Regex;
use serde_json::Value;

/// The longest expression.
const MAX_CHARS: usize = 4096;
/// Parts of an expression of which each may double the work: commas, `..`, sums, lists that are made.
const MAX_MULTIPLIERS: u32 = 8;
/// How deep an expression may be nested.
const MAX_DEPTH: u32 = 64;
/// Fields of one object that one expression may name.
const MAX_FIELDS: usize = 10_000;
/// Compiled expressions that are kept at hand by each thread.
const MAX_COMPILED: usize = 256;

/// The functions that an expression may call: none repeats, makes something large, or asks for more than its input.
const FUNCTIONS: &[&str] = &[
    "all",
    "any",
    "arrays",
    "ascii_downcase",
    "ascii_upcase",
    "booleans",
    "contains",
    "empty",
    "endswith",
    "first",
    "getpath",
    "has",
    "in",
    "index",
    "indices",
    "inside",
    "isempty",
    "iterables",
    "keys",
    "keys_unsorted",
    "last",
    "length",
    "ltrimstr",
    "map",
    "max",
    "min",
    "not",
    "nth",
    "null",
    "nulls",
    "numbers",
    "objects",
    "rindex",
    "rtrimstr",
    "scalars",
    "select",
    "startswith",
    "strings",
    "test",
    "to_entries",
    "tonumber",
    "tostring",
    "true",
    "false",
    "type",
    "unique",
    "values",
];

/// What of the standard library is defined for them, and for the definitions themselves.
const DEFINITIONS: &[&str] = &[
    "arrays",
    "booleans",
    "isarray",
    "isboolean",
    "isnumber",
    "isobject",
    "isstring",
    "iterables",
    "keys",
    "max",
    "max_by",
    "min",
    "min_by",
    "null",
    "nulls",
    "numbers",
    "objects",
    "scalars",
    "strings",
    "type",
    "unique",
    "unique_by",
    "values",
];

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("it is no expression of jq")]
    Syntax,
    #[error("it is longer than {MAX_CHARS} characters")]
    TooLong,
    #[error("it may take too long: it makes more than {MAX_MULTIPLIERS} lists, sums and branches")]
    TooCostly,
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("`{0}` is not something that an expression which names fields may use")]
    NotAllowed(String),
    #[error("there is no function `{0}` of that many arguments")]
    Unknown(String),
}

/// One step to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Index(usize),
    Name(String),
}

/// A compiled expression.
struct Program(Filter<data::JustLut<Val>>);

thread_local! {
    /// Expressions are few, and asked of every object of every look.
    static COMPILED: RefCell<BTreeMap<String, Rc<Program>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Tells what is wrong with an expression, if something is.
pub fn check_expression(expression: &str) -> Result<(), ExpressionError> {
    program(expression).map(drop)
}

/// Returns the fields of an object that an expression names. One that fails on this object names none, as with Argo CD.
pub(super) fn fields(expression: &str, object: &Value) -> Vec<Vec<Key>> {
    let found = || -> Option<Vec<Vec<Key>>> {
        let program = program(expression).ok()?;
        let input = read::parse_single(object.to_string().as_bytes()).ok()?;
        let ctx = Ctx::<data::JustLut<Val>>::new(&program.0.lut, Vars::new([]));
        let mut fields = Vec::new();
        for path in program.0.id.run((ctx, input)).map(unwrap_valr) {
            let path: Value = serde_json::from_str(&path.ok()?.to_string()).ok()?;
            fields.push(path.as_array()?.iter().map(key).collect::<Option<Vec<Key>>>()?);
            if fields.len() > MAX_FIELDS {
                return None;
            }
        }
        Some(fields)
    };
    found().unwrap_or_default()
}

fn key(step: &Value) -> Option<Key> {
    match step {
        Value::String(name) => Some(Key::Name(name.clone())),
        Value::Number(index) => usize::try_from(index.as_u64()?).ok().map(Key::Index),
        // A part of a list, by its bounds.
        _ => None,
    }
}

fn program(expression: &str) -> Result<Rc<Program>, ExpressionError> {
    if let Some(known) = COMPILED.with_borrow(|known| known.get(expression).cloned()) {
        return Ok(known);
    }
    let program = Rc::new(compile(expression)?);
    COMPILED.with_borrow_mut(|known| {
        if known.len() >= MAX_COMPILED {
            known.clear();
        }
        known.insert(expression.to_owned(), program.clone());
    });
    Ok(program)
}

fn compile(expression: &str) -> Result<Program, ExpressionError> {
    if expression.chars().count() > MAX_CHARS {
        return Err(ExpressionError::TooLong);
    }
    // The parser calls itself for what is nested, and must not be led too deep.
    nesting(expression)?;
    let term = jaq_core::load::parse(expression, |parser| parser.term()).ok_or(ExpressionError::Syntax)?;
    Check::default().term(&term, 0)?;
    let code = format!("path({expression}\n)");
    let standard = jaq_std::defs().filter(|definition| DEFINITIONS.contains(&definition.name));
    let definitions = jaq_core::defs().chain(standard).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs()).chain([matching()]);
    let arena = Arena::default();
    let modules =
        Loader::new(definitions).load(&arena, File { code: &*code, path: () }).map_err(|_| ExpressionError::Syntax)?;
    let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
        let unknown = errors.first().and_then(|(_, errors)| errors.first());
        ExpressionError::Unknown(unknown.map(|(name, _)| (*name).to_owned()).unwrap_or_default())
    })?;
    Ok(Program(filter))
}

/// `test`, by the regular expressions that are used elsewhere here.
fn matching() -> Fun<data::JustLut<Val>> {
    run(("test", v(1), |cv| {
        unary(cv, |text, pattern| {
            let text_of = |value: &Val| {
                let bytes = value.as_utf8_bytes().ok_or_else(|| Error::str("`test` takes texts"))?;
                Ok::<_, Error<Val>>(String::from_utf8_lossy(bytes).into_owned())
            };
            let regex = Regex::new(&text_of(&pattern)?).map_err(Error::str)?;
            Ok(Val::from(regex.is_match(&text_of(&text)?)))
        })
    }))
}

fn nesting(expression: &str) -> Result<(), ExpressionError> {
    let mut depth = 0_u32;
    for byte in expression.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Check {
    multipliers: u32,
}

impl Check {
    fn multiply(&mut self) -> Result<(), ExpressionError> {
        self.multipliers += 1;
        if self.multipliers > MAX_MULTIPLIERS { Err(ExpressionError::TooCostly) } else { Ok(()) }
    }

    fn term(&mut self, term: &Term<&str>, depth: u32) -> Result<(), ExpressionError> {
        let refused = |what: &str| Err(ExpressionError::NotAllowed(what.to_owned()));
        if depth > MAX_DEPTH * 4 {
            return Err(ExpressionError::TooDeep);
        }
        let depth = depth + 1;
        match term {
            Term::Id | Term::Num(_) => Ok(()),
            Term::Recurse => self.multiply(),
            Term::Str(None, parts) => parts.iter().try_for_each(|part| match part {
                StrPart::Term(term) => self.multiply().and_then(|()| self.term(term, depth)),
                _ => Ok(()),
            }),
            Term::Str(Some(format), _) => refused(format),
            Term::Arr(None) => Ok(()),
            Term::Arr(Some(items)) => self.multiply().and_then(|()| self.term(items, depth)),
            Term::Neg(term) => self.term(term, depth),
            Term::BinOp(left, op, right) => {
                self.operation(op)?;
                self.term(left, depth)?;
                self.term(right, depth)
            }
            Term::TryCatch(tried, caught) => {
                self.term(tried, depth)?;
                caught.as_ref().map_or(Ok(()), |caught| self.term(caught, depth))
            }
            Term::IfThenElse(branches, other) => {
                for (condition, then) in branches {
                    self.term(condition, depth)?;
                    self.term(then, depth)?;
                }
                other.as_ref().map_or(Ok(()), |other| self.term(other, depth))
            }
            Term::Call(name, _) if !FUNCTIONS.contains(name) => refused(name),
            Term::Call(name, arguments) => {
                if matches!(*name, "map" | "to_entries") {
                    self.multiply()?;
                }
                arguments.iter().try_for_each(|argument| self.term(argument, depth))
            }
            Term::Path(start, Path(parts)) => {
                self.term(start, depth)?;
                parts.iter().try_for_each(|(part, _)| match part {
                    Part::Index(index) => self.term(index, depth),
                    Part::Range(from, to) => from.iter().chain(to).try_for_each(|bound| self.term(bound, depth)),
                })
            }
            Term::Obj(_) => refused("{…}"),
            Term::Label(..) | Term::Break(_) => refused("label"),
            Term::Fold(word, ..) => refused(word),
            Term::Def(..) => refused("def"),
            Term::Var(name) => refused(name),
        }
    }

    fn operation(&mut self, op: &BinaryOp<&str>) -> Result<(), ExpressionError> {
        let refused = |what: &str| Err(ExpressionError::NotAllowed(what.to_owned()));
        match op {
            BinaryOp::Pipe(None) | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => Ok(()),
            BinaryOp::Comma | BinaryOp::Math(Math::Add) => self.multiply(),
            BinaryOp::Math(Math::Sub) => Ok(()),
            BinaryOp::Math(_) => refused("* / %"),
            BinaryOp::Pipe(Some(_)) => refused("as"),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => refused("="),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(expression: &str) -> Vec<String> {
        let object = json!({
            "metadata": {"annotations": {"a/b": "1", "c": "2"}},
            "spec": {
                "replicas": 3,
                "containers": [{"name": "web", "image": "w:1"}, {"name": "proxy", "image": "p:1"}],
                "rules": [{"to": [{"x": 1}]}, {"to": [{"x": 2}, {"x": 3}]}],
            },
        });
        check_expression(expression).expect("is allowed");
        let text = |path: Vec<Key>| {
            path.into_iter().fold(String::new(), |text, key| match key {
                Key::Index(index) => format!("{text}/{index}"),
                Key::Name(name) => format!("{text}/{name}"),
            })
        };
        fields(expression, &object).into_iter().map(text).collect()
    }

    #[test]
    fn expressions_name_fields() {
        for (expression, want) in [
            (".spec.replicas", &["/spec/replicas"][..]),
            (".spec.containers[] | select(.name == \"proxy\")", &["/spec/containers/1"]),
            (".spec.containers[]?.image", &["/spec/containers/0/image", "/spec/containers/1/image"]),
            (".spec.rules[].to[].x", &["/spec/rules/0/to/0/x", "/spec/rules/1/to/0/x", "/spec/rules/1/to/1/x"]),
            (".metadata.annotations[\"a/b\"]", &["/metadata/annotations/a/b"]),
            (".metadata.annotations | .c, .d", &["/metadata/annotations/c", "/metadata/annotations/d"]),
            (".spec.containers[] | select(.name | test(\"^we\")) | .image", &["/spec/containers/0/image"]),
            (
                ".. | select(type == \"object\" and has(\"x\")) | .x",
                &["/spec/rules/0/to/0/x", "/spec/rules/1/to/0/x", "/spec/rules/1/to/1/x"],
            ),
            (".spec.nothing[]", &[]),
            (".spec.containers[-1].image", &[]),
            ("first(.spec.containers[]).image", &["/spec/containers/0/image"]),
            ("if .spec.replicas > 2 then .spec.replicas else empty end", &["/spec/replicas"]),
        ] {
            let have = named(expression);
            // From the end is told from the end, or by its place: both name the field.
            if expression.contains("-1") && !have.is_empty() {
                assert_eq!(have, ["/spec/containers/1/image"], "{expression}");
            } else {
                assert_eq!(have, want, "{expression}");
            }
        }
    }

    #[test]
    fn what_may_go_on_for_ever_is_refused() {
        let not_allowed = |what: &str| Err(ExpressionError::NotAllowed(what.to_owned()));
        for (expression, want) in [
            ("def f: f; f", not_allowed("def")),
            ("[limit(1000000000; repeat(1))]", not_allowed("limit")),
            ("repeat(.)", not_allowed("repeat")),
            ("range(1000000000)", not_allowed("range")),
            ("reduce .[] as $x (0; . + $x)", not_allowed("reduce")),
            (". as $x | $x", not_allowed("as")),
            (".a = 1", not_allowed("=")),
            (".a |= 1", not_allowed("=")),
            ("env.HOME", not_allowed("env")),
            ("$ENV.HOME", not_allowed("$ENV")),
            ("input", not_allowed("input")),
            ("now", not_allowed("now")),
            (".a * 1000000000", not_allowed("* / %")),
            ("walk(.)", not_allowed("walk")),
            (".a |", Err(ExpressionError::Syntax)),
            ("", Err(ExpressionError::Syntax)),
            ("select()", Err(ExpressionError::Syntax)),
            ("select(.a; .b)", Err(ExpressionError::Unknown("select".to_owned()))),
            ("), path(.a", Err(ExpressionError::Syntax)),
        ] {
            assert_eq!(check_expression(expression), want, "{expression}");
        }
        assert_eq!(check_expression("(.,.)|".repeat(9).trim_end_matches('|')), Err(ExpressionError::TooCostly));
        assert_eq!(check_expression("[.,.]|".repeat(9).trim_end_matches('|')), Err(ExpressionError::TooCostly));
        assert_eq!(
            check_expression(&format!("{}.{}", "(".repeat(1000), ")".repeat(1000))),
            Err(ExpressionError::TooDeep)
        );
        assert_eq!(check_expression(&".a".repeat(3000)), Err(ExpressionError::TooLong));
    }

    #[test]
    fn functions_are_sorted_by_sense_and_all_there() {
        for name in FUNCTIONS {
            let calls = [name.to_string(), format!("{name}(.a)"), format!("{name}(\"a\")"), format!("{name}(0; .a)")];
            assert!(calls.iter().any(|call| check_expression(call).is_ok()), "{name}");
        }
    }
}
