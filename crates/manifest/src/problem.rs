use bowline_model::{Explain, Location, ObjectError, ObjectKey, Reason};
use bowline_tree::TreeError;
use bowline_yaml::ProblemKind;

/// What is wrong with a directory of manifests or one of its files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestProblem {
    /// The path that the resource names is not in the source.
    #[error("path `{path}` is not in the source")]
    PathNotFound {
        /// The path.
        path: String,
    },
    /// The path that the resource names is a file.
    #[error("path `{path}` is not a directory")]
    NotADirectory {
        /// The path.
        path: String,
    },
    /// The path climbs above the root of the source.
    #[error("path `{path}` leaves the source")]
    PathEscapes {
        /// The path.
        path: String,
    },
    /// A glob of the resource cannot be read.
    #[error("glob `{glob}` cannot be read: {why}")]
    BadGlob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file is not YAML, or says what cannot be.
    #[error("{message}")]
    Yaml {
        /// The place of the mistake.
        at: Location,
        /// What sort of mistake.
        kind: ProblemKind,
        /// What is wrong.
        message: String,
    },
    /// A document is not a Kubernetes object.
    #[error("{source}")]
    NotAnObject {
        /// Where the document begins.
        at: Location,
        /// Why not.
        source: ObjectError,
    },
    /// A list holds something that is no object.
    #[error("item {index} of the {list}: {source}")]
    BadItem {
        /// Where the item begins.
        at: Location,
        /// The kind of the list.
        list: String,
        /// The item's place in it, from 0.
        index: usize,
        /// Why it is no object.
        source: ObjectError,
    },
    /// A JSON file holds more than one object, which Argo CD refuses.
    #[error("a JSON file may hold one object only")]
    SeveralInJson {
        /// The second object.
        at: Location,
    },
    /// Two objects have one key, and the dialect refuses that.
    #[error("{key} is defined already at {first}")]
    Duplicate {
        /// The second.
        at: Location,
        /// The key.
        key: Box<ObjectKey>,
        /// The first.
        first: Box<Location>,
    },
    /// Objects of one key, of which the last is taken: a warning.
    #[error("{key} appears {count} times, the last one is taken")]
    Repeated {
        /// The one that is taken.
        at: Location,
        /// The key.
        key: Box<ObjectKey>,
        /// How many there are.
        count: usize,
    },
    /// A symbolic link points out of the source, or in a circle.
    #[error("symbolic link to `{target}` {why}")]
    BadLink {
        /// The link.
        at: Location,
        /// Where it points.
        target: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// A symbolic link points at nothing or at a directory, and was left out: a warning.
    #[error("symbolic link to `{target}` is left out: it points at {what}")]
    LinkLeftOut {
        /// The link.
        at: Location,
        /// Where it points.
        target: String,
        /// What is there.
        what: &'static str,
    },
    /// A file that cannot be read as YAML and does not look like a manifest was left out: a warning.
    #[error("the file is left out: {message}")]
    FileLeftOut {
        /// The place of the mistake.
        at: Location,
        /// What is wrong with it.
        message: String,
    },
    /// The files are too large together.
    #[error("the manifests are more than the limit of {limit} bytes together")]
    TooLarge {
        /// The file that passed the limit.
        at: Location,
        /// The limit.
        limit: usize,
    },
    /// The directories are nested too deep.
    #[error("directories are nested deeper than the limit of {limit}")]
    TooDeep {
        /// The directory.
        at: Location,
        /// The limit.
        limit: usize,
    },
    /// The directory is for another renderer.
    #[error("{what} cannot be rendered by this version")]
    Unsupported {
        /// The file that tells.
        at: Location,
        /// What it is.
        what: Foreign,
    },
    /// The source could not be read.
    #[error("{source}")]
    Read {
        /// The file or directory.
        at: Location,
        /// What failed.
        source: TreeError,
    },
}

/// What only another renderer can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A Helm chart.
    HelmChart,
    /// A kustomization.
    Kustomization,
    /// A Jsonnet file.
    Jsonnet,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HelmChart => "a Helm chart",
            Self::Kustomization => "a kustomization",
            Self::Jsonnet => "a Jsonnet file",
        })
    }
}

/// Names a file as a place.
pub(crate) fn whole_file(file: impl Into<String>) -> Location {
    Location { file: file.into(), line: None, column: None }
}

impl Explain for ManifestProblem {
    fn reason(&self) -> Reason {
        match self {
            Self::PathNotFound { .. } => Reason::PathNotFound,
            Self::NotADirectory { .. } | Self::PathEscapes { .. } | Self::BadGlob { .. } => Reason::InvalidSpec,
            Self::Yaml { kind: ProblemKind::Limit, .. } | Self::TooLarge { .. } | Self::TooDeep { .. } => {
                Reason::TooLarge
            }
            Self::Read { source: TreeError::TooLarge { .. }, .. } => Reason::TooLarge,
            Self::Read { .. } => Reason::SourceUnreadable,
            Self::Unsupported { .. } => Reason::Unsupported,
            Self::Yaml { .. }
            | Self::NotAnObject { .. }
            | Self::BadItem { .. }
            | Self::SeveralInJson { .. }
            | Self::Duplicate { .. }
            | Self::Repeated { .. }
            | Self::BadLink { .. }
            | Self::LinkLeftOut { .. }
            | Self::FileLeftOut { .. } => Reason::InvalidManifest,
        }
    }

    fn at(&self) -> Option<&Location> {
        match self {
            Self::PathNotFound { .. }
            | Self::NotADirectory { .. }
            | Self::PathEscapes { .. }
            | Self::BadGlob { .. } => None,
            Self::Yaml { at, .. }
            | Self::NotAnObject { at, .. }
            | Self::BadItem { at, .. }
            | Self::SeveralInJson { at }
            | Self::Duplicate { at, .. }
            | Self::Repeated { at, .. }
            | Self::BadLink { at, .. }
            | Self::LinkLeftOut { at, .. }
            | Self::FileLeftOut { at, .. }
            | Self::TooLarge { at, .. }
            | Self::TooDeep { at, .. }
            | Self::Unsupported { at, .. }
            | Self::Read { at, .. } => Some(at),
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::PathNotFound { .. } => "correct the path, or push the directory to the revision that is tracked",
            Self::NotAnObject { source: ObjectError::Missing(field), .. }
            | Self::BadItem { source: ObjectError::Missing(field), .. } => {
                return Some(format!("add `{field}`, or keep the file out of the directory"));
            }
            Self::Duplicate { .. } | Self::Repeated { .. } => "remove or rename one of them",
            Self::SeveralInJson { .. } => "wrap the objects in a `List`, or use a YAML file",
            Self::TooLarge { .. } => "split the directory between several apps",
            _ => return None,
        };
        Some(help.to_owned())
    }
}
