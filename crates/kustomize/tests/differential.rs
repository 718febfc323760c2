//! Random trees of overlays, built by Kustomize's library and by ours.
//!
//! `BOWLINE_KUSTOMIZE` names the referee (`conformance/kustomize`); without it there is nothing to compare.
//! `BOWLINE_CASES` is how many trees, `BOWLINE_SEED` where they start; `cargo xtask conformance kustomize` sets all three.

mod generator;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use bowline_kustomize::{Options, Order, build};
use bowline_tree::{MemoryTree, TreePath};
use generator::{Files, tree};
use serde_json::{Value, json};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn ours(files: &Files, order: Order) -> Result<String, String> {
    let mut tree = MemoryTree::new();
    for (path, content) in files {
        tree.insert(TreePath::parse(path).expect("is inside"), content.clone());
    }
    let options = Options { order, ..Options::default() };
    let directory = TreePath::parse("top").expect("is inside");
    build(&tree, &directory, &options).map(|built| built.to_yaml()).map_err(|error| error.to_string())
}

#[test]
fn random_overlays_are_built_as_by_kustomize() {
    let Some(referee) = std::env::var_os("BOWLINE_KUSTOMIZE") else {
        eprintln!("skipped: BOWLINE_KUSTOMIZE names no referee");
        return;
    };
    let (cases, seed) = (number("BOWLINE_CASES", 1000), number("BOWLINE_SEED", 1));
    let mut child =
        Command::new(referee).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
    let mut input = child.stdin.take().expect("is piped");
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    let (mut equal, mut failed, mut same_words, mut crashed) = (0, 0, 0, 0);
    let mut different = Vec::new();
    for seed in seed..seed + cases {
        let files = tree(seed);
        let order = if seed % 2 == 0 { Order::Legacy } else { Order::None };
        let name = if order == Order::Legacy { "legacy" } else { "none" };
        let question = json!({"files": files, "path": "/top", "order": name});
        writeln!(input, "{question}").expect("the referee listens");
        let mut line = String::new();
        output.read_line(&mut line).expect("the referee answers");
        let answer: Value = serde_json::from_str(&line).expect("the referee answers in JSON");
        let want = match answer["err"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(answer["out"].as_str().unwrap_or_default().to_owned()),
        };
        // Kustomize falls over some trees; what they are is for nobody to say.
        if want.as_ref().is_err_and(|why| why == "panic") {
            crashed += 1;
            continue;
        }
        match (ours(&files, order), want) {
            (Ok(have), Ok(want)) if have == want => equal += 1,
            (Err(have), Err(want)) => {
                failed += 1;
                same_words += usize::from(without_address(&have) == without_address(&want));
                if without_address(&have) != without_address(&want) && std::env::var_os("BOWLINE_WORDS").is_some() {
                    eprintln!("seed {seed}: other words\n  have {have}\n  want {want}");
                }
            }
            (have, want) => {
                different.push(format!("seed {seed}:\n--- have\n{}\n--- want\n{}", shown(&have), shown(&want)));
            }
        }
        if different.len() >= 20 {
            break;
        }
    }
    drop(input);
    child.wait().expect("the referee ends");
    let count = different.len();
    eprintln!(
        "random overlays: {equal} equal, {failed} failed in both ({same_words} in the same words), {crashed} that Kustomize falls over, {count} different"
    );
    if let Ok(wanted) = std::env::var("BOWLINE_SHOW") {
        let files = tree(wanted.parse().expect("is a seed"));
        for (path, content) in &files {
            eprintln!("##### {path}\n{content}");
        }
    }
    assert!(different.is_empty(), "{count} trees differ\n{}", different.join("\n"));
}

/// Leaves out what generator is told of: Kustomize tells where it lies in memory.
fn without_address(why: &str) -> String {
    const WORDS: &str = "merging from generator ";
    match why.split_once(WORDS) {
        Some((before, after)) => format!("{before}{WORDS}{}", after.split_once(": ").map_or(after, |(_, rest)| rest)),
        None => why.to_owned(),
    }
}

fn shown(answer: &Result<String, String>) -> String {
    match answer {
        Ok(text) => text.clone(),
        Err(why) => format!("fails: {why}"),
    }
}
