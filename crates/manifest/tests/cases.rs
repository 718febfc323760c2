//! Every folder of `tests/cases` is a source: `input/` and `links.txt` are its files, `options.txt` says how to
//! read it, `want.txt` is what becomes of it. `UPDATE=1` writes the answers anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bowline_manifest::{Limits, Rendered, render};
use bowline_model::{DirectoryOptions, DirectoryRules, Explain};
use bowline_tree::{ContentId, Entry, EntryKind, MemoryTree, Recorder, Tree, TreeError, TreePath};
use bytes::Bytes;

/// Files in memory, with symbolic links, which a tree in memory has not.
struct Source {
    files: MemoryTree,
    links: BTreeMap<TreePath, String>,
}

impl Tree for Source {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let Some(target) = self.links.get(path) else { return self.files.entry(path) };
        let id = ContentId(target.clone());
        Ok(Some(Entry { name: path.file_name().to_owned(), kind: EntryKind::Symlink, id }))
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        match self.links.get(path) {
            Some(target) => Ok(Bytes::from(target.clone())),
            None => self.files.read(path),
        }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut entries = self.files.list(path)?;
        for link in self.links.keys().filter(|link| link.parent().as_ref() == Some(path)) {
            entries.extend(self.entry(link)?);
        }
        entries.sort();
        Ok(entries)
    }
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("is inside")
}

fn add_files(files: &mut MemoryTree, root: &Path, dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("is a folder") {
        let entry = entry.expect("is readable").path();
        if entry.is_dir() {
            add_files(files, root, &entry);
        } else {
            let name = entry.strip_prefix(root).expect("is below").to_str().expect("is text");
            files.insert(path(name), std::fs::read(&entry).expect("is readable"));
        }
    }
}

fn read_if_there(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

fn source(case: &Path) -> Source {
    let mut files = MemoryTree::new();
    let input = case.join("input");
    if input.is_dir() {
        add_files(&mut files, &input, &input);
    }
    let links = read_if_there(&case.join("links.txt"));
    let links = links.lines().filter_map(|line| line.split_once(" -> "));
    Source { files, links: links.map(|(name, target)| (path(name), target.to_owned())).collect() }
}

fn options(case: &Path) -> (DirectoryOptions, Limits) {
    let mut options = DirectoryOptions {
        path: ".".to_owned(),
        recurse: false,
        include: String::new(),
        exclude: String::new(),
        any_extension: false,
        rules: DirectoryRules::ArgoCd,
    };
    let mut limits = Limits::default();
    for line in read_if_there(&case.join("options.txt")).lines() {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", case.display()));
        match name {
            "path" => value.clone_into(&mut options.path),
            "include" => value.clone_into(&mut options.include),
            "exclude" => value.clone_into(&mut options.exclude),
            "recurse" => options.recurse = value == "true",
            "any-extension" => options.any_extension = value == "true",
            "rules" if value == "argo-cd" => options.rules = DirectoryRules::ArgoCd,
            "rules" if value == "flux" => options.rules = DirectoryRules::Flux,
            "max-combined-bytes" => limits.max_combined_bytes = value.parse().expect("is a number"),
            "max-depth" => limits.max_depth = value.parse().expect("is a number"),
            _ => panic!("{}: {line}", case.display()),
        }
    }
    (options, limits)
}

fn explained(problem: &dyn Explain) -> String {
    let at = problem.at().map(|at| format!("{at}: ")).unwrap_or_default();
    let help = problem.help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{} {at}{problem}{help}", problem.reason())
}

fn answer(rendered: Rendered) -> String {
    let mut text = String::new();
    for warning in rendered.warnings() {
        writeln!(text, "warning {}", explained(warning)).expect("memory takes it");
    }
    match rendered.complete() {
        Ok(objects) => {
            for object in &objects {
                let of = object.object.api_version();
                let key = object.object.key();
                let value = serde_json::to_string(object.object.value()).expect("is JSON");
                let rest = if value.len() < 160 { format!(" {value}") } else { String::new() };
                writeln!(text, "object {of} {key} {}{rest}", object.origin).expect("memory takes it");
            }
            if objects.is_empty() {
                text.push_str("no objects\n");
            }
        }
        Err(problems) => {
            for problem in &problems {
                writeln!(text, "problem {}", explained(problem)).expect("memory takes it");
            }
        }
    }
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be asked to write its answers")]
fn every_case_has_its_answer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<_> =
        std::fs::read_dir(root).expect("is a folder").map(|entry| entry.expect("is readable").path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut wrong = String::new();
    for case in &cases {
        let source = source(case);
        let (options, limits) = options(case);
        let have = answer(render(&source, &options, &limits));
        let file = case.join("want.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &have).expect("can be written");
        }
        let want = read_if_there(&file);
        if have != want {
            writeln!(wrong, "{}\n--- want\n{want}--- have\n{have}", case.display()).expect("memory takes it");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A change beside the path must not render again; one below it must.
#[test]
fn only_what_is_below_the_path_is_read() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
    let tree = |beside: &str, below: &str| {
        let mut tree = MemoryTree::new();
        tree.insert(path("apps/shop/a.yaml"), below.to_owned());
        tree.insert(path("apps/other/b.yaml"), beside.to_owned());
        tree
    };
    for rules in [DirectoryRules::ArgoCd, DirectoryRules::Flux] {
        let before = tree(object, object);
        let recorder = Recorder::new(&before);
        let options = DirectoryOptions {
            path: "./apps/shop".to_owned(),
            recurse: true,
            include: String::new(),
            exclude: String::new(),
            any_extension: false,
            rules,
        };
        assert_eq!(render(&recorder, &options, &Limits::default()).complete().map(|objects| objects.len()), Ok(1));
        let reads = recorder.finish();
        assert!(reads.holds_in(&tree("changed: 1\n", object)), "{rules:?}");
        assert!(!reads.holds_in(&tree(object, "changed: 1\n")), "{rules:?}");
    }
}
