//! Versions and version constraints as the Go library `github.com/Masterminds/semver/v3` reads them.
//!
//! Argo CD, Flux and Helm choose versions with that library, and charts call it; its constraint language differs from
//! that of Rust's `semver` crate: `1.2` means `1.2.x`, `,` and a blank both mean *and*, `||` means *or*,
//! `1 - 2` is a range, versions may be short or start with `v`, and a pre-release matches only where the
//! same *and*-group names one.

mod read;

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use self::read::Bound;

/// A version as Masterminds' `NewVersion` reads it: `v1`, `1.2` and `1.2.3-rc.1+build` are all versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// Major, minor and patch; 0 where the text has none.
    pub numbers: [u64; 3],
    /// What follows `-`; empty for a release.
    pub pre: String,
    /// What follows `+`; it takes no part in comparisons.
    pub metadata: String,
}

/// A text that is not a version, in Masterminds' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is longer than any version may be.
    #[error("version string is too long (max {LONGEST_VERSION} bytes)")]
    TooLong,
    /// It does not look like one.
    #[error("invalid semantic version")]
    Invalid,
    /// Its number does not fit 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range")]
    TooBig(String),
    /// A number of its pre-release begins with a zero.
    #[error("version segment starts with 0")]
    Padded,
}

/// A text that is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// It is longer than any constraint may be.
    #[error("constraint string is too long (max {LONGEST_CONSTRAINT} bytes)")]
    TooLong,
    /// It has more alternatives than any constraint may have.
    #[error("too many constraint groups (max {MOST_GROUPS})")]
    TooManyGroups,
    /// One of its alternatives does not look like one.
    #[error("improper constraint: {0:?}")]
    Improper(String),
    /// A version in it is none.
    #[error("constraint parser error")]
    BadVersion,
}

/// A condition on versions, such as `^1.2`, `>=1.0 <2.0` or `1.x || 2.5.0`.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Joined by *or*; inside, by *and*.
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    terms: Vec<Term>,
    /// Whether a term names a pre-release, which lets the whole group match pre-releases.
    pre: bool,
}

#[derive(Debug, Clone)]
struct Term {
    operator: Operator,
    version: Version,
    /// How much of the version was written.
    written: Written,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Which numbers of a term's version were given, the others being absent or `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Major,
    MajorMinor,
    All,
}

const LONGEST_VERSION: usize = 256;
const LONGEST_CONSTRAINT: usize = 512;
const MOST_GROUPS: usize = 32;

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const LOOSE: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

/// Compiles a pattern of this file; Go's classes are ASCII, so Unicode classes are off.
fn pattern(text: &str) -> Regex {
    Regex::new(&text.replace(r"\s", r"[\t\n\x0C\r ]")).expect("holds because the patterns are constants")
}

// What is written as nearly all constraints are never needs these.
static RANGE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"\s*({LOOSE})\s+-\s+({LOOSE})\s*")));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"^(\s*({OPERATORS})\s*({LOOSE})\s*)((?:\s+|,\s*)({OPERATORS})\s*({LOOSE})\s*)*$"))
});
static TERM: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"({OPERATORS})\s*({LOOSE})")));
static WHOLE_TERM: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^\s*({OPERATORS})\s*({LOOSE})\s*$")));

