//! Evaluates expressions. The rules and the words of errors are cel-go's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::authorizer::Ask;
use super::library;
use super::value::{Key, List, ListKind, Value, compare};

/// How much an expression may do, in steps (k8s: `celconfig.PerCallLimit`, in its own units of cost).
const MAX_STEPS: u64 = 1_000_000;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(super) fn no_overload() -> Self {
        Self::new("no such overload")
    }
}

pub(super) type Outcome = Result<Value, Failure>;

/// The values of variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, Value>,
}

impl Variables {
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// Evaluates an expression.
pub(super) fn evaluate(expression: &IdedExpr, variables: &Variables, ask: &Ask<'_>) -> Outcome {
    Evaluator { variables, ask, locals: Vec::new(), steps: 0 }.eval(expression)
}

struct Evaluator<'a> {
    variables: &'a Variables,
    ask: &'a Ask<'a>,
    /// What comprehensions bind; a result so far may be a failure, which `&&` and `||` overrule.
    locals: Vec<(String, Outcome)>,
    steps: u64,
}

impl Evaluator<'_> {
    fn eval(&mut self, at: &IdedExpr) -> Outcome {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Failure::new("operation cancelled: actual cost limit exceeded"));
        }
        match &at.expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => self.variable(name).unwrap_or_else(|| Err(no_attribute(name))),
            Expr::Select(select) => {
                if !select.test
                    && let Some(value) = dotted(at).and_then(|name| self.variable(&name))
                {
                    return value;
                }
                let operand = self.eval(&select.operand)?;
                if select.test { has_field(&operand, &select.field) } else { field(&operand, &select.field) }
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                for (at, element) in list.elements.iter().enumerate() {
                    match self.eval(element)? {
                        Value::Optional(inner) if list.optional_indices.contains(&at) => {
                            items.extend(inner.map(|value| *value));
                        }
                        value => items.push(value),
                    }
                }
                Ok(Value::list(items))
            }
            Expr::Map(map) => {
                let mut out = BTreeMap::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let key = self.eval(&entry.key)?;
                    let key = Key::of(&key)
                        .ok_or_else(|| Failure::new(format!("unsupported key type: {}", key.type_name())))?;
                    match self.eval(&entry.value)? {
                        Value::Optional(inner) if entry.optional => {
                            out.extend(inner.map(|value| (key, *value)));
                        }
                        value => drop(out.insert(key, value)),
                    }
                }
                Ok(Value::Map(Arc::new(out)))
            }
            Expr::Comprehension(all) => self.comprehend(all),
            Expr::Struct(_) | Expr::Unspecified => Err(Failure::no_overload()),
        }
    }

    fn variable(&self, name: &str) -> Option<Outcome> {
        let name = name.trim_start_matches('.');
        let local = self.locals.iter().rev().find(|(have, _)| have == name).map(|(_, value)| value.clone());
        local
            .or_else(|| self.variables.get(name).cloned().map(Ok))
            .or_else(|| super::functions::named_type(name).map(|_| Ok(Value::Type(name.to_owned()))))
    }

    fn call(&mut self, call: &CallExpr) -> Outcome {
        let args = &call.args;
        match call.func_name.as_str() {
            "_&&_" | "_||_" => return self.logic(call.func_name == "_||_", args),
            "_?_:_" => {
                return match self.eval(&args[0])? {
                    Value::Bool(true) => self.eval(&args[1]),
                    Value::Bool(false) => self.eval(&args[2]),
                    _ => Err(Failure::no_overload()),
                };
            }
            "@not_strictly_false" => {
                let value = self.eval(&args[0]);
                return Ok(Value::Bool(!matches!(value, Ok(Value::Bool(false)))));
            }
            "or" | "orValue" if call.target.is_some() => {
                let target = call.target.as_deref().map(|target| self.eval(target)).transpose()?;
                return match (target, call.func_name.as_str()) {
                    (Some(Value::Optional(Some(value))), "orValue") => Ok(*value),
                    (Some(some @ Value::Optional(Some(_))), _) => Ok(some),
                    (Some(Value::Optional(None)), _) => self.eval(&args[0]),
                    _ => Err(Failure::no_overload()),
                };
            }
            "_?._" => {
                let operand = self.eval(&args[0])?;
                let name = self.eval(&args[1])?;
                return optional_index(&operand, &name);
            }
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        let mut name = call.func_name.trim_start_matches('.').to_owned();
        let mut is_member = false;
        if let Some(target) = &call.target {
            let namespaced = dotted(target).map(|prefix| format!("{prefix}.{name}"));
            match namespaced.filter(|full| super::functions::overloads(full).is_some()) {
                Some(full) => name = full,
                None => {
                    values.push(self.eval(target)?);
                    is_member = true;
                }
            }
        }
        for arg in args {
            values.push(self.eval(arg)?);
        }
        if let (Some(Value::Authorizer(step)), "check") = (values.first(), name.as_str()) {
            let verb = values.get(1).filter(|_| is_member).ok_or_else(Failure::no_overload)?;
            return step.check(verb, self.ask).ok_or_else(Failure::no_overload);
        }
        self.steps += library::cost(&values);
        match operator(&name, &values) {
            Some(outcome) => outcome,
            None => library::call(&name, is_member, &values),
        }
    }

    /// Evaluates `&&` and `||`: what one side settles, the other's error does not matter to.
    fn logic(&mut self, settles: bool, args: &[IdedExpr]) -> Outcome {
        let mut failure = None;
        for arg in args {
            match self.eval(arg) {
                Ok(Value::Bool(flag)) if flag == settles => return Ok(Value::Bool(settles)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => drop(failure.get_or_insert_with(Failure::no_overload)),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!settles)), Err)
    }

    fn comprehend(&mut self, all: &ComprehensionExpr) -> Outcome {
        let range = match self.eval(&all.iter_range)? {
            Value::Optional(Some(inner)) => *inner,
            other => other,
        };
        let pairs: Vec<(Value, Value)> = match &range {
            Value::List(list) if all.iter_var2.is_some() => {
                (0_i64..).map(Value::Int).zip(list.items.iter().cloned()).collect()
            }
            Value::List(list) => list.items.iter().map(|item| (item.clone(), Value::Null)).collect(),
            Value::Map(map) => map.iter().map(|(key, value)| (key.to_value(), value.clone())).collect(),
            _ => return Err(Failure::no_overload()),
        };
        let mut accumulated = self.eval(&all.accu_init);
        let depth = self.locals.len();
        for (first, second) in pairs {
            self.locals.push((all.accu_var.clone(), accumulated.clone()));
            self.locals.push((all.iter_var.clone(), Ok(first)));
            if let Some(name) = &all.iter_var2 {
                self.locals.push((name.clone(), Ok(second)));
            }
            if !matches!(self.eval(&all.loop_cond), Ok(Value::Bool(true))) {
                self.locals.truncate(depth);
                break;
            }
            accumulated = self.eval(&all.loop_step);
            self.locals.truncate(depth);
        }
        self.locals.push((all.accu_var.clone(), accumulated));
        let result = self.eval(&all.result);
        self.locals.truncate(depth);
        result
    }
}

