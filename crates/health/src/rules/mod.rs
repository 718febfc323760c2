//! Rules that users write: Lua as Argo CD runs it, CEL as Flux evaluates it.
//!
//! They go before what is built in, of which they know nothing. A rule that fails at an object makes its health unknown,
//! and says so; it never ends a sync as healthy.

mod cel;
mod clock;
mod lua;
mod settings;

pub use settings::scripts_of_settings;

use std::collections::BTreeMap;

use bowline_model::{CustomHealth, Health, HealthExpressions, HealthJudge, HealthScript, Object};

use crate::fields::{is_going, progressing, unknown};

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A script is no Lua 5.1.
    #[error("the health script of `{key}` is no Lua: {reason}")]
    Script {
        /// The group and kind, or pattern, it stands under.
        key: String,
        /// What the compiler says.
        reason: String,
    },
    /// A setting that holds a script, or says what it may use, cannot be read.
    #[error("setting `{key}`: {reason}")]
    Setting {
        /// The whole key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An expression is no CEL, or could run for too long.
    #[error("expression `{field}` for `{key}`: {reason}")]
    Expression {
        /// The version and kind it is for.
        key: String,
        /// Which of them: `current`, `inProgress` or `failed`.
        field: &'static str,
        /// What the compiler says.
        reason: String,
    },
}

/// Users' rules, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    scripts: BTreeMap<String, HealthScript>,
    expressions: Vec<cel::Expressions>,
}

impl Rules {
    /// Compiles rules. Of those that cannot be compiled, each is told; the others hold. Objects for which there is a script
    /// that cannot be compiled have unknown health, as with Argo CD; such expressions count as absent.
    pub fn new(texts: &CustomHealth) -> (Self, Vec<RuleError>) {
        let mut rules = Self::default();
        let mut errors = Vec::new();
        for (key, script) in &texts.scripts {
            if let Err(reason) = lua::check(&script.script) {
                errors.push(RuleError::Script { key: key.clone(), reason });
            }
            rules.scripts.insert(key.clone(), script.clone());
        }
        for texts in &texts.expressions {
            match cel::Expressions::compile(texts) {
                Ok(expressions) => rules.expressions.push(expressions),
                Err((field, reason)) => errors.push(RuleError::Expression { key: key_of(texts), field, reason }),
            }
        }
        (rules, errors)
    }

    /// Judges a live object; `None` when its kind has no health. `now_secs` is what scripts take for the time, in seconds
    /// since 1970.
    ///
    /// What is being deleted is on its way, whatever a rule says, as at both peers. A script that returns nothing
    /// leaves the verdict to what is built in; one that returns an empty table takes the object's health away.
    pub fn assess(&self, judge: HealthJudge, object: &Object, now_secs: i64) -> Option<Health> {
        if is_going(object) || (judge == HealthJudge::Kstatus && object.is_deleting()) {
            return crate::assess(judge, object);
        }
        match judge {
            HealthJudge::ArgoCd => match self.script(object).map(|script| lua::judge(script, object, now_secs)) {
                Some(Ok(lua::Verdict::Told(health))) => Some(health),
                Some(Ok(lua::Verdict::NoHealth)) => None,
                Some(Err(reason)) => Some(unknown(reason)),
                None | Some(Ok(lua::Verdict::Nothing)) => crate::assess(judge, object),
            },
            HealthJudge::Kstatus => match self.expressions(object) {
                Some(expressions) => Some(expressions.judge(object)),
                None => crate::assess(judge, object),
            },
        }
    }

    /// Finds the script of a kind: its own, or that of the longest pattern. Argo CD takes any pattern that fits.
    fn script(&self, object: &Object) -> Option<&HealthScript> {
        let gvk = object.gvk();
        let key = if gvk.group.is_empty() { gvk.kind } else { format!("{}/{}", gvk.group, gvk.kind) };
        let fitting = || self.scripts.iter().filter(|(pattern, _)| fits(pattern.as_bytes(), key.as_bytes()));
        self.scripts.get(&key).or_else(|| fitting().max_by_key(|(pattern, _)| pattern.len()).map(|(_, script)| script))
    }

    /// Finds the expressions of a kind: those that name it, or those for all of its group. Versions do not count.
    fn expressions(&self, object: &Object) -> Option<&cel::Expressions> {
        let gvk = object.gvk();
        let of = |kind: &str| self.expressions.iter().find(|rule| rule.group == gvk.group && rule.kind == kind);
        of(&gvk.kind).or_else(|| of(""))
    }
}

fn key_of(texts: &HealthExpressions) -> String {
    format!("{} {}", texts.api_version, texts.kind).trim_end().to_owned()
}

/// Tells whether a text fits a pattern of `*` (any characters) and `?` (one).
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows the last `*` does not fit.
    let mut retry = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                at = star + 1;
                seen = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// A verdict for those that are on their way without a word.
fn on_its_way() -> Health {
    progressing("")
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit() {
        let cases = [
            ("*/*", "apps/Deployment", true),
            ("*/*", "ConfigMap", false),
            ("*.crossplane.io/*", "s3.aws.crossplane.io/Bucket", true),
            ("*.crossplane.io/*", "crossplane.io/Bucket", false),
            ("a/*b*c", "a/bbxcbc", true),
            ("a/*b*c", "a/bbxcb", false),
            ("a/?", "a/b", true),
            ("a/?", "a/", false),
            ("", "", true),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }
}
