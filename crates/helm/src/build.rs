//! What `helm dependency build` and `helm dependency update` would put into a chart's `charts/`.
//!
//! Nothing is fetched here: archives come from whoever asks, and charts beside this one from its tree.

use bowline_tree::{Tree, TreePath};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::chart::{Chart, Dependency, ImportValue, LoadError, load_archive, load_directory};
use crate::dependencies::check_dependencies;
use crate::functions::semver::{is_compatible, is_constraint};

/// What is done with the versions that Chart.lock holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// They are taken, as by `helm dependency build`; a lock that is not of these dependencies is an error.
    Honoured,
    /// They are taken, as by Flux, whether or not the lock is of these dependencies.
    Trusted,
    /// They are passed over, as by `helm dependency update`.
    Ignored,
}

/// A chart to fetch from a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The chart's name.
    pub name: String,
    /// An exact version where it is locked, else a constraint.
    pub version: String,
    /// `https://…` or `oci://…`.
    pub repository: String,
}

/// Why a chart was not completed. The texts are Helm's where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<E> {
    /// Chart.yaml has changed since the lock was written.
    #[error("{}", if *.is_old {
        "the lock file (requirements.lock) is out of sync with the dependencies file (requirements.yaml). Please update the dependencies"
    } else {
        "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies with 'helm dependency update'"
    })]
    OutOfSync {
        /// Whether the chart keeps them in requirements.yaml.
        is_old: bool,
    },
    /// A repository is named by an alias that nobody knows.
    #[error("no repository definition for {0}")]
    UnknownAlias(String),
    /// The version is no constraint.
    #[error("dependency {0} has an invalid version/constraint format")]
    InvalidVersion(String),
    /// A dependency without a repository is not in `charts/`.
    #[error("directory charts/{0} not found")]
    NotHeld(String),
    /// A chart in `charts/` or beside this one has another version.
    #[error("dependency {name} at version {have} does not satisfy the constraint {want}")]
    Unfit {
        /// The chart.
        name: String,
        /// Its version.
        have: String,
        /// What is asked for.
        want: String,
    },
    /// A `file://` leads out of the source.
    #[error("the repository {0} of a dependency leads out of the source")]
    Outside(String),
    /// A chart cannot be loaded.
    #[error("unable to load chart '{name}': {why}")]
    Load {
        /// The chart.
        name: String,
        /// What is wrong with it.
        why: LoadError,
    },
    /// A chart cannot be fetched.
    #[error("could not download {name} from {repository}")]
    Fetch {
        /// The chart.
        name: String,
        /// Where it should be.
        repository: String,
        /// What went wrong.
        #[source]
        why: E,
    },
}

/// How a chart is completed.
pub struct Build<'a, E> {
    /// What the chart is part of.
    pub tree: &'a dyn Tree,
    /// The chart's directory in the tree.
    pub top: &'a TreePath,
    /// What is done with its lock.
    pub locking: Locking,
    /// Returns the address of a repository that is named by an alias (`@name`).
    pub alias: &'a dyn Fn(&str) -> Option<String>,
    /// Fetches the archive of a chart.
    pub fetch: &'a dyn Fn(&Needed) -> Result<Bytes, E>,
}

