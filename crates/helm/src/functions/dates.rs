//! Dates: `time.Time`, and sprig's functions for it. The local zone is UTC, wherever a chart is rendered; the zones that
//! templates name are those of the IANA database.

use std::borrow::Cow;
use std::rc::Rc;

use bowline_gotmpl::{Context, Function, IntKind, Object, Shape, Signature, Str, Type, Value};

use super::args::{ANY, Gives, STRING, fail, int, string, text};
use super::durations::{self, Duration, SECOND};
use super::host::host;
use super::layout::{Civil, DAYS, MONTHS};
use super::toml::{LOCAL_DATE, LOCAL_DATETIME, LOCAL_TIME};
use super::{layout_read, runes, zones};

const SA: &[Type] = &[STRING, ANY];
const SS: &[Type] = &[STRING, STRING];
const T: Type = Type::Host("time.Time");
const ST: &[Type] = &[STRING, T];

pub(super) static TABLE: [Function; 15] = [
    Function::new("ago", &[ANY], STRING, |ctx, args| {
        let now = Time::now(ctx);
        let time = match &args[0] {
            Value::Int(IntKind::Int32, _) => None,
            other => Time::of(other),
        };
        let since = time.map_or(0, |time| now.since(&time));
        string(durations::shown(durations::rounded(since, SECOND)))
    }),
    Function::new("date", SA, STRING, |ctx, args| in_zone(ctx, &text(&args[0]), &args[1], b"")),
    Function::new("dateInZone", &[STRING, ANY, STRING], STRING, |ctx, args| {
        in_zone(ctx, &text(&args[0]), &args[1], &text(&args[2]))
    }),
    Function::new("dateModify", ST, T, modified),
    Function::new("date_in_zone", &[STRING, ANY, STRING], STRING, |ctx, args| {
        in_zone(ctx, &text(&args[0]), &args[1], &text(&args[2]))
    }),
    Function::new("date_modify", ST, T, modified),
    Function::new("durationRound", &[ANY], STRING, |ctx, args| {
        let nanos = match &args[0] {
            Value::Str(text) => durations::parse(text).unwrap_or(0),
            Value::Int(IntKind::Int64, nanos) => *nanos,
            other => match Time::of(other) {
                Some(time) if matches!(other, Value::Object(_)) => Time::now(ctx).since(&time),
                _ => 0,
            },
        };
        let size = nanos.unsigned_abs();
        let units = [(8760, "y"), (720, "mo"), (24, "d"), (1, "h")].map(|(hours, name)| (hours * 3600, name));
        let found = units.into_iter().chain([(60, "m"), (1, "s")]).find(|(secs, _)| size > secs * SECOND as u64);
        string(found.map_or_else(|| "0s".to_owned(), |(secs, name)| format!("{}{name}", size / (secs * SECOND as u64))))
    }),
    Function::new("htmlDate", &[ANY], STRING, |ctx, args| in_zone(ctx, b"2006-01-02", &args[0], b"")),
    Function::new("htmlDateInZone", &[ANY, STRING], STRING, |ctx, args| {
        in_zone(ctx, b"2006-01-02", &args[0], &text(&args[1]))
    }),
    Function::new("mustDateModify", ST, T, must_modify),
    Function::new("mustToDate", SS, T, |_, args| match layout_read::parse(&text(&args[0]), &text(&args[1])) {
        Ok(found) => Ok(Time::read(found)),
        Err(error) => fail(error),
    }),
    Function::new("must_date_modify", ST, T, must_modify),
    Function::new("now", &[], T, |ctx, _| Ok(Value::object(Time::now(ctx)))),
    Function::new("toDate", SS, T, |_, args| {
        let found = layout_read::parse(&text(&args[0]), &text(&args[1]));
        Ok(found.map_or_else(|_| Value::object(Time::ZERO), Time::read))
    }),
    Function::new("unixEpoch", &[T], STRING, |_, args| {
        string(Time::of(&args[0]).unwrap_or(Time::ZERO).secs.to_string())
    }),
];

/// A time, as templates have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Time {
    secs: i64,
    nanos: u32,
    offset: i32,
    zone: Cow<'static, str>,
}

impl Time {
    const ZERO: Self = Self { secs: -62_135_596_800, nanos: 0, offset: 0, zone: Cow::Borrowed("UTC") };

    fn unix(secs: i64, nanos: u32) -> Self {
        Self { secs, nanos, offset: 0, zone: Cow::Borrowed("UTC") }
    }

    fn now(ctx: &mut Context<'_, '_>) -> Self {
        let (secs, nanos) = host(ctx).now();
        Self::unix(secs, nanos)
    }

