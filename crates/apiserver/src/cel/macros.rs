//! The macros of CEL, expanded to the very trees cel-go makes of them, since costs follow the tree; and walks over parsed
//! expressions.

use std::cell::RefCell;
use std::collections::HashMap;

use cel::Env;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr, SelectExpr,
};
use cel::parser::{Macro, MacroExprHelper, ParseError};

/// What comprehensions gather their result in; no expression can spell it.
pub(super) const RESULT: &str = "@result";

/// The most nodes an expression may have that a macro repeats.
const MOST_COPIED: usize = 50_000;

type Helper<'a> = MacroExprHelper<'a>;
type Expanded = Result<Option<IdedExpr>, ParseError>;

/// Returns an environment that parses what Kubernetes does.
pub(super) fn environment() -> Env {
    let mut env = Env::default();
    let mut add = |name: &'static str,
                   count: usize,
                   expand: fn(&str, &mut Helper<'_>, IdedExpr, Vec<IdedExpr>) -> Expanded| {
        let expand =
            move |helper: &mut Helper<'_>, target: &mut Option<IdedExpr>, args: &mut Vec<IdedExpr>| match target.take()
            {
                Some(target) => expand(name, helper, target, std::mem::take(args)),
                None => Ok(None),
            };
        env.add_macro(Macro::receiver(name, count, expand)).expect("holds because every macro is added once");
    };
    for name in ["all", "exists", "exists_one", "existsOne", "map", "filter"] {
        add(name, 2, expand_one);
    }
    add("map", 3, expand_one);
    for name in ["all", "exists", "existsOne", "exists_one", "transformList", "transformMap", "transformMapEntry"] {
        add(name, 3, expand_two);
    }
    for name in ["transformList", "transformMap", "transformMapEntry"] {
        add(name, 4, expand_two);
    }
    add("sortBy", 2, sort_by);
    add("optMap", 2, opt_map);
    add("optFlatMap", 2, opt_map);
    env.add_macro(Macro::global("has", 1, has)).expect("holds because every macro is added once");
    env
}

fn call(helper: &mut Helper<'_>, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn method(helper: &mut Helper<'_>, target: IdedExpr, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: Some(Box::new(target)), args }))
}

fn ident(helper: &mut Helper<'_>, name: &str) -> IdedExpr {
    helper.next_expr(Expr::Ident(name.to_owned()))
}

fn truth(helper: &mut Helper<'_>, flag: bool) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Boolean(flag.into())))
}

fn int(helper: &mut Helper<'_>, number: i64) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Int(number.into())))
}

fn list(helper: &mut Helper<'_>, items: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::List(ListExpr::new(items)))
}

fn has(helper: &mut Helper<'_>, _: &mut Option<IdedExpr>, args: &mut Vec<IdedExpr>) -> Expanded {
    let Some(IdedExpr { id, expr }) = args.pop() else { return Ok(None) };
    match expr {
        Expr::Select(select) => Ok(Some(helper.next_expr(Expr::Select(SelectExpr { test: true, ..select })))),
        _ => Err(helper.new_error(id, "invalid argument to has() macro")),
    }
}

/// Takes the name a comprehension binds.
fn variable(argument: &IdedExpr, helper: &Helper<'_>, otherwise: &str) -> Result<String, ParseError> {
    match &argument.expr {
        Expr::Ident(name) if name == "__result__" => {
            Err(helper.new_error(argument.id, "iteration variable overwrites accumulator variable"))
        }
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(helper.new_error(argument.id, otherwise)),
    }
}

/// How a comprehension goes on from its result so far.
struct Loop {
    init: IdedExpr,
    condition: IdedExpr,
    step: IdedExpr,
    result: IdedExpr,
}

/// Makes the loop of a quantifier or of a transformation to a list.
fn steps(name: &str, helper: &mut Helper<'_>, filter: Option<IdedExpr>, body: IdedExpr) -> Loop {
    match name {
        "all" => {
            let init = truth(helper, true);
            let so_far = ident(helper, RESULT);
            let condition = call(helper, "@not_strictly_false", vec![so_far]);
            let so_far = ident(helper, RESULT);
            let step = call(helper, "_&&_", vec![so_far, body]);
            Loop { init, condition, step, result: ident(helper, RESULT) }
        }
        "exists" => {
            let init = truth(helper, false);
            let so_far = ident(helper, RESULT);
            let negated = call(helper, "!_", vec![so_far]);
            let condition = call(helper, "@not_strictly_false", vec![negated]);
            let so_far = ident(helper, RESULT);
            let step = call(helper, "_||_", vec![so_far, body]);
            Loop { init, condition, step, result: ident(helper, RESULT) }
        }
        "exists_one" | "existsOne" => {
            let (init, condition) = (int(helper, 0), truth(helper, true));
            let (so_far, one) = (ident(helper, RESULT), int(helper, 1));
            let more = call(helper, "_+_", vec![so_far, one]);
            let same = ident(helper, RESULT);
            let step = call(helper, "_?_:_", vec![body, more, same]);
            let (so_far, one) = (ident(helper, RESULT), int(helper, 1));
            Loop { init, condition, step, result: call(helper, "_==_", vec![so_far, one]) }
        }
        _ => {
            let (init, condition) = (list(helper, Vec::new()), truth(helper, true));
            let (so_far, one) = (ident(helper, RESULT), list(helper, vec![body]));
            let step = call(helper, "_+_", vec![so_far, one]);
            let step = filtered(helper, filter, step);
            Loop { init, condition, step, result: ident(helper, RESULT) }
        }
    }
}