impl<E> Build<'_, E> {
    /// Puts in what the chart asks for and does not hold; a chart that holds everything stays as it is.
    pub fn complete(&self, chart: &mut Chart) -> Result<(), BuildError<E>> {
        if check_dependencies(chart).is_ok() {
            return Ok(());
        }
        let mut fetched = Vec::new();
        for wanted in self.wanted(chart)? {
            if let Some(found) = self.find(chart, &wanted)? {
                fetched.push(found);
            }
        }
        chart.dependencies.retain(|held| fetched.iter().all(|found: &Chart| found.name() != held.name()));
        chart.dependencies.append(&mut fetched);
        // The order of the files that they would be.
        chart.dependencies.sort_by_cached_key(|held| format!("{}-{}.tgz", held.name(), held.metadata.version));
        Ok(())
    }

    /// Returns the dependencies to put in, each once.
    fn wanted(&self, chart: &Chart) -> Result<Vec<Dependency>, BuildError<E>> {
        let as_written: Vec<Dependency> = chart.metadata.requirements().cloned().collect();
        let mut asked = as_written.clone();
        for dependency in &mut asked {
            let repository = &dependency.repository;
            let Some(name) = repository.strip_prefix('@').or_else(|| repository.strip_prefix("alias:")) else {
                continue;
            };
            dependency.repository = (self.alias)(name).ok_or_else(|| BuildError::UnknownAlias(repository.clone()))?;
        }
        let mut wanted = match &chart.lock {
            Some(lock) if self.locking != Locking::Ignored => {
                let is_old = chart.metadata.api_version == "v1";
                let in_sync = self.locking == Locking::Trusted
                    || lock.digest == digest(&format!("[{},{}]", listed(&asked), listed(&lock.dependencies)))
                    || (is_old && lock.digest == digest(&format!("{{\"dependencies\":{}}}", listed(&as_written))));
                if !in_sync {
                    return Err(BuildError::OutOfSync { is_old });
                }
                lock.dependencies.clone()
            }
            _ => asked,
        };
        if let Some(invalid) = wanted.iter().find(|dependency| !is_constraint(&dependency.version)) {
            return Err(BuildError::InvalidVersion(invalid.name.clone()));
        }
        // One chart may go by many names.
        let mut seen = Vec::new();
        wanted.retain(|dependency| {
            let key = (dependency.name.clone(), dependency.version.clone(), dependency.repository.clone());
            let is_new = !seen.contains(&key);
            seen.push(key);
            is_new
        });
        Ok(wanted)
    }

    /// Returns the chart that meets a dependency; `None` where `charts/` holds it already.
    fn find(&self, chart: &Chart, wanted: &Dependency) -> Result<Option<Chart>, BuildError<E>> {
        let Dependency { name, version, repository, .. } = wanted;
        let fitting = |have: &Chart| {
            let (have, want) = (have.metadata.version.clone(), version.clone());
            if is_compatible(&want, &have) { Ok(()) } else { Err(BuildError::Unfit { name: name.clone(), have, want }) }
        };
        let load = |why| BuildError::Load { name: name.clone(), why };
        if repository.is_empty() {
            let held = chart.dependencies.iter().find(|held| held.name() == name);
            fitting(held.ok_or_else(|| BuildError::NotHeld(name.clone()))?)?;
            return Ok(None);
        }
        if let Some(path) = repository.strip_prefix("file://") {
            let outside = || BuildError::Outside(repository.clone());
            if path.starts_with('/') {
                return Err(outside());
            }
            let path = self.top.join(path).map_err(|_| outside())?;
            let found = load_directory(self.tree, &path).map_err(load)?;
            fitting(&found)?;
            return Ok(Some(found));
        }
        let needed = Needed { name: name.clone(), version: version.clone(), repository: repository.clone() };
        let archive = (self.fetch)(&needed).map_err(|why| BuildError::Fetch {
            name: name.clone(),
            repository: repository.clone(),
            why,
        })?;
        load_archive(&archive).map(Some).map_err(load)
    }
}

/// The digest of a lock: of the text that Go writes.
fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// Writes dependencies as Go writes Helm's `[]*chart.Dependency`.
fn listed(dependencies: &[Dependency]) -> String {
    format!("[{}]", dependencies.iter().map(written).collect::<Vec<_>>().join(","))
}

fn written(dependency: &Dependency) -> String {
    let mut fields = vec![field("name", &Json::from(dependency.name.as_str()))];
    let unless_empty = |name, text: &String| (!text.is_empty()).then(|| field(name, &Json::from(text.as_str())));
    fields.extend(unless_empty("version", &dependency.version));
    fields.push(field("repository", &Json::from(dependency.repository.as_str())));
    fields.extend(unless_empty("condition", &dependency.condition));
    if !dependency.tags.is_empty() {
        fields.push(field("tags", &Json::from(dependency.tags.clone())));
    }
    if dependency.enabled {
        fields.push(field("enabled", &Json::Bool(true)));
    }
    if !dependency.import_values.is_empty() {
        let imports = dependency.import_values.iter().map(|import| match import {
            ImportValue::Written(value) => value.clone(),
            ImportValue::Resolved { child, parent } => json!({"child": child, "parent": parent}),
        });
        fields.push(field("import-values", &imports.collect()));
    }
    fields.extend(unless_empty("alias", &dependency.alias));
    format!("{{{}}}", fields.join(","))
}

fn field(name: &str, value: &Json) -> String {
    format!("{}:{}", go_json(&Json::from(name)), go_json(value))
}

