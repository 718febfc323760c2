//! The macros cel-go's extensions add to the standard ones, and walks over parsed expressions.

use cel::Env;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue, MapEntryExpr,
    MapExpr,
};
use cel::parser::{Macro, MacroExprHelper, ParseError};

const RESULT: &str = "@result";

/// Returns an environment that parses what Kubernetes does.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    let two = [
        ("all", 3),
        ("exists", 3),
        ("existsOne", 3),
        ("exists_one", 3),
        ("transformList", 3),
        ("transformList", 4),
        ("transformMap", 3),
        ("transformMap", 4),
        ("transformMapEntry", 3),
        ("transformMapEntry", 4),
    ];
    for (name, count) in two {
        let expand = move |helper: &mut MacroExprHelper<'_>,
                           target: &mut Option<IdedExpr>,
                           args: &mut Vec<IdedExpr>| expand_two(name, helper, target, args);
        env.add_macro(Macro::receiver(name, count, expand))
            .expect("holds because the standard macros have other arities");
    }
    env.add_macro(Macro::receiver("sortBy", 2, sort_by)).expect("holds because no other macro has this name");
    env
}

fn name_of(argument: &IdedExpr, helper: &MacroExprHelper<'_>) -> Result<String, ParseError> {
    match &argument.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(helper.new_error(argument.id, "argument must be a simple name")),
    }
}

fn call(helper: &mut MacroExprHelper<'_>, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn result(helper: &mut MacroExprHelper<'_>) -> IdedExpr {
    helper.next_expr(Expr::Ident(RESULT.to_owned()))
}

fn truth(helper: &mut MacroExprHelper<'_>, flag: bool) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Boolean(flag.into())))
}

fn int(helper: &mut MacroExprHelper<'_>, number: i64) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Int(number.into())))
}

fn expand_two(
    name: &str,
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let Some(range) = target.take() else { return Ok(None) };
    let (first, second) = (name_of(&args[0], helper)?, name_of(&args[1], helper)?);
    if first == second {
        return Err(helper.new_error(args[1].id, format!("duplicate variable name: {first}")));
    }
    let mut rest = args.drain(2..);
    let before = rest.next();
    let after = rest.next();
    drop(rest);
    let (filter, body) = match (before, after) {
        (Some(filter), Some(body)) => (Some(filter), body),
        (Some(body), None) => (None, body),
        _ => return Ok(None),
    };
    let mut condition = truth(helper, true);
    let so_far = result(helper);
    let mut outcome = result(helper);
    let (init, step) = match name {
        "all" => {
            let accu = result(helper);
            condition = call(helper, "@not_strictly_false", vec![accu]);
            (truth(helper, true), call(helper, "_&&_", vec![so_far, body]))
        }
        "exists" => {
            let accu = result(helper);
            let negated = call(helper, "!_", vec![accu]);
            condition = call(helper, "@not_strictly_false", vec![negated]);
            (truth(helper, false), call(helper, "_||_", vec![so_far, body]))
        }
        "existsOne" | "exists_one" => {
            let one = int(helper, 1);
            let more = call(helper, "_+_", vec![so_far, one]);
            let same = result(helper);
            let (accu, one) = (result(helper), int(helper, 1));
            outcome = call(helper, "_==_", vec![accu, one]);
            (int(helper, 0), call(helper, "_?_:_", vec![body, more, same]))
        }
        "transformList" => {
            let one = helper.next_expr(Expr::List(ListExpr::new(vec![body])));
            (helper.next_expr(Expr::List(ListExpr::new(Vec::new()))), call(helper, "_+_", vec![so_far, one]))
        }
        _ => {
            let args = if name == "transformMap" {
                let key = helper.next_expr(Expr::Ident(first.clone()));
                vec![so_far, key, body]
            } else {
                vec![so_far, body]
            };
            let empty = helper.next_expr(Expr::Map(MapExpr { entries: Vec::<IdedEntryExpr>::new() }));
            (empty, call(helper, "cel.@mapInsert", args))
        }
    };
    let step = match filter {
        Some(filter) => {
            let same = result(helper);
            call(helper, "_?_:_", vec![filter, step, same])
        }
        None => step,
    };
    Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: first,
        iter_var2: Some(second),
        accu_var: RESULT.to_owned(),
        accu_init: init,
        loop_cond: condition,
        loop_step: step,
        result: outcome,
    })))))
}

/// Expands `list.sortBy(e, key)` to the list sorted by the keys of its items.
fn sort_by(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let Some(list) = target.take() else { return Ok(None) };
    if matches!(list.expr, Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)) {
        let why = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err(helper.new_error(list.id, why));
    }
    let name = name_of(&args[0], helper)?;
    let key = args.remove(1);
    let so_far = result(helper);
    let one = helper.next_expr(Expr::List(ListExpr::new(vec![key])));
    let step = call(helper, "_+_", vec![so_far, one]);
    let keys = ComprehensionExpr {
        iter_range: list.clone(),
        iter_var: name,
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: helper.next_expr(Expr::List(ListExpr::new(Vec::new()))),
        loop_cond: truth(helper, true),
        loop_step: step,
        result: result(helper),
    };
    let keys = helper.next_expr(Expr::Comprehension(Box::new(keys)));
    Ok(Some(helper.next_expr(Expr::Call(CallExpr {
        func_name: "@sortByAssociatedKeys".to_owned(),
        target: Some(Box::new(list)),
        args: vec![keys],
    }))))
}

/// Shows every call of an expression.
pub(super) fn visit(at: &IdedExpr, see: &mut impl FnMut(&CallExpr)) {
    visit_with_ids(at, &mut |_, call| see(call));
}

/// Shows every call of an expression, with the number its place is known by.
pub(super) fn visit_with_ids(at: &IdedExpr, see: &mut impl FnMut(u64, &CallExpr)) {
    match &at.expr {
        Expr::Call(call) => {
            see(at.id, call);
            call.target.iter().for_each(|target| visit_with_ids(target, see));
            call.args.iter().for_each(|arg| visit_with_ids(arg, see));
        }
        Expr::Comprehension(all) => {
            let parts = [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
            for part in parts {
                visit_with_ids(part, see);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|element| visit_with_ids(element, see)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(MapEntryExpr { key, value, .. }) = &entry.expr {
                    visit_with_ids(key, see);
                    visit_with_ids(value, see);
                }
            }
        }
        Expr::Select(select) => visit_with_ids(&select.operand, see),
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
