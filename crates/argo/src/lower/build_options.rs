//! What an installation lets kustomizations do: `kustomize.…` of its settings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bowline_model::{Failure, KustomizeBuild, KustomizeCharts, Object, Reason, RemoteBases, Render};

use crate::words;

const OPTIONS: &str = "kustomize.buildOptions";
/// Settings that say where the program of a version is, the older word first.
const VERSIONS: [&str; 2] = ["kustomize.version.", "kustomize.path."];

/// What the settings say of Kustomize.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KustomizeSettings<'a> {
    /// The flags of builds that name no version.
    options: Cow<'a, str>,
    /// The flags of those that name one; of versions that are registered.
    versions: BTreeMap<&'a str, &'a str>,
    /// How a source is built as its resource says, for what files in the source say beside that.
    given: Option<(Option<&'a str>, bool, &'a KustomizeBuild)>,
}

impl<'a> KustomizeSettings<'a> {
    /// Reads the settings of an installation.
    pub(super) fn of(settings: Option<&'a Object>) -> Self {
        let data = settings.and_then(|settings| settings.at("/data")?.as_object());
        let texts = data.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let texts: BTreeMap<&str, &str> = texts.collect();
        let named = texts.keys().filter_map(|name| VERSIONS.iter().find_map(|start| name.strip_prefix(start)));
        let options_of = |version: &str| texts.get(&*format!("{OPTIONS}.{version}")).copied().unwrap_or_default();
        Self {
            options: texts.get(OPTIONS).copied().unwrap_or_default().into(),
            versions: named.map(|version| (version, options_of(version))).collect(),
            given: None,
        }
    }

    /// Goes by how a source is built already: files in it may say much, but not what the installation allows.
    pub(super) fn as_given(version: Option<&'a str>, render: &'a Render) -> Self {
        let given = render.kustomization().map(|options| (version, options.reads_everywhere, &options.build));
        Self { given, ..Self::default() }
    }

    /// Returns whether files may be read from all of the source, and what else a build may do.
    pub(super) fn build(&self, version: Option<&str>) -> Result<(bool, KustomizeBuild), Failure> {
        let invalid = |message: String| Failure::new(Reason::InvalidSpec, message);
        if let Some((known, reads_everywhere, build)) = self.given {
            if known != version {
                let message = "`kustomize.version` cannot be said by a file of the source";
                return Err(invalid(message.to_owned()).help("say it in the Application"));
            }
            return Ok((reads_everywhere, build.clone()));
        }
        let Some(version) = version else { return flags(&self.options, OPTIONS) };
        let Some(options) = self.versions.get(version) else {
            return Err(invalid(format!("kustomize version {version} is not registered"))
                .help(format!("leave `kustomize.version` out, or name it in `{}`", words::SETTINGS_MAP)));
        };
        flags(options, &format!("{OPTIONS}.{version}"))
    }
}

