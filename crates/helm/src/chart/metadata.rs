//! What Chart.yaml says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{LoadError, decode};
use crate::functions::semver;

/// The content of Chart.yaml; texts that are not there are empty.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "these are the fields of Chart.yaml, as Helm's documentation describes them")]
pub struct Metadata {
    pub name: String,
    pub home: String,
    pub sources: Vec<String>,
    pub version: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub maintainers: Vec<Option<Maintainer>>,
    pub icon: String,
    pub api_version: String,
    pub condition: String,
    pub tags: String,
    pub app_version: String,
    pub deprecated: bool,
    pub annotations: Option<BTreeMap<String, String>>,
    pub kube_version: String,
    pub dependencies: Vec<Option<Dependency>>,
    pub chart_type: String,
}

/// One who looks after a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "these are the fields of Chart.yaml")]
pub struct Maintainer {
    pub name: String,
    pub email: String,
    pub url: String,
}

/// A chart that a chart asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// The name of the chart; after dependencies were processed, its alias.
    pub name: String,
    /// The range of versions.
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Paths into the values, separated by commas: the first that holds a boolean decides.
    pub condition: String,
    /// Names in the values' `tags`: one that is true is enough.
    pub tags: Vec<String>,
    /// Whether the chart takes part.
    pub enabled: bool,
    /// What is taken from the values of the chart.
    pub import_values: Vec<ImportValue>,
    /// The name that the chart goes by here.
    pub alias: String,
}

/// The exact versions that were found for a chart's dependencies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// Of what was asked for and what was found.
    pub digest: String,
    /// What was found.
    pub dependencies: Vec<Dependency>,
}

/// An entry of `import-values`.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportValue {
    /// As it was written.
    Written(Json),
    /// As it was understood.
    Resolved {
        /// The path in the dependency's values.
        child: String,
        /// The path in the chart's own values.
        parent: String,
    },
}

impl Metadata {
    /// Takes over what a document says; what it does not say stays.
    pub(super) fn decode(&mut self, value: &Json) -> Result<(), String> {
        decode::object(value, "", "v2.Metadata", |key, value| match key {
            "name" => decode::text(&mut self.name, value, "Metadata.name"),
            "home" => decode::text(&mut self.home, value, "Metadata.home"),
            "sources" => decode::texts(&mut self.sources, value, "Metadata.sources"),
            "version" => decode::text(&mut self.version, value, "Metadata.version"),
            "description" => decode::text(&mut self.description, value, "Metadata.description"),
            "keywords" => decode::texts(&mut self.keywords, value, "Metadata.keywords"),
            "maintainers" => {
                let place = "Metadata.maintainers";
                decode::list(&mut self.maintainers, value, place, "[]*v2.Maintainer", Maintainer::decode)
            }
            "icon" => decode::text(&mut self.icon, value, "Metadata.icon"),
            "apiversion" => decode::text(&mut self.api_version, value, "Metadata.apiVersion"),
            "condition" => decode::text(&mut self.condition, value, "Metadata.condition"),
            "tags" => decode::text(&mut self.tags, value, "Metadata.tags"),
            "appversion" => decode::text(&mut self.app_version, value, "Metadata.appVersion"),
            "deprecated" => decode::truth(&mut self.deprecated, value, "Metadata.deprecated"),
            "annotations" => self.annotations(value),
            "kubeversion" => decode::text(&mut self.kube_version, value, "Metadata.kubeVersion"),
            "dependencies" => {
                let place = "Metadata.dependencies";
                decode::list(&mut self.dependencies, value, place, "[]*v2.Dependency", Dependency::decode)
            }
            "type" => decode::text(&mut self.chart_type, value, "Metadata.type"),
            _ => Ok(()),
        })
    }

    fn annotations(&mut self, value: &Json) -> Result<(), String> {
        const PLACE: &str = "Metadata.annotations";
        let mut annotations = self.annotations.take().unwrap_or_default();
        match value {
            Json::Null => return Ok(()),
            Json::Object(entries) => {
                for (key, value) in entries {
                    let mut text = String::new();
                    decode::text(&mut text, value, PLACE)?;
                    annotations.insert(key.clone(), text);
                }
            }
            other => return Err(crate::yaml::cannot_unmarshal(other, PLACE, "map[string]string")),
        }
        self.annotations = Some(annotations);
        Ok(())
    }

