//! Cron schedules: five fields, names, steps, ranges, and the `@daily` words.

use chrono::{Offset as _, TimeZone as _};
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

/// More missed times than this are a sign of something wrong.
const MANY_MISSED: i64 = 100;

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

/// A time zone, by what its clocks show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone(chrono_tz::Tz);

impl Zone {
    pub(crate) const UTC: Self = Self(chrono_tz::UTC);

    /// Finds a zone by its name in the tz database.
    pub(crate) fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// Returns how many seconds clocks are ahead of UTC.
    fn ahead_secs(self, at_secs: i64) -> i64 {
        let at = chrono::DateTime::from_timestamp(at_secs, 0).map(|at| at.naive_utc());
        at.map_or(0, |at| i64::from(self.0.offset_from_utc_datetime(&at).fix().local_minus_utc()))
    }

    fn shows(self, at_secs: i64) -> Option<DateTime> {
        let at = Timestamp::from_second(at_secs + self.ahead_secs(at_secs)).ok()?;
        Some(TimeZone::UTC.to_datetime(at))
    }

    /// Returns when clocks show a time; in a gap or an overlap, one of the moments that may be meant, as Go's `time.Date`.
    fn moment(self, shown: DateTime) -> Option<i64> {
        let as_utc = TimeZone::UTC.to_timestamp(shown).ok()?.as_second();
        let guess = as_utc - self.ahead_secs(as_utc);
        Some(as_utc - self.ahead_secs(guess))
    }
}

const HOUR_SECS: i64 = 3600;

impl Schedule {
    /// Returns the first scheduled moment after `after`; `None` when there is none within five years.
    ///
    /// The steps are those of robfig/cron, and so is what comes of them where clocks are put forward or back: a job at an
    /// hour that is left out does not run that day, one at an hour that comes twice may run twice.
    pub(crate) fn next(&self, after: Timestamp, zone: Zone) -> Option<Timestamp> {
        let mut at = after.as_second() + 1;
        let last_year = zone.shows(at)?.year() + 5;
        // Whether smaller fields have been set to their beginnings.
        let mut is_trimmed = false;
        'wrap: loop {
            let mut shown = zone.shows(at)?;
            if shown.year() > last_year {
                return None;
            }
            while !has(self.months, shown.month()) {
                if !is_trimmed {
                    is_trimmed = true;
                    shown = shown.date().first_of_month().at(0, 0, 0, 0);
                }
                at = zone.moment(shown.checked_add(1.month()).ok()?)?;
                shown = zone.shows(at)?;
                if shown.month() == 1 {
                    continue 'wrap;
                }
            }
            while !self.runs_on(shown) {
                if !is_trimmed {
                    is_trimmed = true;
                    shown = shown.date().at(0, 0, 0, 0);
                }
                at = zone.moment(shown.checked_add(1.day()).ok()?)?;
                shown = zone.shows(at)?;
                // A day that does not begin at midnight, or the one before it.
                match i64::from(shown.hour()) {
                    0 => {}
                    late if late > 12 => at += (24 - late) * HOUR_SECS,
                    early => at -= early * HOUR_SECS,
                }
                shown = zone.shows(at)?;
                if shown.day() == 1 {
                    continue 'wrap;
                }
            }
            while !has(self.hours, shown.hour()) {
                if !is_trimmed {
                    is_trimmed = true;
                    at = zone.moment(shown.date().at(shown.hour(), 0, 0, 0))?;
                }
                at += HOUR_SECS;
                shown = zone.shows(at)?;
                if shown.hour() == 0 {
                    continue 'wrap;
                }
            }
            while !has(self.minutes, shown.minute()) {
                if !is_trimmed {
                    is_trimmed = true;
                    at -= at.rem_euclid(60);
                }
                at += 60;
                shown = zone.shows(at)?;
                if shown.minute() == 0 {
                    continue 'wrap;
                }
            }
            // Schedules run at second 0.
            while shown.second() != 0 {
                is_trimmed = true;
                at += 1;
                shown = zone.shows(at)?;
                if shown.second() == 0 {
                    continue 'wrap;
                }
            }
            return Timestamp::from_second(at).ok();
        }
    }

    /// Returns the newest scheduled moment after `since` that has come, and whether more than a hundred have.
    pub(crate) fn latest(&self, since: Timestamp, now: Timestamp, zone: Zone) -> Option<(Timestamp, bool)> {
        let first = self.next(since, zone).filter(|first| *first <= now)?;
        let Some(second) = self.next(first, zone).filter(|second| *second <= now) else { return Some((first, false)) };
        // Gone forward by as many steps as there would be if all were as long as the first.
        let step = (second.as_second() - first.as_second()).max(1);
        let missed = (now.as_second() - first.as_second()) / step + 1;
        let mut at = Timestamp::from_second(first.as_second() + (missed - 2) * step).unwrap_or(first);
        let mut latest = None;
        while let Some(next) = self.next(at, zone).filter(|next| *next <= now) {
            latest = Some(next);
            at = next;
        }
        latest.map(|latest| (latest, missed > MANY_MISSED))
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
            let have = schedule.next(after.parse().expect("a time"), Zone::UTC).expect("there is a next time");
            assert_eq!(have.to_string(), want, "{schedule:?}");
        }
    }

    #[test]
    fn clocks_that_are_put_forward_or_back_are_followed() {
        let table = [
            ("0 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"),
            ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00Z"),
            ("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T03:30:00Z"),
            // On 29 March there is no half past two in Berlin.
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
            // On 25 October there are two.
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"),
            ("0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
            // Where summer time begins at midnight the day begins at one.
            ("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-07T03:00:00Z"),
        ];
        for (schedule, zone, after, want) in table {
            let parsed = parse(schedule).unwrap_or_else(|error| panic!("{schedule}: {error}"));
            let zone_found = Zone::named(zone).expect("a zone");
            let have = parsed.next(after.parse().expect("a time"), zone_found).expect("there is a next time");
            assert_eq!(have.to_string(), want, "{schedule} in {zone} after {after}");
        }
        assert_eq!(Zone::named("Mars/Olympus"), None);
    }

    #[test]
    fn the_newest_of_missed_times_counts() {
        let time = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let table = [
            ("0 * * * *", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z", None),
            ("0 * * * *", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z", Some(("2026-01-01T01:00:00Z", false))),
            ("0 * * * *", "2026-01-01T00:30:00Z", "2026-01-01T09:59:00Z", Some(("2026-01-01T09:00:00Z", false))),
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-02-01T00:00:30Z", Some(("2026-02-01T00:00:00Z", true))),
        ];
        for (schedule, since, now, want) in table {
            let have = parse(schedule).expect("a schedule").latest(time(since), time(now), Zone::UTC);
            assert_eq!(have, want.map(|(at, many)| (time(at), many)), "{schedule} {since} {now}");
        }
    }

    #[test]
    fn bad_schedules_are_refused() {
        for text in ["", "* * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "a * * * *"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
