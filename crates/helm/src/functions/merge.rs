//! Maps merged as `dario.cat/mergo` merges them: the first is changed in place.

use bowline_gotmpl::{Context, FuncError, Map, Type, Value};

use super::args::{Gives, NIL, fail, map};

/// Merges the further maps into the first, one after the other.
pub(super) fn merge(ctx: &mut Context<'_, '_>, args: &mut [Value], overwrite: bool) -> Gives {
    let mut into = map(&args[0]);
    let depth = ctx.limits().value_depth;
    for from in &args[1..] {
        let from = map(from);
        if into.is_nil() && !from.is_nil() {
            into = Map::new();
        }
        merge_maps(ctx, &into, &from, overwrite, depth)?;
    }
    Ok(Value::Map(into))
}

fn merge_maps(
    ctx: &mut Context<'_, '_>,
    into: &Map,
    from: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<(), FuncError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(bowline_gotmpl::Limit::ValueDepth(ctx.limits().value_depth).into());
    };
    // A nil map inside another one cannot be given entries: it is replaced as a whole.
    if into.is_nil() || into.is_same(from) && !overwrite {
        return Ok(());
    }
    ctx.charge(from.len() as u64)?;
    stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
        for (key, value) in from.entries() {
            let nil = if from.ty().elem().is_interface() { matches!(value, Value::Nil) } else { value.is_nil() };
            if nil {
                if overwrite {
                    put(into, from, &key, value)?;
                }
                continue;
            }
            let there = into.get(&key);
            let empty = there.as_ref().is_none_or(is_empty);
            let is_slice = matches!(value, Value::List(_) | Value::Bytes(_));
            if is_slice && overwrite {
                into.insert(key.clone(), value.clone());
            }
            if let (Value::Map(value), Some(Value::Map(there))) = (&value, &there) {
                merge_maps(ctx, there, value, overwrite, depth)?;
            }
            if !empty && (is_slice || matches!((&value, &there), (Value::Map(_), Some(Value::Map(_))))) {
                continue;
            }
            if overwrite || empty {
                put(into, from, &key, value)?;
            }
        }
        Ok(())
    })
}

fn put(into: &Map, from: &Map, key: &[u8], value: Value) -> Result<(), FuncError> {
    let (to, of) = (into.ty().elem(), from.ty().elem());
    if *to != Type::Any && !of.is_assignable_to(to) {
        return fail(format!("reflect.Value.SetMapIndex: value of type {of} is not assignable to type {to}"));
    }
    if into.is_nil() {
        return fail(NIL);
    }
    into.insert(key, value);
    Ok(())
}

/// mergo's notion of an empty value.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(_) => value.is_nil(),
        Value::Func(_) | Value::Complex(..) => false,
        other => !other.is_true(),
    }
}
