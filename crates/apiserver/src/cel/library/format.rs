//! `'%s is %d'.format(['x', 1])`, in cel-go's second version of it.

use super::super::eval::Failure;
use super::super::value::Value;
use super::times;

/// Fills the clauses of a template with arguments.
pub(super) fn format(template: &str, args: &[Value]) -> Result<String, Failure> {
    let mut out = String::new();
    let mut letters = template.chars().peekable();
    let mut args = args.iter().enumerate();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if letters.peek() == Some(&'%') {
            letters.next();
            out.push('%');
            continue;
        }
        let mut precision = None;
        if letters.peek() == Some(&'.') {
            letters.next();
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = digits.parse::<usize>().ok();
        }
        let clause = letters.next().ok_or_else(|| Failure::new("unexpected end of string"))?;
        let Some((_, arg)) = args.next() else {
            return Err(Failure::new(format!("index {} out of range", args.len())));
        };
        out.push_str(&one(clause, precision, arg)?);
    }
    Ok(out)
}

/// Finds what is wrong with a template for so many arguments; `misfit` tells the argument, or the part of it, that a clause
/// does not take, and its type.
pub(in crate::cel) fn check<T>(
    template: &str,
    count: usize,
    misfit: &dyn Fn(usize, char) -> Option<(T, String)>,
) -> Result<(), (Option<T>, String)> {
    let mut letters = template.chars().peekable();
    let mut used = 0;
    while let Some(letter) = letters.next() {
        if letter != '%' || letters.next_if_eq(&'%').is_some() {
            continue;
        }
        if letters.peek().is_none() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        if used >= count {
            return Err((None, format!("index {used} out of range")));
        }
        if letters.next_if_eq(&'.').is_some() {
            while letters.next_if(char::is_ascii_digit).is_some() {}
        }
        let clause = letters.next().ok_or((None, "unexpected end of string".to_owned()))?;
        if !"sdfebxXo".contains(clause) {
            let why = format!("could not parse formatting clause: unrecognized formatting clause \"{clause}\"");
            return Err((None, why));
        }
        if let Some((wrong, ty)) = misfit(used, clause) {
            return Err((Some(wrong), format!("error during formatting: {}, was given {ty}", takes(clause))));
        }
        used += 1;
    }
    if used < count {
        let why = format!("too many arguments supplied to string.format (expected {used}, got {count})");
        return Err((None, why));
    }
    Ok(())
}

/// Says what a clause takes.
fn takes(clause: char) -> &'static str {
    match clause {
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
        'o' => "octal clause can only be used on integers",
        _ => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and \
             timestamps"
        }
    }
}

fn one(clause: char, precision: Option<usize>, arg: &Value) -> Result<String, Failure> {
    let wrong =
        |wanted: &str| Failure::new(format!("error during formatting: {wanted}, was given {}", arg.type_name()));
    match clause {
        's' => show(arg),
        'd' => match arg {
            Value::Int(number) => Ok(number.to_string()),
            Value::Uint(number) => Ok(number.to_string()),
            Value::Double(number) if !number.is_finite() => Ok(float(*number)),
            _ => Err(wrong("decimal clause can only be used on integers")),
        },
        'f' | 'e' => {
            let number = match arg {
                Value::Double(number) => *number,
                _ => {
                    let name = if clause == 'f' { "fixed-point" } else { "scientific" };
                    return Err(wrong(&format!("{name} clause can only be used on doubles")));
                }
            };
            if number.is_infinite() {
                return Ok(if number > 0.0 { "∞" } else { "-∞" }.to_owned());
            }
            if number.is_nan() {
                return Ok("NaN".to_owned());
            }
            let precision = precision.unwrap_or(6);
            Ok(if clause == 'f' { fixed(number, precision) } else { scientific(number, precision) })
        }
        'b' => match arg {
            Value::Int(number) if *number < 0 => Ok(format!("-{:b}", number.unsigned_abs())),
            Value::Int(number) => Ok(format!("{number:b}")),
            Value::Uint(number) => Ok(format!("{number:b}")),
            Value::Bool(flag) => Ok(u8::from(*flag).to_string()),
            _ => Err(wrong("only integers and bools can be formatted as binary")),
        },
        'x' | 'X' => hex(arg, clause == 'X')
            .ok_or_else(|| wrong("only integers, byte buffers, and strings can be formatted as hex")),
        'o' => match arg {
            Value::Int(number) if *number < 0 => Ok(format!("-{:o}", number.unsigned_abs())),
            Value::Int(number) => Ok(format!("{number:o}")),
            Value::Uint(number) => Ok(format!("{number:o}")),
            _ => Err(wrong("octal clause can only be used on integers")),
        },
        other => {
            Err(Failure::new(format!("could not parse formatting clause: unrecognized formatting clause \"{other}\"")))
        }
    }
}

