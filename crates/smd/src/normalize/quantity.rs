//! `resource.Quantity`: numbers with a unit, read and written by Go's rules.

use serde_json::Value;

/// How a quantity is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// `n u m k M G T P E`, powers of a thousand.
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`, powers of 1024.
    BinarySi,
    /// `e3`, powers of ten in threes.
    DecimalExponent,
}

/// A quantity, in thousand-millionths: nothing smaller exists, and what is smaller was rounded away from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// The largest binary quantity, 2^63-1.
const MAX_BINARY: i128 = (i64::MAX as i128) * NANOS_PER_UNIT;

impl Quantity {
    /// Reads a quantity; `None` when it is not one, or too large to be compared.
    ///
    /// As in Go, a text without any digits is zero, so long as its unit exists: `-`, `.`, `Gi`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end_of = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = unsigned.split_at(end_of(unsigned));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(end_of(rest)),
            None => ("", rest),
        };
        let (notation, unit) = unit(suffix)?;
        let magnitude = amount(whole, fraction, unit)?;
        let mut nanos = magnitude;
        if notation == Notation::BinarySi {
            nanos = nanos.min(MAX_BINARY);
        }
        Some(Self { nanos: if negative { -nanos } else { nanos }, notation })
    }

    /// Reads a quantity as manifests have it, a text or a number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// The amount in thousand-millionths, by which quantities are equal.
    pub fn amount(self) -> i128 {
        self.nanos
    }

    /// Writes the quantity as the API server stores it: no fraction, the largest unit that needs none. Binary units
    /// give way to decimal ones below 1024 and for fractions.
    pub fn canonical(self) -> String {
        if self.nanos == 0 {
            return "0".to_owned();
        }
        let is_small = self.nanos.abs() < 1024 * NANOS_PER_UNIT;
        let is_whole = self.nanos % NANOS_PER_UNIT == 0;
        match self.notation {
            Notation::BinarySi if !is_small && is_whole => binary(self.nanos / NANOS_PER_UNIT),
            Notation::BinarySi | Notation::DecimalSi => {
                let (number, exponent) = thousands(self.nanos);
                match DECIMAL_UNITS.iter().find(|(_, of)| *of == exponent) {
                    Some((unit, _)) => format!("{number}{unit}"),
                    None => format!("{number}e{exponent}"),
                }
            }
            Notation::DecimalExponent => match thousands(self.nanos) {
                (number, 0) => number.to_string(),
                (number, exponent) => format!("{number}e{exponent}"),
            },
        }
    }
}

const DECIMAL_UNITS: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

const BINARY_UNITS: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

#[derive(Clone, Copy)]
enum Unit {
    PowerOfTen(i32),
    PowerOfTwo(u32),
}

fn unit(suffix: &str) -> Option<(Notation, Unit)> {
    if let Some((_, exponent)) = DECIMAL_UNITS.iter().find(|(unit, _)| *unit == suffix) {
        return Some((Notation::DecimalSi, Unit::PowerOfTen(*exponent)));
    }
    if let Some((_, exponent)) = BINARY_UNITS.iter().find(|(unit, _)| *unit == suffix) {
        return Some((Notation::BinarySi, Unit::PowerOfTwo(*exponent)));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Notation::DecimalExponent, Unit::PowerOfTen(exponent)))
}

/// The magnitude in thousand-millionths, rounded up.
fn amount(whole: &str, fraction: &str, unit: Unit) -> Option<i128> {
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let mantissa: i128 = digits.parse().ok()?;
    let (mantissa, exponent) = match unit {
        Unit::PowerOfTen(exponent) => (mantissa, exponent),
        Unit::PowerOfTwo(bits) => (mantissa.checked_mul(1_i128 << bits)?, 0),
    };
    let exponent = exponent.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if exponent >= 0 {
        return mantissa.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?);
    }
    match 10_i128.checked_pow(exponent.unsigned_abs()) {
        Some(divisor) => Some((mantissa + divisor - 1) / divisor),
        // So small that only the rounding is left of it.
        None => Some(1),
    }
}

/// The number and exponent of ten, a multiple of three, without trailing zeros in threes.
fn thousands(nanos: i128) -> (i128, i32) {
    let (mut number, mut exponent) = (nanos, -9);
    while number % 1000 == 0 {
        number /= 1000;
        exponent += 3;
    }
    (number, exponent)
}

fn binary(mut number: i128) -> String {
    let mut power = 0;
    while number % 1024 == 0 && power < BINARY_UNITS.len() {
        number /= 1024;
        power += 1;
    }
    let unit = if power == 0 { "" } else { BINARY_UNITS[power - 1].0 };
    format!("{number}{unit}")
}

/// The form the API server stores a quantity in; `None` when the text is not a quantity.
///
/// Go keeps a text that is in canonical form already as it is, sign and leading zeros included: `+5`, `012Mi`.
pub fn canonical_quantity(text: &str) -> Option<String> {
    let quantity = Quantity::parse(text)?;
    Some(if keeps_its_text(text) { text.to_owned() } else { quantity.canonical() })
}

/// The short cut of Go's `ParseQuantity`, on texts short enough for it.
fn keeps_its_text(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text).trim_start_matches('0');
    let (whole, rest) = unsigned.split_at(unsigned.bytes().take_while(u8::is_ascii_digit).count());
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let (fraction, suffix) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    let Some((_, unit)) = unit(suffix) else { return false };
    let digits = format!("{whole}{fraction}");
    let Ok(value) = digits.parse::<i64>() else { return false };
    match unit {
        Unit::PowerOfTen(exponent) => {
            let scale = exponent - fraction.len() as i32;
            let is_short = digits.len() <= 18 && scale >= -9;
            is_short && scale % 3 == 0 && !digits.ends_with("000") && !whole.is_empty()
        }
        Unit::PowerOfTwo(bits) => {
            let room = 15 - whole.len() as i64 - i64::from(bits) * 3 / 10 - 1;
            fraction.is_empty() && room >= 0 && value & 7 != 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // The answers are those of apimachinery 0.35.4.
    fn quantities_are_written_as_go_writes_them() {
        let cases = [
            ("0", "0"),
            ("0.0", "0"),
            ("000", "0"),
            ("1", "1"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1."),
            ("1.5", "1500m"),
            ("100000", "100k"),
            ("1024", "1024"),
            ("1024Mi", "1Gi"),
            ("1025Mi", "1025Mi"),
            ("1536Mi", "1536Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("0.5Ki", "512"),
            ("0.1Ki", "102400m"),
            ("1.1Ki", "1126400m"),
            ("2048Ki", "2Mi"),
            ("1e3", "1e3"),
            ("1E3", "1E3"),
            ("1000e0", "1e3"),
            ("1e4", "10e3"),
            ("12e-1", "1200e-3"),
            ("1e", ""),
            ("0.1n", "1n"),
            ("-1000m", "-1"),
            ("+5", "+5"),
            ("3M", "3M"),
            ("3000k", "3M"),
            ("1Ei", "1Ei"),
            ("16Ei", "9223372036854775807"),
            ("", ""),
            ("-", "0"),
            ("1 Gi", ""),
            ("1gi", ""),
            ("1K", ""),
            ("012", "012"),
            ("012Mi", "012Mi"),
            ("1024e0", "1024e0"),
            ("100Ki", "100Ki"),
            ("1000Ki", "1000Ki"),
            ("5e2", "500"),
            ("1e-3", "1e-3"),
            ("1e-9", "1e-9"),
            ("1e-10", "1e-9"),
            ("1e1", "10"),
            ("123456789012345678901234", "123456789012345678901234"),
            ("-0.1n", "-1n"),
            ("0.0000000001", "1n"),
            ("-.5", "-500m"),
            ("+", "0"),
            ("+.", "0"),
            ("1023Ki", "1023Ki"),
            ("0Ki", "0"),
            ("00.5Mi", "512Ki"),
            ("1e+3", "1e+3"),
            ("8Ei", "9223372036854775807"),
            ("7Ei", "7Ei"),
            ("100e2", "10e3"),
            ("-1Ki", "-1Ki"),
            ("-2048", "-2048"),
        ];
        for (text, want) in cases {
            assert_eq!(canonical_quantity(text).unwrap_or_default(), want, "of {text}");
        }
    }
}
