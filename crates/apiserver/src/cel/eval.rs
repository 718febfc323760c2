//! Evaluates expressions. The rules and the words of errors are cel-go's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::LiteralValue;

use super::authorizer::Ask;
use super::library;
use super::plan::{Arguments, Base, By, Call, Fold, Place, Qualifier, Step, unfit};
use super::tracker::{Stop, Tracker};
use super::value::{Key, List, ListKind, Value, compare, find};

const NO_OVERLOAD: &str = "no such overload";

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(super) fn no_overload() -> Self {
        Self::new(NO_OVERLOAD)
    }
}

pub(super) type Outcome = Result<Value, Failure>;

/// What gives the fields of `variables` when they are asked for.
pub(crate) type Lazy<'a> = dyn Fn(&str) -> Outcome + 'a;

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

    /// Returns the variables without those that ask the authorizer.
    pub(crate) fn without_authorizer(&self) -> Self {
        let mut out = self.clone();
        out.values.retain(|name, _| !name.starts_with("authorizer"));
        out
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// Evaluates a plan; tells what that cost, too.
pub(super) fn evaluate(step: &Step, variables: &Variables, ask: &Ask<'_>, lazy: &Lazy<'_>) -> (Outcome, u64) {
    let mut evaluator = Evaluator { variables, ask, lazy, frames: Vec::new(), tracker: Tracker::default() };
    let outcome = match evaluator.eval(step) {
        Ok(outcome) => outcome,
        Err(Stop::Limit) => Err(Failure::new("operation cancelled: actual cost limit exceeded")),
        Err(Stop::Broken(why)) => Err(Failure::new(format!("internal error: {why}"))),
    };
    (outcome, evaluator.tracker.cost)
}

struct Evaluator<'a> {
    variables: &'a Variables,
    ask: &'a Ask<'a>,
    lazy: &'a Lazy<'a>,
    frames: Vec<Frame<'a>>,
    tracker: Tracker,
}

/// What a comprehension binds.
struct Frame<'a> {
    fold: &'a Fold,
    first: Value,
    second: Option<Value>,
    gathered: Gathered,
    /// Whether the result is being made, which knows the items no more.
    is_over: bool,
}

/// The result of a comprehension so far.
enum Gathered {
    /// It is first evaluated when it is asked for.
    Unset,
    Value(Outcome),
    /// What grows in place. Steps see [`Value::Growing`] instead, for they can but add to it.
    List(Vec<Value>),
    Map(BTreeMap<Key, Value>),
}

impl Gathered {
    fn start(outcome: Outcome) -> Self {
        match outcome {
            Ok(Value::List(list)) if list.items.is_empty() => Self::List(Vec::new()),
            Ok(Value::Map(map)) if map.is_empty() => Self::Map(BTreeMap::new()),
            other => Self::Value(other),
        }
    }

    fn seen(&self) -> Outcome {
        match self {
            Self::Unset | Self::List(_) | Self::Map(_) => Ok(Value::Growing),
            Self::Value(outcome) => outcome.clone(),
        }
    }

    /// Ends growth.
    fn settle(&mut self) {
        let settled = match self {
            Self::List(items) => Value::list(std::mem::take(items)),
            Self::Map(map) => Value::Map(Arc::new(std::mem::take(map))),
            _ => return,
        };
        *self = Self::Value(Ok(settled));
    }

    /// Adds the arguments of a step.
    fn add(&mut self, args: &[Value]) -> Outcome {
        match (self, args) {
            (Self::List(items), [Value::List(more)]) => items.extend(more.items.iter().cloned()),
            (Self::Map(map), rest) => library::insert(map, rest)?,
            _ => return Err(Failure::no_overload()),
        }
        Ok(Value::Growing)
    }
}

