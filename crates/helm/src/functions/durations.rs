//! Durations: `time.Duration`, and Helm's functions for it.

use std::borrow::Cow;
use std::rc::Rc;

use bowline_gotmpl::{Context, Function, Named, Object, Shape, Signature, Str, Type, Value, quote, sprint};

use super::args::{ANY, Gives, STRING, fail, string};
use super::layout;
use super::strconv;

const A: &[Type] = &[ANY];
const AA: &[Type] = &[ANY, ANY];
const D: Type = Type::Host("time.Duration");
pub(super) const SECOND: i64 = 1_000_000_000;

macro_rules! measured {
    ($name:literal, $ty:expr, $measure:expr) => {
        Function::new($name, A, $ty, |_, args| {
            let measure: fn(i64) -> Value = $measure;
            Ok(measure(of(&args[0]).unwrap_or(0)))
        })
    };
}

pub(super) static TABLE: [Function; 12] = [
    Function::new("duration", A, STRING, |_, args| {
        let secs = match &args[0] {
            Value::Str(text) => match strconv::int(text, 10) {
                Ok(secs) | Err(strconv::Wrong::Range(secs)) => secs,
                Err(strconv::Wrong::Syntax) => 0,
            },
            Value::Int(bowline_gotmpl::IntKind::Int64, secs) => *secs,
            _ => 0,
        };
        string(shown(secs.wrapping_mul(SECOND)))
    }),
    measured!("durationDays", Type::FLOAT64, |nanos| Value::float(hours(nanos) / 24.0)),
    measured!("durationHours", Type::FLOAT64, |nanos| Value::float(hours(nanos))),
    measured!("durationMicroseconds", Type::INT64, |nanos| Value::int64(nanos / 1000)),
    measured!("durationMilliseconds", Type::INT64, |nanos| Value::int64(nanos / 1_000_000)),
    measured!("durationMinutes", Type::FLOAT64, |nanos| Value::float(in_units(nanos, 60 * SECOND))),
    measured!("durationNanoseconds", Type::INT64, Value::int64),
    Function::new("durationRoundTo", AA, D, |_, args| {
        let Ok(nanos) = of(&args[0]) else { return Ok(Value::object(Duration(0))) };
        Ok(Value::object(Duration(of(&args[1]).map_or(nanos, |unit| rounded(nanos, unit)))))
    }),
    measured!("durationSeconds", Type::FLOAT64, |nanos| Value::float(in_units(nanos, SECOND))),
    Function::new("durationTruncateTo", AA, D, |_, args| {
        let Ok(nanos) = of(&args[0]) else { return Ok(Value::object(Duration(0))) };
        let cut = |unit: i64| if unit <= 0 { nanos } else { nanos - nanos % unit };
        Ok(Value::object(Duration(of(&args[1]).map_or(nanos, cut))))
    }),
    measured!("durationWeeks", Type::FLOAT64, |nanos| Value::float(hours(nanos) / 24.0 / 7.0)),
    Function::new("mustToDuration", A, D, |_, args| match of(&args[0]) {
        Ok(nanos) => Ok(Value::object(Duration(nanos))),
        Err(error) => fail(error),
    }),
];

/// Nanoseconds, as templates have them.
pub(super) struct Duration(pub(super) i64);

static UNDERLYING: Named = Named { name: "time.Duration", underlying: Type::INT64 };

impl Object for Duration {
    fn type_name(&self) -> Cow<'_, str> {
        UNDERLYING.name.into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::int64(self.0))
    }

    fn text(&self) -> Option<Str> {
        Some(shown(self.0).into())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static FLOAT: Signature = Signature { params: &[], variadic: false, result: Type::FLOAT64 };
        static INT: Signature = Signature { params: &[], variadic: false, result: Type::INT64 };
        static TEXT: Signature = Signature { params: &[], variadic: false, result: Type::String };
        static SAME: Signature = Signature { params: &[], variadic: false, result: D };
        Some(match name {
            "Hours" | "Minutes" | "Seconds" => &FLOAT,
            "Milliseconds" | "Microseconds" | "Nanoseconds" => &INT,
            "String" => &TEXT,
            "Abs" => &SAME,
            _ => return None,
        })
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, _: &mut [Value]) -> Gives {
        Ok(match name {
            "Hours" => Value::float(hours(self.0)),
            "Minutes" => Value::float(in_units(self.0, 60 * SECOND)),
            "Seconds" => Value::float(in_units(self.0, SECOND)),
            "Milliseconds" => Value::int64(self.0 / 1_000_000),
            "Microseconds" => Value::int64(self.0 / 1000),
            "Nanoseconds" => Value::int64(self.0),
            "Abs" => Value::object(Self(self.0.saturating_abs())),
            _ => Value::str(shown(self.0)),
        })
    }

    fn is_comparable(&self) -> bool {
        true
    }

    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        other.as_any().and_then(|any| any.downcast_ref::<Self>()).is_some_and(|other| self.0 == other.0)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