/// Leaves the result as it is where the filter does not hold.
fn filtered(helper: &mut Helper<'_>, filter: Option<IdedExpr>, step: IdedExpr) -> IdedExpr {
    match filter {
        Some(filter) => {
            let same = ident(helper, RESULT);
            call(helper, "_?_:_", vec![filter, step, same])
        }
        None => step,
    }
}

fn comprehend(
    helper: &mut Helper<'_>,
    range: IdedExpr,
    (first, second): (String, Option<String>),
    steps: Loop,
) -> IdedExpr {
    helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: first,
        iter_var2: second,
        accu_var: RESULT.to_owned(),
        accu_init: steps.init,
        loop_cond: steps.condition,
        loop_step: steps.step,
        result: steps.result,
    })))
}

fn expand_one(name: &str, helper: &mut Helper<'_>, target: IdedExpr, mut args: Vec<IdedExpr>) -> Expanded {
    let otherwise = if name == "map" || name == "filter" {
        "argument is not an identifier"
    } else {
        "argument must be a simple name"
    };
    let bound = variable(&args[0], helper, otherwise)?;
    let body = args.pop();
    let Some(body) = body else { return Ok(None) };
    let steps = match name {
        "filter" => {
            let item = args.remove(0);
            steps(name, helper, Some(body), item)
        }
        _ => {
            let filter = (args.len() == 2).then(|| args.remove(1));
            steps(name, helper, filter, body)
        }
    };
    Ok(Some(comprehend(helper, target, (bound, None), steps)))
}

fn expand_two(name: &str, helper: &mut Helper<'_>, target: IdedExpr, mut args: Vec<IdedExpr>) -> Expanded {
    const OTHERWISE: &str = "argument must be a simple name";
    let simple = |argument: &IdedExpr| match argument.expr {
        Expr::Ident(_) => Ok(()),
        _ => Err(helper.new_error(argument.id, OTHERWISE)),
    };
    simple(&args[0])?;
    simple(&args[1])?;
    if args[0].expr == args[1].expr {
        let Expr::Ident(name) = &args[1].expr else { return Ok(None) };
        return Err(helper.new_error(args[1].id, format!("duplicate variable name: {name}")));
    }
    let (first, second) = (variable(&args[0], helper, OTHERWISE)?, variable(&args[1], helper, OTHERWISE)?);
    let Some(body) = args.pop() else { return Ok(None) };
    let filter = (args.len() == 3).then(|| args.remove(2));
    let steps = if name.starts_with("transformMap") {
        let so_far = ident(helper, RESULT);
        let args = if name == "transformMap" { vec![so_far, ident(helper, &first), body] } else { vec![so_far, body] };
        let step = call(helper, "cel.@mapInsert", args);
        let step = filtered(helper, filter, step);
        let init = helper.next_expr(Expr::Map(MapExpr { entries: Vec::new() }));
        Loop { init, condition: truth(helper, true), step, result: ident(helper, RESULT) }
    } else {
        steps(name, helper, filter, body)
    };
    Ok(Some(comprehend(helper, target, (first, Some(second)), steps)))
}

/// Evaluates `result` with a name bound to a value, as a comprehension over nothing.
fn bind(helper: &mut Helper<'_>, name: &str, value: IdedExpr, result: IdedExpr) -> IdedExpr {
    let (range, condition, step) = (list(helper, Vec::new()), truth(helper, false), ident(helper, name));
    helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond: condition,
        loop_step: step,
        result,
    })))
}

/// Expands `list.sortBy(e, key)` to the list sorted by the keys of its items.
fn sort_by(_: &str, helper: &mut Helper<'_>, target: IdedExpr, args: Vec<IdedExpr>) -> Expanded {
    const INPUT: &str = "@__sortBy_input__";
    if matches!(target.expr, Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)) {
        let why = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err(helper.new_error(target.id, why));
    }
    let input = ident(helper, INPUT);
    let Some(keys) = expand_one("map", helper, input, args)? else { return Ok(None) };
    let input = ident(helper, INPUT);
    let sorted = method(helper, input, "@sortByAssociatedKeys", vec![keys]);
    Ok(Some(bind(helper, INPUT, target, sorted)))
}