    /// Checks what Helm checks, and cleans the texts as it does.
    pub(super) fn validate(&mut self) -> Result<(), LoadError> {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
        let refused = |why: &str| Err(LoadError::Invalid(why.to_owned()));
        if self.api_version.is_empty() {
            return refused("chart.metadata.apiVersion is required");
        }
        if self.name.is_empty() {
            return refused("chart.metadata.name is required");
        }
        if self.name == "." || self.name == ".." {
            return refused(&format!("chart.metadata.name {} is not allowed", quoted(&self.name)));
        }
        if self.name.contains('/') {
            return refused(&format!("chart.metadata.name {} is invalid", quoted(&self.name)));
        }
        if self.version.is_empty() {
            return refused("chart.metadata.version is required");
        }
        if !semver::is_version(&self.version) {
            return refused(&format!("chart.metadata.version {} is invalid", quoted(&self.version)));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return refused("chart.metadata.type must be application or library");
        }
        for maintainer in &mut self.maintainers {
            let Some(maintainer) = maintainer else {
                return refused("maintainers must not contain empty or null nodes");
            };
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        let mut names = BTreeSet::new();
        for dependency in &mut self.dependencies {
            let Some(dependency) = dependency else {
                return refused("dependencies must not contain empty or null nodes");
            };
            dependency.validate()?;
            let name = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if !names.insert(name.clone()) {
                return refused(&format!("more than one dependency with name or alias {}", quoted(name)));
            }
        }
        Ok(())
    }

    /// Returns the dependencies; none is null in a chart that was loaded.
    pub fn requirements(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().flatten()
    }
}

impl Lock {
    /// Reads a lock; an empty one is none.
    pub(super) fn decode(value: &Json) -> Result<Option<Self>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let (mut digest, mut dependencies) = (String::new(), Vec::new());
        decode::object(value, "", "v2.Lock", |key, value| match key {
            "digest" => decode::text(&mut digest, value, "Lock.digest"),
            "dependencies" => {
                let place = "Lock.dependencies";
                decode::list(&mut dependencies, value, place, "[]*v2.Dependency", Dependency::decode)
            }
            _ => Ok(()),
        })?;
        Ok(Some(Self { digest, dependencies: dependencies.into_iter().flatten().collect() }))
    }
}

impl Maintainer {
    fn decode(value: &Json) -> Result<Option<Self>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let mut this = Self::default();
        decode::object(value, "Metadata.maintainers", "v2.Maintainer", |key, value| match key {
            "name" => decode::text(&mut this.name, value, "Maintainer.maintainers.name"),
            "email" => decode::text(&mut this.email, value, "Maintainer.maintainers.email"),
            "url" => decode::text(&mut this.url, value, "Maintainer.maintainers.url"),
            _ => Ok(()),
        })?;
        Ok(Some(this))
    }
}

impl Dependency {
    fn decode(value: &Json) -> Result<Option<Self>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let mut this = Self::default();
        decode::object(value, "Metadata.dependencies", "v2.Dependency", |key, value| match key {
            "name" => decode::text(&mut this.name, value, "Dependency.dependencies.name"),
            "version" => decode::text(&mut this.version, value, "Dependency.dependencies.version"),
            "repository" => decode::text(&mut this.repository, value, "Dependency.dependencies.repository"),
            "condition" => decode::text(&mut this.condition, value, "Dependency.dependencies.condition"),
            "tags" => decode::texts(&mut this.tags, value, "Dependency.dependencies.tags"),
            "enabled" => decode::truth(&mut this.enabled, value, "Dependency.dependencies.enabled"),
            "import-values" => {
                let place = "Dependency.dependencies.import-values";
                decode::list(&mut this.import_values, value, place, "[]interface {}", |item| {
                    Ok(ImportValue::Written(crate::yaml::float(item.clone())))
                })
            }
            "alias" => decode::text(&mut this.alias, value, "Dependency.dependencies.alias"),
            _ => Ok(()),
        })?;
        Ok(Some(this))
    }

    fn validate(&mut self) -> Result<(), LoadError> {
        [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition]
            .into_iter()
            .chain(&mut self.tags)
            .for_each(sanitize);
        if self.alias.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            Ok(())
        } else {
            let name = quoted(&self.name);
            Err(LoadError::Invalid(format!("dependency {name} has disallowed characters in the alias")))
        }
    }
}

fn quoted(text: &str) -> String {
    bowline_gotmpl::quote(text)
}

/// Makes every sort of space a plain one, and drops what does not print.
fn sanitize(text: &mut String) {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| if is_go_space(c) { Some(' ') } else { (!c.is_control() && !is_unprintable(c)).then_some(c) })
        .collect();
}

/// Go's `unicode.IsSpace`.
pub(crate) fn is_go_space(c: char) -> bool {
    c.is_whitespace()
}

/// Characters of the classes that Go's `unicode.IsPrint` refuses and that turn up in texts: formats and private use.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{f0000}'..)
}
