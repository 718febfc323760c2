//! Versions and constraints, as `github.com/Masterminds/semver` reads and compares them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::OnceLock;

use bowline_gotmpl::{Context, FuncError, Function, Object, Shape, Signature, Str, Type, UintKind, Value, quote};
use regex::Regex;

use super::args::{Gives, STRING, boolean, fail, string, text};

pub(super) static TABLE: [Function; 2] = [
    Function::new("semver", &[STRING], Type::Host("*semver.Version"), |_, args| {
        Ok(Value::object(Version::parse(&text(&args[0]).to_text())?))
    }),
    Function::new("semverCompare", &[STRING, STRING], Type::Bool, |_, args| {
        let source = text(&args[0]);
        let constraints = Constraints::parse(&source.to_text()).map_err(|error| with_bytes(error, &source))?;
        let version = Version::parse(&text(&args[1]).to_text())?;
        boolean(constraints.check(&version))
    }),
];

/// Tells whether a text is a version; a missing minor or patch is zero.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Makes an error tell the very bytes of a constraint that is not UTF-8.
fn with_bytes(mut error: FuncError, source: &Str) -> FuncError {
    let message = |group: &[u8]| format!("improper constraint: {}", quote(group));
    let groups = super::runes::split(source, b"||", -1);
    let told = groups.into_iter().find(|group| message(Str::new(group).to_text().as_bytes()) == error.message);
    if let Some(group) = told {
        error.message = message(group);
    }
    error
}

/// Tells whether a version fits a range; false if either is none.
pub(crate) fn is_compatible(range: &str, version: &str) -> bool {
    Version::parse(version).is_ok_and(|version| Constraints::parse(range).is_ok_and(|range| range.check(&version)))
}

/// Tells whether a text is a constraint of versions.
pub(crate) fn is_constraint(text: &str) -> bool {
    Constraints::parse(text).is_ok()
}

/// A version, which templates have as a `*semver.Version`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    prerelease: String,
    metadata: String,
    original: String,
}

/// Returns the version whose fields are all zero.
pub(super) fn zero() -> Value {
    Value::object(Version {
        numbers: [0; 3],
        prerelease: String::new(),
        metadata: String::new(),
        original: String::new(),
    })
}

const LONGEST_VERSION: usize = 256;
const LONGEST_CONSTRAINT: usize = 512;
const MOST_GROUPS: usize = 32;

/// A version within a constraint.
const RANGE_VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const SPACE: &str = r"[\t\n\f\r ]";

fn pattern(place: &'static OnceLock<Regex>, text: impl Fn() -> String) -> &'static Regex {
    place.get_or_init(|| Regex::new(&text()).expect("holds because the pattern is constant"))
}

impl Version {
    fn parse(text: &str) -> Result<Self, FuncError> {
        static LOOSE: OnceLock<Regex> = OnceLock::new();
        if text.len() > LONGEST_VERSION {
            return fail("version string is too long (max 256 bytes)");
        }
        let loose = pattern(&LOOSE, || {
            r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?$"
                .to_owned()
        });
        let Some(parts) = loose.captures(text) else { return fail("invalid semantic version") };
        let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
        let mut numbers = [0; 3];
        for (at, number) in numbers.iter_mut().enumerate() {
            let digits = part(at + 1).trim_start_matches('.');
            if !digits.is_empty() {
                *number = digits.parse().map_err(|_| {
                    FuncError::new(format!(
                        "error parsing version segment: strconv.ParseUint: parsing {}: value out of range",
                        quote(digits)
                    ))
                })?;
            }
        }
        let version =
            Self { numbers, prerelease: part(5).to_owned(), metadata: part(8).to_owned(), original: text.to_owned() };
        let starts_with_zero =
            |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
        if version.prerelease.split('.').any(starts_with_zero) {
            return fail("version segment starts with 0");
        }
        Ok(version)
    }

    fn shown(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut out = format!("{major}.{minor}.{patch}");
        if !self.prerelease.is_empty() {
            out = format!("{out}-{}", self.prerelease);
        }
        if !self.metadata.is_empty() {
            out = format!("{out}+{}", self.metadata);
        }
        out
    }

    /// Compares by precedence: metadata does not count.
    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_prereleases(&self.prerelease, &other.prerelease),
        })
    }

    /// Returns the next version: `at` is which number is raised. `None` if it cannot be.
    fn next(&self, at: usize) -> Self {
        let mut next = self.clone();
        if at < 2 || self.prerelease.is_empty() {
            next.numbers[at] = next.numbers[at].wrapping_add(1);
        }
        next.numbers[at + 1..].fill(0);
        next.prerelease.clear();
        next.metadata.clear();
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        next.original = format!("{prefix}{}", next.shown());
        next
    }
}

