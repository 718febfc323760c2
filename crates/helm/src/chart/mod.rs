//! Charts: what is in them, and how they are read.

mod archive;
mod decode;
mod directory;
mod gomatch;
mod ignore;
mod load;
mod metadata;

pub use archive::load_archive;
pub use directory::load_directory;
pub use gomatch::{PatternError, go_match};
pub use ignore::Rules;
pub use load::load_files;
pub(crate) use metadata::is_go_space;
pub use metadata::{Dependency, ImportValue, Lock, Maintainer, Metadata};

use bowline_tree::TreeError;
use bytes::Bytes;

use crate::yaml::Table;

/// The most that the files of a chart may hold together.
pub const MAX_CHART_BYTES: u64 = 100 * 1024 * 1024;

/// A file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path from the chart's top, with slashes.
    pub name: String,
    /// The content, without a byte order mark.
    pub data: Bytes,
}

/// A chart as it was read, with the charts it holds.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What Chart.yaml says.
    pub metadata: Metadata,
    /// The files in `templates/`.
    pub templates: Vec<File>,
    /// The default values.
    pub values: Table,
    /// The schema of the values, not yet looked at.
    pub schema: Option<Bytes>,
    /// All other files.
    pub files: Vec<File>,
    /// The charts in `charts/`.
    pub dependencies: Vec<Chart>,
    /// What Chart.lock says.
    pub lock: Option<Lock>,
}

impl Chart {
    /// Returns the chart's name, which may have become an alias.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Tells whether the chart only serves others.
    pub fn is_library(&self) -> bool {
        self.metadata.chart_type.eq_ignore_ascii_case("library")
    }

    /// Returns the files of `crds/`, those of dependencies last, with their full paths.
    pub fn crds(&self) -> Vec<(String, &File)> {
        let mut found = Vec::new();
        self.gather_crds(self.name(), &mut found);
        found
    }

    fn gather_crds<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a File)>) {
        let is_manifest = |name: &str| {
            let extension = name.rsplit('/').next().and_then(|base| base.rsplit_once('.')).map_or("", |(_, ext)| ext);
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        };
        for file in self.files.iter().filter(|file| file.name.starts_with("crds/") && is_manifest(&file.name)) {
            found.push((format!("{path}/{}", file.name), file));
        }
        for dependency in &self.dependencies {
            dependency.gather_crds(&format!("{path}/charts/{}", dependency.name()), found);
        }
    }
}

/// Why something is no chart. The texts are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no Chart.yaml.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// The chart is of a kind that is not installed.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Chart.yaml says what a chart may not be.
    #[error("validation: {0}")]
    Invalid(String),
    /// A file of the chart cannot be understood.
    #[error("cannot load {file}: {why}")]
    File {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A chart in `charts/` cannot be loaded.
    #[error("error unpacking subchart {name} in {parent}: {why}")]
    Subchart {
        /// What it is called in `charts/`.
        name: String,
        /// The chart that holds it.
        parent: String,
        /// What is wrong with it.
        why: Box<LoadError>,
    },
    /// A directory in `charts/` is called as if it were an archive.
    #[error("error unpacking subchart tar in {parent}: expected {want}, got {got}")]
    NotAnArchive {
        /// The chart that holds it.
        parent: String,
        /// The file that should be there.
        want: String,
        /// What is there.
        got: String,
    },
    /// `.helmignore` holds a rule that is none.
    #[error("{0}")]
    Ignore(String),
    /// The archive is damaged, or holds what it must not.
    #[error("{0}")]
    Archive(String),
    /// The chart is too large.
    #[error("{what} {limit}{unit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most it may be.
        limit: u64,
        /// What follows the number.
        unit: &'static str,
    },
    /// A symbolic link leads out of the source, nowhere, or around in a circle.
    #[error("error evaluating symlink {path}: {why}")]
    Symlink {
        /// The link.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Charts within charts, too deep.
    #[error("charts are nested deeper than {0} levels")]
    TooDeep(usize),
    /// The source cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}
