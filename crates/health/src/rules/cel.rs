//! Expressions of `healthCheckExprs`, in CEL as Flux evaluates it.
//!
//! They see the fields of their object as variables: `status`, `metadata`, `spec` and what else it has. An object whose
//! newest generation was not seen yet is on its way; then `inProgress`, `failed` and `current` are asked, in this
//! order, and where none is true the object is on its way.
//!
//! What an evaluation may cost is bounded before it begins: each comprehension counts as often as the object's
//! longest list or map has items, and those within it that often again.

use std::sync::{Arc, LazyLock};

use bowline_model::{Health, HealthExpressions, Object};
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use cel::objects::{Key, Map, Value};
use cel::{Context, Env, Program, extensions};
use serde_json::Value as Json;

use super::on_its_way;
use crate::fields::{degraded, healthy, integer, progressing, unknown};

/// The steps that an evaluation may take.
const STEPS: u64 = 10_000_000;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    for extension in [extensions::strings, extensions::encoders] {
        env.add_extension(extension).expect("the extensions do not clash");
    }
    Arc::new(env)
});

/// The expressions of one kind, or of all kinds of a group.
pub(super) struct Expressions {
    pub(super) group: String,
    /// Empty for all.
    pub(super) kind: String,
    in_progress: Option<Program>,
    failed: Option<Program>,
    current: Program,
}

impl std::fmt::Debug for Expressions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Expressions({}/{})", self.group, self.kind)
    }
}

impl Expressions {
    /// Compiles them; the error names the field.
    pub(super) fn compile(texts: &HealthExpressions) -> Result<Self, (&'static str, String)> {
        let compile = |field: &'static str, text: &str| {
            ENV.compile(text).map_err(|error| (field, error.to_string().lines().next().unwrap_or_default().to_owned()))
        };
        let optional = |field: &'static str, text: &str| {
            if text.is_empty() { Ok(None) } else { compile(field, text).map(Some) }
        };
        let group = texts.api_version.split_once('/').map_or("", |(group, _)| group);
        Ok(Self {
            group: group.to_owned(),
            kind: texts.kind.clone(),
            in_progress: optional("inProgress", &texts.in_progress)?,
            failed: optional("failed", &texts.failed)?,
            current: compile("current", &texts.current)?,
        })
    }

    pub(super) fn judge(&self, object: &Object) -> Health {
        let seen = integer(object, "/status/observedGeneration");
        if seen.is_some_and(|seen| seen != object.generation()) {
            return progressing(format!(
                "{} generation is {}, but latest observed generation is {}",
                object.kind(),
                object.generation(),
                seen.unwrap_or_default()
            ));
        }
        let mut context = Context::with_env(ENV.clone());
        for (name, value) in object.value().as_object().into_iter().flatten() {
            context.add_variable_from_value(name.clone(), to_cel(value));
        }
        let items = longest(object.value());
        let asked = [
            (self.in_progress.as_ref(), "inProgress", on_its_way()),
            (self.failed.as_ref(), "failed", degraded("")),
            (Some(&self.current), "current", healthy("")),
        ];
        for (program, field, health) in asked {
            let Some(program) = program else { continue };
            if steps(program.expression(), items) > STEPS {
                return unknown(format!("expression `{field}` could take too long on this object"));
            }
            match program.execute(&context) {
                Ok(Value::Bool(true)) => return health,
                Ok(Value::Bool(false)) => {}
                Ok(other) => {
                    return unknown(format!("expression `{field}` gives {} where a bool is wanted", other.type_of()));
                }
                Err(error) => return unknown(format!("expression `{field}` fails: {error}")),
            }
        }
        on_its_way()
    }
}

/// Returns a bound of the steps of an evaluation over lists and maps of at most so many items.
fn steps(expression: &IdedExpr, items: u64) -> u64 {
    let all = |list: &[IdedExpr]| list.iter().fold(0_u64, |sum, one| sum.saturating_add(steps(one, items)));
    let entries = |list: &[IdedEntryExpr]| {
        list.iter().fold(0_u64, |sum, entry| {
            sum.saturating_add(match &entry.expr {
                EntryExpr::StructField(field) => steps(&field.value, items),
                EntryExpr::MapEntry(entry) => steps(&entry.key, items).saturating_add(steps(&entry.value, items)),
            })
        })
    };
    let within = match &expression.expr {
        // A call may go through what it is given: `in`, `==`, `matches`, `join`.
        Expr::Call(call) => {
            let target = call.target.as_ref().map_or(0, |target| steps(target, items));
            items.saturating_add(target).saturating_add(all(&call.args))
        }
        Expr::Comprehension(of) => {
            let each = steps(&of.loop_cond, items).saturating_add(steps(&of.loop_step, items));
            let ends = [&of.iter_range, &of.accu_init, &of.result];
            let ends = ends.iter().fold(0_u64, |sum, one| sum.saturating_add(steps(one, items)));
            each.saturating_mul(items).saturating_add(ends)
        }
        Expr::List(list) => all(&list.elements),
        Expr::Map(map) => entries(&map.entries),
        Expr::Struct(of) => entries(&of.entries),
        Expr::Select(select) => steps(&select.operand, items),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
    };
    within.saturating_add(1)
}

/// Returns how many items the longest list or map has, or characters the longest text in units of 64, at least 16: lists
/// can be written in an expression, too.
fn longest(value: &Json) -> u64 {
    match value {
        Json::Array(items) => items.iter().map(longest).max().unwrap_or(0).max(items.len() as u64).max(16),
        Json::Object(fields) => fields.values().map(longest).max().unwrap_or(0).max(fields.len() as u64).max(16),
        Json::String(text) => (text.len() as u64 / 64).max(16),
        Json::Null | Json::Bool(_) | Json::Number(_) => 16,
    }
}

fn to_cel(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::Bool(*is),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(fields) => {
            let map = fields.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}
