//! Public kustomizations, and Kustomize's own scenarios, with Kustomize's answers: all must be the same, bytes and words.
//!
//! The corpus lies where `BOWLINE_CORPUS` says; without it there is nothing to compare. `BOWLINE_CASE` names a part of
//! the cases to look at, and has both answers printed.

mod support;

use bowline_kustomize::{LoadRestrictions, Options, Order, build};
use bowline_tree::{MemoryTree, TreePath};
use serde_json::Value;
use support::{DiskTree, corpus, first_difference, read};

/// Cases that are known to differ, each with its reason.
const KNOWN: [(&str, &str); 9] = [
    ("TestEmptyFileSystem-159", "the words of a file system in memory; ours are those of a disk"),
    ("TestResourceNotFound-4", "the words of a file system in memory; ours are those of a disk"),
    ("TestPluginEnvironment-251", "another program would be run; it is refused"),
    ("TestSedTransformer-291", "another program would be run; it is refused"),
    ("TestNameReferenceDeploymentIssue3489-207", "`..` leads from `/` to `/` itself; nothing lies above a source"),
    ("TestComponentErrors_func1-41", "the words of a file system in memory; ours are those of a disk"),
    ("kubernetes-sigs+cluster-api/test_e2e_data_infrastructure-docker_main_clusterclass-quick-start-kcp-only", MISSING),
    ("kubernetes-sigs+cluster-api/test_infrastructure_docker_config_default", MISSING),
    ("kubernetes-sigs+cluster-api/test_infrastructure_docker_config_manager", MISSING),
];
const MISSING: &str = "files that it reads are not in the corpus; Kustomize fails on it, too";

/// What came of the comparison.
#[derive(Default)]
struct Counts {
    equal: usize,
    failed_in_both: usize,
    known: Vec<String>,
    different: Vec<String>,
}

impl Counts {
    fn compare(&mut self, name: &str, have: &Result<String, String>, want: &Result<String, String>) {
        match (have, want) {
            _ if have != want
                && let Some((_, reason)) = KNOWN.iter().find(|(known, _)| *known == name) =>
            {
                self.known.push(format!("{name}: {reason}"));
            }
            (Ok(have), Ok(want)) if have == want => self.equal += 1,
            (Err(have), Err(want)) if have.trim() == want.trim() => self.failed_in_both += 1,
            (Ok(have), Ok(want)) => self.different.push(format!("{name}: {}", first_difference(have, want))),
            (Err(have), Ok(_)) => self.different.push(format!("{name}: fails: {}", cut(have))),
            (Ok(_), Err(want)) => self.different.push(format!("{name}: does not fail: {}", cut(want))),
            (Err(have), Err(want)) => {
                self.different.push(format!(
                    "{name}: fails otherwise:\n    have {}\n    want {}",
                    cut(have),
                    cut(want)
                ));
            }
        }
        if std::env::var_os("BOWLINE_CASE").is_some() {
            eprintln!("=== {name}\n--- have\n{have:?}\n--- want\n{want:?}");
        }
    }

    fn report(&self, what: &str) {
        eprintln!(
            "{what}: {} equal, {} failed in both, {} known to differ, {} different",
            self.equal,
            self.failed_in_both,
            self.known.len(),
            self.different.len()
        );
        self.known.iter().for_each(|known| eprintln!("  {known}"));
        assert!(self.different.is_empty(), "{what}: {} differ\n{}", self.different.len(), self.different.join("\n"));
    }
}

fn cut(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Tells whether a case is to be looked at.
fn is_wanted(name: &str) -> bool {
    std::env::var("BOWLINE_CASE").map_or(true, |part| name.contains(&part))
}

#[test]
fn public_kustomizations_are_built_as_by_kustomize() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: BOWLINE_CORPUS names no corpus");
        return;
    };
    let folder = corpus.join("kustomize");
    let mut counts = Counts::default();
    for line in read(&folder.join("cases.tsv")).lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, directory, flags, result, _] = columns[..] else { panic!("a case has five columns: {line}") };
        if !is_wanted(id) {
            continue;
        }
        // A repository is a tree: `trees/NAME`.
        let (top, inside) = directory
            .match_indices('/')
            .nth(1)
            .map_or((directory, ""), |(at, _)| (&directory[..at], &directory[at + 1..]));
        let tree = DiskTree { root: folder.join(top) };
        let restrictions =
            if flags.contains("LoadRestrictionsNone") { LoadRestrictions::None } else { LoadRestrictions::RootOnly };
        let shown_root = tree.root.display().to_string();
        let options = Options { restrictions, shown_root: shown_root.clone(), ..Options::default() };
        let inside = TreePath::parse(inside).expect("is inside");
        let have =
            build(&tree, &inside, &options).map(|built| built.to_yaml()).map_err(|error| format!("Error: {error}"));
        let want = if result == "error" {
            let text = read(&folder.join("expected").join(format!("{id}.error")));
            let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("# Warning:")).collect();
            // One answer was taken down with a path from the corpus.
            let at = format!("'{top}/");
            Err(text.replace("DIR", &format!("{shown_root}/{inside}")).replace(&at, &format!("'{shown_root}/")))
        } else {
            Ok(read(&folder.join("expected").join(format!("{id}.yaml"))))
        };
        counts.compare(id, &have, &want);
    }
    counts.report("public kustomizations");
}

#[test]
fn scenarios_of_kustomize_itself_are_built_as_by_it() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: BOWLINE_CORPUS names no corpus");
        return;
    };
    let mut counts = Counts::default();
    for line in read(&corpus.join("kustomize-scenarios.jsonl")).lines() {
        let scenario: Value = serde_json::from_str(line).expect("is JSON");
        let text = |name: &str| scenario[name].as_str().unwrap_or_default();
        if !is_wanted(text("name")) {
            continue;
        }
        let mut tree = MemoryTree::new();
        for (path, content) in scenario["files"].as_object().expect("has files") {
            tree.insert(TreePath::parse(path).expect("is inside"), content.as_str().unwrap_or_default().to_owned());
        }
        let options = Options {
            restrictions: if text("loadRestrictions") == "LoadRestrictionsNone" {
                LoadRestrictions::None
            } else {
                LoadRestrictions::RootOnly
            },
            order: if text("reorder") == "none" { Order::None } else { Order::Legacy },
            managed_by_label: scenario["managedBy"] == true,
            version: "(devel)".to_owned(),
            ..Options::default()
        };
        let directory = TreePath::parse(text("path")).expect("is inside");
        let have = build(&tree, &directory, &options).map(|built| built.to_yaml()).map_err(|error| error.to_string());
        let want = match scenario.get("out") {
            Some(out) => Ok(out.as_str().unwrap_or_default().to_owned()),
            None => Err(text("err").to_owned()),
        };
        counts.compare(text("name"), &have, &want);
    }
    counts.report("scenarios");
}