fn no_attribute(name: &str) -> Failure {
    Failure::new(format!("no such attribute(s): {name}"))
}

fn dotted(at: &IdedExpr) -> Option<String> {
    match &at.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", dotted(&select.operand)?, select.field)),
        _ => None,
    }
}

pub(super) fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(flag) => Value::Bool(*flag.inner()),
        LiteralValue::Bytes(bytes) => Value::Bytes(Arc::from(bytes.inner())),
        LiteralValue::Double(number) => Value::Double(*number.inner()),
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => Value::text(text.inner()),
        LiteralValue::UInt(number) => Value::Uint(*number.inner()),
    }
}

pub(super) fn no_such_key(key: &Value) -> Failure {
    Failure::new(format!("no such key: {}", library::show(key)))
}

fn field(operand: &Value, name: &str) -> Outcome {
    match operand {
        Value::Map(map) => match map.get(&Key::String(Arc::from(name))) {
            Some(Value::Failed(why)) => Err(Failure::new(&**why)),
            found => found.cloned().ok_or_else(|| no_such_key(&Value::text(name))),
        },
        Value::Optional(_) => optional_index(operand, &Value::text(name)),
        _ => Err(Failure::new("no such overload")),
    }
}

fn has_field(operand: &Value, name: &str) -> Outcome {
    match operand {
        Value::Map(map) => Ok(Value::Bool(map.contains_key(&Key::String(Arc::from(name))))),
        Value::Optional(None) => Ok(Value::Bool(false)),
        Value::Optional(Some(inner)) => has_field(inner, name),
        _ => Err(Failure::no_overload()),
    }
}

