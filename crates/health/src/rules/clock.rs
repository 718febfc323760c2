//! `os` as scripts have it: `time` and `date` alone, in UTC, of the time that was passed in.

use jiff::civil::date;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use mlua::{Lua, Table, Value};

/// Makes the table `os`.
pub(super) fn library(lua: &Lua, now_secs: i64) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let time = move |_: &Lua, fields: Option<Table>| fields.map_or(Ok(now_secs as f64), |fields| seconds_of(&fields));
    library.set("time", lua.create_function(time)?)?;
    let date = move |lua: &Lua, (format, at): (Option<String>, Option<f64>)| {
        let at = at.map_or(now_secs, |at| at as i64);
        write(lua, format.as_deref().unwrap_or("%c"), at)
    };
    library.set("date", lua.create_function(date)?)?;
    Ok(library)
}

/// Reads `{year, month, day, hour = 12, min = 0, sec = 0}`; fields beyond their bounds carry over.
fn seconds_of(fields: &Table) -> mlua::Result<f64> {
    let field = |name: &str, default: i64| -> mlua::Result<i64> {
        Ok(fields.get::<Option<f64>>(name)?.map_or(default, |number| number as i64))
    };
    let bad = |error: jiff::Error| mlua::Error::runtime(error.to_string());
    let year = i16::try_from(field("year", 1970)?).map_err(mlua::Error::external)?;
    let span = Span::new()
        .try_months(field("month", 1)? - 1)
        .and_then(|span| span.try_days(field("day", 1).unwrap_or(1) - 1))
        .map_err(bad)?;
    let day = date(year.clamp(-9999, 9999), 1, 1).checked_add(span).map_err(bad)?;
    let midnight = day.to_zoned(TimeZone::UTC).map_err(bad)?.timestamp().as_second();
    let rest = field("hour", 12)?.saturating_mul(3600) + field("min", 0)?.saturating_mul(60) + field("sec", 0)?;
    Ok((midnight + rest) as f64)
}

fn write(lua: &Lua, format: &str, at_secs: i64) -> mlua::Result<Value> {
    let bad = |error: jiff::Error| mlua::Error::runtime(error.to_string());
    let at = Timestamp::from_second(at_secs).map_err(bad)?.to_zoned(TimeZone::UTC);
    // `!` asks for UTC, which it is anyway.
    let format = format.trim_start_matches('!');
    if format.starts_with("*t") {
        return fields_of(lua, &at).map(Value::Table);
    }
    let format = format.replace("%c", "%a %b %e %H:%M:%S %Y");
    let text = BrokenDownTime::from(&at).to_string(&format).map_err(bad)?;
    lua.create_string(text).map(Value::String)
}

fn fields_of(lua: &Lua, at: &Zoned) -> mlua::Result<Table> {
    let fields = lua.create_table()?;
    for (name, number) in [
        ("year", i32::from(at.year())),
        ("month", i32::from(at.month())),
        ("day", i32::from(at.day())),
        ("hour", i32::from(at.hour())),
        ("min", i32::from(at.minute())),
        ("sec", i32::from(at.second())),
        ("wday", i32::from(at.weekday().to_sunday_one_offset())),
        ("yday", i32::from(at.day_of_year())),
    ] {
        fields.set(name, number)?;
    }
    fields.set("isdst", false)?;
    Ok(fields)
}
