//! Evaluating pipelines, commands and operands.

use std::rc::Rc;

use crate::call::{Callee, Operands};
use crate::exec::{Exec, Res};
use crate::object::{Object, Shape};
use crate::quote;
use crate::rv::Rv;
use crate::set::MissingKey;
use crate::stack;
use crate::tree::{Id, Node, Number, Run, Span};
use crate::types::Type;
use crate::value::Value;

#[expect(clippy::unnecessary_box_returns, reason = "errors are rare: boxed, they keep every result small")]
impl<'s> Exec<'s, '_, '_> {
    pub(crate) fn pipeline(&mut self, dot: &Rv, pipe: Id) -> Res<Rv> {
        let tree = self.tree;
        self.node = pipe;
        let Node::Pipe { decls, assign, commands } = tree.node(pipe) else { return Ok(Rv::Invalid) };
        let (decls, commands) = (tree.ids(*decls), tree.ids(*commands));
        if let ([], [command]) = (decls, commands) {
            return self.stage(dot, *command, None);
        }
        let mut value = None;
        for command in commands {
            value = Some(self.stage(dot, *command, value)?);
        }
        let value = value.unwrap_or(Rv::Invalid);
        for decl in decls {
            let Node::Variable { slot, name, .. } = *tree.node(*decl) else { continue };
            if *assign {
                self.set_variable(slot, name, value.clone())?;
            } else {
                self.declare(name, value.clone());
            }
        }
        Ok(value)
    }

    /// Evaluates one command of a pipeline, and looks into the interface that its value may come in.
    fn stage(&mut self, dot: &Rv, command: Id, last: Option<Rv>) -> Res<Rv> {
        if let Err(limit) = self.run.charge(1) {
            return Err(self.limit(limit));
        }
        Ok(self.command(dot, command, last)?.dig())
    }

    fn command(&mut self, dot: &Rv, command: Id, last: Option<Rv>) -> Res<Rv> {
        let tree = self.tree;
        let Node::Command { args } = tree.node(command) else { return Ok(Rv::Invalid) };
        let words = tree.ids(*args);
        let first = words[0];
        let operands = Operands { words, last };
        match tree.node(first) {
            Node::Field(names) => {
                self.node = first;
                return self.fields(dot, dot, first, *names, operands);
            }
            Node::Chain { node, fields } => return self.chain(dot, first, *node, *fields, operands),
            Node::Identifier { name, function } => {
                self.node = first;
                return self.function(dot, command, *name, *function, operands);
            }
            Node::Pipe { .. } => {
                self.not_a_function(&operands)?;
                return self.parenthesized(dot, first);
            }
            Node::Variable { slot, name, fields } => {
                return self.variable_fields(dot, first, (*slot, *name), *fields, operands);
            }
            _ => {}
        }
        self.node = first;
        self.not_a_function(&operands)?;
        match tree.node(first) {
            Node::Bool(truth) => Ok(Rv::Typed(Value::Bool(*truth))),
            Node::Dot => Ok(dot.clone()),
            Node::Nil => Err(self.error("nil is not a command")),
            Node::Number(number) => self.ideal_constant(first, number),
            Node::String { quoted, text } => Ok(Rv::Typed(Value::str(tree.string(*quoted, text.as_deref())))),
            _ => Err(self.error(format!("can't evaluate command {}", quote::quoted(&tree.print(first))))),
        }
    }

    pub(crate) fn parenthesized(&mut self, dot: &Rv, pipe: Id) -> Res<Rv> {
        stack::deeper(64 * 1024, 1024 * 1024, || self.pipeline(dot, pipe))
    }

    fn not_a_function(&self, operands: &Operands<'_>) -> Res<()> {
        if operands.is_given() {
            return Err(self.error(format!("can't give argument to non-function {}", self.text(operands.words[0]))));
        }
        Ok(())
    }

    pub(crate) fn ideal_constant(&mut self, id: Id, number: &Number) -> Res<Rv> {
        self.node = id;
        if let Some((re, im)) = number.complex {
            return Ok(Rv::Typed(Value::Complex(re, im)));
        }
        match (number.float, number.int, number.uint) {
            (Some(float), _, _) if number.looks_like_float => Ok(Rv::Typed(Value::float(float))),
            (_, Some(int), _) => Ok(Rv::Typed(Value::int(int))),
            (_, None, Some(_)) => Err(self.error(format!("{} overflows int", self.text(id)))),
            _ => Ok(Rv::Invalid),
        }
    }

    // Fields and variables.

    pub(crate) fn chain(&mut self, dot: &Rv, id: Id, node: Id, fields: Run, operands: Operands<'s>) -> Res<Rv> {
        self.node = id;
        if matches!(self.tree.node(node), Node::Nil) {
            return Err(self.error(format!("indirection through explicit nil in {}", self.text(id))));
        }
        let receiver = self.arg(dot, None, node)?;
        self.fields(dot, &receiver, id, fields, operands)
    }

