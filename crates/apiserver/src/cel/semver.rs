//! Semantic versions, as `github.com/blang/semver` reads and orders them.

use std::cmp::Ordering;

use bowline_smd::quote_go;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(super) numbers: [u64; 3],
    pre: Vec<String>,
}

impl Version {
    /// Reads a version.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [major, minor, rest] = parts[..] else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let number = |name: &str, text: &str| {
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("Invalid character(s) found in {name} number {}", quote_go(text)));
            }
            if text.len() > 1 && text.starts_with('0') {
                let name = name[..1].to_uppercase() + &name[1..];
                return Err(format!("{name} number must not contain leading zeroes {text:?}"));
            }
            let why = if text.is_empty() { "invalid syntax" } else { "value out of range" };
            text.parse::<u64>().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: {why}"))
        };
        let (major, minor) = (number("major", major)?, number("minor", minor)?);
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, pre) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        let numbers = [major, minor, number("patch", patch)?];
        let is_identifier =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let mut labels = Vec::new();
        for part in pre.into_iter().flat_map(|pre| pre.split('.')) {
            if part.is_empty() {
                return Err("Prerelease is empty".to_owned());
            }
            if !is_identifier(part) {
                return Err(format!("Invalid character(s) found in prerelease {}", quote_go(part)));
            }
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && part.len() > 1 && part.starts_with('0') {
                return Err(format!("Numeric PreRelease version must not contain leading zeroes {part:?}"));
            }
            if is_number && part.parse::<u64>().is_err() {
                return Err(format!("strconv.ParseUint: parsing {part:?}: value out of range"));
            }
            labels.push(part.to_owned());
        }
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            if part.is_empty() {
                return Err("Build meta data is empty".to_owned());
            }
            if !is_identifier(part) {
                return Err(format!("Invalid character(s) found in build meta data {}", quote_go(part)));
            }
        }
        Ok(Self { numbers, pre: labels })
    }

    /// Reads a version as people write it: with a `v` before it, with numbers left out or zeros before them.
    pub(super) fn parse_loosely(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(str::to_owned).collect();
        for part in &mut parts {
            if part.len() > 1 {
                let trimmed = part.trim_start_matches('0');
                let is_number = trimmed.starts_with(|letter: char| letter.is_ascii_digit());
                *part = if is_number { trimmed.to_owned() } else { format!("0{trimmed}") };
            }
        }
        if parts.len() < 3 {
            if parts.last().is_some_and(|part| part.contains(['+', '-'])) {
                return Err("short version cannot contain PreRelease/Build meta data".to_owned());
            }
            parts.resize(3, "0".to_owned());
        }
        Self::parse(&parts.join("."))
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let by_label = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_labels(&self.pre, &other.pre),
        };
        self.numbers.cmp(&other.numbers).then_with(by_label)
    }
}

fn compare_labels(a: &[String], b: &[String]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let found = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if found != Ordering::Equal {
            return found;
        }
    }
    a.len().cmp(&b.len())
}
