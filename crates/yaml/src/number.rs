//! Numbers as Go reads and writes them.

use serde_json::{Number, Value};

/// A number that is not a plain integer's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Num {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

/// Reads an integer as Go's `strconv.ParseInt(text, 0, 64)` does, else as `ParseUint`: a sign, a prefix `0x`,
/// `0o`, `0b` or `0` for the base, digits. `text` has no underscores.
pub(crate) fn parse_int(text: &str) -> Option<Num> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| char::from(byte).is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Num::Signed);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Num::Signed(value)),
        // Go reads an unsigned number only without a sign; with one it becomes a float.
        Err(_) if signed => None,
        Err(_) => Some(Num::Unsigned(magnitude)),
    }
}

/// Reads a float of the form `[-+]?(.5|1|1.|1.5)(e[-+]?5)?`; one that is too large is none, as in Go.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_is_good = match mantissa.split_once('.') {
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction) && whole.len() + fraction.len() > 0,
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !mantissa_is_good || !exponent_is_good {
        return None;
    }
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// Returns the JSON value; `None` for infinities and NaN.
///
/// A float without a fraction becomes an integer where one can hold it: Go writes `1e3` to JSON as `1000`.
pub(crate) fn to_json(number: Num) -> Option<Value> {
    match number {
        Num::Signed(value) => Some(value.into()),
        Num::Unsigned(value) => Some(value.into()),
        Num::Float(float) => integral(float).map(Value::Number).or_else(|| Number::from_f64(float).map(Value::Number)),
    }
}

/// The integer that Go's JSON writer makes of a float without a fraction, where 64 bits hold it.
///
/// The writer prints the shortest digits that tell the float from its neighbours and fills up with zeros, so
/// beyond 2^53 the integer is not quite the float's own value.
pub(crate) fn integral(float: f64) -> Option<Number> {
    if !float.is_finite() || float.fract() != 0.0 || float.abs() >= 1e21 {
        return None;
    }
    let text = float.to_string();
    let signed = text.parse::<i64>().map(Number::from);
    signed.or_else(|_| text.parse::<u64>().map(Number::from)).ok()
}

/// Writes a float as Go's `strconv.FormatFloat(f, 'g', -1, 64)` does.
pub(crate) fn format_float(float: f64) -> String {
    let shortest = format!("{float:e}");
    // Of the shortest that read back as the same float, Go takes the nearest, and of two that are as near the even one.
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let nearest = format!("{float:.*e}", digits.saturating_sub(1));
    go_general(if nearest.parse() == Ok(float) { &nearest } else { &shortest })
}

/// Writes a float as Go's `strconv.FormatFloat(f, 'g', -1, 32)` does: how `sigs.k8s.io/yaml` writes a float key.
pub(crate) fn format_float_key(float: f64) -> String {
    match float {
        f if f.is_nan() => ".nan".to_owned(),
        f if f as f32 == f32::INFINITY => ".inf".to_owned(),
        f if f as f32 == f32::NEG_INFINITY => "-.inf".to_owned(),
        f => go_general(&format!("{:e}", f as f32)),
    }
}

/// Turns Rust's shortest `1.5e-7` into Go's `g` form: an exponent, of two digits at least, below 1e-4 and from
/// 1e6 on.
fn go_general(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !(-4..6).contains(&exponent) {
        let sign_of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{sign_of_exponent}{:02}", exponent.abs());
    }
    let point = exponent + 1;
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    if digits.len() <= point {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..point], &digits[point..])
    }
}
