//! `time.Parse`

use super::layout::{Civil, DAYS, MONTHS, Piece, days, next, quote};

/// What is wrong with a text, in Go's words.
pub(super) fn parse(layout: &[u8], text: &[u8]) -> Result<(i64, u32, i32, String), String> {
    Reader { layout, text }.read()
}

struct Reader<'t> {
    layout: &'t [u8],
    text: &'t [u8],
}

/// Why a piece could not be read.
enum Bad {
    Syntax,
    Range(&'static str),
}

fn digits(text: &[u8], least: usize, most: usize) -> Result<(u32, &[u8]), Bad> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return Err(Bad::Syntax);
    }
    let number = text[..count].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    Ok((number, &text[count..]))
}

fn name<'t>(text: &'t [u8], names: &[&str], short: bool) -> Result<(u32, &'t [u8]), Bad> {
    for (at, name) in names.iter().enumerate() {
        let name = if short { &name[..3] } else { name };
        if text.len() >= name.len() && text[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            return Ok((at as u32, &text[name.len()..]));
        }
    }
    Err(Bad::Syntax)
}

/// Skips a prefix; the error is what is left of the text where it does not go on.
fn skip<'t>(mut text: &'t [u8], mut prefix: &[u8]) -> Result<&'t [u8], &'t [u8]> {
    while let Some(byte) = prefix.first() {
        if *byte == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return Err(text);
            }
            prefix = &prefix[prefix.iter().take_while(|byte| **byte == b' ').count()..];
            text = &text[text.iter().take_while(|byte| **byte == b' ').count()..];
            continue;
        }
        if text.first() != Some(byte) {
            return Err(text);
        }
        prefix = &prefix[1..];
        text = &text[1..];
    }
    Ok(text)
}

#[derive(Default)]
struct Found {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i32>,
    utc: bool,
    zone: String,
}

impl Reader<'_> {
    fn error(&self, piece: &[u8], value: &[u8], message: &str) -> String {
        if message.is_empty() {
            return format!(
                "parsing time {} as {}: cannot parse {} as {}",
                quote(self.text),
                quote(self.layout),
                quote(value),
                quote(piece)
            );
        }
        format!("parsing time {}{message}", quote(self.text))
    }

    fn read(&self) -> Result<(i64, u32, i32, String), String> {
        let mut found = Found::default();
        let (mut layout, mut value) = (self.layout, self.text);
        loop {
            let Some((before, piece, after)) = next(layout) else {
                let rest = skip(value, layout).map_err(|left| self.error(layout, left, ""))?;
                if !rest.is_empty() {
                    return Err(self.error(b"", value, &format!(": extra text: {}", quote(rest))));
                }
                break;
            };
            let sign = &layout[before.len()..layout.len() - after.len()];
            let rest = skip(value, before).map_err(|left| self.error(before, left, ""))?;
            match found.read(piece, rest, after) {
                Ok(rest) => value = rest,
                Err(Bad::Range(what)) => return Err(self.error(b"", b"", &format!(": {what} out of range"))),
                Err(Bad::Syntax) => return Err(self.error(sign, rest, "")),
            }
            layout = after;
        }
        found.time().map_err(|what| self.error(b"", b"", &format!(": {what} out of range")))
    }
}

