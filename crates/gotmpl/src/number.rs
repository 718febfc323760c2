//! Number literals, as Go's templates read them.

use crate::lex::Kind;
use crate::quote;
use crate::tree::Number;

/// Reads a number literal; the error is Go's message.
pub(crate) fn parse(text: &str, kind: Kind) -> Result<Number, String> {
    match kind {
        Kind::CharConstant => character(text),
        Kind::Complex => {
            let (re, im) = complex(text)?;
            Ok(simplified(re, im))
        }
        _ => real(text),
    }
}

fn character(text: &str) -> Result<Number, String> {
    let bytes = text.as_bytes();
    let (code, _, len) = quote::unquote_char(&bytes[1..], bytes[0]).ok_or("invalid syntax")?;
    if &bytes[1 + len..] != b"'" {
        return Err(format!("malformed character constant: {text}"));
    }
    let code = i64::from(code);
    Ok(Number { int: Some(code), uint: Some(code as u64), float: Some(code as f64), ..Number::default() })
}

fn real(text: &str) -> Result<Number, String> {
    if let Some(imaginary) = text.strip_suffix('i')
        && let Some(im) = parse_float(imaginary)
    {
        return Ok(simplified(0.0, im));
    }
    let mut number = Number { uint: parse_uint(text), int: parse_int(text), ..Number::default() };
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quote::quoted(text.as_bytes())));
        }
        number.float = Some(float);
        number.int = exact_int(float);
        number.uint = exact_uint(float);
    }
    if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
        return Err(format!("illegal number syntax: {}", quote::quoted(text.as_bytes())));
    }
    let is_hex = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
    number.looks_like_float = number.float.is_some() && !is_hex && text.contains(['.', 'e', 'E', 'p', 'P']);
    Ok(number)
}

/// A complex number under all types that can hold it: others than `complex128` need an imaginary part of zero.
fn simplified(re: f64, im: f64) -> Number {
    let mut number = Number { complex: Some((re, im)), ..Number::default() };
    if im == 0.0 {
        number.float = Some(re);
        number.int = exact_int(re);
        number.uint = exact_uint(re);
    }
    number
}

/// Go's conversion of a float beyond the range gives the smallest integer, which is not equal to it.
#[expect(clippy::float_cmp, reason = "whether a float is whole is asked exactly")]
fn exact_int(float: f64) -> Option<i64> {
    let in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    (in_range && float.trunc() == float).then_some(float as i64)
}

#[expect(clippy::float_cmp, reason = "whether a float is whole is asked exactly")]
fn exact_uint(float: f64) -> Option<u64> {
    let in_range = (0.0..18_446_744_073_709_551_616.0).contains(&float);
    (in_range && float.trunc() == float).then_some(float as u64)
}

/// `strconv.ParseUint(text, 0, 64)`
fn parse_uint(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let has_underscores = digits.contains('_');
    if digits.is_empty() || (has_underscores && !underscores_fit(text)) {
        return None;
    }
    let mut number = 0u64;
    for digit in digits.bytes().filter(|byte| *byte != b'_') {
        let digit = char::from(digit).to_digit(radix)?;
        number = number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

/// `strconv.ParseInt(text, 0, 64)`
fn parse_int(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix('-') {
        let number = parse_uint(digits)?;
        return (number <= 1 << 63).then(|| (number as i64).wrapping_neg());
    }
    i64::try_from(parse_uint(text.strip_prefix('+').unwrap_or(text))?).ok()
}

/// `strconv.ParseFloat(text, 64)`; numbers out of range are none.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') && !underscores_fit(text) {
        return None;
    }
    let clean = text.replace('_', "");
    let unsigned = clean.strip_prefix(['+', '-']).unwrap_or(&clean);
    let number = if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let number = hex_float(hex)?;
        if clean.starts_with('-') { -number } else { number }
    } else {
        if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        clean.parse().ok()?
    };
    number.is_finite().then_some(number)
}

