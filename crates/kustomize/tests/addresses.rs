//! Random addresses, taken apart by Kustomize and by ours.
//!
//! `BOWLINE_KUSTOMIZE` names the referee (`conformance/kustomize`); without it there is nothing to compare.
//! `BOWLINE_CASES` is how many addresses at most, `BOWLINE_SEED` where they start.

#[path = "generator/chance.rs"]
mod chance;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use bowline_kustomize::RepositoryUrl;
use bowline_tree::TreePath;
use chance::Chance;
use serde_json::{Value, json};

/// Each address costs Kustomize several processes.
const MOST: u64 = 400;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn address(seed: u64) -> String {
    let mut chance = Chance::new(seed);
    let pick = |chance: &mut Chance, from: &[&str]| chance.pick(from).to_owned();
    let mut text = pick(&mut chance, &["", "", "", "", "git::", "GIT::"]);
    text += &pick(&mut chance, &["", "", "https://", "HTTPS://", "http://", "ssh://", "file://", "file:///", "ftp://"]);
    text += &pick(&mut chance, &["", "", "", "git@", "git@", "a-1@", "1a@", "me:pw@", "@"]);
    text += &pick(
        &mut chance,
        &["github.com", "github.com", "GitHub.com", "host", "host.example:22", "dev.azure.com", "", "[::1]", ".."],
    );
    text += &pick(&mut chance, &["/", "/", "/", "/", ":", "//", ":/"]);
    for _ in 0..chance.below(6) {
        text += &pick(
            &mut chance,
            &["org", "repo", "repo.git", "_git", "a", "b", "..", "", ".", "x.gitty", ".git", "a:b", "%2e", "c@d", "é"],
        );
        text += &pick(&mut chance, &["/", "/", "/", "/", "//", ""]);
    }
    if chance.once_in(2) {
        text += "?";
        for _ in 0..=chance.below(2) {
            text += &pick(
                &mut chance,
                &[
                    "ref=v1",
                    "ref=",
                    "version=2",
                    "ref=a/b",
                    "ref=%2Fx+y",
                    "ref=%zz",
                    "submodules=no",
                    "timeout=1m",
                    "a;b",
                    "REF=1",
                    "ref",
                    "ref=1?2",
                    "ref=a=b",
                    "",
                ],
            );
            text += &pick(&mut chance, &["", "&", "&"]);
        }
    }
    text
}

#[test]
fn random_addresses_are_taken_apart_as_by_kustomize() {
    let Some(referee) = std::env::var_os("BOWLINE_KUSTOMIZE") else {
        eprintln!("skipped: BOWLINE_KUSTOMIZE names no referee");
        return;
    };
    let (cases, seed) = (number("BOWLINE_CASES", 1000).min(MOST), number("BOWLINE_SEED", 1));
    let mut child =
        Command::new(referee).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
    let mut input = child.stdin.take().expect("is piped");
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    let (mut repositories, mut paths) = (0, 0);
    let mut different = Vec::new();
    for seed in seed..seed + cases {
        let text = address(seed);
        writeln!(input, "{}", json!({ "url": text })).expect("the referee listens");
        let mut line = String::new();
        output.read_line(&mut line).expect("the referee answers");
        let answer: Value = serde_json::from_str(&line).expect("the referee answers in JSON");
        let want = answer["out"].as_str().map(str::to_owned);
        let have = RepositoryUrl::parse(&text).ok().map(|url| {
            let directory = TreePath::parse(&url.directory).expect("is inside");
            let reference = if url.reference.is_empty() { "HEAD" } else { &url.reference };
            format!("{}\n{}\n{reference}", url.address, directory.as_str())
        });
        match &want {
            Some(_) => repositories += 1,
            None => paths += 1,
        }
        if have != want {
            different.push(format!("seed {seed}: {text}\n  have {have:?}\n  want {want:?} ({})", answer["err"]));
        }
    }
    drop(input);
    child.wait().expect("the referee ends");
    eprintln!("random addresses: {repositories} repositories, {paths} paths, {} different", different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}
