//! What can be told to be wrong with constants before anything is evaluated (cel-go: `cel/validator.go`).

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};

use super::check::{Checked, Mistake, Text};
use super::types::{Type, go_name};
use super::value::Value;
use super::{library, macros};

/// Returns the constants that are no durations, timestamps or regular expressions where such are called for, and formats
/// that do not fit their arguments.
pub(super) fn unfit(tree: &IdedExpr, text: &Text<'_>, checked: &Checked) -> Vec<Mistake> {
    let mut out = Vec::new();
    macros::each_unless(tree, &|_| false, &mut |at| {
        let Expr::Call(call) = &at.expr else { return };
        let (name, argument) = match (&call.target, &call.args[..]) {
            (Some(template), [IdedExpr { expr: Expr::List(list), .. }]) if call.func_name == "format" => {
                if let Some(template) = macros::literal_text(template) {
                    let checks = |at: usize, clause: char| misformatted(&list.elements[at], clause, checked);
                    if let Err((wrong, message)) = library::check_format(template, list.elements.len(), &checks) {
                        out.push(Mistake { offset: text.offset_of(wrong.unwrap_or(at)), message });
                    }
                }
                return;
            }
            (None, [argument]) if call.func_name == "duration" || call.func_name == "timestamp" => {
                (call.func_name.as_str(), argument)
            }
            (Some(_), [argument]) if call.func_name == "matches" => ("matches", argument),
            (None, [_, argument]) if call.func_name == "matches" => ("matches", argument),
            _ => return,
        };
        let Some(value) = macros::constant(argument) else { return };
        let is_wrong = match (name, &value) {
            ("matches", Value::String(pattern)) => library::regex(pattern).is_err(),
            ("matches", _) => false,
            (name, _) => library::call(name, false, std::slice::from_ref(&value)).is_err(),
        };
        if is_wrong {
            out.push(Mistake { offset: text.offset_of(argument), message: format!("invalid {name} argument") });
        }
    });
    out
}

/// Returns the part of an argument that a clause of a format does not take, and its type.
fn misformatted<'a>(argument: &'a IdedExpr, clause: char, checked: &Checked) -> Option<(&'a IdedExpr, String)> {
    let ty = checked.type_of(argument);
    let fits = match clause {
        _ if *ty == Type::Dyn => true,
        's' => !matches!(ty, Type::Opaque(..) | Type::Object(_) | Type::Error),
        'd' | 'o' => matches!(ty, Type::Int | Type::Uint),
        'f' | 'e' => matches!(ty, Type::Double | Type::String),
        'b' => matches!(ty, Type::Int | Type::Uint | Type::Bool),
        _ => matches!(ty, Type::Int | Type::Uint | Type::String | Type::Bytes),
    };
    if !fits {
        let name = go_name(ty);
        let name = name.split('(').next().unwrap_or_default().to_owned();
        return Some((argument, name));
    }
    if clause != 's' {
        return None;
    }
    match &argument.expr {
        Expr::List(list) => list.elements.iter().find_map(|item| misformatted(item, clause, checked)),
        Expr::Map(map) => map.entries.iter().find_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                misformatted(&entry.key, clause, checked).or_else(|| misformatted(&entry.value, clause, checked))
            }
            EntryExpr::StructField(_) => None,
        }),
        _ => None,
    }
}

/// Returns the items, keys and values that are of another type than those before them.
pub(super) fn mixed(tree: &IdedExpr, text: &Text<'_>, checked: &Checked) -> Vec<Mistake> {
    let mut out = Vec::new();
    let mut check = |first: &mut Option<Type>, at: &IdedExpr, is_optional: bool| {
        let ty = checked.type_of(at);
        let ty = ty.unwrap_optional().filter(|_| is_optional).unwrap_or(ty);
        match first {
            None => *first = Some(ty.clone()),
            Some(want) if want == ty => {}
            Some(want) => {
                let message = format!("expected type '{want}' but found '{ty}'");
                out.push(Mistake { offset: text.offset_of(at), message });
                return false;
            }
        }
        true
    };
    // What is formatted may be of any types.
    let is_exempt = |at: &IdedExpr| matches!(&at.expr, Expr::Call(CallExpr { func_name, .. }) if func_name == "format");
    macros::each_unless(tree, &is_exempt, &mut |at| match &at.expr {
        Expr::List(list) => {
            let mut first = None;
            for (index, item) in list.elements.iter().enumerate() {
                if !check(&mut first, item, list.optional_indices.contains(&index)) {
                    break;
                }
            }
        }
        Expr::Map(map) => {
            let (mut key, mut value) = (None, None);
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    check(&mut key, &entry.key, false);
                    check(&mut value, &entry.value, entry.optional);
                }
            }
        }
        _ => {}
    });
    out
}
