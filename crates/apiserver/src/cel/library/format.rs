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

/// Finds what is wrong with a template and those of its arguments that are known; tells the argument, if it is one's.
pub(in crate::cel) fn check(template: &str, args: &[Option<Value>]) -> Result<(), (Option<usize>, String)> {
    let mut letters = template.chars().peekable();
    let mut used = 0;
    while let Some(letter) = letters.next() {
        if letter != '%' || letters.next_if_eq(&'%').is_some() {
            continue;
        }
        if letters.next_if_eq(&'.').is_some() {
            while letters.next_if(char::is_ascii_digit).is_some() {}
        }
        let clause = letters.next().ok_or((None, "unexpected end of string".to_owned()))?;
        if !"sdfebxXo".contains(clause) {
            let why = format!("could not parse formatting clause: unrecognized formatting clause \"{clause}\"");
            return Err((None, why));
        }
        let arg = args.get(used).ok_or_else(|| (None, format!("index {used} out of range")))?;
        if let Some(Err(failure)) = arg.as_ref().map(|arg| one(clause, None, arg)) {
            return Err((Some(used), failure.0));
        }
        used += 1;
    }
    if used < args.len() {
        let why = format!("too many arguments supplied to string.format (expected {used}, got {})", args.len());
        return Err((None, why));
    }
    Ok(())
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
            if !number.is_finite() {
                return Ok(float(number));
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
            let items = list.items.iter().map(show).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries = Vec::new();
            for (key, value) in map.iter() {
                entries.push(format!("{}: {}", show(&key.to_value())?, show(value)?));
            }
            entries.sort();
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
