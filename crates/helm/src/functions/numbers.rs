//! Numbers, by spf13/cast's conversions.

use bowline_gotmpl::{Context, FuncError, Function, Shape, Type, Value, sprint};

use super::args::{ANY, Gives, fail, int};
use super::decimal::Decimal;
use super::strconv;

const A: &[Type] = &[ANY];
const AA: &[Type] = &[ANY, ANY];
const I64: Type = Type::INT64;
const F64: Type = Type::FLOAT64;

pub(super) static TABLE: [Function; 27] = [
    Function::variadic("add", A, I64, |_, args| {
        Ok(Value::int64(args.iter().fold(0, |sum, one| sum.wrapping_add(to_int64(one)))))
    }),
    Function::new("add1", A, I64, |_, args| Ok(Value::int64(to_int64(&args[0]).wrapping_add(1)))),
    Function::new("add1f", A, F64, |ctx, args| {
        let args = [std::mem::take(&mut args[0]), Value::int(1)];
        decimals(ctx, &args, Decimal::add)
    }),
    Function::variadic("addf", A, F64, |ctx, args| {
        let mut all = vec![Value::float(0.0)];
        all.extend(args.iter().cloned());
        decimals(ctx, &all, Decimal::add)
    }),
    Function::variadic("biggest", AA, I64, max),
    Function::new("ceil", A, F64, |_, args| Ok(Value::float(to_float64(&args[0]).ceil()))),
    Function::new("div", AA, I64, |_, args| match to_int64(&args[1]) {
        0 => fail("runtime error: integer divide by zero"),
        by => Ok(Value::int64(to_int64(&args[0]).wrapping_div(by))),
    }),
    Function::variadic("divf", AA, F64, |ctx, args| decimals(ctx, args, Decimal::div)),
    Function::new("float64", A, F64, |_, args| Ok(Value::float(to_float64(&args[0])))),
    Function::new("floor", A, F64, |_, args| Ok(Value::float(to_float64(&args[0]).floor()))),
    Function::new("int", A, Type::INT, |_, args| Ok(Value::int(to_int64(&args[0])))),
    Function::new("int64", A, I64, |_, args| Ok(Value::int64(to_int64(&args[0])))),
    Function::variadic("max", AA, I64, max),
    Function::variadic("maxf", AA, F64, |_, args| {
        Ok(Value::float(args.iter().map(to_float64).reduce(go_max).unwrap_or_default()))
    }),
    Function::variadic("min", AA, I64, |_, args| Ok(Value::int64(args.iter().map(to_int64).min().unwrap_or_default()))),
    Function::variadic("minf", AA, F64, |_, args| {
        Ok(Value::float(args.iter().map(to_float64).reduce(|a, b| -go_max(-a, -b)).unwrap_or_default()))
    }),
    Function::new("mod", AA, I64, |_, args| match to_int64(&args[1]) {
        0 => fail("runtime error: integer divide by zero"),
        by => Ok(Value::int64(to_int64(&args[0]).wrapping_rem(by))),
    }),
    Function::variadic("mul", AA, I64, |_, args| {
        Ok(Value::int64(args.iter().map(to_int64).fold(1, i64::wrapping_mul)))
    }),
    Function::variadic("mulf", AA, F64, |ctx, args| decimals(ctx, args, Decimal::mul)),
    Function::new("randInt", &[Type::INT, Type::INT], Type::INT, |ctx, args| {
        let (min, max) = (int(&args[0]), int(&args[1]));
        match u64::try_from(max.wrapping_sub(min)) {
            Err(_) | Ok(0) => fail("invalid argument to Intn"),
            Ok(range) => Ok(Value::int(min.wrapping_add(super::host::host(ctx).below(range) as i64))),
        }
    }),
    Function::variadic("round", &[ANY, Type::INT, F64], F64, |_, args| {
        let on = match args.get(2) {
            Some(Value::Float(_, on)) => *on,
            _ => 0.5,
        };
        let power = power_of_ten(int(&args[1]));
        let digit = power * to_float64(&args[0]);
        let fraction = if digit.is_infinite() { f64::NAN } else { digit - digit.trunc() };
        Ok(Value::float(if fraction >= on { digit.ceil() } else { digit.floor() } / power))
    }),
    Function::new("sub", AA, I64, |_, args| Ok(Value::int64(to_int64(&args[0]).wrapping_sub(to_int64(&args[1]))))),
    Function::variadic("subf", AA, F64, |ctx, args| decimals(ctx, args, Decimal::sub)),
    Function::new("toDecimal", A, I64, |_, args| Ok(Value::int64(strconv::int(&sprint(args), 8).unwrap_or(0)))),
    Function::new("empty", A, Type::Bool, |_, args| super::args::boolean(super::args::is_empty(&args[0]))),
    Function::new("kindOf", A, Type::String, |_, args| Ok(Value::str(super::args::kind(&args[0])))),
    Function::new("typeOf", A, Type::String, |_, args| Ok(Value::str(args[0].type_name()))),
];