impl<'a> Evaluator<'a> {
    fn eval(&mut self, step: &'a Step) -> Result<Outcome, Stop> {
        let outcome = match step {
            Step::Constant { value, .. } => Ok(value.clone()),
            Step::Place(place) => {
                let outcome = self.resolve(place)?;
                self.tracker.see_place(place);
                match outcome {
                    Ok(Value::Optional(inner)) if place.test.is_some() => Ok(Value::Bool(inner.is_some())),
                    other => other,
                }
            }
            Step::Logic { is_or, terms, .. } => {
                let outcome = self.logic(*is_or, terms)?;
                for term in terms {
                    self.tracker.drop(term.id());
                }
                outcome
            }
            Step::Call(call) => return self.call(call),
            Step::List { items, .. } => {
                let outcome = self.list(items)?;
                self.tracker.see_list(items);
                outcome
            }
            Step::Map { entries, .. } => {
                let outcome = self.map(entries)?;
                self.tracker.see_map(entries);
                outcome
            }
            Step::Fold(fold) => {
                let outcome = self.fold(fold)?;
                self.tracker.drop(fold.range.id());
                outcome
            }
            Step::Member { item, set, .. } => self.eval(item)?.map(|item| Value::Bool(set.contains(&item))),
            Step::Or { first, otherwise, takes_value, .. } => match self.eval(first)? {
                Ok(Value::Optional(Some(value))) if *takes_value => Ok(*value),
                Ok(Value::Optional(None)) => self.eval(otherwise)?,
                other => other,
            },
        };
        self.tracker.push(step.id(), outcome.as_ref().ok())?;
        Ok(outcome)
    }

    /// `&&` and `||`, which a failure on one side does not keep from being decided by the other.
    fn logic(&mut self, is_or: bool, terms: &'a [Step]) -> Result<Outcome, Stop> {
        let mut failure = None;
        for term in terms {
            match self.eval(term)? {
                Ok(Value::Bool(flag)) if flag == is_or => return Ok(Ok(Value::Bool(flag))),
                Ok(Value::Bool(_)) => {}
                Ok(_) => drop(failure.get_or_insert_with(Failure::no_overload)),
                Err(why) => drop(failure.get_or_insert(why)),
            }
        }
        Ok(failure.map_or(Ok(Value::Bool(!is_or)), Err))
    }

    fn list(&mut self, items: &'a [(Step, bool)]) -> Result<Outcome, Stop> {
        let mut out = Vec::with_capacity(items.len());
        for (item, is_optional) in items {
            match self.eval(item)? {
                Ok(Value::Optional(inner)) if *is_optional => out.extend(inner.map(|value| *value)),
                Ok(value) if *is_optional => {
                    let shown = library::show(&value);
                    let why = format!("cannot initialize optional list element from non-optional value {shown}");
                    return Ok(Err(Failure(why)));
                }
                Ok(value) => out.push(value),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(Value::list(out)))
    }

    fn map(&mut self, entries: &'a [(Step, Step, bool)]) -> Result<Outcome, Stop> {
        let mut out = BTreeMap::new();
        for (key, value, is_optional) in entries {
            let key = match self.eval(key)? {
                Ok(key) => key,
                Err(why) => return Ok(Err(why)),
            };
            let value = match self.eval(value)? {
                Ok(value) => value,
                Err(why) => return Ok(Err(why)),
            };
            let name = Key::new(&key);
            match value {
                Value::Optional(Some(value)) if *is_optional => drop(out.insert(name, *value)),
                Value::Optional(None) if *is_optional => drop(out.remove(&name)),
                value if *is_optional => {
                    let (key, value) = (library::show(&key), library::show(&value));
                    let why = format!("cannot initialize optional entry '{key}' from non-optional value {value}");
                    return Ok(Err(Failure(why)));
                }
                value => drop(out.insert(name, value)),
            }
        }
        Ok(Ok(Value::Map(Arc::new(out))))
    }

    fn variable(&mut self, name: &str) -> Result<Outcome, Stop> {
        for at in (0..self.frames.len()).rev() {
            let frame = &self.frames[at];
            if name == frame.fold.accumulator {
                if matches!(frame.gathered, Gathered::Unset) {
                    // It is evaluated where the comprehension stands, which knows nothing of what is within.
                    let fold = frame.fold;
                    let within = self.frames.split_off(at);
                    let outcome = self.eval(&fold.init)?;
                    self.frames.extend(within);
                    self.frames[at].gathered = Gathered::start(outcome);
                    if self.frames[at].is_over {
                        self.frames[at].gathered.settle();
                    }
                }
                return Ok(self.frames[at].gathered.seen());
            }
            if !frame.is_over && name == frame.fold.first {
                return Ok(Ok(frame.first.clone()));
            }
            if !frame.is_over && frame.fold.second.as_deref() == Some(name) {
                return Ok(Ok(frame.second.clone().unwrap_or(Value::Null)));
            }
        }
        Ok(match self.variables.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(Failure::new(format!("no such attribute(s): {name}"))),
        })
    }