    pub(crate) fn variable_fields(
        &mut self,
        dot: &Rv,
        id: Id,
        variable: (u32, Span),
        fields: Run,
        operands: Operands<'s>,
    ) -> Res<Rv> {
        self.node = id;
        let value = self.variable(variable.0, variable.1)?.clone();
        if fields.len() == 0 {
            self.not_a_function(&operands)?;
            return Ok(value);
        }
        self.fields(dot, &value, id, fields, operands)
    }

    pub(crate) fn fields(&mut self, dot: &Rv, receiver: &Rv, id: Id, names: Run, operands: Operands<'s>) -> Res<Rv> {
        let tree = self.tree;
        let names = tree.names(names);
        // Nearly always all of it is maps, which need neither calls nor copies on the way.
        let plain = if operands.is_given() { names.len() - 1 } else { names.len() };
        let mut current: Option<Rv> = None;
        let mut done = 0;
        for name in &names[..plain] {
            let Value::Map(map) = current.as_ref().unwrap_or(receiver).as_any() else { break };
            let Some(value) = map.get(tree.span(*name)) else { break };
            current = Some(Rv::of(map.ty().elem(), value));
            done += 1;
        }
        let mut receiver = current.unwrap_or_else(|| receiver.clone());
        let Some((last, path)) = names[done..].split_last() else { return Ok(receiver) };
        for name in path {
            receiver = self.field(dot, *name, id, Operands::NONE, receiver)?;
        }
        // If it is a method, it gets the arguments.
        self.field(dot, *last, id, operands, receiver)
    }

    fn field(&mut self, dot: &Rv, name: Span, id: Id, operands: Operands<'s>, receiver: Rv) -> Res<Rv> {
        let key = self.tree.span(name);
        let value = match &receiver {
            Rv::Invalid => {
                if self.set.missing_key() == MissingKey::Error {
                    return Err(self.error(format!("nil data; no entry for key {}", quote::quoted(key))));
                }
                return Ok(Rv::Invalid);
            }
            Rv::Iface(Value::Nil) => {
                return Err(self.error(format!("nil pointer evaluating interface {{}}.{}", self.tree.ident(name))));
            }
            Rv::Typed(value) | Rv::Iface(value) => value,
        };
        match value {
            Value::Map(map) => self.entry(map, name, operands.is_given()),
            Value::Object(object) => {
                let ident = self.tree.ident(name);
                if let Some(signature) = object.method(ident) {
                    return self.call(dot, &Callee::Method(object, signature), id, name, operands);
                }
                match object.shape_for_field(ident) {
                    FieldOf::Found(value, ty) => {
                        if operands.is_given() {
                            return Err(self.error(format!("{ident} has arguments but cannot be invoked as function")));
                        }
                        Ok(Rv::of(&ty, value))
                    }
                    FieldOf::Map(map) => self.entry(&map, name, operands.is_given()),
                    FieldOf::NilPointer => {
                        Err(self.error(format!("nil pointer evaluating {}.{ident}", receiver.type_name())))
                    }
                    FieldOf::None => Err(self.no_field(name, &receiver)),
                }
            }
            _ => Err(self.no_field(name, &receiver)),
        }
    }

    fn no_field(&self, name: Span, receiver: &Rv) -> Box<crate::ExecError> {
        self.error(format!("can't evaluate field {} in type {}", self.tree.ident(name), receiver.type_name()))
    }

    fn entry(&self, map: &crate::Map, name: Span, has_args: bool) -> Res<Rv> {
        if has_args {
            return Err(self.error(format!("{} is not a method but has arguments", self.tree.ident(name))));
        }
        let key = self.tree.span(name);
        let elem = map.ty().elem();
        if let Some(value) = map.get(key) {
            return Ok(Rv::of(elem, value));
        }
        match self.set.missing_key() {
            MissingKey::Default => Ok(Rv::Invalid),
            MissingKey::Zero => Ok(Rv::of(elem, elem.zero())),
            MissingKey::Error => Err(self.error(format!("map has no entry for key {}", quote::quoted(key)))),
        }
    }
}

/// What a name means for an object that has no method of that name.
enum FieldOf {
    Found(Value, Type),
    Map(crate::Map),
    NilPointer,
    None,
}

trait FieldOfObject {
    fn shape_for_field(&self, name: &str) -> FieldOf;
}

impl FieldOfObject for Rc<dyn Object> {
    fn shape_for_field(&self, name: &str) -> FieldOf {
        if let Some((value, ty)) = self.field(name) {
            return FieldOf::Found(value, ty);
        }
        match self.shape() {
            Shape::Plain(Value::Map(map)) => FieldOf::Map(map),
            Shape::NilPointer if self.declares_field(name) => FieldOf::NilPointer,
            _ => FieldOf::None,
        }
    }
}