fn compare_prereleases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => compare_parts(left.unwrap_or(""), right.unwrap_or("")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_parts(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    if left.is_empty() || right.is_empty() {
        return left.len().cmp(&right.len());
    }
    let number = |part: &str| super::strconv::uint(part.as_bytes(), 10).flatten();
    match (number(left), number(right)) {
        (None, None) => left.cmp(right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(left), Some(right)) if left > right => Ordering::Greater,
        (Some(_), Some(_)) => Ordering::Less,
    }
}

static NO_PARAMS: [Type; 0] = [];
static NUMBER: Signature = Signature { params: &NO_PARAMS, variadic: false, result: Type::Uint(UintKind::Uint64) };
static TEXT: Signature = Signature { params: &NO_PARAMS, variadic: false, result: Type::String };
static NEXT: Signature = Signature { params: &NO_PARAMS, variadic: false, result: Type::Host("semver.Version") };
static ORDER: Signature = Signature { params: &[Type::Host("*semver.Version")], variadic: false, result: Type::INT };
static RELATION: Signature =
    Signature { params: &[Type::Host("*semver.Version")], variadic: false, result: Type::Bool };
static CHANGED: Signature =
    Signature { params: &[Type::String], variadic: false, result: Type::Host("semver.Version") };

impl Object for Version {
    fn type_name(&self) -> Cow<'_, str> {
        "*semver.Version".into()
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(Vec::new())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        Some(match name {
            "Major" | "Minor" | "Patch" => &NUMBER,
            "Prerelease" | "Metadata" | "Original" | "String" => &TEXT,
            "IncMajor" | "IncMinor" | "IncPatch" => &NEXT,
            "Compare" => &ORDER,
            "Equal" | "LessThan" | "GreaterThan" | "LessThanEqual" | "GreaterThanEqual" => &RELATION,
            "SetPrerelease" | "SetMetadata" => &CHANGED,
            _ => return None,
        })
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
        let number = |number: u64| Ok(Value::Uint(UintKind::Uint64, number));
        match name {
            "Major" => return number(self.numbers[0]),
            "Minor" => return number(self.numbers[1]),
            "Patch" => return number(self.numbers[2]),
            "Prerelease" => return string(self.prerelease.as_str()),
            "Metadata" => return string(self.metadata.as_str()),
            "Original" => return string(self.original.as_str()),
            "String" => return string(self.shown()),
            "IncMajor" => return Ok(Value::object(self.next(0))),
            "IncMinor" => return Ok(Value::object(self.next(1))),
            "IncPatch" => return Ok(Value::object(self.next(2))),
            "SetPrerelease" | "SetMetadata" => {
                let part = text(&args[0]).to_text().into_owned();
                let (prerelease, metadata) = if name == "SetPrerelease" {
                    (part, self.metadata.clone())
                } else {
                    (self.prerelease.clone(), part)
                };
                let mut changed = Self { prerelease, metadata, ..self.clone() };
                let prefix = if self.original.starts_with('v') { "v" } else { "" };
                changed.original = format!("{prefix}{}", changed.shown());
                return Ok(Value::object(changed));
            }
            _ => {}
        }
        let other = match &args[0] {
            Value::Object(object) => object.as_any().and_then(|any| any.downcast_ref::<Self>()),
            _ => None,
        };
        let Some(other) = other else { return fail(super::args::NIL) };
        let order = self.compare(other);
        Ok(match name {
            "Compare" => Value::int(order as i64),
            "Equal" => Value::Bool(order == Ordering::Equal),
            "LessThan" => Value::Bool(order == Ordering::Less),
            "LessThanEqual" => Value::Bool(order != Ordering::Greater),
            "GreaterThan" => Value::Bool(order == Ordering::Greater),
            _ => Value::Bool(order != Ordering::Less),
        })
    }

    fn pointee_text(&self) -> Option<Str> {
        self.text()
    }

    fn text(&self) -> Option<Str> {
        Some(self.shown().into())
    }

    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        other.as_any().and_then(|any| any.downcast_ref::<Self>()).is_some_and(|other| std::ptr::eq(self, other))
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

/// Alternatives of constraints that must all hold.
struct Constraints(Vec<Group>);

struct Group {
    all: Vec<Constraint>,
    /// Whether one of them names a prerelease, without which prereleases are never let in.
    with_prerelease: bool,
}

struct Constraint {
    operator: String,
    version: Version,
    minor_open: bool,
    patch_open: bool,
    open: bool,
}

impl Constraints {
    fn parse(source: &str) -> Result<Self, FuncError> {
        static VALID: OnceLock<Regex> = OnceLock::new();
        static FIND: OnceLock<Regex> = OnceLock::new();
        if source.len() > LONGEST_CONSTRAINT {
            return fail("constraint string is too long (max 512 bytes)");
        }
        let source = with_ranges(source);
        let groups: Vec<&str> = source.split("||").collect();
        if groups.len() > MOST_GROUPS {
            return fail("too many constraint groups (max 32)");
        }
        let valid = pattern(&VALID, || {
            format!(
                "^({SPACE}*({OPERATORS}){SPACE}*({RANGE_VERSION}){SPACE}*)\
                 ((?:{SPACE}+|,{SPACE}*)({OPERATORS}){SPACE}*({RANGE_VERSION}){SPACE}*)*$"
            )
        });
        let find = pattern(&FIND, || format!("({OPERATORS}){SPACE}*({RANGE_VERSION})"));
        let group = |group: &str| {
            if !valid.is_match(group) {
                return fail(format!("improper constraint: {}", quote(group)));
            }
            let all: Vec<Constraint> =
                find.find_iter(group).map(|one| Constraint::parse(one.as_str())).collect::<Result<_, _>>()?;
            let with_prerelease = all.iter().any(|one| !one.version.prerelease.is_empty());
            Ok(Group { all, with_prerelease })
        };
        Ok(Self(groups.into_iter().map(group).collect::<Result<_, _>>()?))
    }

    fn check(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            (version.prerelease.is_empty() || group.with_prerelease) && group.all.iter().all(|one| one.holds(version))
        })
    }
}

