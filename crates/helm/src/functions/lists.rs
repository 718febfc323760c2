//! Lists.

use bowline_gotmpl::{Context, FuncError, Function, List, Type, Value};

use super::args::{ANY, Gives, INTS, LISTS, NIL, boolean, elements, fail, int, is_empty, items, kind, list};
use super::equal::deep_equal;
use super::numbers::to_int64;

const A: &[Type] = &[ANY];
const AA: &[Type] = &[ANY, ANY];
const L: Type = Type::LIST;

pub(super) static TABLE: [Function; 34] = [
    Function::new("append", AA, L, push),
    Function::new("chunk", &[Type::INT, ANY], LISTS_TYPE, chunk),
    Function::new("compact", A, L, compact),
    Function::variadic("concat", A, ANY, |ctx, args| {
        let mut all = Vec::new();
        for one in args.iter() {
            if matches!(one, Value::Nil) {
                return fail(NIL);
            }
            match elements(one) {
                Some(mut items) => all.append(&mut items),
                None => return fail(format!("Cannot concat type {} as list", kind(one))),
            }
        }
        ctx.charge(ELEMENT * all.len() as u64)?;
        if all.is_empty() { Ok(Value::List(List::nil(&Type::LIST))) } else { list(all) }
    }),
    Function::new("first", A, ANY, first),
    Function::new("has", AA, Type::Bool, has),
    Function::new("initial", A, L, initial),
    Function::new("last", A, ANY, last),
    Function::variadic("list", A, L, |_, args| list(args.iter_mut().map(std::mem::take).collect())),
    Function::new("mustAppend", AA, L, push),
    Function::new("mustChunk", &[Type::INT, ANY], LISTS_TYPE, chunk),
    Function::new("mustCompact", A, L, compact),
    Function::new("mustFirst", A, ANY, first),
    Function::new("mustHas", AA, Type::Bool, has),
    Function::new("mustInitial", A, L, initial),
    Function::new("mustLast", A, ANY, last),
    Function::new("mustPrepend", AA, L, prepend),
    Function::new("mustPush", AA, L, push),
    Function::new("mustRest", A, L, rest),
    Function::new("mustReverse", A, L, reverse),
    Function::variadic("mustSlice", AA, ANY, slice),
    Function::new("mustUniq", A, L, uniq),
    Function::variadic("mustWithout", AA, L, without),
    Function::new("prepend", AA, L, prepend),
    Function::new("push", AA, L, push),
    Function::new("rest", A, L, rest),
    Function::new("reverse", A, L, reverse),
    Function::variadic("slice", AA, ANY, slice),
    Function::variadic("tuple", A, L, |_, args| list(args.iter_mut().map(std::mem::take).collect())),
    Function::new("uniq", A, L, uniq),
    Function::new("until", &[Type::INT], INTS_TYPE, |ctx, args| {
        let count = int(&args[0]);
        ints(ctx, 0, count, if count < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", &[Type::INT, Type::INT, Type::INT], INTS_TYPE, |ctx, args| {
        ints(ctx, int(&args[0]), int(&args[1]), int(&args[2]))
    }),
    Function::variadic("without", AA, L, without),
    Function::variadic("seq", &[Type::INT], Type::String, |ctx, args| {
        let params: Vec<i64> = args.iter().map(int).collect();
        let (start, end, step) = match params[..] {
            [end] => (1, end, if end < 1 { -1 } else { 1 }),
            [start, end] => (start, end, if end < start { -1 } else { 1 }),
            [start, step, end] if end < start && step > 0 => {
                let _ = (start, end);
                return Ok(Value::str(""));
            }
            [start, step, end] => (start, end, step),
            _ => return Ok(Value::str("")),
        };
        let past = end.wrapping_add(if end < start { -1 } else { 1 });
        let numbers = counted(ctx, start, past, step)?;
        let texts: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
        Ok(Value::str(texts.join(" ")))
    }),
];

/// What an element of a list costs that a function makes out of little: it takes memory, not only time.
const ELEMENT: u64 = 16;

const INTS_TYPE: Type = Type::Slice(&Type::INT);
const LISTS_TYPE: Type = Type::Slice(&Type::LIST);

/// The numbers from `start` up or down to `stop`, which is none of them; each is counted.
fn counted(ctx: &mut Context<'_, '_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, FuncError> {
    if stop < start && step >= 0 || stop >= start && step <= 0 {
        return Ok(Vec::new());
    }
    let distance = (i128::from(stop) - i128::from(start)).unsigned_abs();
    let count = distance.div_ceil(i128::from(step).unsigned_abs());
    ctx.charge(u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(ELEMENT))?;
    Ok((0..count).map(|at| (i128::from(start) + at as i128 * i128::from(step)) as i64).collect())
}

fn ints(ctx: &mut Context<'_, '_>, start: i64, stop: i64, step: i64) -> Gives {
    let numbers = counted(ctx, start, stop, step)?;
    Ok(Value::List(List::typed(&INTS, numbers.into_iter().map(Value::int).collect())))
}

fn push(ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut all = items(&args[0], "Cannot push on type")?;
    ctx.charge(all.len() as u64)?;
    all.push(std::mem::take(&mut args[1]));
    list(all)
}

fn prepend(ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut all = items(&args[0], "Cannot prepend on type")?;
    ctx.charge(all.len() as u64)?;
    all.insert(0, std::mem::take(&mut args[1]));
    list(all)
}

fn chunk(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    const BAD: &str = "runtime error: makeslice: len out of range";
    let all = items(&args[1], "Cannot chunk type")?;
    let (len, size) = (all.len() as f64, int(&args[0]) as f64);
    let count = super::strconv::truncated(((len - 1.0) / size).floor() + 1.0);
    if !(0..=i64::from(i32::MAX)).contains(&count) {
        return fail(BAD);
    }
    let mut rest = all.into_iter();
    let mut chunks = Vec::new();
    for at in 0..count {
        let mut len_here = size;
        if at == count - 1 {
            len_here = (len % size).floor();
            if len_here == 0.0 {
                len_here = size;
            }
        }
        if !(0.0..2_147_483_648.0).contains(&len_here) {
            return fail(BAD);
        }
        chunks.push(Value::List(List::new(rest.by_ref().take(len_here as usize).collect())));
    }
    Ok(Value::List(List::typed(&LISTS, chunks)))
}

fn last(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    Ok(items(&args[0], "Cannot find last on type")?.pop().unwrap_or_default())
}

fn first(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    Ok(items(&args[0], "Cannot find first on type")?.into_iter().next().unwrap_or_default())
}

fn rest(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut all = items(&args[0], "Cannot find rest on type")?;
    if all.is_empty() {
        return Ok(Value::List(List::nil(&Type::LIST)));
    }
    all.remove(0);
    list(all)
}

fn initial(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut all = items(&args[0], "Cannot find initial on type")?;
    if all.pop().is_none() {
        return Ok(Value::List(List::nil(&Type::LIST)));
    }
    list(all)
}

fn reverse(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut all = items(&args[0], "Cannot find reverse on type")?;
    all.reverse();
    list(all)
}

fn compact(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let all = items(&args[0], "Cannot compact on type")?;
    list(all.into_iter().filter(|item| !is_empty(item)).collect())
}

/// Tells whether one of `all` equals `item`; each look is counted.
fn contains(ctx: &mut Context<'_, '_>, all: &[Value], item: &Value) -> Result<bool, FuncError> {
    ctx.charge(all.len() as u64)?;
    Ok(all.iter().any(|one| deep_equal(item, one)))
}

fn uniq(ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut kept = Vec::new();
    for item in items(&args[0], "Cannot find uniq on type")? {
        if !contains(ctx, &kept, &item)? {
            kept.push(item);
        }
    }
    list(kept)
}

fn without(ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let mut kept = Vec::new();
    for item in items(&args[0], "Cannot find without on type")? {
        if !contains(ctx, &args[1..], &item)? {
            kept.push(item);
        }
    }
    list(kept)
}

fn has(ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    if matches!(args[1], Value::Nil) {
        return boolean(false);
    }
    let all = items(&args[1], "Cannot find has on type")?;
    boolean(contains(ctx, &all, &args[0])?)
}

fn slice(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let all = items(&args[0], "list should be type of slice or array but")?;
    if all.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int64);
    let end = args.get(2).map_or(all.len() as i64, to_int64);
    if start < 0 || end < start || end > all.len() as i64 {
        return fail("reflect.Value.Slice: slice index out of bounds");
    }
    let part = start as usize..end as usize;
    Ok(match &args[0] {
        Value::Bytes(bytes) => Value::bytes(&bytes.as_deref().unwrap_or_default()[part]),
        Value::List(whole) => Value::List(List::typed(whole.ty(), all[part].to_vec())),
        Value::Object(object) => match super::args::plain(&args[0]) {
            Some(Value::List(whole)) => object.over(Value::List(List::typed(whole.ty(), all[part].to_vec()))),
            _ => Value::List(List::new(all[part].to_vec())),
        },
        _ => Value::List(List::new(all[part].to_vec())),
    })
}
