//! Finds out the type of an expression before it is evaluated, and what is wrong with it (cel-go: `checker/checker.go`).

use std::collections::HashMap;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, SelectExpr, SourceInfo,
};

use super::functions::{self, Overload};
use super::types::Type;
use super::unify::{Mapping, most_general};

/// A mistake and the place it was made at.
#[derive(Debug, Clone)]
pub(super) struct Mistake {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// What a part of an expression refers to.
#[derive(Debug)]
pub(super) enum Reference {
    Variable(String),
    /// The type of this name.
    Type(String),
    /// A function by its whole name, and those of its overloads that fit.
    Call {
        name: String,
        overloads: Vec<&'static Overload>,
    },
}

/// What checking an expression found.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) ty: Type,
    pub(super) mistakes: Vec<Mistake>,
    /// The variables that were mentioned.
    pub(super) variables: Vec<String>,
    /// The type of each part, and what it refers to, by the parts' numbers.
    pub(super) types: HashMap<u64, Type>,
    pub(super) references: HashMap<u64, Reference>,
}

impl Checked {
    /// Returns the type of a part of the expression.
    pub(super) fn type_of(&self, at: &IdedExpr) -> &Type {
        self.types.get(&at.id).unwrap_or(&Type::Dyn)
    }
}

/// Checks an expression whose free variables have the given types.
pub(super) fn check(expression: &IdedExpr, text: Text<'_>, variables: &[(&str, Type)]) -> Checked {
    let root = variables.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect();
    let mut checker = Checker {
        text,
        scopes: vec![root],
        mapping: Mapping::default(),
        mistakes: Vec::new(),
        mentioned: Vec::new(),
        next_param: 0,
        types: HashMap::new(),
        references: HashMap::new(),
    };
    let ty = checker.check(expression);
    let ty = checker.mapping.resolve(&ty, true);
    let Checker { mapping, mut types, references, mistakes, mentioned: variables, .. } = checker;
    for ty in types.values_mut() {
        *ty = mapping.resolve(ty, true);
    }
    Checked { ty, mistakes, variables, types, references }
}

struct Checker<'a> {
    text: Text<'a>,
    scopes: Vec<HashMap<String, Type>>,
    mapping: Mapping,
    mistakes: Vec<Mistake>,
    mentioned: Vec<String>,
    next_param: usize,
    types: HashMap<u64, Type>,
    references: HashMap<u64, Reference>,
}

