//! The steps an expression is evaluated in, as cel-go plans them (`interpreter/planner.go`, `decorators.go`).
//!
//! What an evaluation costs follows these steps rather than the expression: a chain of selections is one step with
//! qualifiers, what is constant is computed beforehand and costs nothing, a choice is a place rather than a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, MapExpr};

use super::check::{Checked, Reference};
use super::library;
use super::value::{Key, Value};

/// One step, known by the number of the part of the expression it evaluates.
#[derive(Debug)]
pub(super) enum Step {
    Constant {
        id: u64,
        value: Value,
    },
    /// A variable, the result of a step or a choice, with what is selected of it.
    Place(Place),
    /// `&&` and `||`.
    Logic {
        id: u64,
        is_or: bool,
        terms: Vec<Step>,
    },
    Call(Call),
    List {
        id: u64,
        /// The items, and whether each is optional.
        items: Vec<(Step, bool)>,
    },
    Map {
        id: u64,
        entries: Vec<(Step, Step, bool)>,
    },
    Fold(Box<Fold>),
    /// `in` a list of constants.
    Member {
        id: u64,
        item: Box<Step>,
        set: Vec<Value>,
    },
    /// `or` and `orValue` of optionals.
    Or {
        id: u64,
        first: Box<Step>,
        otherwise: Box<Step>,
        takes_value: bool,
    },
}

impl Step {
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Constant { id, .. }
            | Self::Logic { id, .. }
            | Self::List { id, .. }
            | Self::Map { id, .. }
            | Self::Member { id, .. }
            | Self::Or { id, .. } => *id,
            Self::Place(place) => place.test.unwrap_or_else(|| place.id()),
            Self::Call(call) => call.id,
            Self::Fold(fold) => fold.id,
        }
    }
}

/// Something with qualifiers: `a.b[c]`.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) qualifiers: Vec<Arc<Qualifier>>,
    /// Set where only presence is asked for, by `has()`.
    pub(super) test: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Base {
    Variable { id: u64, name: String },
    Result { id: u64, of: Box<Step> },
    Choice { id: u64, condition: Box<Step>, truthy: Box<Place>, falsy: Box<Place> },
}

impl Place {
    /// Returns the number of the last qualifier, or that of the base.
    pub(super) fn id(&self) -> u64 {
        if let Some(last) = self.qualifiers.last() {
            return last.id;
        }
        match &self.base {
            Base::Variable { id, .. } | Base::Result { id, .. } => *id,
            Base::Choice { id, truthy, falsy, .. } => {
                let of = truthy.id();
                if of == falsy.id() { of } else { *id }
            }
        }
    }

    fn qualify(&mut self, qualifier: Arc<Qualifier>) {
        if let Base::Choice { truthy, falsy, .. } = &mut self.base {
            truthy.qualify(Arc::clone(&qualifier));
            falsy.qualify(qualifier);
        } else {
            self.qualifiers.push(qualifier);
        }
    }
}

/// One selection of a place.
#[derive(Debug)]
pub(super) struct Qualifier {
    pub(super) id: u64,
    pub(super) by: By,
    pub(super) is_optional: bool,
    /// Only presence is asked for.
    pub(super) is_test: bool,
}

#[derive(Debug)]
pub(super) enum By {
    Constant(Value),
    /// The value of another place, which is not evaluated as a step of its own.
    Place(Place),
    /// The result of a step.
    Result(Step),
}

/// When a call goes without arguments that follow a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// All are evaluated first.
    All,
    /// Those after a failed one are not evaluated.
    UntilFailure,
    /// Failures are arguments, too.
    WithFailures,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) name: String,
    /// cel-go's name of the only overload that fits; empty where there are several, or it does not matter.
    pub(super) overload: &'static str,
    /// Whether several overloads fit, so that the arguments decide.
    pub(super) is_dispatched: bool,
    pub(super) is_member: bool,
    pub(super) args: Vec<Step>,
    pub(super) arguments: Arguments,
}

#[derive(Debug)]
pub(super) struct Fold {
    pub(super) id: u64,
    pub(super) range: Step,
    pub(super) first: String,
    pub(super) second: Option<String>,
    pub(super) accumulator: String,
    pub(super) init: Step,
    pub(super) condition: Step,
    pub(super) step: Step,
    pub(super) result: Step,
}