/// Reads the digits, point and binary exponent of a hexadecimal float, rounding to the nearest, halves to even.
fn hex_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = unsigned.bytes().fold(0i64, |sum, byte| (sum * 10 + i64::from(byte - b'0')).min(100_000));
    let mut exponent = if exponent.starts_with('-') { -magnitude } else { magnitude };
    let mut mantissa = 0u64;
    let mut lost = false;
    let mut seen_point = false;
    let mut seen_digit = false;
    for c in digits.chars() {
        if c == '.' {
            if seen_point {
                return None;
            }
            seen_point = true;
            continue;
        }
        seen_digit = true;
        let digit = u64::from(c.to_digit(16)?);
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if seen_point { 4 } else { 0 };
        } else {
            lost |= digit != 0;
            exponent += if seen_point { 0 } else { 4 };
        }
    }
    if !seen_digit {
        return None;
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    // To 64 significant bits, then to what the exponent leaves room for: 53, or fewer for subnormal numbers.
    let shift = mantissa.leading_zeros();
    mantissa <<= shift;
    exponent -= i64::from(shift);
    let top = exponent + 63;
    if top > 1023 {
        return None;
    }
    let keep = if top < -1022 { 53 + (top + 1022) } else { 53 };
    if keep < 0 {
        return Some(0.0);
    }
    let drop = 64 - keep as u32;
    let kept = if drop == 64 { 0 } else { mantissa >> drop };
    let half = 1u64 << (drop - 1);
    let rest = if drop == 64 { mantissa } else { mantissa & ((1u64 << drop) - 1) };
    let up = rest > half || (rest == half && (lost || kept & 1 == 1));
    let kept = kept + u64::from(up);
    let scale = exponent + i64::from(drop);
    // Both factors are exact, and so is the product: `kept` has as many bits as the result can hold.
    let number = if scale < -1022 {
        kept as f64 * 2f64.powi(-1022) * 2f64.powi((scale + 1022) as i32)
    } else {
        kept as f64 * 2f64.powi(scale as i32)
    };
    Some(number)
}

/// Tells whether every underscore lies between digits, or between a base prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let prefixed = matches!(text, [b'0', b'b' | b'B' | b'o' | b'O' | b'x' | b'X', ..]);
    let hex = matches!(text, [b'0', b'x' | b'X', ..]);
    let mut last = if prefixed { b'0' } else { b'^' };
    for byte in &text[if prefixed { 2 } else { 0 }..] {
        let digit = byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit());
        match byte {
            _ if digit => last = b'0',
            b'_' if last != b'0' => return false,
            b'_' => last = b'_',
            _ if last == b'_' => return false,
            _ => last = b'!',
        }
    }
    last != b'_'
}

/// Reads `1+2i`, as `fmt.Sscan` does.
fn complex(text: &str) -> Result<(f64, f64), String> {
    let re_len = float_token(text);
    let im_text = text[re_len..].strip_prefix(['+', '-']).ok_or("syntax error scanning complex number")?;
    let im_len = float_token(im_text);
    if im_text.starts_with(['i', 'I']) {
        // Go takes the letter for the beginning of "inf", and then misses it.
        return Err("syntax error scanning complex number".to_owned());
    }
    if !im_text[im_len..].starts_with('i') {
        return Err("syntax error scanning complex number".to_owned());
    }
    let im = &text[re_len..re_len + 1 + im_len];
    Ok((scanned(&text[..re_len])?, scanned(im)?))
}

fn scanned(text: &str) -> Result<f64, String> {
    if let Some((mantissa, exponent)) = text.split_once('p')
        && !text.contains(['x', 'X'])
    {
        let bad = || format!("strconv.ParseFloat: parsing {}: invalid syntax", quote::quoted(text.as_bytes()));
        let mantissa = parse_float(mantissa).ok_or_else(bad)?;
        let exponent: i32 = exponent
            .parse()
            .map_err(|_| format!("strconv.Atoi: parsing {}: invalid syntax", quote::quoted(text.as_bytes())))?;
        return Ok(mantissa * 2f64.powi(exponent));
    }
    parse_float(text).ok_or_else(|| {
        // Underscores stand between the digits of a number with a prefix alone.
        let why = if text.parse::<f64>().is_ok() { "value out of range" } else { "invalid syntax" };
        format!("strconv.ParseFloat: parsing {}: {why}", quote::quoted(text.as_bytes()))
    })
}

/// Returns how many bytes of `text` are taken for a float.
fn float_token(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let accept = |at: &mut usize, set: &str| {
        let found = bytes.get(*at).is_some_and(|byte| set.as_bytes().contains(byte));
        *at += usize::from(found);
        found
    };
    accept(&mut at, "+-");
    let mut digits = "0123456789_";
    let mut exponent = "eEpP";
    if accept(&mut at, "0") && accept(&mut at, "xX") {
        digits = "0123456789aAbBcCdDeEfF_";
        exponent = "pP";
    }
    while accept(&mut at, digits) {}
    if accept(&mut at, ".") {
        while accept(&mut at, digits) {}
    }
    if accept(&mut at, exponent) {
        accept(&mut at, "+-");
        while accept(&mut at, "0123456789_") {}
    }
    at
}
