//! What an expression may cost at most, told before it is evaluated (cel-go: `checker/cost.go`).

mod functions;
mod path;

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use super::check::{Checked, Reference};
use super::cost::{LIST, MAP};
use super::extent::Extent;
use super::functions::Overload;
use super::types::Type;
use path::Path;

/// The least and the most of a size or a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bounds {
    min: u64,
    max: u64,
}

impl Bounds {
    const UNKNOWN: Self = Self { min: 0, max: u64::MAX };

    fn fixed(number: u64) -> Self {
        Self { min: number, max: number }
    }

    fn add(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    /// Multiplies by a factor, rounding up.
    fn scaled(self, factor: f64) -> Self {
        // Conversion to an integer stops at its largest, as upstream has it.
        let scale = |number: u64| (number as f64 * factor).ceil() as u64;
        Self { min: scale(self.min), max: scale(self.max) }
    }

    fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// The sizes of what a list or map holds.
#[derive(Debug, Clone, Copy)]
struct Entries {
    is_list: bool,
    keys: Bounds,
    values: Bounds,
}

impl Entries {
    fn union(self, other: Self) -> Self {
        Self { keys: self.keys.union(other.keys), values: self.values.union(other.values), ..self }
    }
}

/// What is known of a variable of a comprehension.
#[derive(Debug, Clone)]
struct Local {
    path: Path,
    size: Option<Bounds>,
    entries: Option<Entries>,
}

/// An argument of a call.
#[derive(Debug, Clone)]
struct Node<'a> {
    path: Path,
    ty: Type,
    expr: Option<&'a IdedExpr>,
    size: Option<Bounds>,
}

/// What a call may cost, and how large its result may be.
struct Estimate {
    cost: Bounds,
    size: Option<Bounds>,
}

impl Estimate {
    fn of(cost: Bounds) -> Self {
        Self { cost, size: None }
    }
}

/// Estimates the most an expression may cost, where its variables are of the given extent.
pub(super) fn estimate(tree: &IdedExpr, checked: &Checked, root: Option<&Extent>) -> u64 {
    let mut estimator = Estimator {
        checked,
        root,
        paths: HashMap::new(),
        locals: HashMap::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    estimator.cost(tree).max
}

struct Estimator<'a> {
    checked: &'a Checked,
    root: Option<&'a Extent>,
    paths: HashMap<u64, Path>,
    locals: HashMap<String, Vec<Local>>,
    sizes: HashMap<u64, Bounds>,
    entries: HashMap<u64, Entries>,
}

impl<'a> Estimator<'a> {
    fn cost(&mut self, at: &'a IdedExpr) -> Bounds {
        if let Some(name) = self.named(at) {
            let path = match self.local(&name) {
                Some(local) => local.path.clone(),
                None => Path::of(&name),
            };
            self.paths.insert(at.id, path);
            return Bounds::fixed(1);
        }
        match &at.expr {
            Expr::Select(select) => self.cost_select(at, select),
            Expr::Call(call) => self.cost_call(at, call),
            Expr::List(list) => {
                let mut sum = Bounds::default();
                let mut size = Bounds { min: if list.elements.is_empty() { 0 } else { u64::MAX }, max: 0 };
                for element in &list.elements {
                    sum = sum.add(self.cost(element));
                    size = size.union(self.size_or_unknown(element));
                }
                self.entries.insert(at.id, Entries { is_list: true, keys: Bounds::fixed(1), values: size });
                sum.add(Bounds::fixed(LIST))
            }
            Expr::Map(map) => {
                let mut sum = Bounds::default();
                let none = Bounds { min: if map.entries.is_empty() { 0 } else { u64::MAX }, max: 0 };
                let (mut keys, mut values) = (none, none);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    sum = sum.add(self.cost(&entry.key)).add(self.cost(&entry.value));
                    keys = keys.union(self.size_or_unknown(&entry.key));
                    values = values.union(self.size_or_unknown(&entry.value));
                }
                self.entries.insert(at.id, Entries { is_list: false, keys, values });
                sum.add(Bounds::fixed(MAP))
            }
            Expr::Comprehension(all) if is_bind(all) => self.cost_bind(at, all),
            Expr::Comprehension(all) => self.cost_comprehension(at, all),
            Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Bounds::default(),
        }
    }

