//! Functions of lists: Kubernetes' own, cel-go's `ext.Lists` (version 3) and `ext.Sets`.

use std::cmp::Ordering;

use super::super::eval::{Failure, Outcome};
use super::super::value::{Value, compare};

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    if let ("lists.range", [Value::Int(count)]) = (name, args) {
        return Some(Ok(Value::list((0..*count).map(Value::Int).collect())));
    }
    let Some(Value::List(list)) = args.first() else { return None };
    let items = &list.items;
    Some(match (name, &args[1..]) {
        ("isSorted", []) => {
            Ok(Value::Bool(items.windows(2).all(|pair| compare(&pair[0], &pair[1]) != Some(Ordering::Greater))))
        }
        ("sum", []) => items.iter().skip(1).try_fold(items.first().cloned().unwrap_or(Value::Int(0)), |sum, item| {
            super::super::arithmetic::apply("_+_", &sum, item)
        }),
        ("min" | "max", []) => extreme(items, name),
        ("indexOf", [wanted]) => Ok(position(items.iter().position(|item| item == wanted))),
        ("lastIndexOf", [wanted]) => Ok(position(items.iter().rposition(|item| item == wanted))),
        ("slice", [Value::Int(from), Value::Int(to)]) => slice(items, *from, *to),
        ("flatten", []) => Ok(Value::list(flatten(items, 1))),
        ("flatten", [Value::Int(depth)]) if *depth < 0 => Err(Failure::new("level must be non-negative")),
        ("flatten", [Value::Int(depth)]) => Ok(Value::list(flatten(items, *depth))),
        ("sort", []) => sort(items, items),
        ("@sortByAssociatedKeys", [Value::List(keys)]) => sort(items, &keys.items),
        ("reverse", []) => Ok(Value::list(items.iter().rev().cloned().collect())),
        ("distinct", []) => {
            let mut out: Vec<Value> = Vec::new();
            for item in items {
                if !out.contains(item) {
                    out.push(item.clone());
                }
            }
            Ok(Value::list(out))
        }
        ("first", []) => Ok(Value::Optional(items.first().cloned().map(Box::new))),
        ("last", []) => Ok(Value::Optional(items.last().cloned().map(Box::new))),
        ("sets.contains", [Value::List(other)]) => Ok(Value::Bool(other.items.iter().all(|item| items.contains(item)))),
        ("sets.equivalent", [Value::List(other)]) => Ok(Value::Bool(
            other.items.iter().all(|item| items.contains(item)) && items.iter().all(|item| other.items.contains(item)),
        )),
        ("sets.intersects", [Value::List(other)]) => {
            Ok(Value::Bool(other.items.iter().any(|item| items.contains(item))))
        }
        _ => return None,
    })
}

fn position(found: Option<usize>) -> Value {
    Value::Int(found.map_or(-1, |at| at as i64))
}

fn extreme(items: &[Value], name: &str) -> Outcome {
    let better = if name == "min" { Ordering::Less } else { Ordering::Greater };
    let mut best = items.first().ok_or_else(|| Failure::new(format!("{name} called on empty list")))?;
    for item in &items[1..] {
        if compare(item, best).ok_or_else(Failure::no_overload)? == better {
            best = item;
        }
    }
    Ok(best.clone())
}

fn slice(items: &[Value], from: i64, to: i64) -> Outcome {
    let refuse = |why: String| Err(Failure::new(format!("cannot slice({from}, {to}), {why}")));
    if from < 0 || to < 0 {
        return refuse("negative indexes not supported".to_owned());
    }
    if from > to {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    match items.get(from as usize..to as usize) {
        Some(part) => Ok(Value::list(part.to_vec())),
        None => refuse(format!("list is length {}", items.len())),
    }
}

fn flatten(items: &[Value], depth: i64) -> Vec<Value> {
    let mut out = Vec::new();
    for item in items {
        match item {
            Value::List(inner) if depth > 0 => out.extend(flatten(&inner.items, depth - 1)),
            other => out.push(other.clone()),
        }
    }
    out
}

fn sort(items: &[Value], keys: &[Value]) -> Outcome {
    if keys.windows(2).any(|pair| pair[0].type_name() != pair[1].type_name()) {
        return Err(Failure::new("list elements must have the same type"));
    }
    let mut order: Vec<usize> = (0..items.len().min(keys.len())).collect();
    order.sort_by(|a, b| compare(&keys[*a], &keys[*b]).unwrap_or(Ordering::Equal));
    Ok(Value::list(order.into_iter().map(|at| items[at].clone()).collect()))
}
