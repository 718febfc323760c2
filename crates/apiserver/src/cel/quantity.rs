//! Quantities such as `1.5Gi`, as upstream keeps them: whole numbers with a power of ten, or decimals of any length.

use std::cmp::Ordering;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    mantissa: i128,
    /// The power of ten.
    scale: i32,
    /// Whether upstream has it as a decimal, which is no whole number to it whatever its value.
    is_decimal: bool,
    /// Whether it is a sum or difference, which upstream cannot compare others with by `==`.
    pub(super) is_computed: bool,
}

/// Longest fraction a quantity keeps: nano.
const FINEST: i32 = -9;

/// As many digits upstream takes for a whole number.
const MOST_DIGITS: i32 = 18;

/// More digits of a decimal are not kept here; upstream keeps them all.
const KEPT_DIGITS: usize = 36;

impl Quantity {
    /// Reads a quantity; the words of errors are `resource.ParseQuantity`'s.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const FORMAT: &str =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        if text.is_empty() {
            return Err(FORMAT.to_owned());
        }
        let (sign, rest) = match text.as_bytes()[0] {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (whole, rest) = rest.split_at(digits(rest));
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), |rest| rest.split_at(digits(rest)));
        let tail = suffix.trim_start_matches(|letter: char| "eEinumkKMGTP".contains(letter));
        let tail = tail.strip_prefix(['+', '-']).unwrap_or(tail);
        if digits(tail) < tail.len() {
            return Err(FORMAT.to_owned());
        }
        let (base, exponent) = suffix_of(suffix).ok_or("unable to parse quantity's suffix")?;
        let count = |digits: &str| i32::try_from(digits.len()).unwrap_or(i32::MAX);
        let (room, factor, scale) = if base == 10 {
            (MOST_DIGITS.saturating_sub(count(whole)).saturating_sub(count(fraction)), 1, exponent)
        } else if fraction.is_empty() {
            // A power of two takes about three digits for ten bits.
            (15 - count(whole) - exponent * 3 / 10 - 1, 1_i128 << exponent, 0)
        } else {
            (-1, 1_i128 << exponent, 0)
        };
        let scale = scale.saturating_sub(count(fraction));
        let mut all = format!("{whole}{fraction}");
        if room >= 0 && scale >= FINEST {
            let mantissa = all.parse::<i128>().expect("holds because these are few digits") * factor;
            if i64::try_from(mantissa).is_ok() {
                return Ok(Self { mantissa: mantissa * sign, scale, is_decimal: false, is_computed: false });
            }
        }
        let lost = all.len().saturating_sub(KEPT_DIGITS);
        all.truncate(KEPT_DIGITS);
        let scale = scale.saturating_add(i32::try_from(lost).unwrap_or(i32::MAX));
        let mantissa = all.parse::<i128>().expect("holds because these are so many digits").saturating_mul(factor);
        let mut decimal = Self { mantissa, scale, is_decimal: true, is_computed: false }.rounded();
        let largest = Self::of_int(i64::MAX);
        if base == 2 && decimal.compare(largest) == Ordering::Greater {
            (decimal.mantissa, decimal.scale) = (largest.mantissa, largest.scale);
        }
        decimal.mantissa *= sign;
        Ok(decimal)
    }

    pub(crate) fn of_int(number: i64) -> Self {
        Self { mantissa: i128::from(number), scale: 0, is_decimal: false, is_computed: false }
    }

    /// Rounds up what is finer than nano.
    fn rounded(mut self) -> Self {
        if self.scale < FINEST {
            let unit = power(FINEST.saturating_sub(self.scale)).unwrap_or(i128::MAX);
            let up = i128::from(self.mantissa % unit != 0);
            self.mantissa = self.mantissa / unit + up;
            self.scale = FINEST;
        }
        self
    }

    /// Returns both numbers in units of the finer one; `None` for one that is too large for that.
    fn aligned(self, other: Self) -> (Option<i128>, Option<i128>, i32) {
        let scale = self.scale.min(other.scale);
        let raise = |it: Self| match it.mantissa {
            0 => Some(0),
            mantissa => mantissa.checked_mul(power(it.scale.saturating_sub(scale))?),
        };
        (raise(self), raise(other), scale)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let is_decimal = self.is_decimal || other.is_decimal;
        if !is_decimal && other.mantissa == 0 {
            return Self { is_computed: true, ..self };
        }
        if !is_decimal && self.mantissa == 0 {
            return Self { is_computed: true, ..other };
        }
        let (a, b, scale) = self.aligned(other);
        let largest = |it: Self| if it.mantissa < 0 { i128::MIN + 1 } else { i128::MAX };
        let mantissa = a.unwrap_or_else(|| largest(self)).saturating_add(b.unwrap_or_else(|| largest(other)));
        let fits = |number: Option<i128>| number.is_some_and(|number| i64::try_from(number).is_ok());
        let is_decimal = is_decimal || !fits(a) || !fits(b) || !fits(Some(mantissa));
        Self { mantissa, scale, is_decimal, is_computed: true }
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        self.add(Self { mantissa: other.mantissa.saturating_neg(), ..other })
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            (Some(a), Some(b), _) => a.cmp(&b),
            // It is further from zero than anything in that unit.
            (None, _, _) => self.mantissa.cmp(&0),
            (_, None, _) => 0.cmp(&other.mantissa),
        }
    }

    pub(crate) fn sign(self) -> i64 {
        self.mantissa.signum() as i64
    }

    /// Returns the number, if it is kept as a whole one, and fits.
    pub(crate) fn as_integer(self) -> Option<i64> {
        if self.is_decimal || self.scale < 0 {
            return None;
        }
        let (whole, _, _) = self.aligned(Self::of_int(0));
        i64::try_from(whole?).ok()
    }

    pub(crate) fn as_float(self) -> f64 {
        let base = self.mantissa as f64;
        if self.scale == 0 {
            return base;
        }
        base * format!("1e{}", self.scale).parse::<f64>().unwrap_or(f64::NAN)
    }
}

/// Returns a power of ten.
fn power(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
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
            // Go cuts what it read off to so many bits.
            (10, exponent.parse::<i64>().ok()? as i32)
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
        assert_eq!(parse("1000m").as_integer(), None, "upstream keeps it in thousandths");
        assert_eq!(parse("1Ki").as_integer(), Some(1024));
        assert_eq!(parse("7Ei").as_integer(), None, "upstream keeps it as a decimal");
        assert_eq!(parse("1.").as_integer(), Some(1));
        assert_eq!(parse("500m").sub(parse("1.5k")).sub(parse("-3500m")).as_integer(), None);
        assert_eq!(parse("1e100").compare(parse("1e99")), Ordering::Greater);
        assert_eq!(parse("-1e100").compare(parse("-1e99")), Ordering::Less);
        assert_eq!(parse("1e100").compare(parse("5")), Ordering::Greater);
        assert_eq!(parse("1e-2000000000"), parse("1n"), "what is too small is rounded up");
        assert_eq!(parse("1e2000000000").as_float().to_bits(), f64::INFINITY.to_bits());
        assert_eq!(parse("100Ei"), parse("9223372036854775807"));
        assert_eq!(parse(&"9".repeat(60)).sign(), 1);
        assert_eq!(parse("100m").as_integer(), None);
        assert_eq!(parse("50k").add(Quantity::of_int(20)), parse("50020"));
        assert_eq!(parse("-1").sign(), -1);
        assert!(Quantity::parse("1Q").is_err());
        assert!(Quantity::parse("").is_err());
    }
}