fn optional_index(operand: &Value, key: &Value) -> Outcome {
    match operand {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => optional_index(inner, key),
        Value::Map(map) => {
            let found = Key::of(key).and_then(|key| map.get(&key)).cloned();
            Ok(Value::Optional(found.map(Box::new)))
        }
        Value::List(list) => {
            let found = list_position(key).and_then(|at| list.items.get(at)).cloned();
            Ok(Value::Optional(found.map(Box::new)))
        }
        _ => Err(Failure::no_overload()),
    }
}

fn list_position(key: &Value) -> Option<usize> {
    match key {
        Value::Int(at) => usize::try_from(*at).ok(),
        Value::Uint(at) => usize::try_from(*at).ok(),
        Value::Double(at) if at.fract() == 0.0 && *at >= 0.0 => Some(*at as usize),
        _ => None,
    }
}

fn index(operand: &Value, key: &Value) -> Outcome {
    match operand {
        Value::Optional(_) => optional_index(operand, key),
        Value::Map(map) => Key::of(key).and_then(|key| map.get(&key)).cloned().ok_or_else(|| no_such_key(key)),
        Value::List(list) => list_position(key)
            .and_then(|at| list.items.get(at))
            .cloned()
            .ok_or_else(|| Failure::new(format!("index out of bounds: {}", library::show(key)))),
        _ => Err(Failure::no_overload()),
    }
}

/// Evaluates an operator; `None` when the name is none.
fn operator(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("!_", [Value::Bool(flag)]) => Ok(Value::Bool(!flag)),
        ("-_", [Value::Int(number)]) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| Failure::new("integer overflow"))
        }
        ("-_", [Value::Double(number)]) => Ok(Value::Double(-number)),
        ("_==_", [a, b]) => Ok(Value::Bool(a == b)),
        ("_!=_", [a, b]) => Ok(Value::Bool(a != b)),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => order(name, a, b),
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => super::arithmetic::apply(name, a, b),
        ("_[_]", [operand, key]) => index(operand, key),
        ("_[?_]", [operand, key]) => optional_index(operand, key),
        ("@in", [item, Value::List(list)]) => Ok(Value::Bool(list.items.contains(item))),
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(Key::of(key).is_some_and(|key| map.contains_key(&key)))),
        ("!_" | "-_" | "@in", _) => Err(Failure::no_overload()),
        _ => return None,
    })
}

fn order(name: &str, a: &Value, b: &Value) -> Outcome {
    let is_nan = |value: &Value| matches!(value, Value::Double(number) if number.is_nan());
    if is_nan(a) || is_nan(b) {
        return Err(Failure::new("NaN values cannot be ordered"));
    }
    let found = compare(a, b).ok_or_else(Failure::no_overload)?;
    Ok(Value::Bool(match name {
        "_<_" => found == Ordering::Less,
        "_<=_" => found != Ordering::Greater,
        "_>_" => found == Ordering::Greater,
        _ => found != Ordering::Less,
    }))
}

/// Joins lists as their schema has it: sets stay sets, and items of keyed lists replace those with the same keys.
pub(super) fn concatenate(a: &List, b: &List) -> List {
    let mut items = a.items.clone();
    match &a.kind {
        ListKind::Ordered => items.extend(b.items.iter().cloned()),
        ListKind::Set => {
            for item in &b.items {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
        }
        ListKind::Map(keys) => {
            let identity =
                |item: &Value| -> Vec<Option<Value>> { keys.iter().map(|key| field(item, key).ok()).collect() };
            for item in &b.items {
                match items.iter().position(|have| identity(have) == identity(item)) {
                    Some(at) => items[at] = item.clone(),
                    None => items.push(item.clone()),
                }
            }
        }
    }
    List { items, kind: a.kind.clone() }
}
