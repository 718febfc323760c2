//! Versions and ranges of them, as far as charts ask: does a version fit a range? The rules are those of
//! `github.com/Masterminds/semver/v3`, as of 3.5.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::{Captures, Regex};

const MAX_VERSION: usize = 256;
const MAX_RANGE: usize = 4096;
const MAX_GROUPS: usize = 32;

const SUFFIX: &str = r"(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

fn range_version() -> String {
    format!(r"v?([0-9xX|*]+)(\.[0-9xX|*]+)?(\.[0-9xX|*]+)?{SUFFIX}")
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("holds because the patterns are constant")
}

static VERSION: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{SUFFIX}$")));
static ONE: LazyLock<Regex> = LazyLock::new(|| regex(&format!(r"^\s*({OPERATORS})\s*({})\s*$", range_version())));
static FIND: LazyLock<Regex> = LazyLock::new(|| regex(&format!(r"({OPERATORS})\s*({})", range_version())));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    let one = format!(r"(?:{OPERATORS})\s*(?:{})", range_version());
    regex(&format!(r"^(?:\s*{one}\s*)(?:(?:\s+|,\s*){one}\s*)*$"))
});
static SPAN: LazyLock<Regex> = LazyLock::new(|| regex(&format!(r"\s*({0})\s+-\s+({0})\s*", range_version())));

/// Tells whether a text is a version; a missing minor or patch is zero.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_some()
}

/// Tells whether a version fits a range; false if either is none.
pub fn is_compatible(range: &str, version: &str) -> bool {
    Version::parse(version).is_some_and(|version| Range::parse(range).is_some_and(|range| range.allows(&version)))
}

#[derive(Debug)]
struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_VERSION {
            return None;
        }
        let parts = VERSION.captures(text)?;
        let number = |at| parts.get(at).map_or(Some(0), |digits: regex::Match<'_>| digits.as_str().parse().ok());
        let pre = group(&parts, 4).to_owned();
        let zero_led = |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        if pre.split('.').any(zero_led) {
            return None;
        }
        Some(Self { major: number(1)?, minor: number(2)?, patch: number(3)?, pre })
    }

    fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch)).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_pre(&self.pre, &other.pre),
            }
        })
    }
}

fn group<'t>(captures: &Captures<'t>, at: usize) -> &'t str {
    captures.get(at).map_or("", |found| found.as_str())
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                return match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                };
            }
        }
    }
}

/// Alternatives, each of comparisons that must all hold.
struct Range(Vec<Vec<Comparison>>);

impl Range {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_RANGE {
            return None;
        }
        let mut rewritten = text.to_owned();
        for span in SPAN.captures_iter(text) {
            let new = format!(">= {}, <= {} ", group(&span, 1), group(&span, 7));
            rewritten = rewritten.replacen(group(&span, 0), &new, 1);
        }
        let groups: Vec<&str> = rewritten.split("||").collect();
        if groups.len() > MAX_GROUPS {
            return None;
        }
        let parse_group = |group: &str| {
            if !VALID.is_match(group) {
                return None;
            }
            FIND.find_iter(group).map(|one| Comparison::parse(one.as_str())).collect::<Option<Vec<_>>>()
        };
        groups.into_iter().map(parse_group).collect::<Option<Vec<_>>>().map(Self)
    }

    fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            // One comparison that speaks of a prerelease lets the whole group see them.
            let sees_pre = version.pre.is_empty() || group.iter().any(|one| !one.version.pre.is_empty());
            sees_pre && group.iter().all(|one| one.allows(version))
        })
    }
}

/// Which part of a range's version is left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    All,
}

struct Comparison {
    operator: String,
    version: Version,
    open: Open,
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        let parts = ONE.captures(text)?;
        let is_open = |part: &str| matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*");
        let (major, minor, patch) = (group(&parts, 3), group(&parts, 4), group(&parts, 5));
        let pre = parts.get(6).map_or(String::new(), |pre| format!("-{}", pre.as_str()));
        let (open, version) = if is_open(major) {
            (Open::All, format!("0.0.0{pre}"))
        } else if is_open(minor) {
            (Open::Minor, format!("{major}.0.0{pre}"))
        } else if is_open(patch) {
            (Open::Patch, format!("{major}{minor}.0{pre}"))
        } else {
            (Open::Nothing, group(&parts, 2).to_owned())
        };
        Some(Self { operator: group(&parts, 1).to_owned(), version: Version::parse(&version)?, open })
    }

    fn allows(&self, version: &Version) -> bool {
        let wanted = &self.version;
        let order = version.compare(wanted);
        match self.operator.as_str() {
            "!=" => self.differs(version),
            ">" => match self.open {
                Open::Nothing | Open::All if version.major == wanted.major || self.open == Open::Nothing => {
                    order == Ordering::Greater
                }
                _ if version.major != wanted.major => version.major > wanted.major,
                Open::Patch => version.minor > wanted.minor,
                _ => false,
            },
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" => match self.open {
                Open::Nothing => order != Ordering::Greater,
                Open::Minor => version.major <= wanted.major,
                Open::Patch | Open::All => (version.major, version.minor) <= (wanted.major, wanted.minor),
            },
            "~" | "~>" => self.is_near(version),
            "^" => self.is_compatible(version),
            _ if self.open == Open::Nothing => order == Ordering::Equal,
            _ => self.is_near(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match self.open {
            Open::Nothing => version.compare(wanted) != Ordering::Equal,
            _ if version.major != wanted.major => true,
            Open::Minor => false,
            _ if version.minor != wanted.minor => true,
            Open::Patch => {
                (!version.pre.is_empty() || !wanted.pre.is_empty())
                    && compare_pre(&version.pre, &wanted.pre) != Ordering::Equal
            }
            Open::All => version.patch != wanted.patch || version.compare(wanted) != Ordering::Equal,
        }
    }

    fn is_near(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version.compare(wanted) == Ordering::Less {
            return false;
        }
        let is_zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        if is_zero && !matches!(self.open, Open::Minor | Open::Patch) {
            return true;
        }
        version.major == wanted.major && (version.minor == wanted.minor || self.open == Open::Minor)
    }

    fn is_compatible(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version.compare(wanted) == Ordering::Less {
            return false;
        }
        if wanted.major > 0 || self.open == Open::Minor {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.open == Open::Patch {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
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
