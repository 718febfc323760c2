//! `toYamlPretty`: YAML with lists indented under their keys, and without folded lines.

use bowline_gotmpl::{Context, FuncError, Function, Shape, Str, UintKind, Value, sprint};
use bowline_yaml::{Pretty, to_yaml_pretty};

use super::args::{ANY, STRING, fail, string};
use super::toml::{DEEPEST, Scalar, own_text};

pub(super) static TABLE: [Function; 1] = [Function::new("toYamlPretty", &[ANY], STRING, |ctx, args| {
    let made = pretty(ctx, &args[0], 0)?;
    // As much stack as a value of the deepest takes.
    let made = stacker::maybe_grow(4 << 20, 16 << 20, || to_yaml_pretty(made));
    ctx.charge_bytes(made.len())?;
    string(made.strip_suffix('\n').unwrap_or(&made))
})];

fn pretty(ctx: &mut Context<'_, '_>, value: &Value, depth: usize) -> Result<Pretty, FuncError> {
    if depth > DEEPEST {
        return fail("yaml: a value contains itself");
    }
    ctx.charge(1)?;
    match own_text(value) {
        Some(Scalar::Plain(_)) => {
            let Value::Object(object) = value else { return Ok(null()) };
            return Ok(Pretty::Plain(super::dates::to_json(object.as_ref()).unwrap_or_default()));
        }
        Some(Scalar::Quoted(made)) => return Ok(text(&made)),
        None => {}
    }
    stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
        Ok(match value {
            Value::Nil => null(),
            Value::Str(made) => text(made),
            Value::Float(_, number) if !number.is_finite() => Pretty::Plain(
                if number.is_nan() {
                    ".nan"
                } else if *number > 0.0 {
                    ".inf"
                } else {
                    "-.inf"
                }
                .to_owned(),
            ),
            Value::Bytes(bytes) => {
                let bytes = bytes.clone().unwrap_or_default();
                ctx.charge(bytes.len() as u64)?;
                Pretty::List(bytes.iter().map(|byte| Pretty::Plain(byte.to_string())).collect())
            }
            Value::List(list) => {
                Pretty::List(list.iter().map(|item| pretty(ctx, item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => {
                let entry = |(key, value): (Str, Value)| Ok((text(&key), pretty(ctx, &value, depth + 1)?));
                let entries = map.entries().into_iter().map(entry).collect::<Result<_, FuncError>>()?;
                Pretty::Map { entries, sorted: true }
            }
            Value::Object(object) => match object.shape() {
                Shape::Plain(inner) => pretty(ctx, &inner, depth)?,
                Shape::NilPointer => null(),
                Shape::Struct(fields) | Shape::Pointer(fields) => {
                    let shown = fields.into_iter().filter(|field| field.name.starts_with(char::is_uppercase));
                    let entry = |field: bowline_gotmpl::Field| {
                        Ok((text(field.name.to_lowercase().as_bytes()), pretty(ctx, &field.value, depth + 1)?))
                    };
                    let entries = shown.map(entry).collect::<Result<_, FuncError>>()?;
                    Pretty::Map { entries, sorted: false }
                }
            },
            Value::Complex(..) | Value::Func(_) => {
                return fail(format!("cannot marshal type: {}", value.type_name()));
            }
            Value::Uint(UintKind::Uintptr, number) => Pretty::Plain(number.to_string()),
            other => Pretty::Plain(sprint(std::slice::from_ref(other)).to_text().into_owned()),
        })
    })
}

fn null() -> Pretty {
    Pretty::Plain("null".to_owned())
}

/// What is no text is written in base64, in lines of 70 characters.
fn text(bytes: &[u8]) -> Pretty {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Pretty::Text(text.to_owned());
    }
    let encoded = super::encoding::base64(bytes);
    if encoded.len() <= 70 {
        return Pretty::Binary(encoded);
    }
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    Pretty::Binary(lines.join("\n") + "\n")
}