/// Go's `json.Marshal`: keys in order, and no character that HTML knows.
fn go_json(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Json::Object(entries) => {
            let sorted: std::collections::BTreeMap<_, _> = entries.iter().collect();
            let fields: Vec<String> = sorted.into_iter().map(|(name, value)| field(name, value)).collect();
            format!("{{{}}}", fields.join(","))
        }
        Json::Number(number) => match number.as_f64() {
            // Numbers of YAML are floats, which Go writes without a fraction where they have none.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => {
            let mut text = other.to_string();
            for (letter, code) in
                [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
            {
                text = text.replace(letter, code);
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use bowline_tree::MemoryTree;

    use super::*;

    const MANIFEST: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n";

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).expect("is inside")
    }

    /// A tree with the chart `shop`, which asks for these, beside the chart `base` of version 1.2.3.
    fn tree(dependencies: &str, lock: Option<&str>) -> MemoryTree {
        let mut tree = MemoryTree::new();
        tree.insert(path("shop/Chart.yaml"), format!("{MANIFEST}{dependencies}"));
        tree.insert(path("base/Chart.yaml"), "apiVersion: v2\nname: base\nversion: 1.2.3\n");
        if let Some(lock) = lock {
            tree.insert(path("shop/Chart.lock"), lock.to_owned());
        }
        tree
    }

    /// Completes the chart; tells what it holds then, or why not, and what was asked for.
    fn complete(tree: &MemoryTree, locking: Locking) -> (Result<Vec<String>, String>, Vec<String>) {
        let asked = RefCell::new(Vec::new());
        let fetch = |needed: &Needed| {
            asked.borrow_mut().push(format!("{} {} {}", needed.name, needed.version, needed.repository));
            Err("it is not there".to_owned())
        };
        let alias = |name: &str| (name == "known").then(|| "https://example.com".to_owned());
        let top = path("shop");
        let mut chart = load_directory(tree, &top).expect("is a chart");
        let done = Build { tree, top: &top, locking, alias: &alias, fetch: &fetch }.complete(&mut chart);
        let held =
            || chart.dependencies.iter().map(|held| format!("{} {}", held.name(), held.metadata.version)).collect();
        (done.map(|()| held()).map_err(|error| error.to_string()), asked.into_inner())
    }

    #[test]
    fn charts_beside_the_chart_are_put_in() {
        let beside = "- {name: base, version: ^1.2, repository: 'file://../base', alias: a}\n\
                      - {name: base, version: ^1.2, repository: 'file://../base', alias: b}\n";
        let (done, _) = complete(&tree(beside, None), Locking::Honoured);
        assert_eq!(done, Ok(vec!["base 1.2.3".to_owned()]));
        for (dependency, want) in [
            (
                "{name: base, version: ^2, repository: 'file://../base'}",
                "dependency base at version 1.2.3 does not satisfy",
            ),
            (
                "{name: base, version: ^1, repository: 'file:///base'}",
                "the repository file:///base of a dependency leads out",
            ),
            ("{name: base, version: ^1, repository: 'file://../../base'}", "leads out of the source"),
            ("{name: gone, version: ^1, repository: 'file://../gone'}", "unable to load chart 'gone'"),
            ("{name: base, version: ^1}", "directory charts/base not found"),
            ("{name: base, version: 'a b', repository: 'file://../base'}", "dependency base has an invalid version"),
            ("{name: base, version: ^1, repository: '@unknown'}", "no repository definition for @unknown"),
        ] {
            let error = complete(&tree(&format!("- {dependency}\n"), None), Locking::Honoured).0.expect_err("fails");
            assert!(error.contains(want), "{dependency}: {error}");
        }
    }

    #[test]
    fn a_lock_says_the_versions_and_must_be_of_these_dependencies() {
        let dependencies = "- {name: web, version: '>=1 <2', repository: '@known'}\n";
        let asked = r#"[{"name":"web","version":"\u003e=1 \u003c2","repository":"https://example.com"}]"#;
        let locked = r#"[{"name":"web","version":"1.4.2","repository":"https://example.com"}]"#;
        let lock = |digest: &str| {
            format!(
                "dependencies: [{{name: web, version: 1.4.2, repository: 'https://example.com'}}]\ndigest: {digest}\n"
            )
        };
        let good = tree(dependencies, Some(&lock(&digest(&format!("[{asked},{locked}]")))));
        assert_eq!(complete(&good, Locking::Honoured).1, ["web 1.4.2 https://example.com"]);
        assert_eq!(complete(&good, Locking::Ignored).1, ["web >=1 <2 https://example.com"]);
        let stale = tree(dependencies, Some(&lock("sha256:00")));
        let (done, asked) = complete(&stale, Locking::Honoured);
        let error = done.expect_err("fails");
        assert!(error.contains("(Chart.lock) is out of sync with the dependencies file (Chart.yaml)"), "{error}");
        assert!(asked.is_empty());
        assert_eq!(complete(&stale, Locking::Trusted).1, ["web 1.4.2 https://example.com"]);
        let error = complete(&tree(dependencies, None), Locking::Honoured).0.expect_err("fails");
        assert_eq!(error, "could not download web from https://example.com");
    }
}
