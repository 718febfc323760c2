//! Where objects come from, and what changed them: the annotations of `buildMetadata`.

use serde_json::Value;

use crate::build::{Build, ObjectId};
use crate::error::BuildError;
use crate::remote::RepositoryUrl;
use crate::resource::{ORIGIN, TRANSFORMATIONS};

/// The configuration of a generator or transformer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ConfiguredBy {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// Where something comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) path: String,
    repo: String,
    reference: String,
    configured_in: String,
    configured_by: ConfiguredBy,
}

impl Origin {
    /// The origin of what a kustomization names by a path.
    pub(crate) fn append(&self, path: &str) -> Self {
        if let Ok(url) = RepositoryUrl::parse(path) {
            let inside = url.path();
            // Kustomize takes off the first part of where the files will be, which has but one part then.
            let path = if inside.is_root() { "notCloned".to_owned() } else { inside.to_string() };
            return Self { path, repo: url.address, reference: url.reference, ..self.clone() };
        }
        Self { path: clean_join(&self.path, path), ..self.clone() }
    }

    /// The origin of what a plugin of Kustomize's own makes or changes.
    pub(crate) fn builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            configured_in: clean_join(&self.path, file),
            configured_by: ConfiguredBy {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..ConfiguredBy::default()
            },
            ..self.clone()
        }
    }

    /// The origin of what a plugin with a configuration of its own makes or changes.
    pub(crate) fn of_plugin(text: &str, configured_by: ConfiguredBy) -> Result<Self, BuildError> {
        let read = Self::parse(text)?;
        Ok(Self { configured_in: read.path.clone(), path: String::new(), configured_by, ..read })
    }

    fn parse(text: &str) -> Result<Self, BuildError> {
        let value = crate::text::yaml_to_json(text.as_bytes()).map_err(BuildError::new)?;
        Ok(Self::of_value(&value))
    }

    fn of_value(value: &Value) -> Self {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let by = value.get("configuredBy").unwrap_or(&Value::Null);
        Self {
            path: text(value, "path"),
            repo: text(value, "repo"),
            reference: text(value, "ref"),
            configured_in: text(value, "configuredIn"),
            configured_by: ConfiguredBy {
                api_version: text(by, "apiVersion"),
                kind: text(by, "kind"),
                name: text(by, "name"),
                namespace: text(by, "namespace"),
            },
        }
    }

    /// Writes it as go-yaml does.
    pub(crate) fn text(&self) -> String {
        let by = &self.configured_by;
        let mut lines = Vec::new();
        let mut line = |indent: &str, name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{indent}{name}: {}\n", written(value)));
            }
        };
        line("", "path", &self.path);
        line("", "repo", &self.repo);
        line("", "ref", &self.reference);
        line("", "configuredIn", &self.configured_in);
        if *by != ConfiguredBy::default() {
            lines.push("configuredBy:\n".to_owned());
            let mut line = |name: &str, value: &str| {
                if !value.is_empty() {
                    lines.push(format!("  {name}: {}\n", written(value)));
                }
            };
            line("apiVersion", &by.api_version);
            line("kind", &by.kind);
            line("name", &by.name);
            line("namespace", &by.namespace);
        }
        if lines.is_empty() { "{}\n".to_owned() } else { lines.concat() }
    }
}

fn written(text: &str) -> String {
    use bowline_yaml::nodes::{Style, Tag, is_other_to_yaml_1_1, meaning_of, scalar_text};
    let plain = meaning_of(text) == Tag::Text && !is_other_to_yaml_1_1(text);
    scalar_text(text, if plain { Style::Plain } else { Style::Double }, 2)
}

/// Joins two paths as Go's `filepath.Join` does.
pub(crate) fn clean_join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Notes the origin of generated objects that have none yet.
pub(crate) fn set_origins(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    origin: Option<&Origin>,
) -> Result<(), BuildError> {
    let Some(origin) = origin else { return Ok(()) };
    for node in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
        if build.store.annotation(node, ORIGIN).is_none() {
            set(build, node, ORIGIN, origin.text())?;
        }
    }
    Ok(())
}

fn set(build: &mut Build<'_>, node: crate::node::NodeId, name: &str, text: String) -> Result<(), BuildError> {
    let mut annotations = build.store.annotations(node);
    annotations.insert(name.to_owned(), text);
    build.store.set_annotations(node, &annotations)
}

/// Notes that objects went through a transformer.
pub(crate) fn add_transformation(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    origin: &Origin,
) -> Result<(), BuildError> {
    for node in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
        if build.store.annotation(node, ORIGIN).is_none() {
            set(build, node, ORIGIN, origin.text())?;
            continue;
        }
        let old = build.store.annotation(node, TRANSFORMATIONS).unwrap_or_default().to_owned();
        let value = crate::text::yaml_to_json(old.as_bytes()).map_err(BuildError::new)?;
        let mut all: Vec<Origin> = value.as_array().into_iter().flatten().map(Origin::of_value).collect();
        all.push(origin.clone());
        let items = all.iter().map(|origin| origin.text().trim_end().replace('\n', "\n  "));
        let text = items.fold(String::new(), |text, item| text + "- " + &item + "\n");
        set(build, node, TRANSFORMATIONS, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_by_go() {
        assert_eq!(clean_join("../base", "../other/x.yaml"), "../other/x.yaml");
        assert_eq!(clean_join("", "./x.yaml"), "x.yaml");
        assert_eq!(clean_join("..", "../x"), "../../x");
    }

    #[test]
    fn an_origin_is_written_and_read() {
        let origin =
            Origin { path: "base".to_owned(), ..Origin::default() }.builtin("kustomization.yaml", "PatchTransformer");
        let text = origin.text();
        assert_eq!(
            text,
            "configuredIn: base/kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: PatchTransformer\n"
        );
        assert_eq!(Origin::parse(&text).expect("is read"), origin);
    }
}
