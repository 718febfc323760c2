//! The options of a Helm chart, with Argo CD's build environment filled in.

use super::build_options::KustomizeSettings;
use bowline_model::{ChartOptions, ChartParameter, ParameterKind, RevisionText};

use super::{filled, listed};
use crate::types::ApplicationSource;

/// What the build environment tells of an application.
pub(super) struct Subject<'a> {
    /// The resource's name.
    pub(super) name: &'a str,
    /// The name by which objects are marked.
    pub(super) instance: &'a str,
    /// The project.
    pub(super) project: &'a str,
    /// The namespace of the destination; empty if it has none.
    pub(super) namespace: &'a str,
    /// What kustomizations may do.
    pub(super) kustomize: &'a KustomizeSettings<'a>,
}

/// Returns how the chart of a source is rendered; `version` has no meaning here, as it has none for Argo CD any more.
///
/// `references` are the names by which files of other sources may be meant.
pub(super) fn chart(
    source: &ApplicationSource,
    path: &str,
    subject: &Subject<'_>,
    references: &[&str],
) -> ChartOptions {
    let environment = Environment { source, subject };
    let helm = source.helm.clone().unwrap_or_default();
    let parameters = listed(helm.parameters.as_ref()).iter().map(|parameter| ChartParameter {
        name: parameter.name.clone().unwrap_or_default(),
        value: environment.fill(parameter.value.as_deref().unwrap_or_default(), Escape::Commas),
        kind: if parameter.force_string == Some(true) { ParameterKind::Text } else { ParameterKind::Guessed },
    });
    let files = listed(helm.file_parameters.as_ref()).iter().map(|parameter| ChartParameter {
        name: parameter.name.clone().unwrap_or_default(),
        value: environment.file(parameter.path.as_deref().unwrap_or_default(), Escape::Commas, references),
        kind: ParameterKind::File,
    });
    let values = match &helm.values_object {
        // JSON is YAML.
        Some(object) => serde_json::Value::Object(object.0.clone()).to_string(),
        None => helm.values.clone().unwrap_or_default(),
    };
    ChartOptions {
        path: path.to_owned(),
        release: filled(helm.release_name.as_deref()).unwrap_or(subject.name).to_owned(),
        namespace: filled(helm.namespace.as_deref()).unwrap_or(subject.namespace).to_owned(),
        value_files: listed(helm.value_files.as_ref())
            .iter()
            .map(|file| environment.file(file, Escape::Nothing, references))
            .collect(),
        ignore_missing_value_files: helm.ignore_missing_value_files == Some(true),
        values,
        parameters: last_of_each(parameters.chain(files).collect()),
        skip_crds: helm.skip_crds == Some(true),
        skip_tests: helm.skip_tests == Some(true),
        skip_schema: helm.skip_schema_validation == Some(true),
        kube_version: helm.kube_version.unwrap_or_default(),
        api_versions: helm.api_versions.unwrap_or_default(),
        ..ChartOptions::default()
    }
}

/// Argo CD keeps the last of parameters with one name and one kind.
fn last_of_each(parameters: Vec<ChartParameter>) -> Vec<ChartParameter> {
    let mut kept: Vec<ChartParameter> = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        kept.retain(|other| other.name != parameter.name || other.kind != parameter.kind);
        kept.push(parameter);
    }
    kept
}

/// What is done to a text so that Helm takes it as one value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    Nothing,
    /// A comma would begin another value, but within a list in braces.
    Commas,
}

/// Argo CD's build environment.
pub(super) struct Environment<'a> {
    pub(super) source: &'a ApplicationSource,
    pub(super) subject: &'a Subject<'a>,
}

enum Part<'a> {
    Text(&'a str),
    Commit(Option<usize>),
}

