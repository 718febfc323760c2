//! `'%s is %d'.format(['x', 1])`, as cel-go had it before its fourth version of the functions of strings.

use super::super::eval::Failure;
use super::super::value::Value;
use super::times;

/// What follows a `%`.
struct Clause {
    letter: char,
    precision: Option<usize>,
}

impl Clause {
    /// Reads the clause that `rest` begins with, and leaves what follows it.
    fn read(rest: &mut &str) -> Result<Self, String> {
        let because = |why: &str| format!("could not parse formatting clause: {why}");
        let wrong = |why: &str| because(&format!("error while parsing precision: {why}"));
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|letter: char| !letter.is_ascii_digit());
            let end = end.ok_or_else(|| wrong("could not find end of precision specifier"))?;
            let (digits, after) = after.split_at(end);
            let unread = |why: &str| {
                let why =
                    format!("error while converting precision to integer: strconv.Atoi: parsing {digits:?}: {why}");
                wrong(&why)
            };
            if digits.is_empty() {
                return Err(unread("invalid syntax"));
            }
            let number = digits.parse().ok().filter(|number| isize::try_from(*number).is_ok());
            precision = Some(number.ok_or_else(|| unread("value out of range"))?);
            *rest = after;
        }
        // Upstream looks at bytes, and tells of them as if they were letters.
        let letter = rest.bytes().next().map_or('\0', char::from);
        if !"sdfebxXo".contains(letter) {
            return Err(because(&format!("unrecognized formatting clause \"{letter}\"")));
        }
        *rest = &rest[1..];
        Ok(Self { letter, precision })
    }
}

/// Fills the clauses of a template with arguments.
pub(super) fn format(template: &str, args: &[Value]) -> Result<String, Failure> {
    let mut out = String::new();
    let (mut rest, mut used) = (template, 0);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let arg = args.get(used).ok_or_else(|| Failure(format!("index {used} out of range")))?;
        if after.is_empty() {
            return Err(Failure::new("unexpected end of string"));
        }
        rest = after;
        let clause = Clause::read(&mut rest).map_err(Failure)?;
        out.push_str(&one(&clause, arg).map_err(|why| Failure(format!("error during formatting: {why}")))?);
        used += 1;
    }
    Ok(out + rest)
}

