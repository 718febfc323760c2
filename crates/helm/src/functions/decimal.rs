//! Decimals of any length, as `shopspring/decimal` computes.

use bowline_gotmpl::FuncError;
use num_bigint::BigInt;

use super::args::fail;

/// `value × 10^exponent`
#[derive(Clone)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i64,
}

/// Digits after the point of a quotient.
const PRECISION: i64 = 16;

impl Decimal {
    /// Takes the shortest decimal that reads back as `number`.
    pub(super) fn new(number: f64) -> Result<Self, FuncError> {
        if !number.is_finite() {
            let name = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return fail(format!("Cannot create a Decimal from {name}"));
        }
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
        let value = digits.replace('.', "").parse().unwrap_or_default();
        Ok(Self { value, exponent: exponent.parse::<i64>().unwrap_or_default() - fraction })
    }

    pub(super) fn digits(&self) -> u64 {
        self.value.bits() / 3
    }

    fn power(exponent: i64) -> BigInt {
        BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
    }

    /// Returns both values for the smaller of the two exponents.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let left = &self.value * Self::power(self.exponent - exponent);
        (left, &other.value * Self::power(other.exponent - exponent), exponent)
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the operations")]
    pub(super) fn add(self, other: &Self) -> Result<Self, FuncError> {
        let (left, right, exponent) = self.aligned(other);
        Ok(Self { value: left + right, exponent })
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the operations")]
    pub(super) fn sub(self, other: &Self) -> Result<Self, FuncError> {
        let (left, right, exponent) = self.aligned(other);
        Ok(Self { value: left - right, exponent })
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the operations")]
    pub(super) fn mul(self, other: &Self) -> Result<Self, FuncError> {
        Ok(Self { value: self.value * &other.value, exponent: self.exponent + other.exponent })
    }

    /// Divides, and rounds halves away from zero.
    pub(super) fn div(self, other: &Self) -> Result<Self, FuncError> {
        if other.value.sign() == num_bigint::Sign::NoSign {
            return fail("decimal division by 0");
        }
        let shift = self.exponent - other.exponent + PRECISION;
        let negative =
            (self.value.sign() == num_bigint::Sign::Minus) != (other.value.sign() == num_bigint::Sign::Minus);
        let (mut above, mut below) =
            (BigInt::from(self.value.magnitude().clone()), BigInt::from(other.value.magnitude().clone()));
        if shift >= 0 {
            above *= Self::power(shift);
        } else {
            below *= Self::power(-shift);
        }
        let mut quotient = &above / &below;
        if (&above % &below) * 2 >= below {
            quotient += 1;
        }
        Ok(Self { value: if negative { -quotient } else { quotient }, exponent: -PRECISION })
    }

    pub(super) fn to_float(&self) -> f64 {
        let number: f64 = format!("{}e{}", self.value, self.exponent).parse().unwrap_or_default();
        // There is no negative zero among decimals.
        if number == 0.0 { 0.0 } else { number }
    }
}