fn in_units(nanos: i64, unit: i64) -> f64 {
    (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64
}

fn hours(nanos: i64) -> f64 {
    in_units(nanos, 3600 * SECOND)
}

/// `Duration.Round`: halves go away from zero.
pub(super) fn rounded(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let rest = nanos % unit;
    let (size, sign) = (rest.unsigned_abs(), nanos.signum());
    if size + size < unit as u64 {
        return nanos - rest;
    }
    (nanos - rest).checked_add(sign * unit).unwrap_or(if sign < 0 { i64::MIN } else { i64::MAX })
}

/// `Duration.String`
pub(super) fn shown(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let fraction = |rest: u64, digits: usize| {
        let text = format!("{rest:0digits$}");
        let text = text.trim_end_matches('0');
        if text.is_empty() { String::new() } else { format!(".{text}") }
    };
    match size {
        0 => "0s".to_owned(),
        1..1000 => format!("{sign}{size}ns"),
        1000..1_000_000 => format!("{sign}{}{}µs", size / 1000, fraction(size % 1000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}{}ms", size / 1_000_000, fraction(size % 1_000_000, 6)),
        _ => {
            let secs = size / 1_000_000_000;
            let last = format!("{}{}s", secs % 60, fraction(size % 1_000_000_000, 9));
            match secs / 60 {
                0 => format!("{sign}{last}"),
                minutes if minutes < 60 => format!("{sign}{minutes}m{last}"),
                minutes => format!("{sign}{}h{}m{last}", minutes / 60, minutes % 60),
            }
        }
    }
}

/// `time.ParseDuration`; the error is Go's.
pub(super) fn parse(source: &[u8]) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", layout::quote(source));
    let (negative, mut rest) = match source {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, source),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = 0u64;
    while !rest.is_empty() {
        if !matches!(rest[0], b'.' | b'0'..=b'9') {
            return Err(invalid());
        }
        let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut number = 0u64;
        for byte in &rest[..whole] {
            number = number.checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0'))).ok_or_else(invalid)?;
            if number > 1 << 63 {
                return Err(invalid());
            }
        }
        rest = &rest[whole..];
        let (mut fraction, mut scale, mut fraction_len, mut full) = (0u64, 1.0f64, 0, false);
        if rest.first() == Some(&b'.') {
            rest = &rest[1..];
            fraction_len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            for byte in &rest[..fraction_len] {
                let next = fraction.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                full |= fraction > ((1 << 63) - 1) / 10 || next > 1 << 63;
                if !full {
                    fraction = next;
                    scale *= 10.0;
                }
            }
            rest = &rest[fraction_len..];
        }
        if whole == 0 && fraction_len == 0 {
            return Err(invalid());
        }
        let len = rest.iter().take_while(|byte| **byte != b'.' && !byte.is_ascii_digit()).count();
        if len == 0 {
            return Err(format!("time: missing unit in duration {}", layout::quote(source)));
        }
        let unit = match std::str::from_utf8(&rest[..len]).unwrap_or_default() {
            "ns" => 1u64,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    layout::quote(&rest[..len]),
                    layout::quote(source)
                ));
            }
        };
        rest = &rest[len..];
        number = number.checked_mul(unit).filter(|number| *number <= 1 << 63).ok_or_else(invalid)?;
        number += (fraction as f64 * (unit as f64 / scale)) as u64;
        sum = sum.checked_add(number).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
    }
    if negative {
        return Ok((sum as i64).wrapping_neg());
    }
    i64::try_from(sum).map_err(|_| invalid())
}

/// Takes a value for a duration: nanoseconds.
fn of(value: &Value) -> Result<i64, String> {
    const MOST: i64 = i64::MAX / SECOND;
    let overflow = |secs: String| format!("duration seconds overflow: {secs}");
    match value {
        Value::Str(text) => {
            let trimmed = super::runes::trim_space(text);
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            match (parse(trimmed), strconv::float(trimmed)) {
                (Ok(nanos), _) => Ok(nanos),
                (_, Some(secs)) => of(&Value::float(secs)),
                _ => Err(format!("could not parse duration {}", quote(text))),
            }
        }
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Int(_, secs) if !(-MOST..=MOST).contains(secs) => Err(overflow(secs.to_string())),
        Value::Int(_, secs) => Ok(secs * SECOND),
        Value::Uint(_, secs) if *secs > MOST as u64 => Err(overflow(secs.to_string())),
        Value::Uint(_, secs) => Ok(*secs as i64 * SECOND),
        Value::Float(_, secs) => {
            let number = sprint(&[Value::float(*secs)]).to_text().into_owned();
            let most = i64::MAX as f64 / SECOND as f64;
            if !secs.is_finite() {
                return Err(format!("invalid duration seconds: {number}"));
            }
            if !(-most..=most).contains(secs) {
                return Err(overflow(number));
            }
            Ok(strconv::truncated(secs * SECOND as f64))
        }
        Value::Object(object) => match (object.as_any().and_then(|any| any.downcast_ref::<Duration>()), object.shape())
        {
            (Some(duration), _) => Ok(duration.0),
            (None, Shape::Plain(inner @ (Value::Int(..) | Value::Uint(..) | Value::Float(..)))) => of(&inner),
            _ => Err(format!("unsupported duration type {}", value.type_name())),
        },
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}