/// Finds what is wrong with a template for so many arguments; `misfit` tells the argument, or the part of it, that a clause
/// does not take, and its type.
pub(in crate::cel) fn check<T>(
    template: &str,
    count: usize,
    misfit: &dyn Fn(usize, char) -> Option<(T, String)>,
) -> Result<(), (Option<T>, String)> {
    let (mut rest, mut used) = (template, 0);
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(after) = after.strip_prefix('%') {
            rest = after;
            continue;
        }
        if after.is_empty() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        if used >= count {
            return Err((None, format!("index {used} out of range")));
        }
        rest = after;
        let clause = Clause::read(&mut rest).map_err(|why| (None, why))?;
        if let Some((wrong, ty)) = misfit(used, clause.letter) {
            return Err((Some(wrong), format!("error during formatting: {}, was given {ty}", takes(clause.letter))));
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

fn one(clause: &Clause, arg: &Value) -> Result<String, String> {
    let misfit = || format!("{}, was given {}", takes(clause.letter), arg.type_name());
    let shown = match clause.letter {
        's' => return show(arg),
        'd' => decimal(arg),
        'f' => double(arg).map(|number| fixed(number, clause.precision.unwrap_or(PRECISION))),
        'e' => double(arg).map(|number| scientific(number, clause.precision.unwrap_or(PRECISION))),
        'b' => match arg {
            Value::Int(number) if *number < 0 => Some(format!("-{:b}", number.unsigned_abs())),
            Value::Int(number) => Some(format!("{number:b}")),
            Value::Uint(number) => Some(format!("{number:b}")),
            Value::Bool(flag) => Some(u8::from(*flag).to_string()),
            _ => None,
        },
        'o' => match arg {
            Value::Int(number) if *number < 0 => Some(format!("-{:o}", number.unsigned_abs())),
            Value::Int(number) => Some(format!("{number:o}")),
            Value::Uint(number) => Some(format!("{number:o}")),
            _ => None,
        },
        letter => hex(arg, letter == 'X'),
    };
    shown.ok_or_else(misfit)
}

/// How many digits follow the point, unless told otherwise.
const PRECISION: usize = 6;

fn decimal(arg: &Value) -> Option<String> {
    match arg {
        Value::Int(number) => Some(number.to_string()),
        Value::Uint(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns a number with a point, which some texts stand for.
fn double(arg: &Value) -> Option<f64> {
    match arg {
        Value::Double(number) => Some(*number),
        Value::String(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
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

/// Prints what has no digits as Go's texts in a language do.
fn special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("∞"),
        f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

/// Prints digits with thousands apart, as upstream does in its locale `en_US`.
///
/// Upstream keeps the least number of digits after the point in one byte, and the most in two; past these there are as many
/// as the number has.
fn fixed(number: f64, precision: usize) -> String {
    /// No number has more digits after its point.
    const MOST: usize = 1074;
    if let Some(text) = special(number) {
        return text.to_owned();
    }
    // Zero has no sign.
    let number = number + 0.0;
    let (least, most) = (usize::from(precision as u8), usize::try_from(precision as i16));
    let text = most.map_or_else(|_| number.to_string(), |most| format!("{number:.*}", most.min(MOST)));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = match fraction.trim_end_matches('0') {
        short if short.len() <= least => format!("{short:0<least$}"),
        long => long.to_owned(),
    };
    let mut shown = String::new();
    for (at, letter) in whole.char_indices() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !shown.ends_with('-') {
            shown.push(',');
        }
        shown.push(letter);
    }
    if fraction.is_empty() { shown } else { format!("{shown}.{fraction}") }
}

/// Prints six digits after the point; what is called the precision is the width, kept in two bytes.
fn scientific(number: f64, width: usize) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = || {
        let text = format!("{:.PRECISION$e}", number + 0.0);
        let (mantissa, exponent) = text.split_once('e').expect("holds because the format writes an exponent");
        let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("⁻", digits));
        let digits = format!("{digits:0>2}");
        let raised: String = digits.bytes().map(|digit| RAISED[usize::from(digit - b'0')]).collect();
        format!("{mantissa}×10{sign}{raised}")
    };
    let text = special(number).map_or_else(raised, str::to_owned);
    let width = usize::from(width as u16);
    format!("{text:>width$}")
}

/// Prints what is within a list or map: so that it could be written in an expression.
fn show_within(arg: &Value) -> Result<String, String> {
    let quote = |text: &str| bowline_smd::quote_go(text);
    Ok(match arg {
        Value::String(text) => quote(text),
        Value::Bytes(_) => format!("b{}", quote(&show(arg)?)),
        Value::Timestamp(at, zone) => format!("timestamp({:?})", times::print(*at, *zone)),
        Value::Duration(nanos) => format!("duration({:?})", times::print_duration(*nanos)),
        Value::Double(number) if !number.is_finite() => quote(&crate::error::go_float(*number)),
        Value::Double(number) => format!("{number:.PRECISION$}"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Type(_) => show(arg)?,
        Value::List(_) | Value::Map(_) => show(arg)?,
        other => return Err(format!("no formatting function for {}", other.type_name())),
    })
}

fn show(arg: &Value) -> Result<String, String> {
    Ok(match arg {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => crate::error::go_float(*number),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| {
            let why = "invalid UTF-8 in bytes, cannot convert to string";
            format!("could not convert argument \"{why}\" to string")
        })?,
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
                let key = key.to_value();
                if !matches!(key, Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_)) {
                    return Err(format!("no formatting function for map key of type {}", key.type_name()));
                }
                entries.push((show_within(&key)?, show_within(value)?));
            }
            entries.sort();
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => return Err(format!("{}, was given {}", takes('s'), other.type_name())),
    })
}
