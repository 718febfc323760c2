//! Strings.

use bowline_gotmpl::{Context, FuncError, Function, List, Map, Type, Value, quote, sprint};

use super::args::{ANY, Gives, STRING, boolean, fail, int, string, strings, strval, text};
use super::case;
use super::runes::{self, find, is_space, replaced, split, trim_end, trim_space, trim_start};
use super::wrap;

const S: &[Type] = &[STRING];
const SS: &[Type] = &[STRING, STRING];
const IS: &[Type] = &[Type::INT, STRING];

pub(super) static TABLE: [Function; 44] = [
    Function::new("abbrev", IS, STRING, |_, args| {
        let width = int(&args[0]);
        if width < 4 { Ok(args[1].clone()) } else { string(wrap::abbreviated(&text(&args[1]), 0, width)) }
    }),
    Function::new("abbrevboth", &[Type::INT, Type::INT, STRING], STRING, |_, args| {
        let (left, right) = (int(&args[0]), int(&args[1]));
        if right < 4 || left > 0 && right < 7 {
            return Ok(args[2].clone());
        }
        string(wrap::abbreviated(&text(&args[2]), left, right))
    }),
    Function::new("camelcase", S, STRING, |_, args| string(case::pascal(&text(&args[0])))),
    Function::variadic("cat", &[ANY], STRING, |ctx, args| {
        let parts: Vec<_> = args
            .iter()
            .filter(|value| !matches!(value, Value::Nil))
            .map(|value| sprint(std::slice::from_ref(value)))
            .collect();
        joined(ctx, &parts, b" ")
    }),
    Function::new("contains", SS, Type::Bool, |_, args| boolean(find(&text(&args[1]), &text(&args[0])).is_some())),
    Function::new("hasPrefix", SS, Type::Bool, |_, args| boolean(text(&args[1]).starts_with(&text(&args[0])))),
    Function::new("hasSuffix", SS, Type::Bool, |_, args| boolean(text(&args[1]).ends_with(&text(&args[0])))),
    Function::new("hello", &[], STRING, |_, _| string("Hello!")),
    Function::new("indent", IS, STRING, |ctx, args| string(indented(ctx, int(&args[0]), &text(&args[1]))?)),
    Function::new("initials", S, STRING, |_, args| string(wrap::initials(&text(&args[0])))),
    Function::new("join", &[STRING, ANY], STRING, |ctx, args| joined(ctx, &strings(&args[1]), &text(&args[0]))),
    Function::new("kebabcase", S, STRING, |_, args| string(case::lower_with(&text(&args[0]), '-'))),
    Function::new("lower", S, STRING, |_, args| string(runes::mapped(&text(&args[0]), runes::lower))),
    Function::new("nindent", IS, STRING, |ctx, args| {
        let mut out = vec![b'\n'];
        out.append(&mut indented(ctx, int(&args[0]), &text(&args[1]))?);
        string(out)
    }),
    Function::new("nospace", S, STRING, |_, args| string(wrap::without_space(&text(&args[0])))),
    Function::new("plural", &[STRING, STRING, Type::INT], STRING, |_, args| {
        Ok(if int(&args[2]) == 1 { args[0].clone() } else { args[1].clone() })
    }),
    Function::variadic("quote", &[ANY], STRING, |ctx, args| {
        if let [one] = args
            && !matches!(one, Value::Nil)
        {
            return string(quote(strval(one)));
        }
        let parts: Vec<_> =
            args.iter().filter(|value| !matches!(value, Value::Nil)).map(|value| quote(strval(value)).into()).collect();
        joined(ctx, &parts, b" ")
    }),
    Function::new("repeat", IS, STRING, |ctx, args| string(repeated(ctx, &text(&args[1]), int(&args[0]))?)),
    Function::new("replace", &[STRING, STRING, STRING], STRING, |ctx, args| {
        let (old, new, source) = (text(&args[0]), text(&args[1]), text(&args[2]));
        if new.len() > old.len() {
            let times =
                if old.is_empty() { source.len() + 1 } else { memchr::memmem::find_iter(&source, &old).count() };
            ctx.charge_bytes(times.saturating_mul(new.len()))?;
        }
        string(replaced(&source, &old, &new))
    }),
    Function::new("shuffle", S, STRING, |ctx, args| {
        let mut all: Vec<char> = runes::runes(&text(&args[0])).map(|(_, c)| c).collect();
        let host = super::host::host(ctx);
        for at in (1..all.len()).rev() {
            let other = host.below(at as u64 + 1) as usize;
            all.swap(at, other);
        }
        string(all.into_iter().collect::<String>())
    }),
    Function::new("snakecase", S, STRING, |_, args| string(case::lower_with(&text(&args[0]), '_'))),
    Function::new("sortAlpha", &[ANY], Type::STRINGS, |_, args| {
        // A list of texts that is nil stays what it is.
        if matches!(&args[0], Value::List(list) if list.is_nil()) && args[0].type_name() == "[]string" {
            return Ok(std::mem::take(&mut args[0]));
        }
        let mut all = strings(&args[0]);
        if super::args::elements(&args[0]).is_none() {
            all = vec![strval(&args[0])];
        }
        all.sort();
        Ok(Value::List(List::strings(all)))
    }),
    Function::new("split", SS, Type::STRING_MAP, |ctx, args| {
        numbered(ctx, &split(&text(&args[1]), &text(&args[0]), -1))
    }),
    Function::new("splitList", SS, Type::STRINGS, |ctx, args| {
        let source = text(&args[1]);
        let parts = split(&source, &text(&args[0]), -1);
        ctx.charge(parts.len() as u64)?;
        Ok(Value::List(List::strings(parts)))
    }),
    Function::new("splitn", &[STRING, Type::INT, STRING], Type::STRING_MAP, |ctx, args| {
        numbered(ctx, &split(&text(&args[2]), &text(&args[0]), int(&args[1])))
    }),
    Function::variadic("squote", &[ANY], STRING, |ctx, args| {
        let quoted = |value: &Value| [b"'", &sprint(std::slice::from_ref(value))[..], b"'"].concat().into();
        let parts: Vec<_> = args.iter().filter(|value| !matches!(value, Value::Nil)).map(quoted).collect();
        joined(ctx, &parts, b" ")
    }),
    Function::new("substr", &[Type::INT, Type::INT, STRING], STRING, |_, args| {
        let (start, end, source) = (int(&args[0]), int(&args[1]), text(&args[2]));
        let len = source.len() as i64;
        if start < 0 {
            return match usize::try_from(end) {
                Err(_) => fail(format!("runtime error: slice bounds out of range [:{end}]")),
                Ok(to) if to > source.len() => {
                    fail(format!("runtime error: slice bounds out of range [:{end}] with length {len}"))
                }
                Ok(to) => string(&source[..to]),
            };
        }
        let end = if end < 0 || end > len { len } else { end };
        if start > end {
            return fail(format!("runtime error: slice bounds out of range [{start}:{end}]"));
        }
        string(&source[start as usize..end as usize])
    }),
    Function::new("swapcase", S, STRING, |_, args| string(case::swapped(&text(&args[0])))),
    Function::new("title", S, STRING, |_, args| string(case::titled(&text(&args[0])))),
    Function::new("toString", &[ANY], STRING, |_, args| Ok(Value::Str(strval(&args[0])))),
    Function::new("toStrings", &[ANY], Type::STRINGS, |_, args| {
        if let Value::List(list) = &args[0]
            && *list.ty() == Type::STRINGS
        {
            return Ok(args[0].clone());
        }
        Ok(Value::List(List::strings(strings(&args[0]))))
    }),
    Function::new("trim", S, STRING, |_, args| string(trim_space(&text(&args[0])))),
    Function::new("trimAll", SS, STRING, |_, args| trimmed(args)),
    Function::new("trimPrefix", SS, STRING, |_, args| {
        let source = text(&args[1]);
        string(source.strip_prefix(text(&args[0]).as_bytes()).unwrap_or(&source))
    }),
    Function::new("trimSuffix", SS, STRING, |_, args| {
        let source = text(&args[1]);
        string(source.strip_suffix(text(&args[0]).as_bytes()).unwrap_or(&source))
    }),
    Function::new("trimall", SS, STRING, |_, args| trimmed(args)),
    Function::new("trunc", IS, STRING, |_, args| {
        let (count, source) = (int(&args[0]), text(&args[1]));
        let len = source.len() as i64;
        if count < 0 && len + count > 0 {
            return string(&source[(len + count) as usize..]);
        }
        if count >= 0 && len > count {
            return string(&source[..count as usize]);
        }
        Ok(args[1].clone())
    }),
    Function::new("untitle", S, STRING, |_, args| {
        let mut next = true;
        string(runes::mapped(&text(&args[0]), |c| {
            let is_first = std::mem::replace(&mut next, is_space(c));
            if is_first && !is_space(c) { runes::lower(c) } else { c }
        }))
    }),
    Function::new("upper", S, STRING, |_, args| string(runes::mapped(&text(&args[0]), runes::upper))),
    Function::new("wrap", IS, STRING, |ctx, args| {
        let source = text(&args[1]);
        ctx.charge_bytes(source.len().saturating_mul(2))?;
        string(wrap::wrapped(&source, int(&args[0]), b"", false))
    }),
    Function::new("wrapWith", &[Type::INT, STRING, STRING], STRING, |ctx, args| {
        let (separator, source) = (text(&args[1]), text(&args[2]));
        ctx.charge_bytes(source.len().saturating_mul(1 + separator.len()))?;
        string(wrap::wrapped(&source, int(&args[0]), &separator, true))
    }),
    Function::new("atoi", S, Type::INT, |_, args| {
        Ok(Value::int(match super::strconv::int(&text(&args[0]), 10) {
            Ok(number) => number,
            // Go's number is the nearest there is.
            Err(super::strconv::Wrong::Range(nearest)) => nearest,
            Err(super::strconv::Wrong::Syntax) => 0,
        }))
    }),
    Function::new("regexQuoteMeta", S, STRING, |_, args| {
        let mut out = Vec::new();
        for byte in text(&args[0]).iter() {
            if br"\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        string(out)
    }),
    Function::new("b64enc", S, STRING, |_, args| string(super::encoding::base64(&text(&args[0])))),
];

fn trimmed(args: &[Value]) -> Gives {
    let (set, source) = (text(&args[0]), text(&args[1]));
    let set: Vec<char> = runes::runes(&set).map(|(_, c)| c).collect();
    let out = |c: char| set.contains(&c);
    string(trim_end(trim_start(&source, out), out))
}

fn numbered(ctx: &mut Context<'_, '_>, parts: &[&[u8]]) -> Gives {
    ctx.charge(parts.len() as u64)?;
    let map = Map::typed(&Type::STRING_MAP);
    for (at, part) in parts.iter().enumerate() {
        map.insert(format!("_{at}"), Value::str(*part));
    }
    Ok(Value::Map(map))
}

/// Joins texts; their bytes are counted.
fn joined(ctx: &mut Context<'_, '_>, parts: &[bowline_gotmpl::Str], separator: &[u8]) -> Gives {
    let len: usize = parts.iter().map(|part| part.len() + separator.len()).sum();
    ctx.charge_bytes(len)?;
    let mut out = Vec::with_capacity(len);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(part);
    }
    string(out)
}

/// Repeats a text; its bytes are counted before it is made.
fn repeated(ctx: &mut Context<'_, '_>, part: &[u8], times: i64) -> Result<Vec<u8>, FuncError> {
    let Ok(times) = usize::try_from(times) else { return fail("strings: negative Repeat count") };
    match times.checked_mul(part.len()) {
        Some(len) if i64::try_from(len).is_ok() => {
            ctx.charge_bytes(len)?;
            Ok(part.repeat(times))
        }
        _ => fail("strings: Repeat output length overflow"),
    }
}

fn indented(ctx: &mut Context<'_, '_>, spaces: i64, source: &[u8]) -> Result<Vec<u8>, FuncError> {
    let pad = repeated(ctx, b" ", spaces)?;
    let lines = memchr::memchr_iter(b'\n', source).count() + 1;
    ctx.charge_bytes(lines.saturating_mul(pad.len()).saturating_add(source.len()))?;
    let mut out = Vec::with_capacity(source.len() + lines * pad.len());
    for (at, line) in source.split(|byte| *byte == b'\n').enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&pad);
        out.extend_from_slice(line);
    }
    Ok(out)
}
