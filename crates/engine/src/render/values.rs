//! The files of values that a chart is rendered with.

use bowline_helm::values::{
    Table, ValueError, ValueSources, load_values, merge_maps, parse_into, parse_into_string, parse_literal_into,
};
use bowline_model::{ChartOptions, ChartValues, Failure, ParameterKind, Reason, Revision, RevisionText};
use bowline_tree::{EntryKind, LinkError, Tree, TreeError, TreePath, resolve};
use globset::GlobBuilder;

/// The most that a file of values may have.
const MAX_VALUES_BYTES: usize = 10 << 20;
/// Stands for the values that the resource itself gives, where a file is named.
const INLINE_VALUES: &str = "the values of the resource";

/// Files of values of a source, and of sources beside it.
pub(super) struct ValueFiles<'a> {
    tree: &'a dyn Tree,
    /// The directory of the chart.
    top: &'a TreePath,
    options: &'a ChartOptions,
    /// Sources beside this one, by the names that files go by.
    others: &'a [(&'a str, &'a dyn Tree)],
}

impl<'a> ValueFiles<'a> {
    pub(super) fn new(
        tree: &'a dyn Tree,
        top: &'a TreePath,
        options: &'a ChartOptions,
        others: &'a [(&'a str, &'a dyn Tree)],
    ) -> Self {
        Self { tree, top, options, others }
    }

    /// Brings together all values that are given beside the chart's own.
    pub(super) fn values(&self, revision: Option<&Revision>) -> Result<Table, Failure> {
        let help = "mend the values, or the files of values that the source names";
        let wrong = |error: ValueError| Failure::new(Reason::InvalidSpec, error.to_string()).help(help);
        let at = |text: &RevisionText| match revision {
            Some(revision) => text.at(revision),
            None => text.at(&Revision::of_commit("")),
        };
        let names: Vec<String> = self.options.value_files.iter().map(at).collect();
        let files = ValueSources { files: self.expand(&names)?, ..ValueSources::default() };
        let mut values = files.merge(&|name| self.read(name)).map_err(wrong)?;
        for given in &self.options.values_from {
            values = add(values, given)?;
        }
        let mut flags = ValueSources::default();
        if !self.options.values.is_empty() {
            flags.files.push(INLINE_VALUES.to_owned());
        }
        for parameter in &self.options.parameters {
            let line = format!("{}={}", parameter.name, at(&parameter.value));
            match parameter.kind {
                ParameterKind::Guessed => flags.set.push(line),
                ParameterKind::Text => flags.strings.push(line),
                ParameterKind::File => flags.set_files.push(line),
            }
        }
        flags.merge_over(values, &|name| self.read(name)).map_err(wrong)
    }

    /// Returns the values that take the place of the chart's own; `None` where they stay.
    pub(super) fn defaults(&self) -> Result<Option<Table>, Failure> {
        let files = &self.options.default_value_files;
        if files.is_empty() {
            return Ok(None);
        }
        let root = TreePath::root();
        let from = ValueFiles { top: if self.options.is_archive { self.top } else { &root }, ..*self };
        let mut names = Vec::with_capacity(files.len());
        for name in files {
            // As a path from the root of what the files are in, whether it says so or not.
            let path = from.path(name.trim_start_matches('/'))?;
            match self.tree.entry(&path).map_err(|error| unreadable(&path, &error.to_string()))? {
                Some(_) => names.push(format!("/{}", path.as_str())),
                None if self.options.ignore_missing_value_files => {}
                None => return Err(missing(name, "it is not in the source")),
            }
        }
        let sources = ValueSources { files: names, ..ValueSources::default() };
        let merged = sources.merge(&|name| self.read(name));
        merged.map(Some).map_err(|error| Failure::new(Reason::InvalidManifest, error.to_string()))
    }

    /// Finds the files that names and patterns mean, each once; those that are named stand where they are named.
    fn expand(&self, names: &[String]) -> Result<Vec<String>, Failure> {
        let mut named = Vec::new();
        for name in names.iter().filter(|name| !is_pattern(name)) {
            named.push(self.found(name)?);
        }
        let mut found: Vec<String> = Vec::new();
        let mut add = |path: String| {
            if !found.contains(&path) {
                found.push(path);
            }
        };
        for name in names {
            let (files, own, prefix) = self.place(name);
            if is_pattern(name) {
                let matches = files.matches(&own)?;
                if matches.is_empty() && !self.options.ignore_missing_value_files {
                    return Err(missing(name, "no file matches"));
                }
                let matches = matches.into_iter().map(|path| format!("{prefix}/{}", path.as_str()));
                matches.filter(|path| !named.contains(path)).for_each(&mut add);
                continue;
            }
            let path = files.path(&own)?;
            let there = files.tree.entry(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
            match there {
                Some(_) => add(format!("{prefix}/{}", path.as_str())),
                None if self.options.ignore_missing_value_files => {}
                None => return Err(missing(name, "it is not in the source")),
            }
        }
        Ok(found)
    }

    /// Returns the name by which a file is read, whatever it was called.
    fn found(&self, name: &str) -> Result<String, Failure> {
        let (files, own, prefix) = self.place(name);
        files.path(&own).map(|path| format!("{prefix}/{}", path.as_str()))
    }

    /// Tells in which source a file is: `$NAME/path` is in the one that goes by that name, from its root.
    fn place(&self, name: &str) -> (ValueFiles<'a>, String, String) {
        static ROOT: TreePath = TreePath::ROOT;
        if let Some((reference, path)) = name.strip_prefix('$').and_then(|rest| rest.split_once('/'))
            && let Some((_, tree)) = self.others.iter().find(|(name, _)| *name == reference)
        {
            let files = ValueFiles { tree: *tree, top: &ROOT, others: &[], ..*self };
            return (files, format!("/{path}"), format!("${reference}"));
        }
        (ValueFiles { ..*self }, name.to_owned(), String::new())
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

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        if name == INLINE_VALUES {
            return Ok(self.options.values.as_bytes().to_vec());
        }
        let (files, own, _) = self.place(name);
        let path = files.path(&own).map_err(|failure| failure.message)?;
        let content = files.tree.read(&path).map_err(|error| error.to_string())?;
        if content.len() > MAX_VALUES_BYTES {
            return Err(format!("`{path}` is larger than the limit of {MAX_VALUES_BYTES} bytes"));
        }
        Ok(content.to_vec())
    }
}

/// Adds values that somebody else holds.
fn add(mut values: Table, given: &ChartValues) -> Result<Table, Failure> {
    let wrong = |why: String| {
        // A parser's words may repeat what it read.
        let why = if given.is_secret { "it is not what it should be".to_owned() } else { why };
        Failure::new(Reason::InvalidSpec, format!("unable to use the values of {}: {why}", given.from))
    };
    let text = given.text.reveal();
    let Some(place) = &given.place else {
        return load_values(text.as_bytes()).map(|more| merge_maps(values, more)).map_err(wrong);
    };
    let quoted = |mark| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    let set = if place.is_literal {
        parse_literal_into(&format!("{}={text}", place.path), &mut values)
    } else if quoted('\'') || quoted('"') {
        // A text in quotes stays one, even where it looks like a number.
        parse_into_string(&format!("{}={}", place.path, text.trim_matches(['\'', '"'])), &mut values)
    } else {
        parse_into(&format!("{}={text}", place.path), &mut values)
    };
    set.map(|()| values).map_err(|error| wrong(error.0))
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