impl Version {
    /// Reads a version.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > LONGEST_VERSION {
            return Err(VersionError::TooLong);
        }
        let parts = read::version(text).ok_or(VersionError::Invalid)?;
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(parts.numbers) {
            let digits = part.trim_start_matches('.');
            if !digits.is_empty() {
                *number = digits.parse().map_err(|_| VersionError::TooBig(digits.to_owned()))?;
            }
        }
        let pre = parts.prerelease;
        if pre.split('.').any(is_padded) {
            return Err(VersionError::Padded);
        }
        Ok(Self { numbers, pre: pre.to_owned(), metadata: parts.metadata.to_owned() })
    }

    /// Reads a version of exactly three numbers, none with a leading zero; a `v` may come first.
    ///
    /// So Flux reads tags (`fluxcd/pkg/version`, `ParseVersion`), where Argo CD takes [`Version::parse`].
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        let numbers = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
        let is_strict = numbers.split('.').count() == 3 && !numbers.split('.').any(is_padded);
        if is_strict { Self::parse(text) } else { Err(VersionError::Invalid) }
    }

    /// Orders two versions by precedence: metadata does not count, a pre-release comes before its release.
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(out, "{major}.{minor}.{patch}")?;
        if !self.pre.is_empty() {
            write!(out, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(out, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Tells whether a part is a number with a leading zero.
fn is_padded(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn group<'a>(found: &Captures<'a>, index: usize) -> &'a str {
    found.get(index).map_or("", |part| part.as_str())
}

fn compare_pre(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => compare_parts(one.unwrap_or_default(), other.unwrap_or_default()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_parts(one: &str, other: &str) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    if one.is_empty() || other.is_empty() {
        return one.len().cmp(&other.len());
    }
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u64>().ok()).flatten();
    match (number(one), number(other)) {
        (None, None) => one.cmp(other),
        // A number comes before a word.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(one), Some(other)) if one > other => Ordering::Greater,
        (Some(_), Some(_)) => Ordering::Less,
    }
}

impl Constraint {
    /// Reads a constraint.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > LONGEST_CONSTRAINT {
            return Err(ConstraintError::TooLong);
        }
        let plain = with_ranges(text);
        let parts: Vec<&str> = plain.split("||").collect();
        if parts.len() > MOST_GROUPS {
            return Err(ConstraintError::TooManyGroups);
        }
        let group = |part: &str| {
            let terms: Vec<Term> = if let Some(bounds) = read::bounds(part) {
                bounds.iter().map(Term::of).collect::<Result<_, _>>()?
            } else if VALID.is_match(part) {
                TERM.find_iter(part).map(|term| Term::parse(term.as_str())).collect::<Result<_, _>>()?
            } else {
                return Err(ConstraintError::Improper(part.to_owned()));
            };
            let pre = terms.iter().any(|term| !term.version.pre.is_empty());
            Ok(Group { terms, pre })
        };
        Ok(Self { groups: parts.into_iter().map(group).collect::<Result<_, _>>()? })
    }

    /// Tells whether a version meets the constraint.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups
            .iter()
            .any(|group| (version.pre.is_empty() || group.pre) && group.terms.iter().all(|term| term.matches(version)))
    }

    /// Returns the tag with the highest version that meets the constraint; tags that `read` does not take
    /// for versions do not take part.
    ///
    /// Of tags with equal precedence the one that sorts last wins, so that the answer does not depend on
    /// the order of the tags. (Flux takes the younger one; ages are unknown before the fetch.)
    pub fn highest<'a>(
        &self,
        tags: impl IntoIterator<Item = &'a str>,
        read: impl Fn(&str) -> Result<Version, VersionError>,
    ) -> Option<&'a str> {
        tags.into_iter()
            .filter_map(|tag| read(tag).ok().map(|version| (version, tag)))
            .filter(|(version, _)| self.matches(version))
            .max_by(|(one, tag), (other, other_tag)| one.precedence(other).then_with(|| tag.cmp(other_tag)))
            .map(|(_, tag)| tag)
    }
}

/// Turns `1.2 - 2.0` into `>= 1.2, <= 2.0`.
///
/// Each range found is replaced where its text stands first, as the library does.
fn with_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    let is_range = |bytes: &[u8]| matches!(bytes, [one, b'-', other] if read::is_space(*one) && read::is_space(*other));
    if !text.as_bytes().windows(3).any(is_range) {
        return out;
    }
    for found in RANGE.captures_iter(text) {
        out = out.replacen(group(&found, 0), &format!(">= {}, <= {} ", group(&found, 1), group(&found, 11)), 1);
    }
    out
}