/// Writes `1 - 2` as `>= 1, <= 2 `.
fn with_ranges(source: &str) -> String {
    static RANGE: OnceLock<Regex> = OnceLock::new();
    let range = pattern(&RANGE, || format!("{SPACE}*({RANGE_VERSION}){SPACE}+-{SPACE}+({RANGE_VERSION}){SPACE}*"));
    let mut out = source.to_owned();
    for found in range.captures_iter(source) {
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        out = out.replacen(part(0), &format!(">= {}, <= {} ", part(1), part(11)), 1);
    }
    out
}

fn is_x(part: &str) -> bool {
    matches!(part.trim_start_matches('.'), "x" | "X" | "*" | "")
}

impl Constraint {
    fn parse(source: &str) -> Result<Self, FuncError> {
        static WHOLE: OnceLock<Regex> = OnceLock::new();
        let whole = pattern(&WHOLE, || format!("^{SPACE}*({OPERATORS}){SPACE}*({RANGE_VERSION}){SPACE}*$"));
        let Some(parts) = whole.captures(source) else {
            return fail(format!("improper constraint: {}", quote(source)));
        };
        let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
        let (mut minor_open, mut patch_open, mut open) = (false, false, false);
        let version = if is_x(part(3)) {
            open = true;
            format!("0.0.0{}", part(6))
        } else if is_x(part(4)) {
            (minor_open, open) = (true, true);
            format!("{}.0.0{}", part(3), part(6))
        } else if is_x(part(5)) {
            (patch_open, open) = (true, true);
            format!("{}{}.0{}", part(3), part(4), part(6))
        } else {
            part(2).to_owned()
        };
        let Ok(version) = Version::parse(&version) else { return fail("constraint parser error") };
        Ok(Self { operator: part(1).to_owned(), version, minor_open, patch_open, open })
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        let ([major, minor, patch], [own_major, own_minor, own_patch]) = (version.numbers, self.version.numbers);
        match self.operator.as_str() {
            "" | "=" if !self.open => order == Ordering::Equal,
            "" | "=" | "~" | "~>" => {
                let any = self.version.numbers == [0; 3] && !self.minor_open && !self.patch_open;
                order != Ordering::Less && (any || major == own_major && (minor == own_minor || self.minor_open))
            }
            "!=" => {
                if !self.open {
                    return order != Ordering::Equal;
                }
                if major != own_major || (minor != own_minor && !self.minor_open) {
                    true
                } else if self.minor_open {
                    false
                } else if patch != own_patch && !self.patch_open {
                    true
                } else if self.patch_open {
                    (!version.prerelease.is_empty() || !self.version.prerelease.is_empty())
                        && compare_prereleases(&version.prerelease, &self.version.prerelease) != Ordering::Equal
                } else {
                    order != Ordering::Equal
                }
            }
            ">" if !self.open || major == own_major && !self.minor_open && !self.patch_open => {
                order == Ordering::Greater
            }
            ">" => major > own_major || major == own_major && self.patch_open && minor > own_minor,
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" if !self.open => order != Ordering::Greater,
            "<=" | "=<" => !(major > own_major || major == own_major && minor > own_minor && !self.minor_open),
            _ => {
                if order == Ordering::Less {
                    return false;
                }
                if own_major > 0 || self.minor_open {
                    major == own_major
                } else if major > 0 {
                    false
                } else if own_minor > 0 || self.patch_open {
                    minor == own_minor
                } else {
                    minor == 0 && patch == own_patch
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_compatible;

    #[test]
    fn ranges_allow_what_they_allow_in_helm() {
        let cases = [
            (">=1.19.0-0", "v1.34.0", true),
            (">=1.19.0", "1.34.0-gke.1", false),
            (">=1.19.0-0", "1.34.0-gke.1", true),
            ("^1.2.3", "1.9.0", true),
            ("^1.2.3", "2.0.0", false),
            ("^0.2.3", "0.3.0", false),
            ("~1.2", "1.2.9", true),
            ("~1.2", "1.3.0", false),
            ("1.x.x", "1.5.0", true),
            ("1.x.x", "2.5.0", false),
            ("*", "3.0.0", true),
            ("x.x.x", "3.0.0", true),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            (">= 1.2, < 3.0.0 || >= 4.2.3", "4.2.3", true),
            (">= 1.2 < 3.0.0", "2.9.9", true),
            ("<=1.2", "1.2.9", true),
            (">11", "11.1.0", false),
            ("!=1.x", "1.2.0", false),
            ("", "1.2.0", false),
            ("latest", "1.2.0", false),
            ("1.2.3", "1.2.3+build", true),
        ];
        for (range, version, want) in cases {
            assert_eq!(is_compatible(range, version), want, "{range} {version}");
        }
    }
}
