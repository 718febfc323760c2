//! Quantities such as `1.5Gi`: exact numbers, a mantissa and a power of ten.

use std::cmp::Ordering;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    mantissa: i128,
    /// The power of ten, never above zero.
    scale: i32,
    /// Whether it is a sum or difference, which upstream cannot compare others with by `==`.
    pub(super) is_computed: bool,
}

/// Longest fraction a quantity keeps, as upstream: nano.
const MAX_DIGITS: i32 = 9;

impl Quantity {
    /// Reads a quantity; the words of errors are `resource.ParseQuantity`'s.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const FORMAT: &str =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        if text.is_empty() {
            return Err(FORMAT.to_owned());
        }
        let end = text.find(|letter: char| !letter.is_ascii_digit() && !"+-.".contains(letter)).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (sign, digits) = match number.as_bytes().first() {
            Some(b'-') => (-1, &number[1..]),
            Some(b'+') => (1, &number[1..]),
            _ => (1, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all: String = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FORMAT.to_owned());
        }
        let mut mantissa = all.parse::<i128>().map_err(|_| "unable to parse numeric part of quantity".to_owned())?;
        let mut scale = -i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let tail = suffix.trim_start_matches(|letter: char| "eEinumkKMGTP".contains(letter));
        let tail = tail.strip_prefix(['+', '-']).unwrap_or(tail);
        if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FORMAT.to_owned());
        }
        let (base, exponent) = suffix_of(suffix).ok_or("unable to parse quantity's suffix")?;
        if base == 2 {
            mantissa = mantissa.checked_shl(exponent.unsigned_abs()).unwrap_or(i128::MAX);
        } else {
            scale += exponent;
        }
        Ok(Self { mantissa: mantissa * sign, scale, is_computed: false }.normal())
    }

    pub(crate) fn of_int(number: i64) -> Self {
        Self { mantissa: i128::from(number), scale: 0, is_computed: false }
    }

    fn normal(mut self) -> Self {
        while self.scale > 0 {
            self.mantissa = self.mantissa.saturating_mul(10);
            self.scale -= 1;
        }
        while self.scale < 0 && self.mantissa % 10 == 0 && self.mantissa != 0 {
            self.mantissa /= 10;
            self.scale += 1;
        }
        if self.mantissa == 0 {
            self.scale = 0;
        }
        // Finer than nano is rounded up, away from zero.
        while self.scale < -MAX_DIGITS {
            let up = i128::from(self.mantissa % 10 != 0) * self.mantissa.signum();
            self.mantissa = self.mantissa / 10 + up;
            self.scale += 1;
        }
        self
    }

    fn aligned(self, other: Self) -> (i128, i128, i32) {
        let scale = self.scale.min(other.scale);
        let raise = |it: Self| it.mantissa.saturating_mul(10_i128.saturating_pow((it.scale - scale).unsigned_abs()));
        (raise(self), raise(other), scale)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let (a, b, scale) = self.aligned(other);
        Self { mantissa: a.saturating_add(b), scale, is_computed: true }.normal()
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        self.add(Self { mantissa: -other.mantissa, ..other })
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }

    pub(crate) fn sign(self) -> i64 {
        self.mantissa.signum() as i64
    }

    /// Returns the number, if it is a whole one that fits.
    pub(crate) fn as_integer(self) -> Option<i64> {
        let it = self.normal();
        (it.scale == 0).then(|| i64::try_from(it.mantissa).ok()).flatten()
    }

    pub(crate) fn as_float(self) -> f64 {
        format!("{}e{}", self.mantissa, self.scale).parse().unwrap_or(f64::NAN)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

/// Returns the base and exponent a suffix stands for.
fn suffix_of(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (10, 0),
        "Ki" => (2, 10),
        "Mi" => (2, 20),
        "Gi" => (2, 30),
        "Ti" => (2, 40),
        "Pi" => (2, 50),
        "Ei" => (2, 60),
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            (10, exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() < 30)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_by_value() {
        let parse = |text: &str| Quantity::parse(text).expect("holds because the text is a quantity");
        assert_eq!(parse("1Ki"), parse("1024"));
        assert_eq!(parse("1.5"), parse("1500m"));
        assert_eq!(parse("1e3").as_integer(), Some(1000));
        assert_eq!(parse("100m").as_integer(), None);
        assert_eq!(parse("50k").add(Quantity::of_int(20)), parse("50020"));
        assert_eq!(parse("-1").sign(), -1);
        assert!(Quantity::parse("1Q").is_err());
        assert!(Quantity::parse("").is_err());
    }
}
