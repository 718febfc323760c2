//! Calling functions and methods, and giving them arguments of the types they declare.

use std::rc::Rc;

use smallvec::SmallVec;

use crate::builtins::{self, Builtin};
use crate::error::FuncError;
use crate::exec::{Exec, Res};
use crate::function::{Body, FuncBody, Function, Signature};
use crate::object::{Object, Shape};
use crate::rv::Rv;
use crate::tree::{Id, Node, Span};
use crate::types::Type;
use crate::value::{IntKind, UintKind, Value};

/// What is called: a function of the table, or a method of a host object.
pub(crate) enum Callee<'c> {
    Function(&'static Function),
    Method(&'c Rc<dyn Object>, &'static Signature),
}

/// The operands of a call: the nodes of the command, the first of them being what is called, and the value that comes
/// from the pipeline before.
pub(crate) struct Operands<'s> {
    /// All words of the command; empty where there is no command.
    pub(crate) words: &'s [Id],
    pub(crate) last: Option<Rv>,
}

impl<'s> Operands<'s> {
    pub(crate) const NONE: Self = Self { words: &[], last: None };

    pub(crate) fn args(&self) -> &'s [Id] {
        self.words.get(1..).unwrap_or_default()
    }

    pub(crate) fn is_given(&self) -> bool {
        self.words.len() > 1 || self.last.is_some()
    }
}

impl<'s> Exec<'s, '_, '_> {
    pub(crate) fn function(
        &mut self,
        dot: &Rv,
        command: Id,
        name: Span,
        function: u32,
        operands: Operands<'s>,
    ) -> Res<Rv> {
        let function = self.set.functions().at(function);
        self.call(dot, &Callee::Function(function), command, name, operands)
    }

    pub(crate) fn call(
        &mut self,
        dot: &Rv,
        callee: &Callee<'_>,
        id: Id,
        name: Span,
        operands: Operands<'s>,
    ) -> Res<Rv> {
        let signature = match callee {
            Callee::Function(function) => &function.signature,
            Callee::Method(_, signature) => *signature,
        };
        let args = operands.args();
        let given = args.len() + usize::from(operands.last.is_some());
        let params = signature.params;
        if signature.variadic {
            let fixed = params.len() - 1;
            if given < fixed {
                let (name, got) = (self.tree.ident(name), args.len());
                let message = format!("wrong number of args for {name}: want at least {fixed} got {got}");
                return Err(self.error(message));
            }
        } else if given != params.len() {
            let (name, want) = (self.tree.ident(name), params.len());
            let message = format!("wrong number of args for {name}: want {want} got {given}");
            return Err(self.error(message));
        }
        let param = |at: usize| &params[at.min(params.len() - 1)];
        let builtin = match callee {
            Callee::Function(Function { body: Body::Builtin(builtin), .. }) => Some(*builtin),
            _ => None,
        };
        match builtin {
            Some(Builtin::Print | Builtin::Printf | Builtin::Println) => {}
            Some(Builtin::And | Builtin::Or) => return self.short_circuit(dot, builtin == Some(Builtin::Or), operands),
            Some(builtin) => {
                let mut values: SmallVec<[Rv; 4]> = SmallVec::with_capacity(given);
                for (at, arg) in args.iter().enumerate() {
                    values.push(self.arg(dot, Some(param(at)), *arg)?);
                }
                let callee_name = match (builtin, args.first(), &operands.last) {
                    (Builtin::Call, Some(first), _) => self.text(*first),
                    (Builtin::Call, None, Some(last)) => reflect_string(last),
                    _ => String::new(),
                };
                if let Some(last) = operands.last {
                    values.push(self.validated(last, Some(param(given - 1)))?);
                }
                let result = builtins::call(builtin, self, &callee_name, values);
                return result.map_err(|error| {
                    self.node = id;
                    self.func_error(self.tree.ident(name), error)
                });
            }
            None => {}
        }
        let mut values: SmallVec<[Value; 4]> = SmallVec::with_capacity(given);
        for (at, arg) in args.iter().enumerate() {
            let param = param(at);
            let value = self.arg(dot, Some(param), *arg)?;
            values.push(fitted(value, param));
        }
        if let Some(last) = operands.last {
            let param = param(given - 1);
            let value = self.validated(last, Some(param))?;
            values.push(fitted(value, param));
        }
        let tree = self.tree;
        let mut context = self.context();
        let result = match callee {
            Callee::Function(Function { body: Body::Native(run), .. }) => run(&mut context, &mut values),
            Callee::Function(_) if let Some(builtin) = builtin => builtins::print(builtin, context.run, &values),
            Callee::Method(object, _) => object.call(tree.ident(name), &mut context, &mut values),
            Callee::Function(_) => Ok(Value::Nil),
        };
        match result {
            Ok(value) => Ok(Rv::of(&signature.result, value)),
            Err(error) => {
                self.node = id;
                Err(self.func_error(tree.ident(name), error))
            }
        }
    }

