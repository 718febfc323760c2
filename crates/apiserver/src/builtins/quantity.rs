//! Resource quantities and their canonical form.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A quantity such as `100m`, `1Gi` or `12e6`.
///
/// Printed in the form that Kubernetes stores (`apimachinery/pkg/api/resource`): the largest suffix that leaves an
/// integer, `1000m` as `1` and `1024Mi` as `1Gi`. Precision ends at one billionth, which upstream rounds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// The text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct NotAQuantity;

const NANO: i128 = 1_000_000_000;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Decimal suffixes from billionths upwards.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

impl Quantity {
    /// Returns the value in billionths.
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Returns the value as a whole number, rounded up.
    pub fn value(&self) -> i128 {
        ceil_div(self.nanos, NANO)
    }

    /// Returns this quantity with another value and the same way of writing.
    pub fn with_nanos(self, nanos: i128) -> Self {
        Self { nanos, ..self }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.nanos.cmp(&other.nanos))
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    // Upstream rounds away from zero.
    if value % by == 0 { value / by } else { value / by + value.signum() }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(NotAQuantity);
        }
        let (format, factor) = factor(suffix)?;
        // Value = digits × factor ÷ 10^fraction digits, in billionths; digits beyond the precision only round up.
        let fraction = fraction.trim_end_matches('0');
        let digits: String = [whole, fraction].concat();
        let digits: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| NotAQuantity)? };
        let scale = u32::try_from(fraction.len()).map_err(|_| NotAQuantity)?;
        let divisor = 10_i128.checked_pow(scale).ok_or(NotAQuantity)?;
        let nanos = match factor {
            Factor::Times(by) => {
                ceil_div(digits.checked_mul(by).and_then(|n| n.checked_mul(NANO)).ok_or(NotAQuantity)?, divisor)
            }
            Factor::Billionths(per) => ceil_div(digits.checked_mul(per).ok_or(NotAQuantity)?, divisor),
        };
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format })
    }
}

enum Factor {
    Times(i128),
    Billionths(i128),
}

fn factor(suffix: &str) -> Result<(Format, Factor), NotAQuantity> {
    if let Some(power) = BINARY.iter().position(|have| !have.is_empty() && *have == suffix) {
        return Ok((Format::Binary, Factor::Times(1 << (10 * power))));
    }
    if let Some(power) = DECIMAL.iter().position(|have| *have == suffix) {
        let factor = match power.checked_sub(3) {
            Some(power) => Factor::Times(1000_i128.pow(power as u32)),
            None => Factor::Billionths(1000_i128.pow(power as u32)),
        };
        return Ok((Format::Decimal, factor));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NotAQuantity)?;
    let exponent: i32 = exponent.parse().map_err(|_| NotAQuantity)?;
    let factor = if exponent >= 0 {
        Factor::Times(10_i128.checked_pow(exponent.unsigned_abs()).ok_or(NotAQuantity)?)
    } else {
        let left = 9_u32.checked_sub(exponent.unsigned_abs()).ok_or(NotAQuantity)?;
        Factor::Billionths(10_i128.pow(left))
    };
    Ok((Format::Exponent, factor))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.nanos.abs() >= 1024 * NANO {
            let mut value = self.value();
            let mut power = 0;
            while value % 1024 == 0 && power + 1 < BINARY.len() {
                value /= 1024;
                power += 1;
            }
            return write!(f, "{value}{}", BINARY[power]);
        }
        let mut value = self.nanos;
        let mut power = 0;
        while value % 1000 == 0 && power + 1 < DECIMAL.len() {
            value /= 1000;
            power += 1;
        }
        match self.format {
            Format::Exponent if power != 3 => write!(f, "{value}e{}", (power as i32 - 3) * 3),
            _ => write!(f, "{value}{}", DECIMAL[power]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_printed_in_canonical_form() {
        let table = [
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.1", "100m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1024", "1024"),
            ("100000", "100k"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0", "0"),
            ("0Mi", "0"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("1E", "1E"),
            ("500n", "500n"),
            ("0.1n", "1n"),
            ("-1", "-1"),
            ("+2", "2"),
            (".5", "500m"),
            ("5.", "5"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("129M", "129M"),
            ("123Mi", "123Mi"),
            ("2048Ki", "2Mi"),
            ("1.0", "1"),
        ];
        for (text, want) in table {
            let have = text.parse::<Quantity>().map(|quantity| quantity.to_string());
            assert_eq!(have.as_deref(), Ok(want), "{text}");
        }
        for text in ["", "x", "1x", "1.2.3", "--1", "Mi", "1 Gi", "1ee3"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
