/// A date, or a date and a time, as go-yaml recognises them.
///
/// The forms are `2006-1-2`, `2006-1-2 15:4:5.999`, and `2006-1-2T15:4:5.999Z` with `Z` or `+07:00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    /// Minutes east of Greenwich.
    offset: i32,
}

impl Timestamp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut reader = Reader { rest: bytes };
        let year = bytes[..4].iter().fold(0, |year, digit| year * 10 + u32::from(digit - b'0'));
        reader.rest = &bytes[5..];
        let month = reader.number(1..=12)?;
        reader.byte(b'-')?;
        let day = reader.number(1..=days_in(year, month))?;
        let mut timestamp = Self { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0, offset: 0 };
        let Some((separator, rest)) = reader.rest.split_first() else { return Some(timestamp) };
        reader.rest = rest;
        timestamp.hour = reader.number(0..=23)?;
        reader.byte(b':')?;
        timestamp.minute = reader.number(0..=59)?;
        reader.byte(b':')?;
        timestamp.second = reader.number(0..=59)?;
        timestamp.nanosecond = reader.fraction();
        match separator {
            b'T' | b't' => timestamp.offset = reader.zone()?,
            b' ' => {}
            _ => return None,
        }
        reader.rest.is_empty().then_some(timestamp)
    }

    /// Writes it as Go's `time.RFC3339Nano`.
    pub(crate) fn to_rfc3339(&self) -> String {
        let mut text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        );
        if self.nanosecond > 0 {
            text.push_str(format!(".{:09}", self.nanosecond).trim_end_matches('0'));
        }
        if self.offset == 0 {
            text.push('Z');
        } else {
            let sign = if self.offset < 0 { '-' } else { '+' };
            let minutes = self.offset.abs();
            let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            text.push_str(&zone);
        }
        text
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self, want: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == want).then_some(())
    }

    /// One digit or two.
    fn number(&mut self, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let length = self.rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        (length > 0 && range.contains(&value)).then_some(value)
    }

    /// A fraction after a full stop or comma, cut to nanoseconds; absent is 0.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', rest @ ..] = self.rest else { return 0 };
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return 0;
        }
        let (digits, rest) = rest.split_at(length);
        self.rest = rest;
        (0..9).fold(0, |value, index| value * 10 + digits.get(index).map_or(0, |digit| u32::from(digit - b'0')))
    }

    fn zone(&mut self) -> Option<i32> {
        let (sign, rest) = self.rest.split_first()?;
        self.rest = rest;
        let sign = match sign {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let two = |reader: &mut Self, range| {
            if !reader.rest.get(1).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            reader.number(range)
        };
        let hours = two(self, 0..=24)?;
        self.byte(b':')?;
        let minutes = two(self, 0..=60)?;
        Some(sign * (hours * 60 + minutes) as i32)
    }
}