    /// `and` and `or`: arguments after the one that decides are not evaluated.
    fn short_circuit(&mut self, dot: &Rv, or: bool, operands: Operands<'s>) -> Res<Rv> {
        let mut value = Rv::Invalid;
        for arg in operands.args() {
            value = self.arg(dot, Some(&Type::Reflect), *arg)?;
            if value.is_true() == or {
                return Ok(value);
            }
        }
        Ok(operands.last.unwrap_or(value))
    }

    // Arguments.

    /// Evaluates an operand for a place of a type; without one, whatever it is.
    pub(crate) fn arg(&mut self, dot: &Rv, ty: Option<&'static Type>, id: Id) -> Res<Rv> {
        let tree = self.tree;
        self.node = id;
        let value = match tree.node(id) {
            Node::Dot => dot.clone(),
            Node::Nil => {
                let ty = ty.unwrap_or(&Type::Any);
                if ty.can_be_nil() {
                    return Ok(Rv::of(ty, ty.zero()));
                }
                return Err(self.error(format!("cannot assign nil to {ty}")));
            }
            Node::Field(names) => self.fields(dot, dot, id, *names, Operands::NONE)?,
            Node::Variable { slot, name, fields } => {
                self.variable_fields(dot, id, (*slot, *name), *fields, Operands::NONE)?
            }
            Node::Pipe { .. } => self.parenthesized(dot, id)?,
            Node::Identifier { name, function } => self.function(dot, id, *name, *function, Operands::NONE)?,
            Node::Chain { node, fields } => self.chain(dot, id, *node, *fields, Operands::NONE)?,
            literal => return self.literal(literal, ty.unwrap_or(&Type::Any), id),
        };
        self.validated(value, ty)
    }

    /// A constant for a place of a type.
    fn literal(&mut self, literal: &Node, ty: &'static Type, id: Id) -> Res<Rv> {
        let expected = |exec: &Self, what: &str| exec.error(format!("expected {what}; found {}", exec.text(id)));
        let value = match (ty.underlying(), literal) {
            (Type::Any | Type::Reflect | Type::Bool, Node::Bool(truth)) => Value::Bool(*truth),
            (Type::Any | Type::Reflect, Node::Number(number)) => return self.ideal_constant(id, number),
            (Type::Any | Type::Reflect | Type::String, Node::String { quoted, text }) => {
                Value::str(self.tree.string(*quoted, text.as_deref()))
            }
            (Type::Bool, _) => return Err(expected(self, "bool")),
            (Type::String, _) => return Err(expected(self, "string")),
            (Type::Int(kind), node) => match node {
                Node::Number(number) if let Some(int) = number.int => Value::Int(*kind, truncated(*kind, int)),
                _ => return Err(expected(self, "integer")),
            },
            (Type::Uint(kind), node) => match node {
                Node::Number(number) if let Some(uint) = number.uint => Value::Uint(*kind, truncated_uint(*kind, uint)),
                _ => return Err(expected(self, "unsigned integer")),
            },
            (Type::Float(kind), node) => match node {
                Node::Number(number) if let Some(float) = number.float => Value::Float(*kind, float),
                _ => return Err(expected(self, "float")),
            },
            (Type::Complex, node) => match node {
                Node::Number(number) if let Some((re, im)) = number.complex => Value::Complex(re, im),
                _ => return Err(expected(self, "complex")),
            },
            _ => return Err(self.error(format!("can't handle {} for arg of type {ty}", self.text(id)))),
        };
        Ok(Rv::Typed(value))
    }

    /// Checks that a value may be given to a place of a type.
    fn validated(&mut self, value: Rv, ty: Option<&'static Type>) -> Res<Rv> {
        let Some(ty) = ty else { return Ok(value) };
        match (value, ty) {
            (value, Type::Reflect) => Ok(value),
            (Rv::Invalid, _) => {
                if ty.can_be_nil() {
                    return Ok(Rv::of(ty, ty.zero()));
                }
                Err(self.error(format!("invalid value; expected {ty}")))
            }
            (value, Type::Any) => Ok(value),
            (Rv::Iface(Value::Nil), _) => {
                Err(self.error(format!("wrong type for value; expected {ty}; got interface {{}}")))
            }
            (Rv::Typed(value) | Rv::Iface(value), _) => {
                if is_assignable(&value, ty) {
                    return Ok(Rv::Typed(value));
                }
                Err(self.error(format!("wrong type for value; expected {ty}; got {}", value.type_name())))
            }
        }
    }
}

