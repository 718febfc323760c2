//! Numbers out of texts, as Go's `strconv` reads them.

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is something else.
    Syntax,
    /// It is beyond the range; the nearest number within.
    Range(i64),
}

/// `strconv.ParseInt(text, base, 64)`; base 0 goes by the prefix.
pub(super) fn int(text: &[u8], base: u32) -> Result<i64, Wrong> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let limit = if negative { 1u64 << 63 } else { (1 << 63) - 1 };
    match uint(digits, base) {
        Some(Some(number)) if number <= limit => {
            Ok(if negative { (number as i64).wrapping_neg() } else { number as i64 })
        }
        Some(_) => Err(Wrong::Range(if negative { i64::MIN } else { i64::MAX })),
        None => Err(Wrong::Syntax),
    }
}

/// `strconv.ParseUint(text, base, 64)`: `None` for what is no number, and `Some(None)` for one too large.
#[expect(clippy::option_option, reason = "the two failures differ, and nothing else is told of them")]
pub(super) fn uint(text: &[u8], base: u32) -> Option<Option<u64>> {
    let (digits, radix) = match (base, text) {
        (0, [b'0', b'x' | b'X', _, ..]) => (&text[2..], 16),
        (0, [b'0', b'b' | b'B', _, ..]) => (&text[2..], 2),
        (0, [b'0', b'o' | b'O', _, ..]) => (&text[2..], 8),
        (0, [b'0', _, ..]) => (&text[1..], 8),
        (0, _) => (text, 10),
        (base, _) => (text, base),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = Some(0u64);
    let mut underscores = false;
    for byte in digits {
        if *byte == b'_' && base == 0 {
            underscores = true;
            continue;
        }
        let digit = char::from(*byte).to_digit(radix)?;
        number = number.and_then(|sum| sum.checked_mul(u64::from(radix))?.checked_add(u64::from(digit)));
        if number.is_none() {
            // Go does not look at what follows.
            return Some(None);
        }
    }
    (!underscores || underscores_fit(text)).then_some(number)
}

/// Underscores must stand between digits, or between the prefix and a digit.
fn underscores_fit(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let mut before = b'^';
    let mut rest = text;
    let mut hex = false;
    if let [b'0', b'b' | b'B' | b'o' | b'O' | b'x' | b'X', after @ ..] = text {
        hex = matches!(text[1], b'x' | b'X');
        before = b'0';
        rest = after;
    }
    for byte in rest {
        if byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit() {
            before = b'0';
        } else if *byte == b'_' {
            if before != b'0' {
                return false;
            }
            before = b'_';
        } else {
            if before == b'_' {
                return false;
            }
            before = b'!';
        }
    }
    before != b'_'
}

/// `strconv.ParseFloat(text, 64)`; `None` for what is no number or beyond the range.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = |number: f64| if negative { -number } else { number };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Some(signed(f64::INFINITY)),
        "nan" if unsigned.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    if unsigned.contains('_') && !underscores_fit(text.as_bytes()) {
        return None;
    }
    let is_hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
    let clean = unsigned.replace('_', "");
    let number = if is_hex {
        hex_float(&clean[2..])?
    } else {
        if !clean.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        clean.parse().ok()?
    };
    number.is_finite().then(|| signed(number))
}

fn hex_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?.clamp(-9999, 9999) as i32;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0f64;
    for c in whole.chars().chain(fraction.chars()) {
        number = number * 16.0 + f64::from(c.to_digit(16)?);
    }
    Some(number * f64::powi(2.0, exponent - 4 * fraction.len() as i32))
}

/// A float as an integer, as amd64 converts it: what is beyond the range is the smallest integer.
pub(super) fn truncated(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) { number as i64 } else { i64::MIN }
}