fn hex(arg: &Value, upper: bool) -> Option<String> {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).expect("holds because half a byte is below 16");
    let bytes = |bytes: &[u8]| bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>();
    let text = match arg {
        Value::Int(number) if *number < 0 => format!("-{:x}", number.unsigned_abs()),
        Value::Int(number) => format!("{number:x}"),
        Value::Uint(number) => format!("{number:x}"),
        Value::String(text) => bytes(text.as_bytes()),
        Value::Bytes(raw) => bytes(raw),
        _ => return None,
    };
    Some(if upper { text.to_uppercase() } else { text })
}

/// Prints digits with thousands apart, as upstream does in its locale `en_US`.
fn fixed(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut shown = String::new();
    for (at, letter) in text.char_indices() {
        let is_boundary = at > 0 && at < whole && (whole - at).is_multiple_of(3);
        if is_boundary && !shown.ends_with('-') {
            shown.push(',');
        }
        shown.push(letter);
    }
    shown
}

fn scientific(number: f64, precision: usize) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let text = format!("{number:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("⁻", digits));
    let digits = format!("{digits:0>2}");
    let raised: String = digits.bytes().map(|digit| RAISED[usize::from(digit - b'0')]).collect();
    format!("{mantissa}×10{sign}{raised}")
}

fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        let plain = number.to_string();
        if plain.len() > 21 { crate::error::go_float(number) } else { plain }
    }
}

/// Prints what is within a list or map: so that it could be written in an expression.
fn show_within(arg: &Value) -> Result<String, Failure> {
    Ok(match arg {
        Value::String(text) => bowline_smd::quote_go(text),
        Value::Bytes(bytes) => format!("b{}", bowline_smd::quote_go(&String::from_utf8_lossy(bytes))),
        Value::Timestamp(at, zone) => format!("timestamp({:?})", times::print(*at, *zone)),
        Value::Duration(nanos) => format!("duration({:?})", times::print_duration(*nanos)),
        Value::Double(number) if !number.is_finite() => format!("{number:?}"),
        Value::Double(number) => format!("{number:.6}"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Type(_) => show(arg)?,
        Value::List(_) | Value::Map(_) => show(arg)?,
        other => return Err(Failure::new(format!("no formatting function for {}", other.type_name()))),
    })
}

fn show(arg: &Value) -> Result<String, Failure> {
    Ok(match arg {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => float(*number),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Timestamp(at, zone) => times::print(*at, *zone),
        Value::Duration(nanos) => times::print_duration(*nanos),
        Value::Type(name) => name.clone(),
        Value::List(list) => {
            let items = list.items.iter().map(show_within).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries = Vec::new();
            for (key, value) in map.iter() {
                entries.push((show_within(&key.to_value())?, show_within(value)?));
            }
            entries.sort();
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => {
            return Err(Failure::new(format!(
                "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, \
                 lists, types, durations, and timestamps, was given {}",
                other.type_name()
            )));
        }
    })
}
