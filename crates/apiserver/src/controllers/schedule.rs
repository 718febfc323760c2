//! Cron schedules: five fields, names, steps, ranges, and the `@daily` words.

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// A schedule as bit sets of the minutes, hours, days, months and weekdays it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Cron joins days and weekdays by "or" when both are restricted.
    either_day: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Reads a schedule; the error is a phrase for the user.
pub(crate) fn parse(text: &str) -> Result<Schedule, String> {
    let text = match text.trim() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        text => text,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
        return Err(format!("expected exactly 5 fields, found {}: {fields:?}", fields.len()));
    };
    let free = |field: &str| field.starts_with(['*', '?']);
    let mut weekday_bits = field(weekdays, 0, 7, &WEEKDAYS)?;
    // Both 0 and 7 are Sunday.
    weekday_bits |= (weekday_bits >> 7) & 1;
    Ok(Schedule {
        minutes: field(minutes, 0, 59, &[])?,
        hours: field(hours, 0, 23, &[])?,
        days: field(days, 1, 31, &[])?,
        months: field(months, 1, 12, &MONTHS)?,
        weekdays: weekday_bits & 0x7f,
        either_day: !free(days) && !free(weekdays),
    })
}

fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().map_err(|_| format!("failed to parse int from {step}"))?),
            None => (part, 1_u32),
        };
        if step == 0 {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        let number = |text: &str| {
            let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
            match named {
                Some(at) => Ok(at as u32 + u32::from(names.len() == 12)),
                None => text.parse().map_err(|_| format!("failed to parse int from {text}")),
            }
        };
        let (from, to) = match range {
            "*" | "?" => (least, if most == 7 { 6 } else { most }),
            _ => match range.split_once('-') {
                Some((from, to)) => (number(from)?, number(to)?),
                None if part.contains('/') => (number(range)?, most),
                None => (number(range)?, number(range)?),
            },
        };
        if from < least || to > most {
            let (edge, word) = if from < least { (from, "below minimum") } else { (to, "above maximum") };
            return Err(format!("{edge} is {word} ({}): {part}", if from < least { least } else { most }));
        }
        if from > to {
            return Err(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
        }
        for value in (from..=to).step_by(step as usize) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

impl Schedule {
    /// Returns the first scheduled minute after `after`, in UTC; `None` when there is none within five years.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = TimeZone::UTC.to_datetime(after);
        let mut at = DateTime::from_parts(start.date(), jiff::civil::time(start.hour(), start.minute(), 0, 0));
        at = at.checked_add(1.minute()).ok()?;
        let end = start.checked_add(5.years()).ok()?;
        while at < end {
            if !has(self.months, at.month()) {
                at = at.date().first_of_month().checked_add(1.month()).ok()?.at(0, 0, 0, 0);
            } else if !self.runs_on(at) {
                at = at.date().checked_add(1.day()).ok()?.at(0, 0, 0, 0);
            } else if !has(self.hours, at.hour()) {
                at = at.date().at(at.hour(), 0, 0, 0).checked_add(1.hour()).ok()?;
            } else if has(self.minutes, at.minute()) {
                return TimeZone::UTC.to_timestamp(at).ok();
            } else {
                at = at.checked_add(1.minute()).ok()?;
            }
        }
        None
    }

    fn runs_on(&self, at: DateTime) -> bool {
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().to_sunday_zero_offset());
        if self.either_day { day || weekday } else { day && weekday }
    }
}

fn has(bits: u64, value: i8) -> bool {
    bits >> value & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found() {
        let table = [
            ("*/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"),
            ("0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"),
            ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("30 6 * * mon-fri", "2026-01-03T00:00:00Z", "2026-01-05T06:30:00Z"),
            ("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("0 12 1 jan,JUL *", "2026-02-01T00:00:00Z", "2026-07-01T12:00:00Z"),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ];
        for (schedule, after, want) in table {
            let schedule = parse(schedule).unwrap_or_else(|error| panic!("{schedule}: {error}"));
            let have = schedule.next(after.parse().expect("a time")).expect("there is a next time");
            assert_eq!(have.to_string(), want, "{schedule:?}");
        }
    }

    #[test]
    fn bad_schedules_are_refused() {
        for text in ["", "* * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "a * * * *"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