/// Expands `optional.optMap(v, e)`: `e` with `v` bound to the value, where there is one.
fn opt_map(name: &str, helper: &mut Helper<'_>, target: IdedExpr, mut args: Vec<IdedExpr>) -> Expanded {
    let Expr::Ident(bound) = &args[0].expr else {
        return Err(helper.new_error(args[0].id, format!("{name}() variable name must be a simple identifier")));
    };
    let bound = bound.clone();
    let Some(body) = args.pop() else { return Ok(None) };
    // Each of a chain of these doubles what it is called on; upstream goes on until memory ends.
    if count(&target) > MOST_COPIED {
        return Err(helper.new_error(target.id, format!("{name}() is called on too large an expression")));
    }
    let again = copy(helper, &target);
    let has_value = method(helper, target, "hasValue", Vec::new());
    let value = method(helper, again, "value", Vec::new());
    let mut some = bind(helper, &bound, value, body);
    if name == "optMap" {
        some = call(helper, "optional.of", vec![some]);
    }
    let none = call(helper, "optional.none", Vec::new());
    Ok(Some(call(helper, "_?_:_", vec![has_value, some, none])))
}

fn count(of: &IdedExpr) -> usize {
    let mut nodes = 0;
    each(of, &mut |_| nodes += 1);
    nodes
}

/// Copies an expression, every part of which becomes known by a number of its own.
fn copy(helper: &mut Helper<'_>, of: &IdedExpr) -> IdedExpr {
    let expr = match &of.expr {
        Expr::Call(call) => Expr::Call(CallExpr {
            func_name: call.func_name.clone(),
            target: call.target.as_deref().map(|target| Box::new(copy(helper, target))),
            args: call.args.iter().map(|arg| copy(helper, arg)).collect(),
        }),
        Expr::Comprehension(all) => Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: copy(helper, &all.iter_range),
            iter_var: all.iter_var.clone(),
            iter_var2: all.iter_var2.clone(),
            accu_var: all.accu_var.clone(),
            accu_init: copy(helper, &all.accu_init),
            loop_cond: copy(helper, &all.loop_cond),
            loop_step: copy(helper, &all.loop_step),
            result: copy(helper, &all.result),
        })),
        Expr::List(list) => Expr::List(ListExpr {
            elements: list.elements.iter().map(|element| copy(helper, element)).collect(),
            optional_indices: list.optional_indices.clone(),
        }),
        Expr::Map(map) => {
            let mut map = map.clone();
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = copy(helper, &entry.key);
                    entry.value = copy(helper, &entry.value);
                }
            }
            Expr::Map(map)
        }
        Expr::Select(select) => {
            Expr::Select(SelectExpr { operand: Box::new(copy(helper, &select.operand)), ..select.clone() })
        }
        other => other.clone(),
    };
    let copied = helper.next_expr(expr);
    COPIES.with_borrow_mut(|copies| copies.insert(copied.id, of.id));
    copied
}

thread_local! {
    /// Which part of the expression being read each copy was made from, for mistakes are told where the first one is: the
    /// parser itself only knows where the macro was called.
    static COPIES: RefCell<HashMap<u64, u64>> = RefCell::default();
}

/// Takes what is known of the copies made while an expression was read.
pub(super) fn take_copies() -> HashMap<u64, u64> {
    COPIES.take()
}

/// Shows every part of an expression, those around others first.
fn each(at: &IdedExpr, see: &mut impl FnMut(&IdedExpr)) {
    each_unless(at, &|_| false, see);
}

/// Does the same without some parts and what is within them.
pub(super) fn each_unless(at: &IdedExpr, is_exempt: &impl Fn(&IdedExpr) -> bool, see: &mut impl FnMut(&IdedExpr)) {
    if is_exempt(at) {
        return;
    }
    see(at);
    match &at.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| each_unless(target, is_exempt, see));
            call.args.iter().for_each(|arg| each_unless(arg, is_exempt, see));
        }
        Expr::Comprehension(all) => {
            let parts = [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
            for part in parts {
                each_unless(part, is_exempt, see);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|element| each_unless(element, is_exempt, see)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(MapEntryExpr { key, value, .. }) = &entry.expr {
                    each_unless(key, is_exempt, see);
                    each_unless(value, is_exempt, see);
                }
            }
        }
        Expr::Select(select) => each_unless(&select.operand, is_exempt, see),
        _ => {}
    }
}

/// Returns the value of a literal.
pub(super) fn constant(at: &IdedExpr) -> Option<super::value::Value> {
    match &at.expr {
        Expr::Literal(literal) => Some(super::eval::literal_value(literal)),
        _ => None,
    }
}

/// Returns the text of a literal.
pub(super) fn literal_text(at: &IdedExpr) -> Option<&str> {
    match &at.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