    /// Returns the value of a place, which is no step by itself.
    fn resolve(&mut self, place: &'a Place) -> Result<Outcome, Stop> {
        let of = match &place.base {
            Base::Variable { name, .. } => self.variable(name)?,
            Base::Result { of, .. } => self.eval(of)?,
            Base::Choice { condition, truthy, falsy, .. } => {
                return match self.eval(condition)? {
                    Ok(Value::Bool(true)) => self.resolve(truthy),
                    Ok(Value::Bool(false)) => self.resolve(falsy),
                    Ok(_) => Ok(Err(Failure::no_overload())),
                    Err(why) => Ok(Err(why)),
                };
            }
        };
        match of {
            Ok(value) if !place.qualifiers.is_empty() || matches!(value, Value::Optional(_)) => {
                self.qualify(value, &place.qualifiers)
            }
            other => Ok(other),
        }
    }

    fn qualify(&mut self, of: Value, qualifiers: &'a [Arc<Qualifier>]) -> Result<Outcome, Stop> {
        let (mut value, mut is_optional) = match of {
            Value::Optional(None) => return Ok(Ok(Value::Optional(None))),
            Value::Optional(Some(inner)) => match unwrapped(*inner) {
                Ok(inner) => (inner, true),
                Err(why) => return Ok(Err(why)),
            },
            other => (other, false),
        };
        for qualifier in qualifiers {
            is_optional |= qualifier.is_optional;
            let key = match &qualifier.by {
                By::Constant(key) => Ok(key.clone()),
                By::Place(place) => self.resolve(place)?,
                By::Result(step) => self.eval(step)?,
            };
            let key = key.and_then(|key| match unfit(&key) {
                Some(name) => Err(Failure::new(format!("invalid qualifier type: {name}"))),
                None => Ok(key),
            });
            let is_lenient = is_optional || qualifier.is_test;
            let found = key.and_then(|key| self.select(&value, &key, is_lenient));
            let outcome = match found {
                Ok(Some(found)) if qualifier.is_test && !is_optional => {
                    drop(found);
                    Ok(Value::Bool(true))
                }
                Ok(None) if qualifier.is_test && !is_optional => Ok(Value::Bool(false)),
                Ok(None) => return Ok(Ok(Value::Optional(None))),
                Ok(Some(found)) => Ok(found),
                Err(why) if is_optional => return Ok(Err(why)),
                Err(why) => Err(why),
            };
            if matches!(qualifier.by, By::Result(_)) {
                self.tracker.drop(qualifier.id);
            }
            self.tracker.cost += 1;
            self.tracker.push(qualifier.id, outcome.as_ref().ok())?;
            match outcome {
                Ok(next) => value = next,
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(if is_optional { Value::some(value) } else { value }))
    }

    /// Finds a field, entry or item; where one may be missing, `None` is that it does.
    fn select(&self, of: &Value, key: &Value, is_lenient: bool) -> Result<Option<Value>, Failure> {
        if let (Value::Lazy, Value::String(name)) = (of, key) {
            return (self.lazy)(name).map(Some);
        }
        let (found, missing) = match of {
            Value::Map(map) => (Key::of(key).and_then(|key| find(map, &key)), "no such key"),
            Value::List(list) => (list.items.get(list_position(key)?.unwrap_or(usize::MAX)), "index out of bounds"),
            _ => (None, "no such key"),
        };
        match found {
            Some(found) => Ok(Some(found.clone())),
            None if is_lenient => Ok(None),
            None => Err(Failure::new(format!("{missing}: {}", library::show(key)))),
        }
    }

    fn call(&mut self, call: &'a Call) -> Result<Outcome, Stop> {
        let mut values = Vec::with_capacity(call.args.len());
        let mut failure = None;
        for arg in &call.args {
            match self.eval(arg)? {
                Ok(value) => values.push(value),
                Err(why) => {
                    failure.get_or_insert(why);
                    if call.arguments == Arguments::UntilFailure {
                        break;
                    }
                }
            }
        }
        let outcome = match failure {
            Some(_) if call.arguments == Arguments::WithFailures => Ok(Value::Bool(true)),
            Some(why) => Err(why),
            None => self.invoke(call, &values),
        };
        self.tracker.see_call(call, outcome.as_ref().ok())?;
        Ok(outcome)
    }

    fn invoke(&mut self, call: &Call, args: &[Value]) -> Outcome {
        if let [Value::Growing, rest @ ..] = args {
            let innermost = self.frames.iter_mut().rev().find(|frame| frame.fold.accumulator == super::macros::RESULT);
            return innermost.map_or_else(|| Err(Failure::no_overload()), |frame| frame.gathered.add(rest));
        }
        if call.name == "@not_strictly_false" {
            return Ok(Value::Bool(!matches!(args, [Value::Bool(false)])));
        }
        if let ("check", [Value::Authorizer(step), verb]) = (call.name.as_str(), args)
            && let Some(decision) = step.check(verb, self.ask)
        {
            return Ok(decision);
        }
        let outcome = operator(&call.name, args).unwrap_or_else(|| library::call(&call.name, call.is_member, args));
        outcome.map_err(|failure| if failure.0 == NO_OVERLOAD { Failure(unfitting(call, args)) } else { failure })
    }

    fn fold(&mut self, fold: &'a Fold) -> Result<Outcome, Stop> {
        let range = match self.eval(&fold.range)? {
            Ok(range) => range,
            Err(why) => return Ok(Err(why)),
        };
        let is_double = fold.second.is_some();
        self.frames.push(Frame { fold, first: Value::Null, second: None, gathered: Gathered::Unset, is_over: false });
        let ended = match &range {
            Value::List(list) => {
                let mut items = list.items.iter().enumerate();
                items.try_for_each(|(at, item)| {
                    let (first, second) =
                        if is_double { (Value::Int(at as i64), Some(item.clone())) } else { (item.clone(), None) };
                    self.step(fold, first, second)
                })
            }
            Value::Map(map) => map
                .iter()
                .try_for_each(|(key, value)| self.step(fold, key.to_value(), is_double.then(|| value.clone()))),
            other => {
                self.frames.pop();
                let why = match unfit(other) {
                    _ if !is_double => format!("got '{}', expected iterable type", go_type(other)),
                    _ => format!("unsupported comprehension range type: {}", go_type(other)),
                };
                return Ok(Err(Failure(why)));
            }
        };
        if let Err(Some(stop)) = ended {
            return Err(stop);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.is_over = true;
            frame.gathered.settle();
        }
        let result = self.eval(&fold.result)?;
        self.frames.pop();
        Ok(result)
    }

    /// Goes on by one item; the error is that there is nothing more to do, or what stops everything.
    fn step(&mut self, fold: &'a Fold, first: Value, second: Option<Value>) -> Result<(), Option<Stop>> {
        let frame = self.frames.last_mut().expect("holds because the comprehension pushed its own");
        (frame.first, frame.second) = (first, second);
        if let Ok(Value::Bool(false)) = self.eval(&fold.condition).map_err(Some)? {
            return Err(None);
        }
        let outcome = self.eval(&fold.step).map_err(Some)?;
        if !matches!(outcome, Ok(Value::Growing)) {
            let frame = self.frames.last_mut().expect("holds because the comprehension pushed its own");
            frame.gathered = Gathered::Value(outcome);
        }
        Ok(())
    }
}

/// Returns what an optional holds as upstream has it after it was turned to a value of Go's and back: optionals within are
/// lost, and what the libraries add cannot be turned back.
fn unwrapped(value: Value) -> Result<Value, Failure> {
    let refuse = |what: String| Err(Failure(format!("unsupported conversion to ref.Val: {what}")));
    match value {
        Value::Optional(None) => Ok(Value::Null),
        Value::Optional(Some(inner)) => unwrapped(*inner),
        Value::List(list) if list.kind != ListKind::Ordered => Ok(Value::list(list.items.clone())),
        Value::Quantity(_) => refuse("(*resource.Quantity)".to_owned()),
        Value::Ip(ip) => refuse(format!("(netip.Addr){ip}")),
        Value::Cidr(ip, bits) => refuse(format!("(netip.Prefix){ip}/{bits}")),
        Value::Url(_) => refuse("(*url.URL)".to_owned()),
        Value::Semver(_) => refuse("(semver.Version)".to_owned()),
        other => Ok(other),
    }
}

/// Says that a function does not take what it was given, in the words cel-go has for this function.
fn unfitting(call: &Call, args: &[Value]) -> String {
    let name = call.name.as_str();
    let Some(first) = args.first() else { return format!("{NO_OVERLOAD}: {name}()") };
    // These have methods, so that upstream looks for the function among them.
    let has_methods = matches!(first, Value::String(_) | Value::Duration(_) | Value::Timestamp(..));
    let is_number = matches!(first, Value::Int(_) | Value::Uint(_) | Value::Double(_));
    let is_time = matches!(first, Value::Duration(_) | Value::Timestamp(..));
    let takes_first = match name {
        "_+_" => is_number || is_time || matches!(first, Value::String(_) | Value::Bytes(_) | Value::List(_)),
        "_-_" => is_number || is_time,
        "_*_" | "_/_" => is_number,
        "_%_" => matches!(first, Value::Int(_) | Value::Uint(_)),
        "-_" => is_number || matches!(first, Value::Bool(_)),
        "_<_" | "_<=_" | "_>_" | "_>=_" => {
            is_number || is_time || matches!(first, Value::Bool(_) | Value::String(_) | Value::Bytes(_))
        }
        "size" => false,
        "!_" | "@in" | "_==_" => true,
        "contains" | "endsWith" | "matches" | "startsWith" if !call.is_dispatched => true,
        _ => {
            let types: Vec<&str> = args.iter().map(Value::type_name).collect();
            return format!("{NO_OVERLOAD}: {name}({})", types.join(", "));
        }
    };
    if takes_first || has_methods { NO_OVERLOAD.to_owned() } else { format!("{NO_OVERLOAD}: {name}") }
}

/// Returns Go's name of a value's type.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::String(_) => "types.String",
        other => unfit(other).unwrap_or("ref.Val"),
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

/// Returns which item of a list a value asks for; `None` when it is before the first one.
fn list_position(key: &Value) -> Result<Option<usize>, Failure> {
    let unsupported = || Failure::new(format!("unsupported index value {} in list", library::show(key)));
    match key {
        Value::Int(at) => Ok(usize::try_from(*at).ok()),
        Value::Uint(at) => i64::try_from(*at).map(|at| usize::try_from(at).ok()).map_err(|_| unsupported()),
        Value::Double(at) if at.fract() == 0.0 && at.abs() < 9.0e18 => Ok(usize::try_from(*at as i64).ok()),
        Value::Double(_) => Err(unsupported()),
        _ => Err(Failure::new(format!("unsupported index type '{}' in list", key.type_name()))),
    }
}

/// Returns a field of an object.
fn field(operand: &Value, name: &str) -> Option<Value> {
    match operand {
        Value::Map(map) => map.get(&Key::String(Arc::from(name))).cloned(),
        _ => None,
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
        ("_==_", [Value::Quantity(_), Value::Quantity(b)]) if b.is_computed => Err(Failure::no_overload()),
        ("_!=_", [Value::Quantity(_), Value::Quantity(b)]) if b.is_computed => Ok(Value::Bool(true)),
        ("_==_", [a, b]) => Ok(Value::Bool(a == b)),
        ("_!=_", [a, b]) => Ok(Value::Bool(a != b)),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => order(name, a, b),
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => super::arithmetic::apply(name, a, b),
        ("@in", [item, Value::List(list)]) => Ok(Value::Bool(list.items.contains(item))),
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(Key::of(key).is_some_and(|key| find(map, &key).is_some()))),
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
            let identity = |item: &Value| -> Vec<Option<Value>> { keys.iter().map(|key| field(item, key)).collect() };
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
