//! Versions and constraints, as `github.com/Masterminds/semver` reads and compares them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use bowline_gotmpl::{Context, FuncError, Function, Object, Shape, Signature, Str, Type, UintKind, Value, quote};
use bowline_model::semver::{Constraint, ConstraintError, Version};

use super::args::{Gives, STRING, boolean, fail, string, text};

pub(super) static TABLE: [Function; 2] = [
    Function::new("semver", &[STRING], Type::Host("*semver.Version"), |_, args| {
        Ok(Value::object(version(&text(&args[0]).to_text())?))
    }),
    Function::new("semverCompare", &[STRING, STRING], Type::Bool, |_, args| {
        let constraint = constraint(&text(&args[0]))?;
        boolean(constraint.matches(&version(&text(&args[1]).to_text())?.version))
    }),
];

/// Tells whether a text is a version; a missing minor or patch is zero.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

fn version(text: &str) -> Result<Shown, FuncError> {
    let version = Version::parse(text).map_err(|error| FuncError::new(error.to_string()))?;
    Ok(Shown { version, original: text.to_owned() })
}

fn constraint(source: &Str) -> Result<Constraint, FuncError> {
    Constraint::parse(&source.to_text()).map_err(|error| match error {
        ConstraintError::Improper(group) => FuncError::new(improper(&group, source)),
        error => FuncError::new(error.to_string()),
    })
}

/// Tells the very bytes of a group that is not UTF-8, as Go quotes them.
fn improper(group: &str, source: &Str) -> String {
    let groups = super::runes::split(source, b"||", -1);
    let written = groups.into_iter().find(|bytes| Str::new(bytes).to_text() == group);
    format!("improper constraint: {}", quote(written.unwrap_or(group.as_bytes())))
}

/// Tells whether a version fits a range; false if either is none.
pub(crate) fn is_compatible(range: &str, version: &str) -> bool {
    Version::parse(version).is_ok_and(|version| Constraint::parse(range).is_ok_and(|range| range.matches(&version)))
}

/// Tells whether a text is a constraint of versions.
pub(crate) fn is_constraint(text: &str) -> bool {
    Constraint::parse(text).is_ok()
}

/// A version, which templates have as a `*semver.Version`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Shown {
    version: Version,
    original: String,
}

/// Returns the version whose fields are all zero.
pub(super) fn zero() -> Value {
    Value::object(Shown::default())
}

impl Shown {
    /// The same as if it had been read, with the first letter of what was.
    fn changed(&self, version: Version) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        let original = format!("{prefix}{version}");
        Self { version, original }
    }

    /// Returns the next version: `at` is which number is raised.
    fn next(&self, at: usize) -> Self {
        let mut numbers = self.version.numbers;
        if at < 2 || self.version.pre.is_empty() {
            numbers[at] = numbers[at].wrapping_add(1);
        }
        numbers[at + 1..].fill(0);
        self.changed(Version { numbers, ..Version::default() })
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

impl Object for Shown {
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
            "Major" => return number(self.version.numbers[0]),
            "Minor" => return number(self.version.numbers[1]),
            "Patch" => return number(self.version.numbers[2]),
            "Prerelease" => return string(self.version.pre.as_str()),
            "Metadata" => return string(self.version.metadata.as_str()),
            "Original" => return string(self.original.as_str()),
            "String" => return string(self.version.to_string()),
            "IncMajor" => return Ok(Value::object(self.next(0))),
            "IncMinor" => return Ok(Value::object(self.next(1))),
            "IncPatch" => return Ok(Value::object(self.next(2))),
            "SetPrerelease" | "SetMetadata" => {
                let part = text(&args[0]).to_text().into_owned();
                let changed = if name == "SetPrerelease" {
                    Version { pre: part, ..self.version.clone() }
                } else {
                    Version { metadata: part, ..self.version.clone() }
                };
                return Ok(Value::object(self.changed(changed)));
            }
            _ => {}
        }
        let other = match &args[0] {
            Value::Object(object) => object.as_any().and_then(|any| any.downcast_ref::<Self>()),
            _ => None,
        };
        let Some(other) = other else { return fail(super::args::NIL) };
        let order = self.version.precedence(&other.version);
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
        Some(self.version.to_string().into())
    }

    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        other.as_any().and_then(|any| any.downcast_ref::<Self>()).is_some_and(|other| std::ptr::eq(self, other))
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
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
