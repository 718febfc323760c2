//! Walking a tree: text, actions and control structures.

use crate::context::{Context, Run};
use crate::error::{ExecError, FuncError, Limit, Location};
use crate::function::FuncBody;
use crate::object::Shape;
use crate::print;
use crate::quote;
use crate::rv::Rv;
use crate::set::Set;
use crate::stack;
use crate::tree::{Id, NO_SLOT, Node, Span, Tree};
use crate::unicode;
use crate::value::{IntKind, Value};

pub(crate) type Res<T> = Result<T, Box<ExecError>>;

/// How a list of nodes was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

pub(crate) struct Var<'s> {
    name: &'s [u8],
    value: Rv,
}

/// One execution of a template with those it invokes by `template`; functions that execute others start anew.
pub(crate) struct Exec<'s, 'r, 'h> {
    pub(crate) set: &'s Set,
    pub(crate) run: &'r mut Run<'h>,
    pub(crate) tree: &'s Tree,
    /// The node that errors are told of.
    pub(crate) node: Id,
    vars: Vec<Var<'s>>,
    /// Where the variables of the current template begin.
    base: usize,
    out: Vec<u8>,
}

/// The stack that must be left before one more level of templates is entered, and how much is added if it is not.
const RED_ZONE: usize = 64 * 1024;
const MORE_STACK: usize = 1024 * 1024;

#[expect(clippy::unnecessary_box_returns, reason = "errors are rare: boxed, they keep every result small")]
impl<'s, 'r, 'h> Exec<'s, 'r, 'h> {
    /// Executes a template and returns its output, in the buffer given.
    pub(crate) fn run(
        set: &'s Set,
        run: &'r mut Run<'h>,
        name: &[u8],
        data: &Value,
        out: Vec<u8>,
    ) -> Result<Vec<u8>, ExecError> {
        let mut out = out;
        Self::run_into(set, run, name, data, &mut out)?;
        Ok(out)
    }

    /// Executes a template and appends its output.
    pub(crate) fn run_into(
        set: &'s Set,
        run: &'r mut Run<'h>,
        name: &[u8],
        data: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        let missing =
            |template: String, message: String, limit| ExecError { template, at: None, message, limit, cause: None };
        let Some(tree) = set.find(name) else {
            let message = format!(
                "no template {} associated with template {}",
                quote::quoted(name),
                quote::quoted(set.name().as_bytes())
            );
            return Err(missing(String::new(), message, None));
        };
        if run.depth >= run.limits.depth {
            let limit = Limit::Depth(run.limits.depth);
            return Err(missing(unicode::lossy(name), limit.to_string(), Some(limit)));
        }
        run.depth += 1;
        let dot = Rv::concrete(data.clone());
        let mut vars = Vec::with_capacity(8);
        vars.push(Var { name: b"$".as_slice(), value: dot.clone() });
        let mut exec = Exec { set, run, tree, node: tree.root, vars, base: 0, out: std::mem::take(out) };
        let result = stack::deeper(RED_ZONE, MORE_STACK, || exec.walk(&dot, tree.root));
        *out = exec.out;
        exec.run.depth -= 1;
        result.map(|_| ()).map_err(|error| *error)
    }

    pub(crate) fn context(&mut self) -> Context<'_, 'h> {
        Context { set: self.set, run: self.run }
    }

    // Errors.

    #[cold]
    pub(crate) fn error(&self, message: impl Into<String>) -> Box<ExecError> {
        self.failure(message.into(), None, None)
    }

    #[cold]
    pub(crate) fn limit(&self, limit: Limit) -> Box<ExecError> {
        self.failure(limit.to_string(), Some(limit), None)
    }

    #[cold]
    pub(crate) fn func_error(&self, name: &str, error: FuncError) -> Box<ExecError> {
        self.failure(format!("error calling {name}: {}", error.message), error.limit, error.cause)
    }