#[expect(clippy::unnecessary_wraps, reason = "functions of templates give a `Gives`")]
fn max(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    Ok(Value::int64(args.iter().map(to_int64).max().unwrap_or_default()))
}

/// `math.Max`: NaN wins over all but infinity, and 0 over -0.
fn go_max(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        f64::INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else if left == 0.0 && right == 0.0 {
        if left.is_sign_negative() { right } else { left }
    } else if left > right {
        left
    } else {
        right
    }
}

/// Leads numbers through decimals of any length.
fn decimals(
    ctx: &mut Context<'_, '_>,
    args: &[Value],
    op: fn(Decimal, &Decimal) -> Result<Decimal, FuncError>,
) -> Gives {
    let mut sum = Decimal::new(to_float64(&args[0]))?;
    for one in &args[1..] {
        sum = op(sum, &Decimal::new(to_float64(one))?)?;
        ctx.charge(1 + sum.digits() / 8)?;
    }
    Ok(Value::float(sum.to_float()))
}

/// cast's `ToInt64`: what is no number is 0.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(_, number) => *number,
        Value::Uint(kind, number) if *kind != bowline_gotmpl::UintKind::Uintptr => *number as i64,
        Value::Float(_, number) => strconv::truncated(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::Str(text) => strconv::int(without_zero_fraction(text), 0).unwrap_or(0),
        Value::Object(object) => named_int(object.as_ref()).unwrap_or(0),
        _ => 0,
    }
}

/// cast's `ToFloat64`
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(_, number) => *number as f64,
        Value::Uint(kind, number) if *kind != bowline_gotmpl::UintKind::Uintptr => *number as f64,
        Value::Float(_, number) => *number,
        Value::Bool(truth) => f64::from(*truth),
        Value::Str(text) => strconv::float(text).unwrap_or(0.0),
        Value::Object(object) => named_int(object.as_ref()).unwrap_or(0) as f64,
        _ => 0.0,
    }
}

/// Months and weekdays are numbers to cast, other named types are not.
fn named_int(object: &dyn bowline_gotmpl::Object) -> Option<i64> {
    if !matches!(&*object.type_name(), "time.Month" | "time.Weekday") {
        return None;
    }
    match object.shape() {
        Shape::Plain(value) => value.as_int(),
        _ => None,
    }
}

/// Takes `.000` away.
fn without_zero_fraction(text: &[u8]) -> &[u8] {
    let digits = text.len() - text.iter().rev().take_while(|byte| **byte == b'0').count();
    if digits < text.len() && digits > 0 && text[digits - 1] == b'.' { &text[..digits - 1] } else { text }
}

/// Returns a power of ten as Go's `math.Pow` computes it: by squares of the mantissa, each of them rounded.
fn power_of_ten(exponent: i64) -> f64 {
    const TOO_LARGE: i64 = 1 << 12;
    let (mut mantissa, mut binary) = (1.0, 0);
    // 10 is 0.625 times two to the fourth.
    let (mut square, mut square_binary) = (0.625_f64, 4_i64);
    let mut left = exponent.unsigned_abs();
    while left != 0 {
        if square_binary > TOO_LARGE {
            binary += square_binary;
            break;
        }
        if left & 1 == 1 {
            mantissa *= square;
            binary += square_binary;
        }
        square *= square;
        square_binary *= 2;
        if square < 0.5 {
            square += square;
            square_binary -= 1;
        }
        left >>= 1;
    }
    if exponent < 0 {
        (mantissa, binary) = (1.0 / mantissa, -binary);
    }
    times_power_of_two(mantissa, binary)
}

/// Multiplies by a power of two, rounding once.
fn times_power_of_two(number: f64, exponent: i64) -> f64 {
    const STEP: i64 = 1000;
    let exponent = exponent.clamp(-2 * STEP, 2 * STEP);
    let (first, second) =
        if exponent < -STEP { (exponent + STEP, -STEP) } else { (exponent.min(STEP), (exponent - STEP).max(0)) };
    number * 2f64.powi(first as i32) * 2f64.powi(second as i32)
}

#[cfg(test)]
mod tests {
    use super::power_of_ten;

    #[test]
    fn powers_of_ten_are_those_of_go() {
        // As Go prints them; some are not the nearest to what is meant.
        let cases = [
            (0, 1.0),
            (1, 10.0),
            (22, 1e22),
            (-3, 1e-3),
            (97, 1.000_000_000_000_000_3e97),
            (308, 1.000_000_000_000_000_6e308),
            (-308, 9.999_999_999_999_994e-309),
            (-323, 1e-323),
            (-324, 0.0),
            (309, f64::INFINITY),
            (i64::MAX, f64::INFINITY),
            (-400, 0.0),
            (i64::MIN, 0.0),
        ];
        for (exponent, want) in cases {
            assert_eq!(power_of_ten(exponent).to_bits(), want.to_bits(), "{exponent}");
        }
    }
}