    fn read((secs, nanos, offset, zone): (i64, u32, i32, String)) -> Value {
        Value::object(Self { secs, nanos, offset, zone: zone.into() })
    }

    /// Takes a time for itself, and integers for seconds since 1970.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(IntKind::Int | IntKind::Int64 | IntKind::Int32, secs) => Some(Self::unix(*secs, 0)),
            Value::Object(object) => object.as_any()?.downcast_ref::<Self>().cloned(),
            _ => None,
        }
    }

    fn civil(&self) -> Civil {
        Civil::new(self.secs, self.nanos, self.offset, &self.zone)
    }

    /// Nanoseconds from another time to this one.
    fn since(&self, other: &Self) -> i64 {
        let nanos = (i128::from(self.secs) - i128::from(other.secs)) * i128::from(SECOND) + i128::from(self.nanos)
            - i128::from(other.nanos);
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    fn plus(&self, nanos: i64) -> Self {
        let sum = i64::from(self.nanos) + nanos % SECOND;
        Self {
            secs: self.secs.wrapping_add(nanos / SECOND).wrapping_add(sum.div_euclid(SECOND)),
            nanos: sum.rem_euclid(SECOND) as u32,
            ..self.clone()
        }
    }
}

/// Writes a time as a zone sees it; one that is not known is UTC.
fn in_zone(ctx: &mut Context<'_, '_>, layout: &[u8], value: &Value, zone: &[u8]) -> Gives {
    let time = Time::of(value).unwrap_or_else(|| Time::now(ctx));
    let (offset, name) = zones::at(zone, time.secs).unwrap_or_else(|| (0, "UTC".to_owned()));
    string(Civil::new(time.secs, time.nanos, offset, &name).format(layout))
}

#[expect(clippy::unnecessary_wraps, reason = "functions of templates give a `Gives`")]
fn modified(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let time = Time::of(&args[1]).unwrap_or(Time::ZERO);
    Ok(Value::object(durations::parse(&text(&args[0])).map_or(time.clone(), |nanos| time.plus(nanos))))
}

fn must_modify(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let time = Time::of(&args[1]).unwrap_or(Time::ZERO);
    match durations::parse(&text(&args[0])) {
        Ok(nanos) => Ok(Value::object(time.plus(nanos))),
        Err(error) => fail(error),
    }
}

/// Returns how a time or date is written in JSON; `None` for other objects.
pub(super) fn to_json(object: &dyn Object) -> Option<String> {
    let time = object.as_any()?.downcast_ref::<Time>()?;
    Some(String::from_utf8_lossy(&time.civil().format(b"2006-01-02T15:04:05.999999999Z07:00")).into_owned())
}

/// Makes a time of seconds since 1970, nanoseconds, and the offset and name of its zone.
pub(super) fn made(read: (i64, u32, i32, String)) -> Value {
    Time::read(read)
}

/// Returns how a time is written in TOML, where one may have no zone, or be a part of one; `None` for other objects.
pub(super) fn to_toml(object: &dyn Object) -> Option<Vec<u8>> {
    let time = object.as_any()?.downcast_ref::<Time>()?;
    let utc = Time::unix(time.secs, time.nanos);
    Some(match &*time.zone {
        LOCAL_DATETIME => utc.civil().format(b"2006-01-02T15:04:05.999999999"),
        LOCAL_DATE => utc.civil().format(b"2006-01-02"),
        LOCAL_TIME => utc.civil().format(b"15:04:05.999999999"),
        _ => time.civil().format(b"2006-01-02T15:04:05.999999999Z07:00"),
    })
}

/// A month or weekday.
struct Part {
    ty: &'static str,
    number: i64,
    name: &'static str,
}

impl Object for Part {
    fn type_name(&self) -> Cow<'_, str> {
        self.ty.into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::int(self.number))
    }

    fn text(&self) -> Option<Str> {
        Some(self.name.into())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static TEXT: Signature = Signature { params: &[], variadic: false, result: Type::String };
        (name == "String").then_some(&TEXT)
    }

    fn call(&self, _: &str, _: &mut Context<'_, '_>, _: &mut [Value]) -> Gives {
        string(self.name)
    }

    fn is_comparable(&self) -> bool {
        true
    }
}