impl Term {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let improper = || ConstraintError::Improper(text.to_owned());
        let found = WHOLE_TERM.captures(text).ok_or_else(improper)?;
        let [operator, whole, major, minor, patch, pre] = [1, 2, 3, 4, 5, 6].map(|at| group(&found, at));
        Self::new(operator, whole, [major, minor, patch], pre)
    }

    fn of(bound: &Bound<'_>) -> Result<Self, ConstraintError> {
        let Bound { operator, version } = bound;
        let pre = match version.prerelease {
            "" => String::new(),
            pre => format!("-{pre}"),
        };
        Self::new(operator, version.whole, version.numbers, &pre)
    }

    /// Makes a term of its operator and its version: all of it, its numbers, and its pre-release, each with the sign that
    /// comes before it.
    fn new(operator: &str, whole: &str, numbers: [&str; 3], pre: &str) -> Result<Self, ConstraintError> {
        let operator = match operator {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return Err(ConstraintError::Improper(format!("{operator}{whole}"))),
        };
        let is_open = |number: &str| matches!(number.trim_start_matches('.'), "" | "x" | "X" | "*");
        let [major, minor, patch] = numbers;
        let (version, written) = if is_open(major) {
            (format!("0.0.0{pre}"), Written::Nothing)
        } else if is_open(minor) {
            (format!("{major}.0.0{pre}"), Written::Major)
        } else if is_open(patch) {
            (format!("{major}{minor}.0{pre}"), Written::MajorMinor)
        } else {
            (whole.to_owned(), Written::All)
        };
        let version = Version::parse(&version).map_err(|_| ConstraintError::BadVersion)?;
        Ok(Self { operator, version, written })
    }

    fn matches(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        let order = version.precedence(&self.version);
        match self.operator {
            Operator::Equal if self.written == Written::All => order.is_eq(),
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual if self.written == Written::All => order.is_le(),
            Operator::LessEqual => {
                major < own_major || major == own_major && (minor <= own_minor || self.written == Written::Major)
            }
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        match self.written {
            Written::All => version.precedence(&self.version).is_ne(),
            _ if own_major != major => true,
            Written::Major => false,
            _ if own_minor != minor => true,
            Written::MajorMinor => compare_pre(&version.pre, &self.version.pre).is_ne(),
            Written::Nothing => version.precedence(&self.version).is_ne(),
        }
    }

    fn greater(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        match self.written {
            Written::All => version.precedence(&self.version).is_gt(),
            _ if major != own_major => major > own_major,
            // `>11` begins at 12, and `>11.1` at 11.2.
            Written::Major => false,
            Written::MajorMinor => minor > own_minor,
            Written::Nothing => version.precedence(&self.version).is_gt(),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        if version.precedence(&self.version).is_lt() {
            return false;
        }
        if self.version.numbers == [0; 3] && matches!(self.written, Written::Nothing | Written::All) {
            // `~0.0.0`, like `*`, accepts every version.
            return true;
        }
        major == own_major && (minor == own_minor || self.written == Written::Major)
    }

    fn caret(&self, version: &Version) -> bool {
        let ([major, minor, patch], [own_major, own_minor, own_patch]) = (version.numbers, self.version.numbers);
        if version.precedence(&self.version).is_lt() || major != own_major {
            // A caret on `*` is `0.0.0`, so it asks for major 0 as well.
            return false;
        }
        if own_major > 0 || self.written == Written::Major {
            return true;
        }
        if own_minor > 0 || self.written == Written::MajorMinor {
            return minor == own_minor;
        }
        minor == 0 && patch == own_patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Masterminds semver 3.4.0 answers, recorded by `tests/data/semver.go`: constraint, version, and
    /// `yes`, `no` or `bad` (the constraint does not parse).
    const ANSWERS: &str = include_str!("../tests/data/semver.txt");

    #[test]
    fn answers_are_those_of_masterminds() {
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in ANSWERS.lines().filter(|line| !line.starts_with('#')) {
            let [constraint, version, want] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("`{line}` has three columns")
            };
            let have = match (Constraint::parse(constraint), Version::parse(version)) {
                (Err(_), _) => "bad",
                (Ok(_), Err(_)) => "not a version",
                (Ok(constraint), Ok(version)) if constraint.matches(&version) => "yes",
                _ => "no",
            };
            count += 1;
            if have != want {
                wrong.push(format!("`{constraint}` on `{version}`: want {want}, have {have}"));
            }
        }
        assert!(count > 1000, "the table has {count} rows");
        assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn the_highest_matching_tag_is_chosen() {
        let tags = ["v1.0.0", "nightly", "1.2.0", "v1.10.0-rc.1", "v1.9.9", "2.0.0", "1.9"];
        let highest = |text| Constraint::parse(text).expect("is a constraint").highest(tags, Version::parse);
        assert_eq!(highest("^1.0"), Some("v1.9.9"));
        assert_eq!(highest("^1.0-0"), Some("v1.10.0-rc.1"));
        assert_eq!(highest("*"), Some("2.0.0"));
        assert_eq!(highest(">2"), None);
    }

    #[test]
    fn strict_versions_have_three_plain_numbers() {
        for (text, want) in [
            ("1.2.3", true),
            ("v1.2.3-rc.1+build.5", true),
            ("1.2", false),
            ("v1", false),
            ("01.2.3", false),
            ("1.2.3-01", false),
            ("1.2.3.4", false),
            ("1.2.x", false),
            ("", false),
        ] {
            assert_eq!(Version::parse_strict(text).is_ok(), want, "{text}");
        }
        assert!(Version::parse("01.2").is_ok(), "otherwise they may be short and padded");
    }

    #[test]
    fn equal_versions_do_not_depend_on_order() {
        let any = Constraint::parse("*").expect("is a constraint");
        assert_eq!(any.highest(["1.0.0+a", "1.0.0+b"], Version::parse), Some("1.0.0+b"));
        assert_eq!(any.highest(["1.0.0+b", "1.0.0+a"], Version::parse), Some("1.0.0+b"));
    }

    /// Calls for every text that is made of up to `longest` of these parts.
    fn texts(parts: &[&str], longest: usize, text: &str, seen: &mut dyn FnMut(&str)) {
        seen(text);
        if longest > 0 {
            for part in parts {
                texts(parts, longest - 1, &format!("{text}{part}"), seen);
            }
        }
    }

    #[test]
    fn versions_are_read_as_by_the_expression() {
        let loose = Regex::new(
            r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?$",
        )
        .expect("is an expression");
        let mut read = 0;
        texts(&["v", "1", "02", ".", "-", "+", "a", "é"], 5, "", &mut |text| {
            let want = loose.captures(text).map(|found| {
                [1, 2, 3, 5, 8].map(|at| found.get(at).map_or(String::new(), |part| part.as_str().to_owned()))
            });
            let got = read::version(text).map(|parts| {
                let [major, minor, patch] = parts.numbers;
                [major, minor, patch, parts.prerelease, parts.metadata].map(str::to_owned)
            });
            assert_eq!(got, want, "{text}");
            read += usize::from(got.is_some());
        });
        assert!(read > 500, "only {read} versions");
    }

    #[test]
    fn constraints_are_read_as_by_the_expressions() {
        let mut read = 0;
        let mut compare = |text: &str| {
            let Some(bounds) = read::bounds(text) else { return };
            read += 1;
            assert!(VALID.is_match(text), "{text}");
            let got: Result<Vec<_>, _> = bounds.iter().map(Term::of).collect();
            let want: Result<Vec<_>, _> = TERM.find_iter(text).map(|term| Term::parse(term.as_str())).collect();
            assert_eq!(format!("{got:?}"), format!("{want:?}"), "{text}");
        };
        let parts = ["1", ".2", "-a", "+b", ".", "-", ">", "=", "!", "~", "^", " ", ",", "x", "v", "*"];
        for (before, longest) in [("", 4), (">=1.2", 3), ("~ v1.x ,", 3)] {
            texts(&parts, longest, before, &mut compare);
        }
        assert!(read > 1000, "only {read} constraints");
    }
}