/// Reads flags of `kustomize build`.
///
/// Those that let other programs be run are taken: a kustomization that needs one is refused by itself, and all others
/// are built as ever.
fn flags(text: &str, setting: &str) -> Result<(bool, KustomizeBuild), Failure> {
    let invalid = |why: String| {
        Failure::new(Reason::InvalidSpec, format!("`{setting}` of `{}` {why}", words::SETTINGS_MAP))
            .help("keep to the flags of `kustomize build`")
    };
    let mut build = KustomizeBuild { remotes: RemoteBases::AsSource, ..KustomizeBuild::default() };
    let (mut reads_everywhere, mut more_api_versions) = (false, Vec::new());
    let mut parts = text.split_whitespace();
    while let Some(part) = parts.next() {
        let (name, said) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        let truth = || match said.map(words::parse_bool) {
            None => Ok(true),
            Some(Some(truth)) => Ok(truth),
            Some(None) => Err(invalid(format!("has a value that is neither true nor false: `{part}`"))),
        };
        let mut value =
            || said.or_else(|| parts.next()).ok_or_else(|| invalid(format!("ends with `{part}`, which needs a value")));
        let unknown = |value: &str| invalid(format!("has a value that `{name}` does not know: `{value}`"));
        match name {
            "--enable-helm" => build.charts = truth()?.then(KustomizeCharts::default),
            "--enable-managedby-label" => build.managed_by_label = truth()?,
            "--load-restrictor" => {
                reads_everywhere = match value()? {
                    "LoadRestrictionsNone" => true,
                    "LoadRestrictionsRootOnly" => false,
                    other => return Err(unknown(other)),
                }
            }
            "--reorder" => {
                build.keeps_order = match value()? {
                    "none" => true,
                    "legacy" => false,
                    other => return Err(unknown(other)),
                }
            }
            "--helm-api-versions" => more_api_versions.extend(value()?.split(',').map(str::to_owned)),
            // Argo CD says the cluster's version, or the source's, after this one.
            "--helm-kube-version" => {
                value()?;
            }
            // Charts are rendered in this program.
            "--helm-command" | "--env" | "-e" | "--mount" | "--network-name" => {
                value()?;
            }
            "--helm-debug"
            | "--stack-trace"
            | "--enable-alpha-plugins"
            | "--enable-exec"
            | "--enable-star"
            | "--network"
            | "--as-current-user" => {
                truth()?;
            }
            _ => return Err(invalid(format!("has a flag that is unknown, or has no meaning here: `{part}`"))),
        }
    }
    if let Some(charts) = &mut build.charts {
        charts.more_api_versions = more_api_versions;
    }
    Ok((reads_everywhere, build))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(data: serde_json::Value) -> Object {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data});
        Object::from_value(map).expect("is an object")
    }

    #[test]
    fn flags_are_read_and_unknown_ones_told() {
        let (everywhere, build) = flags(
            "--load-restrictor LoadRestrictionsNone --enable-helm --helm-command=helm3 --reorder none \
             --helm-api-versions a/v1,b/v1 --helm-api-versions c/v1 --enable-alpha-plugins",
            OPTIONS,
        )
        .expect("is read");
        assert!(everywhere && build.keeps_order && !build.managed_by_label);
        assert_eq!(build.charts.expect("are rendered").more_api_versions, ["a/v1", "b/v1", "c/v1"]);
        assert_eq!(build.remotes, RemoteBases::AsSource);
        for (text, words) in [
            ("--enable-hell", "has a flag that is unknown, or has no meaning here: `--enable-hell`"),
            ("--load-restrictor", "ends with `--load-restrictor`, which needs a value"),
            ("--load-restrictor=no", "has a value that `--load-restrictor` does not know: `no`"),
            ("--enable-helm=perhaps", "has a value that is neither true nor false: `--enable-helm=perhaps`"),
            ("-o out", "has a flag that is unknown, or has no meaning here: `-o`"),
        ] {
            let failure = flags(text, OPTIONS).expect_err(text);
            assert_eq!(failure.message, format!("`kustomize.buildOptions` of `argocd-cm` {words}"));
        }
    }

    #[test]
    fn versions_have_options_of_their_own() {
        let settings = settings(json!({
            "kustomize.buildOptions": "--enable-helm", "kustomize.path.v4.5.7": "/tools/kustomize",
            "kustomize.version.v3": "/tools/old", "kustomize.buildOptions.v4.5.7": "--reorder none",
            "kustomize.buildOptions.v9": "--enable-helm",
        }));
        let settings = KustomizeSettings::of(Some(&settings));
        let read = |version: Option<&str>| {
            let (_, build) = settings.build(version).map_err(|failure| failure.message)?;
            Ok::<_, String>((build.charts.is_some(), build.keeps_order))
        };
        assert_eq!(read(None), Ok((true, false)));
        assert_eq!(read(Some("v4.5.7")), Ok((false, true)));
        assert_eq!(read(Some("v3")), Ok((false, false)));
        assert_eq!(read(Some("v9")), Err("kustomize version v9 is not registered".to_owned()));
        let none = KustomizeSettings::of(None);
        assert_eq!(none.build(None).map(|(everywhere, _)| everywhere), Ok(false));
    }
}