impl Object for Time {
    fn type_name(&self) -> Cow<'_, str> {
        "time.Time".into()
    }

    fn text(&self) -> Option<Str> {
        Some(self.civil().format(b"2006-01-02 15:04:05.999999999 -0700 MST").into())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        const NONE: &[Type] = &[];
        static FORMAT: Signature = Signature { params: &[Type::String], variadic: false, result: Type::String };
        static TEXT: Signature = Signature { params: NONE, variadic: false, result: Type::String };
        static INT: Signature = Signature { params: NONE, variadic: false, result: Type::INT };
        static LONG: Signature = Signature { params: NONE, variadic: false, result: Type::INT64 };
        static TRUTH: Signature = Signature { params: NONE, variadic: false, result: Type::Bool };
        static SAME: Signature = Signature { params: NONE, variadic: false, result: T };
        static MONTH: Signature = Signature { params: NONE, variadic: false, result: Type::Host("time.Month") };
        static WEEKDAY: Signature = Signature { params: NONE, variadic: false, result: Type::Host("time.Weekday") };
        static RELATION: Signature = Signature { params: &[T], variadic: false, result: Type::Bool };
        static DISTANCE: Signature = Signature { params: &[T], variadic: false, result: Type::Host("time.Duration") };
        static ADD: Signature = Signature { params: &[Type::Host("time.Duration")], variadic: false, result: T };
        static ADD_DATE: Signature =
            Signature { params: &[Type::INT, Type::INT, Type::INT], variadic: false, result: T };
        Some(match name {
            "Format" => &FORMAT,
            "String" => &TEXT,
            "Year" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" => &INT,
            "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" => &LONG,
            "IsZero" => &TRUTH,
            "UTC" | "Local" => &SAME,
            "Month" => &MONTH,
            "Weekday" => &WEEKDAY,
            "Before" | "After" | "Equal" => &RELATION,
            "Sub" => &DISTANCE,
            "Add" => &ADD,
            "AddDate" => &ADD_DATE,
            _ => return None,
        })
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
        let civil = self.civil();
        let number = |number: u32| Value::int(i64::from(number));
        let other = args.first().and_then(Self::of).unwrap_or(Self::ZERO);
        let since = self.since(&other);
        Ok(match name {
            "Format" => Value::str(civil.format(&text(&args[0]))),
            "Year" => Value::int(civil.year),
            "Month" => Value::object(Part {
                ty: "time.Month",
                number: i64::from(civil.month),
                name: MONTHS[civil.month as usize - 1],
            }),
            "Weekday" => Value::object(Part {
                ty: "time.Weekday",
                number: i64::from(civil.weekday),
                name: DAYS[civil.weekday as usize],
            }),
            "Day" => number(civil.day),
            "Hour" => number(civil.hour),
            "Minute" => number(civil.minute),
            "Second" => number(civil.second),
            "Nanosecond" => number(civil.nanos),
            "YearDay" => number(civil.year_day),
            "Unix" => Value::int64(self.secs),
            "UnixMilli" => Value::int64(self.secs.wrapping_mul(1000) + i64::from(self.nanos / 1_000_000)),
            "UnixMicro" => Value::int64(self.secs.wrapping_mul(1_000_000) + i64::from(self.nanos / 1000)),
            "UnixNano" => Value::int64(self.secs.wrapping_mul(SECOND).wrapping_add(i64::from(self.nanos))),
            "IsZero" => Value::Bool(self.secs == Self::ZERO.secs && self.nanos == 0),
            "UTC" | "Local" => Value::object(Self::unix(self.secs, self.nanos)),
            "Before" => Value::Bool(since < 0),
            "After" => Value::Bool(since > 0),
            "Equal" => Value::Bool(since == 0),
            "Sub" => Value::object(Duration(since)),
            "Add" => {
                let nanos = match &args[0] {
                    Value::Object(object) => object.as_any().and_then(|any| any.downcast_ref::<Duration>()),
                    _ => None,
                };
                Value::object(self.plus(nanos.map_or(0, |duration| duration.0)))
            }
            "AddDate" => Value::object(self.plus_date(int(&args[0]), int(&args[1]), int(&args[2]))),
            _ => Value::str(runes::trim_space(&self.text().unwrap_or_default())),
        })
    }

    fn is_comparable(&self) -> bool {
        true
    }

    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        other.as_any().and_then(|any| any.downcast_ref::<Self>()) == Some(self)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl Time {
    /// `Time.AddDate`: months beyond the year and days beyond the month run over.
    fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let months = i64::from(civil.month) - 1 + months.clamp(-1_000_000, 1_000_000);
        let year = civil.year + years.clamp(-1_000_000, 1_000_000) + months.div_euclid(12);
        let first = super::layout::days(year, months.rem_euclid(12) as u32 + 1, 1);
        let day = first + i64::from(civil.day) - 1 + days.clamp(-1_000_000_000, 1_000_000_000);
        let in_day = i64::from(civil.hour * 3600 + civil.minute * 60 + civil.second);
        Self { secs: day * 86_400 + in_day - i64::from(self.offset), ..self.clone() }
    }
}
