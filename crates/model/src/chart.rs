//! How a Helm chart in a source is rendered.

use std::collections::BTreeMap;

use crate::{KustomizeOptions, Revision, Secret};

/// A text with parts that are known only once there is a revision.
///
/// Argo CD's build environment names the revision in values and paths of charts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionText(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// So many digits of the commit, or all.
    Commit(Option<usize>),
}

impl RevisionText {
    /// Adds a text that is what it is.
    pub fn push(&mut self, text: &str) {
        if let Some(Piece::Literal(last)) = self.0.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.0.push(Piece::Literal(text.to_owned()));
        }
    }

    /// Adds the first `digits` of the commit, or all of it.
    pub fn push_commit(&mut self, digits: Option<usize>) {
        self.0.push(Piece::Commit(digits));
    }

    /// Tells whether the text is another one for another revision.
    pub fn names_revision(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Commit(_)))
    }

    /// Returns the text for a revision.
    pub fn at(&self, revision: &Revision) -> String {
        let commit = revision.digest.as_str();
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Commit(digits) => digits.and_then(|digits| commit.get(..digits)).unwrap_or(commit),
            })
            .collect()
    }
}

impl From<&str> for RevisionText {
    fn from(text: &str) -> Self {
        let mut pieces = Self::default();
        pieces.push(text);
        pieces
    }
}

/// How a chart becomes objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartOptions {
    /// The chart's directory inside the source.
    pub path: String,
    /// The name that templates see as the release's.
    pub release: String,
    /// The namespace that templates see; empty for `default`.
    pub namespace: String,
    /// The source is the chart's archive as it was packed: everything is in one directory.
    pub is_archive: bool,
    /// Files that take the place of the chart's own values, later ones winning: paths from the root of the source, or
    /// of the archive's one directory. Empty for the chart's own.
    pub default_value_files: Vec<String>,
    /// Files of values, later ones winning: paths from the chart, or with a leading `/` from the root of the source;
    /// with a leading `$NAME/` from the root of the source that goes by that name.
    pub value_files: Vec<RevisionText>,
    /// Goes on when a file of `value_files` or `default_value_files` is not there.
    pub ignore_missing_value_files: bool,
    /// Values that others hold, in this order; they win over those of files.
    pub values_from: Vec<ChartValues>,
    /// Values as a text of YAML, which win over all of the above.
    pub values: String,
    /// Single values, which win over all others.
    pub parameters: Vec<ChartParameter>,
    /// Leaves out the chart's `crds` directory.
    pub skip_crds: bool,
    /// Leaves out the chart's tests.
    pub skip_tests: bool,
    /// Takes values whatever the chart's schema says.
    pub skip_schema: bool,
    /// The version of Kubernetes that templates see; the cluster's own when empty.
    pub kube_version: String,
    /// The API versions that templates see beside those of Kubernetes; the cluster's own when empty.
    pub api_versions: Vec<String>,
    /// Installs and upgrades as Helm does; `None` where what `helm template` prints is what is wanted.
    pub releases: Option<ReleaseRules>,
}

/// Values that somebody else holds: a ConfigMap, a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartValues {
    /// Who holds them, for people.
    pub from: String,
    /// What they are must not be told, not even where they cannot be read.
    pub is_secret: bool,
    /// The values, as a text of YAML; where there is a `place`, one value.
    pub text: Secret,
    /// Where the one value goes; `None` for a text that holds a map of values.
    pub place: Option<ValuePlace>,
}

/// Where one value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePlace {
    /// In the syntax of `--set`.
    pub path: String,
    /// Takes the value as it is, as `--set-literal` does.
    pub is_literal: bool,
}

/// How a chart is installed and upgraded, where one is told from the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRules {
    /// The first time.
    pub install: ReleaseStep,
    /// Whenever something else is rendered than the time before.
    pub upgrade: ReleaseStep,
    /// Names the values that are given beside the chart's own.
    pub config_digest: String,
    /// What is done to the objects once they are rendered.
    pub post: PostRendering,
}

/// What is done to the objects of a release once they are rendered, and before they are marked as the release's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostRendering {
    /// They go through these, one after another: the images and patches count.
    pub kustomizations: Vec<KustomizeOptions>,
    /// Labels of every object, whatever it says itself.
    pub common_labels: BTreeMap<String, String>,
    /// Annotations of every object, whatever it says itself.
    pub common_annotations: BTreeMap<String, String>,
    /// Whether hooks take part.
    pub hooks: PostRenderedHooks,
}

/// Whether hooks take part in what is done to rendered objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PostRenderedHooks {
    /// Together with all others.
    #[default]
    Together,
    /// By themselves, after the others.
    Apart,
    /// Not at all.
    Never,
}

impl PostRendering {
    /// Tells whether nothing is done.
    pub fn is_nothing(&self) -> bool {
        self.kustomizations.is_empty() && self.common_labels.is_empty() && self.common_annotations.is_empty()
    }
}

/// How one step of a release is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseStep {
    /// What becomes of the definitions in the chart's `crds` directory.
    pub definitions: Definitions,
    /// Runs the hooks of the step.
    pub runs_hooks: bool,
    /// Takes values whatever the chart's schema says.
    pub skip_schema: bool,
}

/// What becomes of the definitions in a chart's `crds` directory. None is ever deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definitions {
    /// Nothing.
    Skip,
    /// Those that are not there are made.
    Create,
    /// All are written.
    Replace,
}

/// The release that was made last: its number, and the digest of what it was rendered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRelease {
    /// 1 for the install, and one more for each upgrade.
    pub number: u32,
    /// Names the objects, as [`Report::render_digest`](crate::Report::render_digest) does.
    pub digest: String,
}

impl ChartOptions {
    /// Tells whether another revision of the same files may render to something else.
    pub fn names_revision(&self) -> bool {
        self.value_files
            .iter()
            .chain(self.parameters.iter().map(|parameter| &parameter.value))
            .any(RevisionText::names_revision)
    }
}

/// One value, given beside the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartParameter {
    /// The path of the value, in the syntax of `--set`.
    pub name: String,
    /// The value in the same syntax, or the path of a file.
    pub value: RevisionText,
    /// How the value is read.
    pub kind: ParameterKind,
}

/// How a single value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// `--set`: by what it looks like.
    Guessed,
    /// `--set-string`: as a text.
    Text,
    /// `--set-file`: as the content of a file.
    File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_stands_where_it_is_named() {
        let mut text = RevisionText::from("a-");
        assert!(!text.names_revision());
        text.push_commit(Some(7));
        text.push("-");
        text.push_commit(None);
        assert!(text.names_revision());
        assert_eq!(text.at(&Revision::named("main", "0123456789")), "a-0123456-0123456789");
        assert_eq!(text.at(&Revision::named("main", "012")), "a-012-012", "a commit may be shorter");
    }
}