/// Plans the evaluation of an expression; the error is upstream's for what cannot be evaluated at all.
pub(super) fn plan(tree: &IdedExpr, checked: &Checked) -> Result<Step, String> {
    Planner { checked }.plan(tree)
}

struct Planner<'a> {
    checked: &'a Checked,
}

impl Planner<'_> {
    fn plan(&self, at: &IdedExpr) -> Result<Step, String> {
        match self.checked.references.get(&at.id) {
            Some(Reference::Variable(name)) => {
                let base = Base::Variable { id: at.id, name: name.clone() };
                return Ok(Step::Place(Place { base, qualifiers: Vec::new(), test: None }));
            }
            Some(Reference::Type(name)) => {
                return Ok(Step::Constant { id: at.id, value: Value::Type(name.clone()) });
            }
            _ => {}
        }
        match &at.expr {
            Expr::Literal(literal) => Ok(Step::Constant { id: at.id, value: super::eval::literal_value(literal) }),
            Expr::Select(select) => {
                let mut place = as_place(self.plan(&select.operand)?);
                place.qualify(Arc::new(Qualifier {
                    id: at.id,
                    by: By::Constant(Value::text(&select.field)),
                    is_optional: false,
                    is_test: select.test,
                }));
                if select.test {
                    place.test = Some(at.id);
                }
                Ok(Step::Place(place))
            }
            Expr::Call(call) => self.call(at.id, call),
            Expr::List(list) => self.list(at.id, list),
            Expr::Map(map) => self.map(at.id, map),
            Expr::Comprehension(all) => self.fold(at.id, all),
            Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Err("unsupported expr".to_owned()),
        }
    }

    fn all(&self, parts: &[IdedExpr]) -> Result<Vec<Step>, String> {
        parts.iter().map(|part| self.plan(part)).collect()
    }

    fn call(&self, id: u64, call: &CallExpr) -> Result<Step, String> {
        let (name, overloads) = match self.checked.references.get(&id) {
            Some(Reference::Call { name, overloads }) => (name.as_str(), overloads.as_slice()),
            _ => (call.func_name.as_str(), &[][..]),
        };
        let is_member = call.target.is_some() && name == call.func_name;
        let mut args = Vec::with_capacity(call.args.len() + 1);
        if let Some(target) = call.target.as_deref().filter(|_| is_member) {
            args.push(self.plan(target)?);
        }
        args.extend(self.all(&call.args)?);
        match name {
            "_&&_" | "_||_" => return Ok(Step::Logic { id, is_or: name == "_||_", terms: args }),
            "_?_:_" => return Ok(choice(id, args)),
            "_[_]" | "_?._" | "_[?_]" => return index(id, args, name != "_[_]"),
            "or" | "orValue" if is_member => {
                let [first, otherwise] = <[Step; 2]>::try_from(args).map_err(|_| "no such overload".to_owned())?;
                let (first, otherwise) = (Box::new(first), Box::new(otherwise));
                return Ok(Step::Or { id, first, otherwise, takes_value: name == "orValue" });
            }
            _ => {}
        }
        let overload = match overloads {
            [only] => only.id,
            _ => "",
        };
        if overload == "in_list"
            && let [_, Step::Constant { value: Value::List(list), .. }] = &args[..]
        {
            if list.items.is_empty() {
                return Ok(Step::Constant { id, value: Value::Bool(false) });
            }
            if list.items.iter().all(is_hashable) {
                let set = list.items.clone();
                let item = Box::new(args.swap_remove(0));
                return Ok(Step::Member { id, item, set });
            }
        }
        const CONVERSIONS: [&str; 10] =
            ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];
        if let [Step::Constant { value, .. }] = &args[..]
            && CONVERSIONS.contains(&name)
        {
            let value = library::call(name, is_member, std::slice::from_ref(value)).map_err(|failure| failure.0)?;
            return Ok(Step::Constant { id, value });
        }
        let mut is_compiled = false;
        if let ("matches" | "find" | "findAll", [_, Step::Constant { value: Value::String(pattern), .. }, ..]) =
            (name, &args[..])
        {
            library::regex(pattern).map_err(|failure| failure.0)?;
            is_compiled = true;
        }
        let is_dispatched = overloads.len() > 1;
        let arguments = if name == "@not_strictly_false" {
            Arguments::WithFailures
        } else if is_compiled || args.len() > 2 || (is_dispatched && !is_singleton(name)) {
            Arguments::UntilFailure
        } else {
            Arguments::All
        };
        Ok(Step::Call(Call { id, name: name.to_owned(), overload, is_dispatched, is_member, args, arguments }))
    }

    fn list(&self, id: u64, list: &ListExpr) -> Result<Step, String> {
        let items = self.all(&list.elements)?;
        if list.optional_indices.is_empty()
            && let Some(values) = items.iter().map(constant).collect::<Option<Vec<_>>>()
        {
            return Ok(Step::Constant { id, value: Value::list(values) });
        }
        let items = items.into_iter().enumerate().map(|(at, item)| (item, list.optional_indices.contains(&at)));
        Ok(Step::List { id, items: items.collect() })
    }

    fn map(&self, id: u64, map: &MapExpr) -> Result<Step, String> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            entries.push((self.plan(&entry.key)?, self.plan(&entry.value)?, entry.optional));
        }
        let constants: Option<Vec<_>> = entries
            .iter()
            .map(|(key, value, optional)| Some((Key::new(&constant(key)?), constant(value).filter(|_| !optional)?)))
            .collect();
        Ok(match constants {
            Some(entries) => {
                let map: BTreeMap<Key, Value> = entries.into_iter().collect();
                Step::Constant { id, value: Value::Map(Arc::new(map)) }
            }
            None => Step::Map { id, entries },
        })
    }

    fn fold(&self, id: u64, all: &ComprehensionExpr) -> Result<Step, String> {
        let init = self.plan(&all.accu_init)?;
        Ok(Step::Fold(Box::new(Fold {
            id,
            init,
            range: self.plan(&all.iter_range)?,
            first: all.iter_var.clone(),
            second: all.iter_var2.clone(),
            accumulator: all.accu_var.clone(),
            condition: self.plan(&all.loop_cond)?,
            step: self.plan(&all.loop_step)?,
            result: self.plan(&all.result)?,
        })))
    }
}