impl Found {
    fn read<'t>(&mut self, piece: Piece, text: &'t [u8], after: &[u8]) -> Result<&'t [u8], Bad> {
        let limited = |(number, rest): (u32, &'t [u8]), below: u32, what: &'static str| {
            if number < below { Ok((number, rest)) } else { Err(Bad::Range(what)) }
        };
        Ok(match piece {
            Piece::Year => {
                let (year, rest) = digits(text, 2, 2)?;
                self.year = i64::from(if year >= 69 { year + 1900 } else { year + 2000 });
                rest
            }
            Piece::LongYear => {
                let (year, rest) = digits(text, 4, 4)?;
                self.year = i64::from(year);
                rest
            }
            Piece::Month | Piece::LongMonth => {
                let (month, rest) = name(text, &MONTHS, piece == Piece::Month)?;
                self.month = Some(month + 1);
                rest
            }
            Piece::NumMonth | Piece::ZeroMonth => {
                let (month, rest) = digits(text, if piece == Piece::ZeroMonth { 2 } else { 1 }, 2)?;
                if !(1..=12).contains(&month) {
                    return Err(Bad::Range("month"));
                }
                self.month = Some(month);
                rest
            }
            Piece::Weekday | Piece::LongWeekday => name(text, &DAYS, piece == Piece::Weekday)?.1,
            Piece::Day | Piece::UnderDay | Piece::ZeroDay => {
                let text = if piece == Piece::UnderDay { text.strip_prefix(b" ").unwrap_or(text) } else { text };
                let (day, rest) = digits(text, if piece == Piece::ZeroDay { 2 } else { 1 }, 2)?;
                self.day = Some(day);
                rest
            }
            Piece::UnderYearDay | Piece::ZeroYearDay => {
                let spaces = if piece == Piece::UnderYearDay {
                    text.iter().take(2).take_while(|byte| **byte == b' ').count()
                } else {
                    0
                };
                let least = if piece == Piece::ZeroYearDay { 3 } else { 1 };
                let (day, rest) = digits(&text[spaces..], least, 3)?;
                self.year_day = Some(day);
                rest
            }
            Piece::Hour => {
                let (hour, rest) = limited(digits(text, 1, 2)?, 24, "hour")?;
                self.hour = hour;
                rest
            }
            Piece::Hour12 | Piece::ZeroHour12 => {
                let least = if piece == Piece::ZeroHour12 { 2 } else { 1 };
                let (hour, rest) = limited(digits(text, least, 2)?, 13, "hour")?;
                self.hour = hour;
                rest
            }
            Piece::Minute | Piece::ZeroMinute => {
                let least = if piece == Piece::ZeroMinute { 2 } else { 1 };
                let (minute, rest) = limited(digits(text, least, 2)?, 60, "minute")?;
                self.minute = minute;
                rest
            }
            Piece::Second | Piece::ZeroSecond => {
                let least = if piece == Piece::ZeroSecond { 2 } else { 1 };
                let (second, rest) = limited(digits(text, least, 2)?, 60, "second")?;
                self.second = second;
                // A fraction may follow though the layout has none.
                if matches!(rest, [b'.' | b',', b'0'..=b'9', ..])
                    && !matches!(next(after), Some((b"", Piece::Fraction { .. }, _)))
                {
                    let count = 1 + rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    self.nanos = nanos(&rest[1..count]);
                    return Ok(&rest[count..]);
                }
                rest
            }
            Piece::UpperPm | Piece::LowerPm => {
                let (am, pm): (&[u8], &[u8]) = if piece == Piece::UpperPm { (b"AM", b"PM") } else { (b"am", b"pm") };
                let found = text.get(..2).ok_or(Bad::Syntax)?;
                self.pm = Some(if found == pm {
                    true
                } else if found == am {
                    false
                } else {
                    return Err(Bad::Syntax);
                });
                &text[2..]
            }
            Piece::Offset { z, colon, parts } => {
                if z && text.first() == Some(&b'Z') {
                    self.utc = true;
                    return Ok(&text[1..]);
                }
                self.offset(text, colon, parts)?
            }
            Piece::Zone => {
                if text.starts_with(b"UTC") {
                    self.utc = true;
                    return Ok(&text[3..]);
                }
                let len = zone_name(text).ok_or(Bad::Syntax)?;
                self.zone = String::from_utf8_lossy(&text[..len]).into_owned();
                &text[len..]
            }
            Piece::Fraction { digits: count, zeros: true, .. } => {
                let fits = matches!(text.first(), Some(b'.' | b','))
                    && text.get(1..=count).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
                if !fits {
                    return Err(Bad::Syntax);
                }
                self.nanos = nanos(&text[1..=count]);
                &text[count + 1..]
            }
            Piece::Fraction { .. } => {
                if !matches!(text, [b'.' | b',', b'0'..=b'9', ..]) {
                    return Ok(text);
                }
                let count = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.nanos = nanos(&text[1..=count]);
                &text[count + 1..]
            }
        })
    }

    fn offset<'t>(&mut self, text: &'t [u8], colon: bool, parts: u8) -> Result<&'t [u8], Bad> {
        let Some(sign) = text.first() else { return Err(Bad::Syntax) };
        let parts = usize::from(parts);
        let step = if colon { 3 } else { 2 };
        let len = 1 + parts * step - usize::from(colon);
        let colons_fit = |text: &[u8]| !colon || (1..parts).all(|part| text[part * step] == b':');
        if text.len() < len || !colons_fit(text) {
            return Err(Bad::Syntax);
        }
        let (mut beyond, mut secs, mut is_number) = (None, 0, true);
        for part in 0..parts {
            let at = 1 + part * step;
            let Ok((number, _)) = digits(&text[at..at + 2], 2, 2) else {
                is_number = false;
                break;
            };
            let (limit, what, unit) = match part {
                0 => (24, "time zone offset hour", 3600),
                1 => (60, "time zone offset minute", 60),
                _ => (60, "time zone offset second", 1),
            };
            if number > limit {
                beyond = beyond.or(Some(what));
            }
            secs += number as i32 * unit;
        }
        // What is beyond a range comes before what is no number or sign at all.
        if let Some(what) = beyond {
            return Err(Bad::Range(what));
        }
        self.offset = Some(match sign {
            b'+' if is_number => secs,
            b'-' if is_number => -secs,
            _ => return Err(Bad::Syntax),
        });
        Ok(&text[len..])
    }

    fn time(mut self) -> Result<(i64, u32, i32, String), &'static str> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let (month, day) = match self.year_day {
            Some(number) => {
                if number < 1 || number > 365 + u32::from(leap) {
                    return Err("day-of-year");
                }
                let secs = (days(self.year, 1, 1) + i64::from(number) - 1) * 86_400;
                let date = Civil::new(secs, 0, 0, "");
                if self.month.is_some_and(|month| month != date.month) {
                    return Err("day-of-year does not match month");
                }
                if self.day.is_some_and(|day| day != date.day) {
                    return Err("day-of-year does not match day");
                }
                (date.month, date.day)
            }
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        let longest = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day < 1 || day > longest {
            return Err("day");
        }
        let in_day = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let secs = days(self.year, month, day) * 86_400 + in_day;
        Ok(match self.offset {
            _ if self.utc => (secs, self.nanos, 0, "UTC".to_owned()),
            Some(0) if self.zone.is_empty() => (secs, self.nanos, 0, "UTC".to_owned()),
            Some(offset) => (secs - i64::from(offset), self.nanos, offset, self.zone),
            None if self.zone.is_empty() => (secs, self.nanos, 0, "UTC".to_owned()),
            None => {
                // The one name that tells its offset: it shows, and the time stays what it is in UTC.
                let hours = self.zone.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok());
                (secs, self.nanos, hours.unwrap_or(0) * 3600, self.zone)
            }
        })
    }
}

/// Returns how long the abbreviation of a zone is, with which a text begins.
fn zone_name(text: &[u8]) -> Option<usize> {
    let signed = |text: &[u8]| {
        let digits = match text {
            [b'+' | b'-', rest @ ..] => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
            _ => 0,
        };
        let hours =
            text.get(1..=digits)?.iter().fold(0u32, |sum, byte| sum.saturating_mul(10) + u32::from(byte - b'0'));
        (digits > 0 && hours <= 23).then_some(digits + 1)
    };
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed(rest).unwrap_or(0));
    }
    if matches!(text[0], b'+' | b'-') {
        return signed(text);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        len @ (4 | 5) => (text[len - 1] == b'T' || text.starts_with(b"WITA") && len == 4).then_some(len),
        3 => Some(3),
        _ => None,
    }
}

fn nanos(digits: &[u8]) -> u32 {
    (0..9).fold(0, |sum, at| sum * 10 + u32::from(digits.get(at).map_or(0, |byte| byte - b'0')))
}