    /// Returns the name of the variable or type that a part of the expression is.
    fn named(&self, at: &IdedExpr) -> Option<String> {
        match self.checked.references.get(&at.id) {
            Some(Reference::Variable(name) | Reference::Type(name)) => Some(name.clone()),
            _ => None,
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.get(name)?.last()
    }

    fn cost_select(&mut self, at: &'a IdedExpr, select: &'a SelectExpr) -> Bounds {
        let mut sum = self.cost(&select.operand);
        if select.test {
            return sum;
        }
        if matches!(self.checked.type_of(&select.operand), Type::Map(..) | Type::Object(_))
            || is_struct(self.checked.type_of(&select.operand))
        {
            sum = sum.add(Bounds::fixed(1));
        }
        let path = self.path_of(&select.operand).then(&select.field);
        self.paths.insert(at.id, path);
        sum
    }

    fn cost_call(&mut self, at: &'a IdedExpr, call: &'a CallExpr) -> Bounds {
        if let ("dyn", [arg]) = (call.func_name.as_str(), &call.args[..]) {
            let cost = self.cost(arg);
            self.copy_sizes(at.id, arg);
            return cost.add(Bounds::fixed(1));
        }
        let mut args = Vec::with_capacity(call.args.len());
        let mut costs = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            costs.push(self.cost(arg));
            args.push(self.node(arg));
        }
        let checked = self.checked;
        let Some(Reference::Call { name, overloads }) = checked.references.get(&at.id) else {
            return Bounds::default();
        };
        let (mut sum, mut target) = (Bounds::default(), None);
        if let Some(on) = call.target.as_deref().filter(|_| *name == call.func_name) {
            sum = self.cost(on);
            target = Some(self.node(on));
        }
        // A selection of an optional has one overload, which costs what any call does.
        let ids: Vec<&str> =
            if overloads.is_empty() { vec![""] } else { overloads.iter().map(|one: &&Overload| one.id).collect() };
        let mut cost = Bounds { min: u64::MAX, max: 0 };
        let mut size: Option<Bounds> = None;
        for id in ids {
            let estimate = self.function(at, (name, id), target.as_ref(), &args, &costs);
            cost = cost.union(estimate.cost);
            if let Some(more) = estimate.size {
                size = Some(size.map_or(more, |size| size.union(more)));
            }
            if let ("index_list" | "index_map", Some(of)) = (id, call.args.first()) {
                size = self.entries_of(of).map(|entries| entries.values);
                let path = self.path_of(of).then(if id == "index_list" { "@items" } else { "@values" });
                self.paths.insert(at.id, path);
            }
            if size.is_none() {
                size = self.size_of(at);
            }
        }
        if let Some(size) = size {
            self.sizes.insert(at.id, size);
        }
        sum.add(cost)
    }

    fn push_item(&mut self, name: &str, range: &'a IdedExpr, wants_value: Option<bool>) {
        let entries = self.entries_of(range);
        let is_list =
            entries.map_or_else(|| matches!(self.checked.type_of(range), Type::List(_)), |entries| entries.is_list);
        // With one variable, it is an item of a list or a key of a map.
        let wants_value = wants_value.unwrap_or(is_list);
        let size = entries.map(|entries| if wants_value { entries.values } else { entries.keys });
        let step = match (wants_value, is_list) {
            (true, true) => "@items",
            (true, false) => "@values",
            (false, true) => "@indices",
            (false, false) => "@keys",
        };
        let path = self.path_of(range).then(step);
        self.locals.entry(name.to_owned()).or_default().push(Local { path, size, entries: None });
    }

    fn push_local(&mut self, name: &str, of: &'a IdedExpr) {
        let (path, entries, size) = (self.path_of(of), self.entries_of(of), self.size_of(of));
        self.locals.entry(name.to_owned()).or_default().push(Local { path, size, entries });
    }

    fn pop(&mut self, name: &str) {
        self.locals.get_mut(name).map(Vec::pop);
    }

