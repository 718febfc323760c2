//! How a Helm chart in a source is rendered.

use crate::Revision;

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
    /// Files of values, later ones winning: paths from the chart, or with a leading `/` from the root of the source.
    pub value_files: Vec<RevisionText>,
    /// Goes on when a file of `value_files` is not there.
    pub ignore_missing_value_files: bool,
    /// Values as a text of YAML, which win over those of files.
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