impl Checker<'_> {
    fn refuse(&mut self, at: &IdedExpr, message: String) -> Type {
        let offset = self.text.offset_of(at);
        self.mistakes.push(Mistake { offset, message });
        Type::Error
    }

    fn fresh(&mut self) -> Type {
        self.next_param += 1;
        Type::Param(format!("_var{}", self.next_param - 1))
    }

    fn check(&mut self, at: &IdedExpr) -> Type {
        let ty = self.check_kind(at);
        self.types.insert(at.id, ty.clone());
        ty
    }

    fn check_kind(&mut self, at: &IdedExpr) -> Type {
        match &at.expr {
            Expr::Literal(literal) => type_of_literal(literal),
            Expr::Ident(name) => self.check_ident(at, name),
            Expr::Select(select) => self.check_select(at, select),
            Expr::Call(call) => self.check_call(at, call),
            Expr::List(list) => self.check_list(list),
            Expr::Map(map) => self.check_map(map),
            Expr::Struct(message) => {
                let name = message.type_name.clone();
                self.refuse(at, undeclared(&name))
            }
            Expr::Comprehension(comprehension) => self.check_comprehension(comprehension),
            Expr::Unspecified => Type::Dyn,
        }
    }

    fn variable(&mut self, at: u64, name: &str) -> Option<Type> {
        let name = name.trim_start_matches('.');
        for (depth, scope) in self.scopes.iter().enumerate().rev() {
            if let Some(found) = scope.get(name) {
                if depth == 0 {
                    self.mentioned.push(name.to_owned());
                }
                self.references.insert(at, Reference::Variable(name.to_owned()));
                return Some(found.clone());
            }
        }
        let named = functions::named_type(name)?;
        self.references.insert(at, Reference::Type(name.to_owned()));
        Some(Type::Meta(Box::new(named)))
    }

    fn check_ident(&mut self, at: &IdedExpr, name: &str) -> Type {
        match self.variable(at.id, name) {
            Some(ty) => ty,
            None => self.refuse(at, undeclared(name)),
        }
    }

    fn check_select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Type {
        if !select.test
            && let Some(name) = qualified_name(at)
            && let Some(ty) = self.variable(at.id, &name)
        {
            return ty;
        }
        let ty = self.check_field(at, &select.operand, &select.field, false);
        if select.test { Type::Bool } else { self.mapping.resolve(&ty, false) }
    }

    fn check_field(&mut self, at: &IdedExpr, operand: &IdedExpr, field: &str, optional: bool) -> Type {
        let operand = self.check(operand);
        let operand = self.mapping.resolve(&operand, false);
        let (target, is_optional) = match operand.unwrap_optional() {
            Some(inner) => (inner.clone(), true),
            None => (operand, false),
        };
        let result = match &target {
            Type::Map(_, value) => (**value).clone(),
            Type::Object(object) => match object.fields.get(field) {
                Some(ty) => ty.clone(),
                None => self.refuse(at, format!("undefined field '{field}'")),
            },
            Type::Param(_) => {
                self.mapping.assign(&Type::Dyn, &target);
                Type::Dyn
            }
            ty if ty.is_dyn_or_error() => Type::Dyn,
            ty => {
                self.refuse(at, format!("type '{ty}' does not support field selection"));
                Type::Dyn
            }
        };
        if is_optional || optional { Type::optional(result) } else { result }
    }

    fn check_call(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        if call.func_name == "_?._"
            && let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(field)), .. }] = &call.args[..]
        {
            let ty = self.check_field(at, operand, field.inner(), true);
            self.references.insert(at.id, Reference::Call { name: call.func_name.clone(), overloads: Vec::new() });
            return self.mapping.resolve(&ty, false);
        }
        let mut args: Vec<Type> = call.args.iter().map(|arg| self.check(arg)).collect();
        let Some(target) = &call.target else {
            let name = call.func_name.trim_start_matches('.');
            return match functions::overloads(name) {
                Some(overloads) => self.resolve(at, name, overloads, &args, call, false),
                None => self.refuse(at, undeclared(name)),
            };
        };
        if let Some(prefix) = qualified_name(target) {
            let name = format!("{prefix}.{}", call.func_name);
            if let Some(overloads) = functions::overloads(&name) {
                return self.resolve(at, &name, overloads, &args, call, false);
            }
        }
        let target = self.check(target);
        args.insert(0, target);
        match functions::overloads(&call.func_name) {
            Some(overloads) => self.resolve(at, &call.func_name, overloads, &args, call, true),
            None => self.refuse(at, undeclared(&call.func_name)),
        }
    }

    fn resolve(
        &mut self,
        at: &IdedExpr,
        name: &str,
        overloads: &'static [Overload],
        args: &[Type],
        call: &CallExpr,
        is_member: bool,
    ) -> Type {
        if name == "_&&_" || name == "_||_" {
            let mut wrong = false;
            for (arg, ty) in call.args.iter().zip(args) {
                if !self.mapping.assign(ty, &Type::Bool) {
                    self.refuse(arg, format!("expected type 'bool' but found '{ty}'"));
                    wrong = true;
                }
            }
            self.references
                .insert(at.id, Reference::Call { name: name.to_owned(), overloads: overloads.iter().collect() });
            return if wrong { Type::Error } else { Type::Bool };
        }
        let mut fitting = Vec::new();
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.is_member == is_member) {
            let mut params = HashMap::new();
            let want: Vec<Type> = overload.args.iter().map(|arg| self.instantiate(arg, &mut params)).collect();
            let given = self.instantiate(&overload.result, &mut params);
            if !self.mapping.assign_all(args, &want) {
                continue;
            }
            fitting.push(overload);
            let given = self.mapping.resolve(&given, false);
            result = Some(match result {
                None => given,
                Some(Type::Dyn) => Type::Dyn,
                Some(same) if same == given => same,
                Some(_) => Type::Dyn,
            });
        }
        if let Some(result) = result {
            self.references.insert(at.id, Reference::Call { name: name.to_owned(), overloads: fitting });
            return result;
        }
        let shown: Vec<String> = args.iter().map(|arg| self.mapping.resolve(arg, true).to_string()).collect();
        let signature = match (is_member, &shown[..]) {
            (true, [target, rest @ ..]) => format!("{target}.({})", rest.join(", ")),
            (_, all) => format!("({})", all.join(", ")),
        };
        self.refuse(at, format!("found no matching overload for '{name}' applied to '{signature}'"))
    }

    /// Gives a declaration's parameters new names.
    fn instantiate(&mut self, ty: &Type, params: &mut HashMap<String, Type>) -> Type {
        match ty {
            Type::Param(name) => {
                if let Some(known) = params.get(name) {
                    return known.clone();
                }
                let fresh = self.fresh();
                params.insert(name.clone(), fresh.clone());
                fresh
            }
            Type::List(inner) => Type::list(self.instantiate(inner, params)),
            Type::Meta(inner) => Type::Meta(Box::new(self.instantiate(inner, params))),
            Type::Map(key, value) => {
                let key = self.instantiate(key, params);
                Type::map(key, self.instantiate(value, params))
            }
            Type::Opaque(name, inner) => {
                Type::Opaque(name.clone(), inner.iter().map(|ty| self.instantiate(ty, params)).collect())
            }
            _ => ty.clone(),
        }
    }

    fn check_list(&mut self, list: &ListExpr) -> Type {
        let mut of: Option<Type> = None;
        for (at, element) in list.elements.iter().enumerate() {
            let ty = self.check(element);
            let ty = self.unwrap_element(element, ty, list.optional_indices.contains(&at));
            of = Some(self.join(of, ty));
        }
        let of = of.unwrap_or_else(|| self.fresh());
        Type::list(of)
    }

    fn unwrap_element(&mut self, at: &IdedExpr, ty: Type, is_optional: bool) -> Type {
        if !is_optional {
            return ty;
        }
        match ty.unwrap_optional() {
            Some(inner) => inner.clone(),
            None if ty == Type::Dyn => ty,
            None => {
                let want = Type::optional(ty.clone());
                self.refuse(at, format!("expected type '{want}' but found '{ty}'"));
                ty
            }
        }
    }

    fn check_map(&mut self, map: &MapExpr) -> Type {
        let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let key = self.check(&entry.key);
            keys = Some(self.join(keys, key));
            let value = self.check(&entry.value);
            let value = self.unwrap_element(&entry.value, value, entry.optional);
            values = Some(self.join(values, value));
        }
        let keys = keys.unwrap_or_else(|| self.fresh());
        let values = values.unwrap_or_else(|| self.fresh());
        Type::map(keys, values)
    }

    /// Elements of a literal that are of several types are of any.
    fn join(&mut self, before: Option<Type>, next: Type) -> Type {
        let Some(before) = before else { return next };
        if self.mapping.assign(&before, &next) {
            return most_general(&before, &next);
        }
        Type::Dyn
    }

    fn check_comprehension(&mut self, all: &ComprehensionExpr) -> Type {
        let range = self.check(&all.iter_range);
        let accumulated = self.check(&all.accu_init);
        let range = self.mapping.resolve(&range, false);
        let (first, second) = match &range {
            Type::List(of) if all.iter_var2.is_some() => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Dyn),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.mapping.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let why = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.refuse(&all.iter_range, why);
                (Type::Error, Type::Error)
            }
        };
        self.scopes.push(HashMap::from([(all.accu_var.clone(), accumulated.clone())]));
        let mut inner = HashMap::from([(all.iter_var.clone(), first)]);
        if let Some(name) = &all.iter_var2 {
            inner.insert(name.clone(), second);
        }
        self.scopes.push(inner);
        let condition = self.check(&all.loop_cond);
        self.expect(&all.loop_cond, &Type::Bool, &condition);
        let step = self.check(&all.loop_step);
        self.expect(&all.loop_step, &accumulated, &step);
        self.scopes.pop();
        let result = self.check(&all.result);
        self.scopes.pop();
        self.mapping.resolve(&result, false)
    }

    fn expect(&mut self, at: &IdedExpr, want: &Type, have: &Type) {
        if !self.mapping.assign(want, have) {
            self.refuse(at, format!("expected type '{want}' but found '{have}'"));
        }
    }
}

