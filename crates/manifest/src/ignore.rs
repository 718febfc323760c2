//! What source-controller leaves out of an artifact: `.sourceignore` files and what is left out by default.
//!
//! The patterns are gitignore's. Later ones win; those of a directory are matched below it only. The defaults
//! hold where the root has no `.sourceignore`; version control files are always left out. What a source's own
//! `spec.ignore` says is not known here.

use bowline_tree::{EntryKind, Tree, TreePath};

use crate::ManifestProblem;
use crate::walk::unreadable;

pub(crate) const IGNORE_FILE: &str = ".sourceignore";
const VERSION_CONTROL: &str = ".git/\n.gitignore\n.gitmodules\n.gitattributes\n";
const BY_DEFAULT: &str = "*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip\n\
    .circleci/\n.github/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\ncloudbuild.yaml\n\
    codeship-services.yml\ncodeship-steps.yml\n**/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml\n";

/// The patterns that hold so far on a walk.
pub(crate) struct Ignored {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// The directory whose file holds it.
    base: TreePath,
    keeps: bool,
    directories_only: bool,
    /// Matched from `base` on, else against the name alone.
    anchored: bool,
    parts: Vec<String>,
}

impl Ignored {
    /// Reads the `.sourceignore` files of the directories that hold `dir`; `None` when they leave `dir` out.
    pub(crate) fn above(tree: &dyn Tree, dir: &TreePath) -> Result<Option<Self>, ManifestProblem> {
        let mut ignored = Self { patterns: Vec::new() };
        let mut way: Vec<TreePath> = std::iter::successors(Some(dir.clone()), TreePath::parent).collect();
        way.reverse();
        for step in way.windows(2) {
            let (holder, held) = (&step[0], &step[1]);
            let file = holder.child(IGNORE_FILE);
            let entry = tree.entry(&file).map_err(|source| unreadable(&file, source))?;
            ignored.enter(tree, holder, entry.is_some_and(|entry| entry.kind == EntryKind::File))?;
            if ignored.ignores(held, true) {
                return Ok(None);
            }
        }
        Ok(Some(ignored))
    }

    /// Adds the `.sourceignore` file of a directory, if it `has_file`. It comes after those above, and so wins
    /// over them.
    pub(crate) fn enter(&mut self, tree: &dyn Tree, dir: &TreePath, has_file: bool) -> Result<(), ManifestProblem> {
        if dir.is_root() {
            self.add(dir, VERSION_CONTROL);
            if !has_file {
                self.add(dir, BY_DEFAULT);
            }
        }
        if has_file {
            let file = dir.child(IGNORE_FILE);
            let text = tree.read(&file).map_err(|source| unreadable(&file, source))?;
            self.add(dir, &String::from_utf8_lossy(&text));
        }
        Ok(())
    }

    fn add(&mut self, base: &TreePath, text: &str) {
        self.patterns.extend(text.lines().filter_map(|line| Pattern::parse(base, line)));
    }

    pub(crate) fn ignores(&self, path: &TreePath, is_directory: bool) -> bool {
        self.patterns
            .iter()
            .rev()
            .find(|pattern| pattern.matches(path, is_directory))
            .is_some_and(|pattern| !pattern.keeps)
    }
}

impl Pattern {
    fn parse(base: &TreePath, line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (keeps, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (directories_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        let parts: Vec<String> = line.trim_start_matches('/').split('/').map(str::to_owned).collect();
        Some(Self { base: base.clone(), keeps, directories_only, anchored: line.contains('/'), parts })
    }

    fn matches(&self, path: &TreePath, is_directory: bool) -> bool {
        if self.directories_only && !is_directory {
            return false;
        }
        let mut parts = path.parts();
        if !self.base.parts().all(|part| parts.next() == Some(part)) {
            return false;
        }
        let below: Vec<&str> = parts.collect();
        if self.anchored {
            parts_match(&self.parts, &below)
        } else {
            below.last().is_some_and(|name| name_matches(&self.parts[0], name))
        }
    }
}

/// `**` stands for any number of directories.
fn parts_match(pattern: &[String], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, rest)) if first == "**" => {
            // At the end it stands for what is inside, not for the directory itself.
            let least = usize::from(rest.is_empty());
            (least..=path.len()).any(|skipped| parts_match(rest, &path[skipped..]))
        }
        Some((first, rest)) => {
            path.split_first().is_some_and(|(name, below)| name_matches(first, name) && parts_match(rest, below))
        }
    }
}

/// Matches one name: `*` any text, `?` one character, `[a-z]` and `[!a-z]` one of a class.
fn name_matches(pattern: &str, name: &str) -> bool {
    let escaped = pattern.replace('{', "\\{").replace('}', "\\}");
    crate::glob::Glob::parse(&escaped).is_ok_and(|glob| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).expect("inside")
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        let cases = [
            ("*.yaml", "a/b.yaml", true),
            ("/*.yaml", "a/b.yaml", false),
            ("/*.yaml", "b.yaml", true),
            ("a/b.yaml", "a/b.yaml", true),
            ("a/b.yaml", "x/a/b.yaml", false),
            ("**/b.yaml", "x/a/b.yaml", true),
            ("**/b.yaml", "b.yaml", true),
            ("a/**", "a/x/y", true),
            ("a/**", "a", false),
            ("a/**/b", "a/b", true),
            ("*.yaml\n!b.yaml", "b.yaml", false),
            ("!b.yaml\n*.yaml", "b.yaml", true),
            ("# x\n\n", "b.yaml", false),
            ("{a}", "{a}", true),
        ];
        for (text, name, want) in cases {
            let mut ignored = Ignored { patterns: Vec::new() };
            ignored.add(&TreePath::root(), text);
            assert_eq!(ignored.ignores(&path(name), false), want, "{text} on {name}");
        }
    }

    #[test]
    fn a_directory_pattern_leaves_files_alone() {
        let mut ignored = Ignored { patterns: Vec::new() };
        ignored.add(&path("sub"), "build/");
        assert!(ignored.ignores(&path("sub/build"), true));
        assert!(!ignored.ignores(&path("sub/build"), false));
        assert!(!ignored.ignores(&path("build"), true), "another directory's patterns");
    }
}
