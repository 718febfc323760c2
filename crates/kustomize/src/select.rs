//! Selecting objects: by patterns of their names, by labels and annotations.

use crate::build::{Build, ObjectId, Objects};
use crate::error::BuildError;
use crate::id::{ResId, split_api_version};
use crate::kustomization::Selector;
use crate::pattern::Pattern;
use crate::resource::Texts;

/// The patterns of a selector; one that is left out fits everything.
pub(crate) struct Patterns {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
}

impl Patterns {
    pub(crate) fn new(selector: &Selector) -> Result<Self, BuildError> {
        let pattern = |text: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            let wrong = || BuildError::new(format!("error parsing regexp: `^(?:{text})$`"));
            Pattern::whole(text).map(Some).ok_or_else(wrong)
        };
        Ok(Self {
            group: pattern(&selector.group)?,
            version: pattern(&selector.version)?,
            kind: pattern(&selector.kind)?,
            name: pattern(&selector.name)?,
            namespace: pattern(&selector.namespace)?,
        })
    }

    pub(crate) fn fits_kind(&self, group: &str, version: &str, kind: &str) -> bool {
        fits(self.kind.as_ref(), kind) && fits(self.group.as_ref(), group) && fits(self.version.as_ref(), version)
    }

    pub(crate) fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    pub(crate) fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Tells whether an id fits, by its namespace as it is written.
    pub(crate) fn fits(&self, id: &ResId) -> bool {
        self.fits_kind(&id.gvk.group, &id.gvk.version, &id.gvk.kind)
            && self.fits_name(&id.name)
            && self.fits_namespace(&id.namespace)
    }
}

fn fits(pattern: Option<&Pattern>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.fits(text))
}

impl Build<'_> {
    /// The objects that a selector fits, by what they were called first or are called now.
    pub(crate) fn select(&self, objects: &[ObjectId], selector: &Selector) -> Result<Objects, BuildError> {
        let patterns = Patterns::new(selector)?;
        let labels = Requirements::parse(&selector.labels)?;
        let annotations = Requirements::parse(&selector.annotations)?;
        let mut selected = Vec::new();
        for id in objects {
            let Some(node) = self.node(*id) else { continue };
            let (group, version) = split_api_version(self.store.api_version(node));
            if !patterns.fits_kind(group, version, self.store.kind(node)) {
                continue;
            }
            let (current, original) = (self.store.current_id(node), self.store.original_id(node));
            let fits_namespace = patterns.fits_namespace(original.effective_namespace())
                || patterns.fits_namespace(current.effective_namespace());
            if fits_namespace
                && (patterns.fits_name(&original.name) || patterns.fits_name(&current.name))
                && (labels.is_empty() || labels.fit(&self.store.labels(node)))
                && (annotations.is_empty() || annotations.fit(&self.store.annotations(node)))
            {
                selected.push(*id);
            }
        }
        Ok(selected)
    }
}

/// What a selector of labels asks for: all of it must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requirements(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirements {
    /// Reads a selector as `kubectl -l` takes it.
    pub(crate) fn parse(text: &str) -> Result<Self, BuildError> {
        let refused = || BuildError::new(format!("unable to parse requirement: {text}"));
        let mut requirements = Vec::new();
        for part in split_outside_brackets(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(refused());
            }
            requirements.push(Requirement::parse(part).ok_or_else(refused)?);
        }
        Ok(Self(requirements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn fit(&self, labels: &Texts) -> bool {
        self.0.iter().all(|requirement| requirement.fits(labels))
    }
}

/// Cuts at the commas that are not inside `(…)`.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let key = |text: &str| {
            let text = text.trim();
            let is_key = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            is_key.then(|| text.to_owned())
        };
        let value = |text: &str| {
            let text = text.trim();
            let is_value = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            is_value.then(|| text.to_owned())
        };
        if let Some(rest) = text.strip_prefix('!') {
            return key(rest).map(Self::Absent);
        }
        if let Some(inside) = text.strip_suffix(')') {
            let (before, inside) = inside.split_once('(')?;
            let (name, operator) = before.trim().rsplit_once(char::is_whitespace)?;
            let values = inside.split(',').map(value).collect::<Option<Vec<_>>>()?;
            return match operator {
                "in" => Some(Self::In(key(name)?, values)),
                "notin" => Some(Self::NotIn(key(name)?, values)),
                _ => None,
            };
        }
        if let Some((name, wanted)) = text.split_once("!=") {
            return Some(Self::NotIn(key(name)?, vec![value(wanted)?]));
        }
        if let Some((name, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Some(Self::In(key(name)?, vec![value(wanted)?]));
        }
        if let Some((name, bound)) = text.split_once('>') {
            return Some(Self::Greater(key(name)?, bound.trim().parse().ok()?));
        }
        if let Some((name, bound)) = text.split_once('<') {
            return Some(Self::Less(key(name)?, bound.trim().parse().ok()?));
        }
        key(text).map(Self::Exists)
    }

    fn fits(&self, labels: &Texts) -> bool {
        let number = |key: &String| labels.get(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Greater(key, bound) => number(key).is_some_and(|value| value > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|value| value < *bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_hold_together() {
        let labels: Texts = [("app".to_owned(), "web".to_owned()), ("n".to_owned(), "5".to_owned())].into();
        for (text, want) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("app=web,n==5", true),
            ("app!=web", false),
            ("app in (web, api), other notin (x)", true),
            ("n>4,n<6", true),
            ("n>5", false),
        ] {
            assert_eq!(Requirements::parse(text).expect("is a selector").fit(&labels), want, "{text}");
        }
        assert!(Requirements::parse("a b").is_err());
    }
}
