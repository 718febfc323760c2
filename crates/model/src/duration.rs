use std::fmt::Write as _;
use std::time::Duration;

/// A text that is not one of Go's durations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration such as `1m30s`")]
pub struct DurationError(pub String);

/// Reads a duration as Go's `time.ParseDuration` does: `300ms`, `1.5h`, `2h45m`; never negative.
pub fn parse_go_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let nanos = match &rest[..unit_end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(wrong()),
        };
        total += number * nanos;
        rest = &rest[unit_end..];
    }
    // Go's durations are 63-bit nanoseconds.
    if total > i64::MAX as f64 { Err(wrong()) } else { Ok(Duration::from_nanos(total.round() as u64)) }
}

/// Writes a duration as Go's `Duration.String` does: `1m30s`, `1h0m0s`, `250ms`, `0s`.
pub fn format_go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fraction = |value: u128, unit: u128, name: &str| {
        let mut text = format!("{}", value / unit);
        let rest = value % unit;
        if rest > 0 {
            let width = unit.ilog10() as usize;
            let digits = format!("{rest:0width$}");
            let _ = write!(text, ".{}", digits.trim_end_matches('0'));
        }
        text + name
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
            let seconds = fraction(nanos % 60_000_000_000, 1_000_000_000, "s");
            match (hours, minutes) {
                (0, 0) => seconds,
                (0, _) => format!("{minutes}m{seconds}"),
                _ => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("1.5s", 1500),
            ("1m30s", 90_000),
            ("1h0m0s", 3_600_000),
            ("2h45m0s", 9_900_000),
        ] {
            let duration = parse_go_duration(text).expect("is a duration");
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(format_go_duration(duration), text);
        }
        assert_eq!(parse_go_duration("1.5h"), Ok(Duration::from_mins(90)));
        for text in ["", "5", "-1s", "1d", "s", "1h-1m"] {
            assert!(parse_go_duration(text).is_err(), "{text}");
        }
    }
}
