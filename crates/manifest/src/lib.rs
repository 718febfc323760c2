//! Plain manifests: a directory of YAML and JSON becomes objects.
//!
//! [`render`] reads the files that a dialect's rules select and returns the objects in a stable order, each with
//! the place it was written at. It reports every independent mistake of every file together, and hands out the
//! objects only when there is none: what is missing from an incomplete render must never be taken for deleted.
//!
//! Helm charts, kustomizations and Jsonnet are left to other crates; where they are met, that is said.
#![warn(missing_docs)]

mod argo;
mod file;
mod flux;
mod glob;
mod ignore;
mod problem;
mod walk;

pub use problem::{Foreign, ManifestProblem};

use bowline_model::{DirectoryOptions, DirectoryRules, Explain as _, Location, Object};
use bowline_tree::{Tree, TreePath};

/// How much is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all selected files together; Argo CD's `reposerver.max.combined.directory.manifests.size`.
    pub max_combined_bytes: usize,
    /// Directories inside each other.
    pub max_depth: usize,
    /// What holds for each file.
    pub yaml: bowline_yaml::Limits,
}

impl Default for Limits {
    /// 10 MB together, 64 directories deep.
    fn default() -> Self {
        Self { max_combined_bytes: 10_000_000, max_depth: 64, yaml: bowline_yaml::Limits::default() }
    }
}

/// One object and the place it was written at.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestObject {
    /// The object, as written.
    pub object: Object,
    /// File and line, from the root of the source.
    pub origin: Location,
}

/// What became of a directory.
#[derive(Debug, Default)]
pub struct Rendered {
    objects: Vec<ManifestObject>,
    problems: Vec<ManifestProblem>,
    warnings: Vec<ManifestProblem>,
}

impl Rendered {
    /// Returns the objects, in the order of the files' paths and of the documents in them, if all was read.
    ///
    /// This is the only way to the objects: whoever prunes by what is not among them must know that none is
    /// missing by mistake.
    pub fn complete(self) -> Result<Vec<ManifestObject>, Vec<ManifestProblem>> {
        if self.problems.is_empty() { Ok(self.objects) } else { Err(self.problems) }
    }

    /// Returns what is wrong, in the order of the files.
    pub fn problems(&self) -> &[ManifestProblem] {
        &self.problems
    }

    /// Returns what should be looked at, but stands in the way of nothing.
    pub fn warnings(&self) -> &[ManifestProblem] {
        &self.warnings
    }
}

/// Tells what a directory is for, by the rules of Argo CD: `None` for plain manifests.
pub fn detect(tree: &dyn Tree, path: &str) -> Result<Option<Foreign>, ManifestProblem> {
    argo::detect(tree, path)
}

/// Returns the directory of a source that a resource names, links followed.
pub fn directory(tree: &dyn Tree, path: &str) -> Result<TreePath, ManifestProblem> {
    argo::directory(tree, path)
}

/// Takes the objects out of texts that another renderer printed, each with the name of the file it comes from.
///
/// Every document must be an object or a list of objects; of objects with one key the last is taken.
pub fn read_printed<'a>(printed: impl IntoIterator<Item = (&'a str, &'a [u8])>, limits: &Limits) -> Rendered {
    let mut rendered = Rendered::default();
    for (file, text) in printed {
        argo::read_printed(file, text, limits, &mut rendered);
    }
    argo::keep_last(&mut rendered);
    rendered
}

/// What Flux finds in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The directory.
    pub directory: TreePath,
    /// Its kustomization file; where there is one, nothing else is looked for.
    pub file: Option<TreePath>,
    /// What a kustomization made for it would name: manifests, and directories with kustomizations of their own, by
    /// their paths from here.
    pub resources: Vec<String>,
    /// Whether there is any of the latter.
    pub nests: bool,
}

/// Finds out what a directory is made of, by the rules of Flux; no manifest is read.
pub fn survey(tree: &dyn Tree, path: &str, limits: &Limits) -> Result<Survey, ManifestProblem> {
    flux::survey(tree, path, limits)
}

/// Reads the manifests of a directory.
///
/// Only what lies under `options.path` is read, but for symbolic links that point elsewhere in the source
/// (Argo CD) and `.sourceignore` files above it (Flux).
pub fn render(tree: &dyn Tree, options: &DirectoryOptions, limits: &Limits) -> Rendered {
    let mut rendered = Rendered::default();
    let outcome = match options.rules {
        DirectoryRules::ArgoCd => argo::render(tree, options, limits, &mut rendered),
        DirectoryRules::Flux => flux::render(tree, options, limits, &mut rendered),
    };
    if let Err(problem) = outcome {
        rendered.problems.push(problem);
    }
    // Stable: what has no place stays in front.
    rendered.problems.sort_by(|one, other| one.at().cmp(&other.at()));
    rendered
}