fn constant(step: &Step) -> Option<Value> {
    match step {
        Step::Constant { value, .. } => Some(value.clone()),
        _ => None,
    }
}

fn is_hashable(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Double(_) | Value::Int(_) | Value::String(_) | Value::Uint(_))
}

/// Returns whether a function has one implementation for all of its overloads.
fn is_singleton(name: &str) -> bool {
    const WORDS: [&str; 3] = ["@in", "size", "dyn"];
    name.starts_with('_') || name.ends_with('_') || WORDS.contains(&name)
}

fn as_place(step: Step) -> Place {
    match step {
        Step::Place(place) => place,
        step => Place { base: Base::Result { id: step.id(), of: Box::new(step) }, qualifiers: Vec::new(), test: None },
    }
}

fn choice(id: u64, args: Vec<Step>) -> Step {
    let mut args = args.into_iter();
    let mut next = || args.next().expect("holds because the grammar gives a choice three parts");
    let condition = Box::new(next());
    let (mut truthy, mut falsy) = (Box::new(as_place(next())), Box::new(as_place(next())));
    // Chosen, a test is the place it tests.
    (truthy.test, falsy.test) = (None, None);
    Step::Place(Place { base: Base::Choice { id, condition, truthy, falsy }, qualifiers: Vec::new(), test: None })
}

fn index(id: u64, args: Vec<Step>, is_optional: bool) -> Result<Step, String> {
    let [of, key] = <[Step; 2]>::try_from(args).map_err(|_| "no such overload".to_owned())?;
    let mut place = as_place(of);
    let by = match key {
        Step::Constant { value, .. } => {
            if let Some(name) = unfit(&value) {
                return Err(format!("invalid qualifier type: {name}"));
            }
            By::Constant(value)
        }
        Step::Place(key) => By::Place(key),
        key => By::Result(key),
    };
    place.qualify(Arc::new(Qualifier { id, by, is_optional, is_test: false }));
    Ok(Step::Place(place))
}

/// Returns Go's name of the type of a value that cannot be a key or an index.
pub(super) fn unfit(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => "types.Null",
        Value::Bytes(_) => "types.Bytes",
        Value::List(_) => "*types.baseList",
        Value::Map(_) => "*types.baseMap",
        Value::Timestamp(..) => "types.Timestamp",
        Value::Duration(_) => "types.Duration",
        Value::Optional(_) => "*types.Optional",
        Value::Type(_) => "*types.Type",
        _ => return None,
    })
}