impl Environment<'_> {
    /// Returns the value of a variable; nothing for one that is not there.
    fn value(&self, variable: &str) -> Part<'_> {
        Part::Text(match variable {
            // So that a `$` can be written.
            "$" => "$",
            "ARGOCD_APP_NAME" => self.subject.instance,
            "ARGOCD_APP_NAMESPACE" => self.subject.namespace,
            "ARGOCD_APP_PROJECT_NAME" => self.subject.project,
            "ARGOCD_APP_REVISION" => return Part::Commit(None),
            "ARGOCD_APP_REVISION_SHORT" => return Part::Commit(Some(7)),
            "ARGOCD_APP_REVISION_SHORT_8" => return Part::Commit(Some(8)),
            "ARGOCD_APP_SOURCE_REPO_URL" => &self.source.repo_url,
            "ARGOCD_APP_SOURCE_PATH" => self.source.path.as_deref().unwrap_or_default(),
            "ARGOCD_APP_SOURCE_TARGET_REVISION" => self.source.target_revision.as_deref().unwrap_or_default(),
            _ => "",
        })
    }

    /// Fills in the variables of a file's name, but for a source's name that it begins with.
    fn file(&self, name: &str, escape: Escape, references: &[&str]) -> RevisionText {
        let parts = name.strip_prefix('$').and_then(|rest| rest.split_once('/'));
        match parts.filter(|(reference, _)| references.contains(reference)) {
            Some((reference, path)) => {
                let path = self.parts(path);
                let parts: Vec<_> = ["$", reference, "/"].map(Part::Text).into_iter().chain(path).collect();
                join(&parts, escape)
            }
            None => self.fill(name, escape),
        }
    }

    /// Fills in variables by the rules of Go's `os.Expand`.
    pub(super) fn fill(&self, text: &str, escape: Escape) -> RevisionText {
        join(&self.parts(text), escape)
    }

    fn parts<'t>(&'t self, text: &'t str) -> Vec<Part<'t>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            parts.push(Part::Text(before));
            if after.is_empty() {
                parts.push(Part::Text("$"));
            }
            let (name, length) = variable(after);
            match (name, length) {
                ("", 0) if !after.is_empty() => parts.push(Part::Text("$")),
                ("", _) => {}
                (name, _) => parts.push(self.value(name)),
            }
            rest = &after[length..];
        }
        parts.push(Part::Text(rest));
        parts
    }
}

/// Reads the variable behind a `$`: its name, and how much of the text it takes. No name, but some length, is a mistake
/// that is left out.
fn variable(text: &str) -> (&str, usize) {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9');
    match text.as_bytes() {
        [b'{', special, b'}', ..] if is_special(special) => (&text[1..2], 3),
        [b'{', ..] => match text.find('}') {
            Some(1) => ("", 2),
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        },
        [special, ..] if is_special(special) => (&text[..1], 1),
        _ => {
            let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            (&text[..end], end)
        }
    }
}

fn join(parts: &[Part<'_>], escape: Escape) -> RevisionText {
    let texts = || parts.iter().filter(|part| !matches!(part, Part::Text("")));
    let starts = matches!(texts().next(), Some(Part::Text(text)) if text.starts_with('{'));
    let ends = matches!(texts().next_back(), Some(Part::Text(text)) if text.ends_with('}'));
    let escapes = escape == Escape::Commas && !(starts && ends);
    let mut joined = RevisionText::default();
    let mut before = None;
    for part in parts {
        match part {
            Part::Commit(digits) => {
                joined.push_commit(*digits);
                before = Some('0');
            }
            Part::Text(text) if escapes => {
                let mut escaped = String::with_capacity(text.len());
                for c in text.chars() {
                    if c == ',' && before != Some('\\') {
                        escaped.push('\\');
                    }
                    escaped.push(c);
                    before = Some(c);
                }
                joined.push(&escaped);
            }
            Part::Text(text) => joined.push(text),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use bowline_model::Revision;

    use super::*;

    fn filled_in(text: &str, escape: Escape) -> String {
        let source =
            ApplicationSource { repo_url: "https://git.example/shop".to_owned(), ..ApplicationSource::default() };
        let kustomize = KustomizeSettings::default();
        let (name, instance) = ("shop", "team_shop");
        let subject = Subject { name, instance, project: "default", namespace: "prod", kustomize: &kustomize };
        let environment = Environment { source: &source, subject: &subject };
        environment.fill(text, escape).at(&Revision::named("main", "0123456789abcdef"))
    }

    #[test]
    fn variables_are_filled_in_as_go_does() {
        for (text, want) in [
            ("plain", "plain"),
            ("$ARGOCD_APP_NAME-${ARGOCD_APP_NAMESPACE}", "team_shop-prod"),
            (
                "$ARGOCD_APP_REVISION_SHORT.$ARGOCD_APP_REVISION_SHORT_8.$ARGOCD_APP_REVISION",
                "0123456.01234567.0123456789abcdef",
            ),
            ("$ARGOCD_APP_SOURCE_REPO_URL", "https://git.example/shop"),
            ("a$", "a$"),
            ("a$ b", "a$ b"),
            ("$$x", "$x"),
            ("${$}x", "$x"),
            ("${}x", "x"),
            ("${x", "x"),
            ("$1a", "a"),
            ("$unknown.", "."),
            ("ü$ARGOCD_APP_NAMEü", "üteam_shopü"),
        ] {
            assert_eq!(filled_in(text, Escape::Nothing), want, "{text}");
        }
    }

    #[test]
    fn commas_begin_no_other_value() {
        for (text, want) in [
            ("a,b", r"a\,b"),
            (r"a\,b", r"a\,b"),
            ("{a,b}", "{a,b}"),
            ("{a,b", r"{a\,b"),
            (",$ARGOCD_APP_REVISION_SHORT,", r"\,0123456\,"),
        ] {
            assert_eq!(filled_in(text, Escape::Commas), want, "{text}");
        }
    }
}
