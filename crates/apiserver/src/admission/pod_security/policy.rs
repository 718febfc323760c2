//! What a namespace's labels ask for.

use std::fmt;

use serde_json::{Value, json};

use crate::error::Cause;

/// How much pods are trusted, least careful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Level {
    #[default]
    Privileged,
    Baseline,
    Restricted,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// The minor version whose rules count; `Latest` follows the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Version {
    #[default]
    Latest,
    Minor(u32),
}

/// A level as one version understood it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Version::Latest => write!(f, "{}:latest", self.level),
            Version::Minor(minor) => write!(f, "{}:v1.{minor}", self.level),
        }
    }
}

/// What a namespace refuses and what it warns of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Policy {
    pub(super) enforce: LevelVersion,
    pub(super) warn: LevelVersion,
}

/// The six labels, without their prefix, in the order their mistakes are told.
const MODES: [&str; 3] = ["enforce", "audit", "warn"];
const PREFIX: &str = "pod-security.kubernetes.io/";

fn level(text: &str) -> Option<Level> {
    [Level::Privileged, Level::Baseline, Level::Restricted].into_iter().find(|level| level.to_string() == text)
}

fn version(text: &str) -> Option<Version> {
    if text == "latest" {
        return Some(Version::Latest);
    }
    let minor = text.strip_prefix("v1.")?;
    let canonical = minor == "0" || !minor.starts_with('0');
    (canonical && minor.bytes().all(|byte| byte.is_ascii_digit())).then(|| minor.parse().ok().map(Version::Minor))?
}

impl Policy {
    /// Reads the labels; what is wrong with one counts as the strictest for `enforce` and as nothing for the rest.
    pub(super) fn read(labels: &Value) -> (Self, Vec<Cause>) {
        let mut mistakes = Vec::new();
        let mut modes = [LevelVersion::default(); 3];
        let (mut levelled, mut versioned) = ([false; 3], [false; 3]);
        for (at, mode) in MODES.iter().enumerate() {
            let mut refuse = |label: String, value: &str, why: &str| {
                mistakes.push(Cause::invalid(format!("metadata.labels[{label}]"), &json!(value), why));
            };
            let key = format!("{PREFIX}{mode}");
            if let Some(text) = labels[&key].as_str() {
                // A `warn` level that cannot be read was still given; see below.
                levelled[at] = at == 2;
                match level(text) {
                    Some(level) => {
                        modes[at].level = level;
                        levelled[at] = true;
                    }
                    None => {
                        modes[at].level = if at == 0 { Level::Restricted } else { Level::Privileged };
                        refuse(key.clone(), text, "must be one of privileged, baseline, restricted");
                    }
                }
            }
            let key = format!("{key}-version");
            if let Some(text) = labels[&key].as_str() {
                versioned[at] = true;
                match version(text) {
                    Some(version) => modes[at].version = version,
                    None => refuse(key, text, "must be \"latest\" or \"v1.x\""),
                }
            }
        }
        let [enforce, _, mut warn] = modes;
        // Whoever enforces wants to be told of templates too.
        if !levelled[2] && levelled[0] && enforce.level > warn.level {
            warn.level = enforce.level;
            if !versioned[2] {
                warn.version = enforce.version;
            }
        }
        (Self { enforce, warn }, mistakes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enforcing_warns_too() {
        let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.25" });
        let (policy, mistakes) = Policy::read(&labels);
        assert!(mistakes.is_empty());
        assert_eq!(policy.warn.to_string(), "baseline:v1.25");
        let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "privileged" });
        assert_eq!(Policy::read(&labels).0.warn.level, Level::Privileged);
    }

    #[test]
    fn versions_are_canonical() {
        assert_eq!(version("v1.0"), Some(Version::Minor(0)));
        for text in ["v1.01", "1.2", "v2.1", "v1.", "v1.x", ""] {
            assert_eq!(version(text), None, "{text}");
        }
    }
}
