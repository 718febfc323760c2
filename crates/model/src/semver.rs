//! Versions and version constraints as the Go library `github.com/Masterminds/semver/v3` (3.4) reads them.
//!
//! Both Argo CD and Flux choose tags with that library, whose constraint language differs from that of
//! Rust's `semver` crate: `1.2` means `1.2.x`, `,` and a blank both mean *and*, `||` means *or*,
//! `1 - 2` is a range, versions may be short or start with `v`, and a pre-release matches only where the
//! same *and*-group names one.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A version as Masterminds' `NewVersion` reads it: `v1`, `1.2` and `1.2.3-rc.1+build` are all versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number; 0 when the text has none.
    pub minor: u64,
    /// The third number; 0 when the text has none.
    pub patch: u64,
    /// What follows `-`; empty for a release.
    pub pre: String,
    /// What follows `+`; it takes no part in comparisons.
    pub metadata: String,
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

/// A text that is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version constraint")]
pub struct ConstraintError(pub String);

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const LOOSE: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

/// Compiles a pattern of this file; Go's classes are ASCII, so Unicode classes are off.
fn pattern(text: &str) -> Regex {
    let ascii = text.replace(r"\s", r"[\t\n\x0C\r ]").replace(r"\d", "[0-9]");
    Regex::new(&ascii).expect("holds because the patterns are constants")
}

static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?$",
    )
});
static RANGE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"\s*({LOOSE})\s+-\s+({LOOSE})\s*")));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"^(\s*({OPERATORS})\s*({LOOSE})\s*)((?:\s+|,\s*)({OPERATORS})\s*({LOOSE})\s*)*$"))
});
static TERM: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"({OPERATORS})\s*({LOOSE})")));
static WHOLE_TERM: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^\s*({OPERATORS})\s*({LOOSE})\s*$")));

impl Version {
    /// Reads a version; `None` when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let found = VERSION.captures(text)?;
        let number = |index| found.get(index).map_or(Some(0), |digits| digits.as_str().parse().ok());
        let pre = group(&found, 4);
        if pre.split('.').any(is_padded) {
            return None;
        }
        Some(Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: pre.to_owned(),
            metadata: group(&found, 5).to_owned(),
        })
    }

    /// Reads a version of exactly three numbers, none with a leading zero; a `v` may come first.
    ///
    /// So Flux reads tags (`fluxcd/pkg/version`, `ParseVersion`), where Argo CD takes [`Version::parse`].
    pub fn parse_strict(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
        let strict = numbers.split('.').count() == 3 && !numbers.split('.').any(is_padded);
        if strict { Self::parse(text) } else { None }
    }

    /// Orders two versions by precedence: metadata does not count, a pre-release comes before its release.
    pub fn precedence(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
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
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) if one == other => Ordering::Equal,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                // A number comes before a word.
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Constraint {
    /// Reads a constraint.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let plain = rewrite_ranges(text);
        let error = || ConstraintError(text.to_owned());
        let mut groups = Vec::new();
        for part in plain.split("||") {
            if !VALID.is_match(part) {
                return Err(error());
            }
            let terms: Option<Vec<Term>> = TERM.find_iter(part).map(|term| Term::parse(term.as_str())).collect();
            let terms = terms.ok_or_else(error)?;
            let pre = terms.iter().any(|term| !term.version.pre.is_empty());
            groups.push(Group { terms, pre });
        }
        Ok(Self { groups })
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
        read: impl Fn(&str) -> Option<Version>,
    ) -> Option<&'a str> {
        tags.into_iter()
            .filter_map(|tag| read(tag).map(|version| (version, tag)))
            .filter(|(version, _)| self.matches(version))
            .max_by(|(one, tag), (other, other_tag)| one.precedence(other).then_with(|| tag.cmp(other_tag)))
            .map(|(_, tag)| tag)
    }
}

/// Turns `1.2 - 2.0` into `>= 1.2, <= 2.0`.
fn rewrite_ranges(text: &str) -> String {
    RANGE.replace_all(text, |found: &Captures<'_>| format!(">= {}, <= {} ", &found[1], &found[11])).into_owned()
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let found = WHOLE_TERM.captures(text)?;
        let operator = match group(&found, 1) {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return None,
        };
        let open = |index: usize| matches!(group(&found, index).trim_start_matches('.'), "" | "x" | "X" | "*");
        let (major, pre) = (group(&found, 3), group(&found, 6));
        let (version, written) = if open(3) {
            (format!("0.0.0{pre}"), Written::Nothing)
        } else if open(4) {
            (format!("{major}.0.0{pre}"), Written::Major)
        } else if open(5) {
            (format!("{major}{}.0{pre}", group(&found, 4)), Written::MajorMinor)
        } else {
            (group(&found, 2).to_owned(), Written::All)
        };
        Some(Self { operator, version: Version::parse(&version)?, written })
    }

    fn matches(&self, version: &Version) -> bool {
        let want = &self.version;
        let order = version.precedence(want);
        match self.operator {
            Operator::Equal if self.written == Written::All => order.is_eq(),
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual if self.written == Written::All => order.is_le(),
            Operator::LessEqual => {
                version.major <= want.major
                    && (version.major < want.major || version.minor <= want.minor || self.written == Written::Major)
            }
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let want = &self.version;
        match self.written {
            Written::All => version.precedence(want).is_ne(),
            _ if want.major != version.major => true,
            Written::Major => false,
            _ if want.minor != version.minor => true,
            Written::MajorMinor => compare_pre(&version.pre, &want.pre).is_ne(),
            Written::Nothing => version.precedence(want).is_ne(),
        }
    }

    fn greater(&self, version: &Version) -> bool {
        let want = &self.version;
        match self.written {
            Written::All => version.precedence(want).is_gt(),
            _ if version.major != want.major => version.major > want.major,
            // `>11` begins at 12, and `>11.1` at 11.2.
            Written::Major => false,
            Written::MajorMinor => version.minor > want.minor,
            Written::Nothing => version.precedence(want).is_gt(),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let want = &self.version;
        if version.precedence(want).is_lt() {
            return false;
        }
        let zero = (want.major, want.minor, want.patch) == (0, 0, 0);
        if zero && matches!(self.written, Written::Nothing | Written::All) {
            // `~0.0.0`, like `*`, accepts every version.
            return true;
        }
        version.major == want.major && (version.minor == want.minor || self.written == Written::Major)
    }

    fn caret(&self, version: &Version) -> bool {
        let want = &self.version;
        if version.precedence(want).is_lt() || version.major != want.major {
            // A caret on `*` is `0.0.0`, so it asks for major 0 as well.
            return false;
        }
        if want.major > 0 || self.written == Written::Major {
            return true;
        }
        if want.minor > 0 || self.written == Written::MajorMinor {
            return version.minor == want.minor;
        }
        version.minor == 0 && version.patch == want.patch
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
                (Ok(_), None) => "not a version",
                (Ok(constraint), Some(version)) if constraint.matches(&version) => "yes",
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
            assert_eq!(Version::parse_strict(text).is_some(), want, "{text}");
        }
        assert!(Version::parse("01.2").is_some(), "otherwise they may be short and padded");
    }

    #[test]
    fn equal_versions_do_not_depend_on_order() {
        let any = Constraint::parse("*").expect("is a constraint");
        assert_eq!(any.highest(["1.0.0+a", "1.0.0+b"], Version::parse), Some("1.0.0+b"));
        assert_eq!(any.highest(["1.0.0+b", "1.0.0+a"], Version::parse), Some("1.0.0+b"));
    }
}
