//! Dictionaries: Go's maps, which are changed in place.

use bowline_gotmpl::{Context, FuncError, Function, List, Map, Type, Value};

use super::args::{ANY, Gives, STRING, boolean, fail, list, map, strval, text};
use super::merge::merge;

const M: Type = Type::MAP;
const MS: &[Type] = &[M, STRING];

pub(super) static TABLE: [Function; 18] = [
    Function::new("deepCopy", &[ANY], ANY, |ctx, args| copied(ctx, &args[0])),
    Function::variadic("dict", &[ANY], M, |_, args| {
        let made = Map::new();
        for pair in args.chunks_mut(2) {
            let key = strval(&pair[0]);
            made.insert(key, pair.get_mut(1).map_or_else(|| Value::str(""), std::mem::take));
        }
        Ok(Value::Map(made))
    }),
    Function::variadic("dig", &[ANY], ANY, |_, args| {
        let [keys @ .., default, dict] = args else { return fail("dig needs at least three arguments") };
        if keys.is_empty() {
            return fail("dig needs at least three arguments");
        }
        let mut dict = assert_map(dict)?;
        for key in keys.iter() {
            if key.as_str().is_none() {
                return fail(format!("interface conversion: interface {{}} is {}, not string", type_of(key)));
            }
        }
        for (at, key) in keys.iter().enumerate() {
            match dict.get(text(key)) {
                None => return Ok(std::mem::take(default)),
                Some(found) if at + 1 == keys.len() => return Ok(found),
                Some(step) => dict = assert_map(&step)?,
            }
        }
        Ok(Value::Nil)
    }),
    Function::new("get", MS, ANY, |_, args| Ok(map(&args[0]).get(text(&args[1])).unwrap_or_else(|| Value::str("")))),
    Function::new("hasKey", MS, Type::Bool, |_, args| boolean(map(&args[0]).contains(text(&args[1])))),
    Function::variadic("keys", &[M], Type::STRINGS, |ctx, args| {
        let keys: Vec<_> = args.iter().flat_map(|dict| map(dict).keys()).collect();
        ctx.charge(keys.len() as u64)?;
        Ok(Value::List(List::strings(keys)))
    }),
    Function::variadic("merge", &[M, M], ANY, |ctx, args| merge(ctx, args, false)),
    Function::variadic("mergeOverwrite", &[M, M], ANY, |ctx, args| merge(ctx, args, true)),
    Function::new("mustDeepCopy", &[ANY], ANY, |ctx, args| copied(ctx, &args[0])),
    Function::variadic("mustMerge", &[M, M], ANY, |ctx, args| merge(ctx, args, false)),
    Function::variadic("mustMergeOverwrite", &[M, M], ANY, |ctx, args| merge(ctx, args, true)),
    Function::variadic("omit", MS, M, |ctx, args| {
        let dict = map(&args[0]);
        ctx.charge(dict.len() as u64)?;
        let is_out = |key: &bowline_gotmpl::Str| args[1..].iter().any(|out| out.as_str() == Some(key));
        Ok(Value::Map(dict.entries().into_iter().filter(|(key, _)| !is_out(key)).collect()))
    }),
    Function::variadic("pick", MS, M, |_, args| {
        let dict = map(&args[0]);
        let picked = Map::new();
        for key in args[1..].iter().map(text) {
            if let Some(value) = dict.get(&key) {
                picked.insert(key, value);
            }
        }
        Ok(Value::Map(picked))
    }),
    Function::variadic("pluck", &[STRING, M], Type::LIST, |_, args| {
        let key = text(&args[0]);
        list(args[1..].iter().filter_map(|dict| map(dict).get(&key)).collect())
    }),
    Function::new("set", &[M, STRING, ANY], M, |_, args| {
        let dict = map(&args[0]);
        if dict.is_nil() {
            return fail("assignment to entry in nil map");
        }
        dict.insert(text(&args[1]), std::mem::take(&mut args[2]));
        Ok(Value::Map(dict))
    }),
    Function::new("unset", MS, M, |_, args| {
        let dict = map(&args[0]);
        dict.remove(text(&args[1]));
        Ok(Value::Map(dict))
    }),
    Function::new("values", &[M], Type::LIST, |ctx, args| {
        let values: Vec<Value> = map(&args[0]).entries().into_iter().map(|(_, value)| value).collect();
        ctx.charge(values.len() as u64)?;
        list(values)
    }),
    Function::new("deepEqual", &[ANY, ANY], Type::Bool, |_, args| {
        boolean(super::equal::deep_equal(&args[0], &args[1]))
    }),
];

fn type_of(value: &Value) -> String {
    if matches!(value, Value::Nil) { "nil".to_owned() } else { value.type_name() }
}

/// `value.(map[string]interface {})`
fn assert_map(value: &Value) -> Result<Map, FuncError> {
    match value {
        Value::Map(map) if *map.ty() == Type::MAP => Ok(map.clone()),
        other => {
            fail(format!("interface conversion: interface {{}} is {}, not map[string]interface {{}}", type_of(other)))
        }
    }
}

fn copied(ctx: &mut Context<'_, '_>, value: &Value) -> Gives {
    if matches!(value, Value::Nil) {
        return fail("reflect: call of reflect.Value.Type on zero Value");
    }
    let depth = ctx.limits().value_depth;
    copy(ctx, value, depth)
}

fn copy(ctx: &mut Context<'_, '_>, value: &Value, depth: usize) -> Gives {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(bowline_gotmpl::Limit::ValueDepth(ctx.limits().value_depth).into());
    };
    stacker::maybe_grow(32 * 1024, 1024 * 1024, || match value {
        Value::List(list) if !list.is_nil() => {
            ctx.charge(list.len() as u64)?;
            let items: Result<Vec<Value>, FuncError> = list.iter().map(|item| copy(ctx, item, depth)).collect();
            Ok(Value::List(List::typed(list.ty(), items?)))
        }
        Value::Map(map) if !map.is_nil() => {
            ctx.charge(map.len() as u64)?;
            let made = Map::typed(map.ty());
            for (key, item) in map.entries() {
                made.insert(key, copy(ctx, &item, depth)?);
            }
            Ok(Value::Map(made))
        }
        // Fields that are not exported are not copied, and a version has no others.
        Value::Object(object) if object.type_name() == "*semver.Version" => Ok(super::semver::zero()),
        other => Ok(other.clone()),
    })
}
