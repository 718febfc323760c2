//! Time zones, by their names in the IANA database.

use chrono::{DateTime, Datelike as _, Offset as _, TimeZone as _};
use chrono_tz::{OffsetName as _, Tz};

use super::layout::days;

/// The years after this one have no transitions listed: each is taken for an earlier one of the same days.
const LAST_LISTED: i64 = 2090;

/// Returns the offset from UTC in seconds, and the abbreviation, of a zone at a time in seconds since 1970.
///
/// `None` for a zone that Go does not load: sprig takes UTC then.
pub(super) fn at(name: &[u8], secs: i64) -> Option<(i32, String)> {
    let zone: Tz = std::str::from_utf8(name).ok()?.parse().ok()?;
    let time = DateTime::from_timestamp(secs, 0)?;
    let year = i64::from(time.year());
    let time = if year > LAST_LISTED {
        let same = same_days(year);
        DateTime::from_timestamp(secs - (days(year, 1, 1) - days(same, 1, 1)) * 86_400, 0)?
    } else {
        time
    };
    let offset = zone.offset_from_utc_datetime(&time.naive_utc());
    let secs = offset.fix().local_minus_utc();
    let name = offset.abbreviation().map_or_else(|| numeric(secs), str::to_owned);
    Some((secs, name))
}

/// Returns the last listed year whose days are the same days of the week.
fn same_days(year: i64) -> i64 {
    let make_up = |year: i64| (days(year, 1, 1).rem_euclid(7), days(year + 1, 1, 1) - days(year, 1, 1));
    (0..28).map(|back| LAST_LISTED - back).find(|other| make_up(*other) == make_up(year)).unwrap_or(LAST_LISTED)
}

/// The abbreviation of a zone that has no letters for it.
fn numeric(secs: i32) -> String {
    let (sign, size) = (if secs < 0 { '-' } else { '+' }, secs.abs());
    let minutes = size / 60 % 60;
    if minutes == 0 { format!("{sign}{:02}", size / 3600) } else { format!("{sign}{:02}{minutes:02}", size / 3600) }
}