/// What Go's `reflect.Value.String` gives.
fn reflect_string(value: &Rv) -> String {
    match value {
        Rv::Invalid => "<invalid Value>".to_owned(),
        Rv::Typed(Value::Str(text)) => text.to_text().into_owned(),
        other => format!("<{} Value>", other.type_name()),
    }
}

/// Tells whether a value may be given to a place of a type.
pub(crate) fn is_assignable(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (_, Type::Any | Type::Reflect) => true,
        (Value::Nil, _) => ty.can_be_nil(),
        (Value::Str(_), Type::String) | (Value::Bool(_), Type::Bool) => true,
        (Value::Int(have, _), Type::Int(want)) => have == want,
        (Value::Uint(have, _), Type::Uint(want)) => have == want,
        (Value::Float(have, _), Type::Float(want)) => have == want,
        (Value::Complex(..), Type::Complex) => true,
        (Value::Map(map), _) => map.ty().is_assignable_to(ty),
        (Value::List(list), _) => list.ty().is_assignable_to(ty),
        (Value::Bytes(_), _) => Type::BYTES.is_assignable_to(ty),
        (Value::Object(object), Type::Error) => object.is_error(),
        (Value::Object(object), Type::Host(name)) => object.type_name() == *name,
        (Value::Object(object), Type::Map(_) | Type::Slice(_)) => match object.shape() {
            Shape::Plain(value) => is_assignable(&value, ty),
            _ => false,
        },
        (Value::Func(func), Type::Host(name)) => func.type_name() == *name,
        _ => false,
    }
}

/// Turns an argument that was found to fit into what the function gets.
pub(crate) fn fitted(value: Rv, ty: &'static Type) -> Value {
    match (value.into_any(), ty) {
        (Value::Map(map), Type::Map(_) | Type::Named(_)) if map.ty() != ty => Value::Map(map.retyped(ty)),
        (Value::List(list), Type::Slice(_) | Type::Named(_)) if list.ty() != ty => Value::List(list.retyped(ty)),
        (Value::Object(object), Type::Map(_) | Type::Slice(_)) => match object.shape() {
            Shape::Plain(value) => value,
            _ => Value::Object(object),
        },
        (value, _) => value,
    }
}

pub(crate) fn truncated(kind: IntKind, int: i64) -> i64 {
    match kind {
        IntKind::Int | IntKind::Int64 => int,
        IntKind::Int8 => i64::from(int as i8),
        IntKind::Int16 => i64::from(int as i16),
        IntKind::Int32 => i64::from(int as i32),
    }
}

pub(crate) fn truncated_uint(kind: UintKind, uint: u64) -> u64 {
    match kind {
        UintKind::Uint | UintKind::Uint64 | UintKind::Uintptr => uint,
        UintKind::Uint8 => u64::from(uint as u8),
        UintKind::Uint16 => u64::from(uint as u16),
        UintKind::Uint32 => u64::from(uint as u32),
    }
}

/// Calls a function value, as the function `call` does.
pub(crate) fn call_value(
    exec: &mut Exec<'_, '_, '_>,
    name: &str,
    function: &Value,
    args: &mut [Value],
) -> Result<Rv, FuncError> {
    let Value::Func(func) = function else {
        return Err(FuncError::new(format!("non-function {name} of type {}", function.type_name())));
    };
    let FuncBody::Call(run) = &func.body else {
        let results = "should be 1 or 2";
        return Err(FuncError::new(format!("function {name} has 0 return values; {results}")));
    };
    let params = func.signature.params;
    if func.signature.variadic {
        let fixed = params.len() - 1;
        if args.len() < fixed {
            let got = args.len();
            return Err(FuncError::new(format!("wrong number of args for {name}: got {got} want at least {fixed}")));
        }
    } else if args.len() != params.len() {
        let (got, want) = (args.len(), params.len());
        return Err(FuncError::new(format!("wrong number of args for {name}: got {got} want {want}")));
    }
    for (at, arg) in args.iter_mut().enumerate() {
        let param = &params[at.min(params.len() - 1)];
        let value = builtins::prepared(std::mem::take(arg), param).map_err(|error| format!("arg {at}: {error}"))?;
        *arg = fitted(Rv::concrete(value), param);
    }
    run(&mut exec.context(), args).map(|value| Rv::of(&func.signature.result, value))
}
