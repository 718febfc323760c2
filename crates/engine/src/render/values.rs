//! The files of values that a chart is rendered with.

use bowline_model::{ChartOptions, Failure, Reason};
use bowline_tree::{EntryKind, LinkError, Tree, TreeError, TreePath, resolve};
use globset::GlobBuilder;

/// The most that a file of values may have.
const MAX_VALUES_BYTES: usize = 10 << 20;
/// Stands for the values that the resource itself gives, where a file is named.
pub(super) const INLINE_VALUES: &str = "the values of the resource";

/// Files of values of a source.
pub(super) struct ValueFiles<'a> {
    tree: &'a dyn Tree,
    /// The directory of the chart.
    top: &'a TreePath,
    options: &'a ChartOptions,
}

impl<'a> ValueFiles<'a> {
    pub(super) fn new(tree: &'a dyn Tree, top: &'a TreePath, options: &'a ChartOptions) -> Self {
        Self { tree, top, options }
    }

    /// Finds the files that names and patterns mean, each once; those that are named stand where they are named.
    pub(super) fn expand(&self, names: &[String]) -> Result<Vec<String>, Failure> {
        let mut named = Vec::new();
        for name in names.iter().filter(|name| !is_pattern(name)) {
            named.push(self.path(name)?);
        }
        let mut found: Vec<TreePath> = Vec::new();
        let mut add = |path: TreePath| {
            if !found.contains(&path) {
                found.push(path);
            }
        };
        for name in names {
            if is_pattern(name) {
                let matches = self.matches(name)?;
                if matches.is_empty() && !self.options.ignore_missing_value_files {
                    return Err(missing(name, "no file matches"));
                }
                matches.into_iter().filter(|path| !named.contains(path)).for_each(&mut add);
                continue;
            }
            let path = self.path(name)?;
            let there = self.tree.entry(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
            match there {
                Some(_) => add(path),
                None if self.options.ignore_missing_value_files => {}
                None => return Err(missing(name, "it is not in the source")),
            }
        }
        Ok(found.into_iter().map(|path| format!("/{}", path.as_str())).collect())
    }

    /// Finds a file by its name: from the chart, or with a leading `/` from the root; links are followed inside the
    /// source.
    fn path(&self, name: &str) -> Result<TreePath, Failure> {
        if let Some((scheme, _)) = name.split_once("://") {
            let message = format!("the file of values `{name}` is not in the source: `{scheme}` is not fetched");
            return Err(Failure::new(Reason::Unsupported, message).help("put the file into the source"));
        }
        let path = self.top.join(name).map_err(|_| {
            Failure::new(Reason::InvalidSpec, format!("the file of values `{name}` leaves the source"))
                .help("name a file of the source")
        })?;
        let resolved = resolve(self.tree, &path).map_err(|error| match error {
            LinkError::Read { path, source } => unreadable(&path, &source.to_string()),
            LinkError::Leaves { .. } | LinkError::Circle { .. } => {
                Failure::new(Reason::InvalidSpec, format!("the file of values `{name}` cannot be read: {error}"))
            }
        })?;
        Ok(resolved.path)
    }

    /// Returns the files that a pattern matches, sorted by the names they match under.
    ///
    /// A `*` stays within one part of a path, `**` is any number of directories, and links to directories are
    /// not entered.
    fn matches(&self, pattern: &str) -> Result<Vec<TreePath>, Failure> {
        let invalid = |why: String| {
            let message = format!("the pattern `{pattern}` of files of values cannot be read: {why}");
            Failure::new(Reason::InvalidSpec, message)
        };
        let whole = self.top.join(pattern).map_err(|error| invalid(error.to_string()))?;
        let glob = GlobBuilder::new(whole.as_str())
            .literal_separator(true)
            .build()
            .map_err(|error| invalid(error.kind().to_string()))?
            .compile_matcher();
        let fixed: Vec<&str> = whole.parts().take_while(|part| !is_pattern(part)).collect();
        let is_deep = whole.parts().any(|part| part.contains("**"));
        let depth = whole.parts().count() - fixed.len();
        let mut found = Vec::new();
        // What matches is the path as it is written; what is listed is where links lead from there.
        let start = TreePath::parse(&fixed.join("/")).map_err(|error| invalid(error.to_string()))?;
        let mut directories = vec![(self.path(&format!("/{start}"))?, start, depth)];
        while let Some((real, written, depth)) = directories.pop() {
            let entries = match self.tree.list(&real) {
                Ok(entries) => entries,
                Err(TreeError::NotFound(_) | TreeError::NotADirectory(_)) => continue,
                Err(error) => return Err(unreadable(&real, &error.to_string())),
            };
            for entry in entries {
                let path = written.child(&entry.name);
                if entry.kind == EntryKind::Directory && (is_deep || depth > 1) {
                    directories.push((real.child(&entry.name), path, depth.saturating_sub(1)));
                } else if glob.is_match(path.as_str()) {
                    found.push(path);
                }
            }
        }
        found.sort();
        let mut files = Vec::with_capacity(found.len());
        for path in found {
            let real = self.path(&format!("/{}", path.as_str()))?;
            let entry = self.tree.entry(&real).map_err(|error| unreadable(&real, &error.to_string()))?;
            if entry.is_some_and(|entry| entry.kind == EntryKind::File) {
                files.push(real);
            }
        }
        Ok(files)
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        if name == INLINE_VALUES {
            return Ok(self.options.values.as_bytes().to_vec());
        }
        let path = self.path(name).map_err(|failure| failure.message)?;
        let content = self.tree.read(&path).map_err(|error| error.to_string())?;
        if content.len() > MAX_VALUES_BYTES {
            return Err(format!("`{path}` is larger than the limit of {MAX_VALUES_BYTES} bytes"));
        }
        Ok(content.to_vec())
    }
}

fn missing(name: &str, why: &str) -> Failure {
    Failure::new(Reason::PathNotFound, format!("the file of values `{name}` cannot be read: {why}"))
        .help("push the file, or set `ignoreMissingValueFiles: true`")
}

fn unreadable(path: &TreePath, why: &str) -> Failure {
    Failure::new(Reason::SourceUnreadable, format!("`{path}` cannot be read: {why}"))
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}