/// The text of an expression, and where its parts are.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) source: &'a str,
    pub(super) info: &'a SourceInfo,
    /// Which part each was copied from that a macro repeats.
    pub(super) copies: &'a HashMap<u64, u64>,
}

impl Text<'_> {
    /// Returns where a part of the expression is, or what it was copied from, in bytes.
    pub(super) fn offset_of(&self, at: &IdedExpr) -> usize {
        let mut id = at.id;
        while let Some(of) = self.copies.get(&id) {
            id = *of;
        }
        let start = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let is_negative = match &at.expr {
            Expr::Literal(LiteralValue::Int(number)) => *number.inner() < 0,
            Expr::Literal(LiteralValue::Double(number)) => *number.inner() < 0.0,
            _ => false,
        };
        // The parser takes a negative number to begin behind its sign.
        let before = self.source.get(..start).unwrap_or_default().trim_end();
        if is_negative && before.ends_with('-') { before.len() - 1 } else { start }
    }
}

fn type_of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

fn undeclared(name: &str) -> String {
    format!("undeclared reference to '{name}' (in container '')")
}

/// Returns the dotted name an expression spells, if it is nothing else.
fn qualified_name(at: &IdedExpr) -> Option<String> {
    match &at.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", qualified_name(&select.operand)?, select.field)),
        _ => None,
    }
}