    #[cold]
    fn failure(
        &self,
        message: String,
        limit: Option<Limit>,
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Box<ExecError> {
        let (line, column) = self.tree.line_and_column(self.node);
        let context = unicode::lossy(&self.tree.print(self.node));
        let at = Location { name: unicode::lossy(&self.tree.parse_name), line, column, context };
        Box::new(ExecError { template: unicode::lossy(&self.tree.name), at: Some(Box::new(at)), message, limit, cause })
    }

    /// Returns how Go prints a node.
    #[cold]
    pub(crate) fn text(&self, id: Id) -> String {
        unicode::lossy(&self.tree.print(id))
    }

    // Variables.

    pub(crate) fn variable(&self, slot: u32, name: Span) -> Res<&Rv> {
        self.place(slot, name).map(|at| &self.vars[at].value)
    }

    pub(crate) fn set_variable(&mut self, slot: u32, name: Span, value: Rv) -> Res<()> {
        let at = self.place(slot, name)?;
        self.vars[at].value = value;
        Ok(())
    }

    fn place(&self, slot: u32, name: Span) -> Res<usize> {
        let place = if self.tree.dynamic {
            let name = self.tree.span(name);
            self.vars[self.base..].iter().rposition(|var| var.name == name)
        } else {
            (slot != NO_SLOT).then_some(slot as usize)
        };
        if let Some(place) = place {
            return Ok(self.base + place);
        }
        Err(self.error(format!("undefined variable: {}", unicode::lossy(self.tree.span(name)))))
    }

    pub(crate) fn declare(&mut self, name: Span, value: Rv) {
        let tree = self.tree;
        self.vars.push(Var { name: tree.span(name), value });
    }

    // Walking.

    fn walk(&mut self, dot: &Rv, id: Id) -> Res<Flow> {
        let tree = self.tree;
        self.node = id;
        let Node::List(items) = tree.node(id) else { return self.step(dot, id) };
        for id in tree.ids(*items) {
            let flow = self.step(dot, *id)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn step(&mut self, dot: &Rv, id: Id) -> Res<Flow> {
        let tree = self.tree;
        self.node = id;
        if let Err(limit) = self.run.charge(1) {
            return Err(self.limit(limit));
        }
        match tree.node(id) {
            Node::Text(span) => self.write(tree.span(*span))?,
            Node::Action { pipe } => {
                let value = self.pipeline(dot, *pipe)?;
                if !tree.declares(*pipe) {
                    self.node = id;
                    self.print(id, &value)?;
                }
            }
            Node::If { pipe, list, otherwise } => return self.branch(dot, *pipe, *list, *otherwise, false),
            Node::With { pipe, list, otherwise } => return self.branch(dot, *pipe, *list, *otherwise, true),
            Node::Range { pipe, list, otherwise } => return self.range(dot, *pipe, *list, *otherwise),
            Node::Template { name, pipe } => self.template(dot, name, *pipe)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            _ => return Err(self.error(format!("unknown node: {}", self.text(id)))),
        }
        Ok(Flow::Next)
    }

    /// Walks a nested list, on more stack if there is little left.
    fn nested(&mut self, dot: &Rv, list: Id) -> Res<Flow> {
        stack::deeper(RED_ZONE, MORE_STACK, || self.walk(dot, list))
    }

    fn write(&mut self, text: &[u8]) -> Res<()> {
        if let Err(limit) = self.run.wrote(text.len()) {
            return Err(self.limit(limit));
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn print(&mut self, id: Id, value: &Rv) -> Res<()> {
        let value = match value {
            Rv::Invalid => return self.write(b"<no value>"),
            Rv::Typed(Value::Str(text)) | Rv::Iface(Value::Str(text)) => return self.write(text),
            Rv::Typed(value) | Rv::Iface(value) => value,
        };
        if let Value::Func(func) = value {
            return Err(self.error(format!("can't print {} of type {}", self.text(id), func.type_name())));
        }
        let before = self.out.len();
        let written = print::append_printable(&mut self.out, value, self.run.limits.value_depth)
            .and_then(|()| self.run.wrote(self.out.len() - before));
        written.map_err(|limit| self.limit(limit))
    }

    fn branch(&mut self, dot: &Rv, pipe: Id, list: Id, otherwise: Option<Id>, with: bool) -> Res<Flow> {
        let mark = self.vars.len();
        let value = self.pipeline(dot, pipe)?;
        let flow = if value.is_true() {
            self.nested(if with { &value } else { dot }, list)
        } else if let Some(otherwise) = otherwise {
            self.nested(dot, otherwise)
        } else {
            Ok(Flow::Next)
        };
        self.vars.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Rv, pipe: Id, list: Id, otherwise: Option<Id>) -> Res<Flow> {
        let before = self.vars.len();
        let value = self.pipeline(dot, pipe)?.into_any();
        let turns = self.turns(&value, pipe, list)?;
        let flow = match otherwise {
            Some(otherwise) if !turns => match self.nested(dot, otherwise) {
                // Go takes a break here for one of this range, and a continue for one of the range around it.
                Ok(Flow::Break) => Ok(Flow::Next),
                other => other,
            },
            _ => Ok(Flow::Next),
        };
        self.vars.truncate(before);
        flow
    }

    /// Walks the body of a range for every element, and tells whether there was any.
    fn turns(&mut self, value: &Value, pipe: Id, list: Id) -> Res<bool> {
        match value {
            Value::Nil => Ok(false),
            Value::Int(kind, end) => {
                self.needs_one_variable(value, pipe, "to iterate")?;
                self.each(pipe, list, (0..*end).map(|at| (Rv::Invalid, Rv::Typed(Value::Int(*kind, at)))))
            }
            Value::Uint(kind, end) => {
                self.needs_one_variable(value, pipe, "to iterate")?;
                self.each(pipe, list, (0..*end).map(|at| (Rv::Invalid, Rv::Typed(Value::Uint(*kind, at)))))
            }
            Value::List(items) => {
                let elem = items.ty().elem();
                self.each(
                    pipe,
                    list,
                    items.iter().enumerate().map(|(at, item)| (index(at), Rv::of(elem, item.clone()))),
                )
            }
            Value::Bytes(bytes) => {
                let bytes = bytes.as_deref().unwrap_or_default();
                self.each(pipe, list, bytes.iter().enumerate().map(|(at, byte)| (index(at), Rv::byte(*byte))))
            }
            Value::Map(map) => {
                let elem = map.ty().elem();
                let entries = map.entries();
                self.each(
                    pipe,
                    list,
                    entries.into_iter().map(|(key, value)| (Rv::Typed(Value::Str(key)), Rv::of(elem, value))),
                )
            }
            Value::Object(object) => match object.shape() {
                Shape::Plain(inner) => match &inner {
                    Value::Int(..) | Value::Uint(..) => {
                        self.needs_one_variable(value, pipe, "to iterate")?;
                        self.turns(&inner, pipe, list)
                    }
                    Value::List(_) | Value::Bytes(_) | Value::Map(_) | Value::Func(_) => self.turns(&inner, pipe, list),
                    _ => Err(self.no_range(value)),
                },
                Shape::Struct(_) | Shape::Pointer(_) | Shape::NilPointer => Err(self.no_range(value)),
            },
            Value::Func(func) => match &func.body {
                FuncBody::Seq(seq) => {
                    self.needs_one_variable(value, pipe, "iterate")?;
                    let elem = func.signature.params.first().unwrap_or(&crate::Type::Any);
                    self.each(pipe, list, seq().map(|value| (Rv::Invalid, Rv::of(elem, value))))
                }
                FuncBody::Seq2(seq) => {
                    let types = (func.signature.params.first(), func.signature.params.get(1));
                    let (first, second) = (types.0.unwrap_or(&crate::Type::Any), types.1.unwrap_or(&crate::Type::Any));
                    let two = self.tree.declarations(pipe).len() > 1;
                    let pairs = seq().map(|(key, value)| {
                        // With only one variable, that is the first of the pair.
                        let key = Rv::of(first, key);
                        if two { (key, Rv::of(second, value)) } else { (Rv::Invalid, key) }
                    });
                    self.each(pipe, list, pairs)
                }
                FuncBody::Call(_) => Err(self.no_range(value)),
            },
            _ => Err(self.no_range(value)),
        }
    }

    fn needs_one_variable(&self, value: &Value, pipe: Id, words: &str) -> Res<()> {
        if self.tree.declarations(pipe).len() > 1 {
            let value = self.printed(value)?;
            return Err(self.error(format!("can't use {value} {words} over more than one variable")));
        }
        Ok(())
    }

    fn no_range(&self, value: &Value) -> Box<ExecError> {
        match self.printed(value) {
            Ok(value) => self.error(format!("range can't iterate over {value}")),
            Err(error) => error,
        }
    }

    /// Returns what Go prints in errors about a value that was to be ranged over.
    fn printed(&self, value: &Value) -> Res<String> {
        let mut out = Vec::new();
        let printed = print::Printer::new(&mut out, self.run.limits.value_depth).pointee(value);
        printed.map_err(|limit| self.limit(limit))?;
        Ok(unicode::lossy(&out))
    }

    fn each(&mut self, pipe: Id, list: Id, elements: impl Iterator<Item = (Rv, Rv)>) -> Res<bool> {
        let tree = self.tree;
        let mark = self.vars.len();
        let decls = tree.declarations(pipe);
        let assign = tree.assigns(pipe);
        let mut any = false;
        for (key, element) in elements {
            any = true;
            if let Err(limit) = self.run.charge(1) {
                return Err(self.limit(limit));
            }
            match (decls, assign) {
                ([], _) => {}
                ([only], true) => self.assign(*only, element.clone())?,
                ([first, second, ..], true) => {
                    self.assign(*first, key)?;
                    self.assign(*second, element.clone())?;
                }
                ([_], false) => self.vars[mark - 1].value = element.clone(),
                ([_, _, ..], false) => {
                    self.vars[mark - 1].value = element.clone();
                    self.vars[mark - 2].value = key;
                }
            }
            let flow = self.nested(&element, list)?;
            self.vars.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any)
    }

    pub(crate) fn assign(&mut self, variable: Id, value: Rv) -> Res<()> {
        let Node::Variable { slot, name, .. } = *self.tree.node(variable) else { return Ok(()) };
        self.set_variable(slot, name, value)
    }

    fn template(&mut self, dot: &Rv, name: &[u8], pipe: Option<Id>) -> Res<()> {
        let Some(tree) = self.set.find(name) else {
            return Err(self.error(format!("template {} not defined", quote::quoted(name))));
        };
        if self.run.depth > self.run.limits.depth {
            return Err(self.limit(Limit::Depth(self.run.limits.depth)));
        }
        let node = self.node;
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Rv::Invalid,
        };
        let outer = (self.tree, self.base, self.vars.len());
        self.run.depth += 1;
        self.tree = tree;
        self.base = self.vars.len();
        self.vars.push(Var { name: b"$", value: dot.clone() });
        let result = self.nested(&dot, tree.root);
        self.run.depth -= 1;
        // An error has been told by now: nothing looks at the state after it.
        self.tree = outer.0;
        self.base = outer.1;
        self.vars.truncate(outer.2);
        self.node = node;
        result.map(|_| ())
    }
}

fn index(at: usize) -> Rv {
    Rv::Typed(Value::Int(IntKind::Int, at as i64))
}
