//! Times as Go's `time.Parse` reads them, and what it says of texts that are none.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::decode::DecodeError;

/// A part of a layout: letters that must stand there, or a number of so many digits.
enum Part {
    Literal(&'static str),
    /// Its name in the layout, how many digits it has, and what it may be.
    Number(&'static str, usize, std::ops::RangeInclusive<u32>, &'static str),
    /// Seconds; where the layout names no fraction, one may follow.
    Seconds {
        fraction_may_follow: bool,
    },
    /// A dot and so many digits.
    Fraction(&'static str),
    /// `Z`, or hours and minutes.
    Zone,
}

const DATE: [Part; 10] = [
    Part::Number("2006", 4, 0..=9999, "year"),
    Part::Literal("-"),
    Part::Number("01", 2, 1..=12, "month"),
    Part::Literal("-"),
    Part::Number("02", 2, 0..=99, "day"),
    Part::Literal("T"),
    Part::Number("15", 2, 0..=23, "hour"),
    Part::Literal(":"),
    Part::Number("04", 2, 0..=59, "minute"),
    Part::Literal(":"),
];

const SECONDS: [Part; 2] = [Part::Seconds { fraction_may_follow: true }, Part::Zone];

const MICROS: [Part; 3] = [Part::Seconds { fraction_may_follow: false }, Part::Fraction(".000000"), Part::Zone];

/// Reads a time of whole seconds; a fraction may follow, and is forgotten.
pub(super) fn seconds(text: &str) -> Result<Timestamp, DecodeError> {
    parse("2006-01-02T15:04:05Z07:00", &SECONDS, text)
}

/// Reads a time that must have six decimals.
pub(super) fn micros(text: &str) -> Result<Timestamp, DecodeError> {
    parse("2006-01-02T15:04:05.000000Z07:00", &MICROS, text)
}

fn parse(layout: &str, end: &[Part], text: &str) -> Result<Timestamp, DecodeError> {
    let wrong = |why: String| DecodeError::BadText(format!("parsing time {}{why}", quote(text)));
    let cannot = |rest: &str, part: &str| {
        wrong(format!(" as {}: cannot parse {} as {}", quote(layout), quote(rest), quote(part)))
    };
    let mut rest = text;
    let (mut day, mut month, mut year) = (0, 1, 0);
    // A number that is too large is told only where the text has the form of a time up to there.
    for part in DATE.iter().chain(end) {
        match part {
            Part::Literal(literal) => {
                rest = rest.strip_prefix(literal).ok_or_else(|| cannot(rest, literal))?;
            }
            Part::Number(name, digits, range, what) => {
                let number = digits_of(rest, *digits).ok_or_else(|| cannot(rest, name))?;
                rest = &rest[*digits..];
                if !range.contains(&number) {
                    return Err(wrong(format!(": {what} out of range")));
                }
                match *what {
                    "year" => year = number,
                    "month" => month = number,
                    "day" => day = number,
                    _ => {}
                }
            }
            Part::Seconds { fraction_may_follow } => {
                let number = digits_of(rest, 2).ok_or_else(|| cannot(rest, "05"))?;
                rest = &rest[2..];
                if number > 59 {
                    return Err(wrong(": second out of range".to_owned()));
                }
                let fraction =
                    rest.strip_prefix(['.', ',']).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
                if *fraction_may_follow && fraction > 0 {
                    rest = &rest[1 + fraction..];
                }
            }
            Part::Fraction(name) => {
                let digits = name.len() - 1;
                let is_one = rest.starts_with(['.', ',']) && digits_of(&rest[1..], digits).is_some();
                if !is_one {
                    return Err(cannot(rest, name));
                }
                rest = &rest[1 + digits..];
            }
            Part::Zone => {
                if let Some(after) = rest.strip_prefix('Z') {
                    rest = after;
                    continue;
                }
                let bytes = rest.as_bytes();
                let has_form = bytes.len() >= 6 && bytes[3] == b':' && rest.is_char_boundary(6);
                if !has_form {
                    return Err(cannot(rest, "Z07:00"));
                }
                let (hours, minutes) = (digits_of(&rest[1..], 2), digits_of(&rest[4..], 2));
                let (Some(hours), Some(minutes)) = (hours, minutes) else { return Err(cannot(rest, "Z07:00")) };
                if hours > 24 {
                    return Err(wrong(": time zone offset hour out of range".to_owned()));
                }
                if minutes > 60 {
                    return Err(wrong(": time zone offset minute out of range".to_owned()));
                }
                if !rest.starts_with(['+', '-']) {
                    return Err(cannot(rest, "Z07:00"));
                }
                rest = &rest[6..];
            }
        }
    }
    if !rest.is_empty() {
        return Err(wrong(format!(": extra text: {}", quote(rest))));
    }
    if day < 1 || day > days_of(month, year) {
        return Err(wrong(": day out of range".to_owned()));
    }
    text.replace(',', ".").parse().map_err(|_| cannot(text, "2006"))
}

fn digits_of(text: &str, count: usize) -> Option<u32> {
    let digits = text.get(..count)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn days_of(month: u32, year: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Quotes a text as the errors of times do: bytes that are no plain letters by their numbers.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            ' '..='~' => out.push(letter),
            _ => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_refused_in_gos_words() {
        let rows = [
            (
                "1.2.3.4",
                "parsing time \"1.2.3.4\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"1.2.3.4\" as \"2006\"",
            ),
            ("2024-13-01T00:00:00Z", "parsing time \"2024-13-01T00:00:00Z\": month out of range"),
            ("2024-02-30T00:00:00Z", "parsing time \"2024-02-30T00:00:00Z\": day out of range"),
            ("2024-02-03", "parsing time \"2024-02-03\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"T\""),
            ("2024-02-03T04:05:06Zx", "parsing time \"2024-02-03T04:05:06Zx\": extra text: \"x\""),
        ];
        for (text, want) in rows {
            assert_eq!(seconds(text).expect_err(text).to_string(), want);
        }
        let micro = micros("2024-02-03T04:05:06Z").expect_err("no decimals").to_string();
        assert!(micro.ends_with("cannot parse \"Z\" as \".000000\""), "{micro}");
        assert!(micros("2024-02-03T04:05:06.123456+01:00").is_ok());
        assert!(seconds("2024-02-29T04:05:06.5Z").is_ok());
    }
}
