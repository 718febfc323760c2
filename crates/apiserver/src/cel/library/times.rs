//! Timestamps and durations.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::super::eval::{Failure, Outcome};
use super::super::value::Value;
use super::convert::conversion_error;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    match (name, args) {
        ("timestamp", [value @ Value::Timestamp(..)]) | ("duration", [value @ Value::Duration(_)]) => {
            Some(Ok(value.clone()))
        }
        // The first instant of the year 1, and the last one of 9999.
        ("timestamp", [Value::Int(seconds)]) if !(-62_135_596_800..=253_402_300_799).contains(seconds) => {
            Some(Err(Failure::new("timestamp overflow")))
        }
        ("timestamp", [Value::Int(seconds)]) => Some(
            Timestamp::from_second(*seconds)
                .map(|at| Value::Timestamp(at, 0))
                .map_err(|_| Failure::new("timestamp overflow")),
        ),
        ("timestamp", [Value::String(text)]) => {
            Some(parse(text).ok_or_else(|| conversion_error("string", "google.protobuf.Timestamp")))
        }
        ("duration", [Value::Int(_)]) => Some(Err(conversion_error("int", "google.protobuf.Duration"))),
        ("duration", [Value::String(text)]) => {
            let refuse = |_| conversion_error("string", "google.protobuf.Duration");
            Some(parse_duration(text).map(Value::Duration).map_err(refuse))
        }
        (_, [Value::Duration(nanos)]) => duration_part(name, *nanos).map(|part| Ok(Value::Int(part))),
        (_, [Value::Timestamp(at, _)]) => part(name, *at, TimeZone::UTC).map(|part| Ok(Value::Int(part))),
        (_, [Value::Timestamp(at, _), Value::String(zone)]) => match zone_of(zone, *at) {
            Ok(zone) => part(name, *at, zone).map(|part| Ok(Value::Int(part))),
            Err(failure) => Some(Err(failure)),
        },
        _ => None,
    }
}

/// Reads an RFC 3339 time.
pub(in crate::cel) fn parse(text: &str) -> Option<Value> {
    let at: Timestamp = text.parse().ok()?;
    let is_rfc = text.len() >= 20 && text.as_bytes().get(10).is_some_and(|byte| byte.eq_ignore_ascii_case(&b't'));
    let tail = text.get(19..)?.trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    let zone = match tail.as_bytes() {
        [b'z' | b'Z'] => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 => {
            let text = std::str::from_utf8(rest).ok()?;
            let (hours, minutes) = text.split_once(':')?;
            let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    is_rfc.then_some(Value::Timestamp(at, zone))
}

pub(in crate::cel) fn print(at: Timestamp, zone: i32) -> String {
    let offset = Offset::from_seconds(zone).unwrap_or(Offset::UTC);
    if zone == 0 { at.to_string() } else { at.display_with_offset(offset).to_string() }
}

pub(in crate::cel) fn print_duration(nanos: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    // Go adds the fraction to the seconds, which rounds otherwise than one division would.
    let seconds = (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9;
    format!("{seconds}s")
}

/// Reads a duration as Go does: `1h30m`, `-1.5s`.
pub(in crate::cel) fn parse_duration(text: &str) -> Result<i64, Failure> {
    let refuse = || Failure::new(format!("time: invalid duration {text:?}"));
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1_i128, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if number.is_empty() || number == "." || number.matches('.').count() > 1 {
            return Err(refuse());
        }
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(Failure::new(format!("time: missing unit in duration {text:?}"))),
            unit => return Err(Failure::new(format!("time: unknown unit {unit:?} in duration {text:?}"))),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| refuse())? };
        total += whole * scale;
        if !fraction.is_empty() {
            let digits: i128 =
                fraction.get(..fraction.len().min(18)).unwrap_or_default().parse().map_err(|_| refuse())?;
            total += digits * scale / 10_i128.pow(fraction.len().min(18) as u32);
        }
        rest = tail;
    }
    i64::try_from(total * sign).map_err(|_| refuse())
}

fn duration_part(name: &str, nanos: i64) -> Option<i64> {
    Some(match name {
        "getHours" => nanos / 3_600_000_000_000,
        "getMinutes" => nanos / 60_000_000_000,
        "getSeconds" => nanos / 1_000_000_000,
        "getMilliseconds" => nanos / 1_000_000,
        _ => return None,
    })
}

/// Returns a zone, which may be one that has the offset the named one has at an instant.
fn zone_of(name: &str, at: Timestamp) -> Result<TimeZone, Failure> {
    let fixed = || {
        let (sign, rest) = match name.as_bytes().first()? {
            b'-' => (-1, &name[1..]),
            b'+' => (1, &name[1..]),
            _ => (1, name),
        };
        let (hours, minutes) = rest.split_once(':')?;
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        Offset::from_seconds(sign * seconds).ok().map(TimeZone::fixed)
    };
    if let Some(zone) = fixed() {
        return Ok(zone);
    }
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let zone: chrono_tz::Tz = name.parse().map_err(|_| Failure::new(format!("unknown time zone {name}")))?;
    let utc = chrono::DateTime::from_timestamp(at.as_second(), 0).unwrap_or_default().naive_utc();
    let offset = chrono::Offset::fix(&chrono::TimeZone::offset_from_utc_datetime(&zone, &utc)).local_minus_utc();
    Ok(TimeZone::fixed(Offset::from_seconds(offset).unwrap_or(Offset::UTC)))
}

fn part(name: &str, at: Timestamp, zone: TimeZone) -> Option<i64> {
    let at = at.to_zoned(zone);
    Some(match name {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month()) - 1,
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDate" => i64::from(at.day()),
        "getDayOfWeek" => i64::from(at.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        "getMilliseconds" => i64::from(at.millisecond()),
        _ => return None,
    })
}
