//! Times written and read by Go's layouts.

/// A piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    /// An offset: `Z` for UTC allowed, with colons, and how many of hours, minutes and seconds.
    Offset {
        z: bool,
        colon: bool,
        parts: u8,
    },
    /// Fractions of seconds: digits, whether zeros at the end stay, and whether a comma comes before.
    Fraction {
        digits: usize,
        zeros: bool,
        comma: bool,
    },
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Quotes a text as the package `time` does in its errors: what is not printable ASCII is written byte by byte.
pub(super) fn quote(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = "\"".to_owned();
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' | 0x7f => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out + "\""
}

/// Finds the first piece of a layout: what is before it, the piece, and what follows.
pub(super) fn next(layout: &[u8]) -> Option<(&[u8], Piece, &[u8])> {
    for at in 0..layout.len() {
        let rest = &layout[at..];
        if let Some((piece, len)) = piece(rest) {
            // Of `_2006` the year is the piece.
            let skip = usize::from(rest.starts_with(b"_2006"));
            return Some((&layout[..at + skip], piece, &rest[len..]));
        }
    }
    None
}

fn piece(rest: &[u8]) -> Option<(Piece, usize)> {
    let lower_at = |at: usize| rest.get(at).is_some_and(u8::is_ascii_lowercase);
    let starts = |text: &str| rest.starts_with(text.as_bytes());
    Some(match rest[0] {
        b'J' if starts("January") => (Piece::LongMonth, 7),
        b'J' if starts("Jan") && !lower_at(3) => (Piece::Month, 3),
        b'M' if starts("Monday") => (Piece::LongWeekday, 6),
        b'M' if starts("Mon") && !lower_at(3) => (Piece::Weekday, 3),
        b'M' if starts("MST") => (Piece::Zone, 3),
        b'0' => match rest.get(1)? {
            b'1' => (Piece::ZeroMonth, 2),
            b'2' => (Piece::ZeroDay, 2),
            b'3' => (Piece::ZeroHour12, 2),
            b'4' => (Piece::ZeroMinute, 2),
            b'5' => (Piece::ZeroSecond, 2),
            b'6' => (Piece::Year, 2),
            b'0' if starts("002") => (Piece::ZeroYearDay, 3),
            _ => return None,
        },
        b'1' if starts("15") => (Piece::Hour, 2),
        b'1' => (Piece::NumMonth, 1),
        b'2' if starts("2006") => (Piece::LongYear, 4),
        b'2' => (Piece::Day, 1),
        b'_' if starts("_2006") => (Piece::LongYear, 5),
        b'_' if starts("_2") => (Piece::UnderDay, 2),
        b'_' if starts("__2") => (Piece::UnderYearDay, 3),
        b'3' => (Piece::Hour12, 1),
        b'4' => (Piece::Minute, 1),
        b'5' => (Piece::Second, 1),
        b'P' if starts("PM") => (Piece::UpperPm, 2),
        b'p' if starts("pm") => (Piece::LowerPm, 2),
        sign @ (b'-' | b'Z') => {
            let z = sign == b'Z';
            let forms: [(&[u8], bool, u8); 5] = [
                (b"070000", false, 3),
                (b"07:00:00", true, 3),
                (b"0700", false, 2),
                (b"07:00", true, 2),
                (b"07", false, 1),
            ];
            let (form, colon, parts) = forms.into_iter().find(|(form, ..)| rest[1..].starts_with(form))?;
            (Piece::Offset { z, colon, parts }, form.len() + 1)
        }
        separator @ (b'.' | b',') => {
            let digit = *rest.get(1).filter(|byte| matches!(byte, b'0' | b'9'))?;
            let digits = rest[1..].iter().take_while(|byte| **byte == digit).count();
            if rest.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            (Piece::Fraction { digits, zeros: digit == b'0', comma: separator == b',' }, digits + 1)
        }
        _ => return None,
    })
}