    fn cost_comprehension(&mut self, at: &'a IdedExpr, all: &'a ComprehensionExpr) -> Bounds {
        let mut sum = self.cost(&all.iter_range).add(self.cost(&all.accu_init));
        self.push_local(&all.accu_var, &all.accu_init);
        match &all.iter_var2 {
            Some(second) => {
                self.push_item(&all.iter_var, &all.iter_range, Some(false));
                self.push_item(second, &all.iter_range, Some(true));
            }
            None => self.push_item(&all.iter_var, &all.iter_range, None),
        }
        let each = self.cost(&all.loop_cond);
        let each = self.cost(&all.loop_step).add(each);
        self.pop(&all.iter_var);
        if let Some(second) = &all.iter_var2 {
            self.pop(second);
        }
        sum = sum.add(self.cost(&all.result));
        self.pop(&all.accu_var);
        let count = self.size_or_unknown(&all.iter_range);
        match &all.accu_init.expr {
            Expr::Literal(_) => {
                if let Some(size) = self.size_of(&all.accu_init) {
                    self.sizes.insert(at.id, size);
                }
            }
            Expr::List(_) | Expr::Map(_) => {
                self.sizes.insert(at.id, count);
                if let Some(entries) = self.entries_of(&all.loop_step) {
                    self.entries.insert(at.id, entries);
                }
            }
            _ => {}
        }
        sum.add(count.times(each))
    }

    fn cost_bind(&mut self, at: &'a IdedExpr, all: &'a ComprehensionExpr) -> Bounds {
        let sum = self.cost(&all.iter_range).add(self.cost(&all.accu_init));
        self.push_local(&all.accu_var, &all.accu_init);
        let sum = sum.add(self.cost(&all.result));
        self.pop(&all.accu_var);
        self.copy_sizes(at.id, &all.result);
        sum
    }

    fn path_of(&self, at: &IdedExpr) -> Path {
        if let Some(local) = self.named(at).and_then(|name| self.local(&name).cloned()) {
            return local.path;
        }
        self.paths.get(&at.id).cloned().unwrap_or_default()
    }

    fn node(&mut self, at: &'a IdedExpr) -> Node<'a> {
        let path = self.path_of(at);
        let path = if path.starts_in_result() { Path::default() } else { path };
        Node { path, ty: self.checked.type_of(at).clone(), expr: Some(at), size: self.size_of(at) }
    }

    fn size_or_unknown(&mut self, at: &'a IdedExpr) -> Bounds {
        self.size_of(at).unwrap_or(Bounds::UNKNOWN)
    }

    fn copy_sizes(&mut self, to: u64, from: &'a IdedExpr) {
        if let Some(size) = self.size_of(from) {
            self.sizes.insert(to, size);
        }
        if let Some(entries) = self.entries_of(from) {
            self.entries.insert(to, entries);
        }
    }

    fn size_of(&mut self, at: &'a IdedExpr) -> Option<Bounds> {
        if let Some(size) = self.sizes.get(&at.id) {
            return Some(*size);
        }
        if let Some(size) = written_size(&at.expr) {
            return Some(Bounds::fixed(size));
        }
        if let Some(size) = self.size_at(&self.path_of(at)) {
            self.sizes.insert(at.id, size);
            return Some(size);
        }
        if is_scalar(self.checked.type_of(at)) {
            return Some(Bounds::fixed(1));
        }
        self.named(at).and_then(|name| self.local(&name)?.size)
    }

    /// Returns the size the schema gives what a path leads to.
    fn size_at(&self, path: &Path) -> Option<Bounds> {
        let mut at = self.root?;
        let steps = path.steps();
        let (_, below) = steps.split_first()?;
        for step in below {
            at = match &**step {
                "@items" | "@values" => at.items.as_deref()?,
                "@keys" => at.keys.as_deref()?,
                name => at.fields.get(name)?,
            };
        }
        Some(Bounds { min: 0, max: at.most })
    }

    fn entries_of(&self, at: &IdedExpr) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&at.id) {
            return Some(*entries);
        }
        self.named(at).and_then(|name| self.local(&name)?.entries)
    }
}

/// Returns whether a comprehension only gives a name to a value.
fn is_bind(all: &ComprehensionExpr) -> bool {
    let is_empty = matches!(&all.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    is_empty && matches!(&all.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(flag)) if !*flag.inner())
}

/// Returns the size of what is written out in the expression.
fn written_size(expr: &Expr) -> Option<u64> {
    Some(match expr {
        Expr::Literal(LiteralValue::String(text)) => text.inner().chars().count() as u64,
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len() as u64,
        Expr::Literal(_) => 1,
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        _ => return None,
    })
}

fn is_scalar(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        other => other.unwrap_optional().is_some_and(is_scalar),
    }
}

/// Returns whether a type of a library has fields to upstream, though none that could be selected.
fn is_struct(ty: &Type) -> bool {
    matches!(ty, Type::Opaque(name, _) if name.starts_with("kubernetes."))
}