/// A time in some zone, taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanos: u32,
    pub(super) weekday: u32,
    pub(super) year_day: u32,
    pub(super) offset: i32,
    pub(super) zone: String,
}

/// Days since 1970 of a date.
pub(super) fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Civil {
    /// Takes seconds since 1970 apart, as seen at an offset from UTC.
    pub(super) fn new(secs: i64, nanos: u32, offset: i32, zone: &str) -> Self {
        let local = secs.saturating_add(i64::from(offset));
        let day_number = local.div_euclid(86_400);
        let in_day = local.rem_euclid(86_400) as u32;
        let shifted = day_number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: in_day / 3600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
            nanos,
            weekday: (day_number + 4).rem_euclid(7) as u32,
            year_day: (day_number - days(year, 1, 1) + 1) as u32,
            offset,
            zone: zone.to_owned(),
        }
    }

    /// `Time.Format`
    pub(super) fn format(&self, layout: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = layout;
        while let Some((before, piece, after)) = next(rest) {
            out.extend_from_slice(before);
            out.extend_from_slice(self.shown(piece).as_bytes());
            rest = after;
        }
        out.extend_from_slice(rest);
        out
    }

    fn shown(&self, piece: Piece) -> String {
        let month = MONTHS[(self.month.max(1) - 1) as usize % 12];
        let weekday = DAYS[self.weekday as usize % 7];
        let hour12 = if self.hour.is_multiple_of(12) { 12 } else { self.hour % 12 };
        match piece {
            Piece::LongMonth => month.to_owned(),
            Piece::Month => month[..3].to_owned(),
            Piece::NumMonth => self.month.to_string(),
            Piece::ZeroMonth => format!("{:02}", self.month),
            Piece::LongWeekday => weekday.to_owned(),
            Piece::Weekday => weekday[..3].to_owned(),
            Piece::Day => self.day.to_string(),
            Piece::UnderDay => format!("{:2}", self.day),
            Piece::ZeroDay => format!("{:02}", self.day),
            Piece::UnderYearDay => format!("{:3}", self.year_day),
            Piece::ZeroYearDay => format!("{:03}", self.year_day),
            Piece::Hour => format!("{:02}", self.hour),
            Piece::Hour12 => hour12.to_string(),
            Piece::ZeroHour12 => format!("{hour12:02}"),
            Piece::Minute => self.minute.to_string(),
            Piece::ZeroMinute => format!("{:02}", self.minute),
            Piece::Second => self.second.to_string(),
            Piece::ZeroSecond => format!("{:02}", self.second),
            Piece::LongYear if self.year < 0 => format!("-{:04}", -self.year),
            Piece::LongYear => format!("{:04}", self.year),
            Piece::Year => format!("{:02}", self.year.abs() % 100),
            Piece::UpperPm => if self.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Piece::LowerPm => if self.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Piece::Zone if !self.zone.is_empty() => self.zone.clone(),
            Piece::Zone => {
                let minutes = self.offset / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.abs();
                format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
            }
            Piece::Offset { z: true, .. } if self.offset == 0 => "Z".to_owned(),
            Piece::Offset { colon, parts, .. } => {
                let size = self.offset.abs();
                let colon = if colon { ":" } else { "" };
                let mut out = format!("{}{:02}", if self.offset / 60 < 0 { '-' } else { '+' }, size / 3600);
                if parts > 1 {
                    out = format!("{out}{colon}{:02}", size / 60 % 60);
                }
                if parts > 2 {
                    out = format!("{out}{colon}{:02}", size % 60);
                }
                out
            }
            Piece::Fraction { digits, zeros, comma } => {
                let all = format!("{:09}", self.nanos);
                let shown = &all[..digits.min(9)];
                let shown = if zeros { shown } else { shown.trim_end_matches('0') };
                if shown.is_empty() {
                    return String::new();
                }
                format!("{}{shown}", if comma { ',' } else { '.' })
            }
        }
    }
}
