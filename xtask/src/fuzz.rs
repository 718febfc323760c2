//! `cargo xtask fuzz`: libFuzzer on everything the embedded API server decodes, and on what repositories hold: YAML, templates,
//! charts, kustomizations.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::steps::{cargo, root, run, say, target};

/// The crates of the targets, seen from the top of the workspace.
const CRATES: [&str; 5] =
    ["crates/apiserver/fuzz", "crates/gotmpl/fuzz", "crates/helm/fuzz", "crates/kustomize/fuzz", "crates/yaml/fuzz"];

/// How much memory a target may take, in megabytes.
const MEMORY: &str = "-rss_limit_mb=2048";

/// Runs one target, or all of them one after the other, for so many seconds each.
///
/// What is found stays in `artifacts` of the target's crate, and the inputs that led somewhere in `…/corpus`; neither is
/// part of the tree.
pub(crate) fn fuzz(name: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    ensure!(
        answers("cargo-fuzz", &["--version"]),
        "`cargo-fuzz` is not installed: `cargo install cargo-fuzz --locked`"
    );
    ensure!(
        answers("rustup", &["run", "nightly", "rustc", "--version"]),
        "libFuzzer needs a nightly compiler: `rustup toolchain install nightly`"
    );
    let mut targets = Vec::new();
    for folder in CRATES {
        targets.extend(self::targets(folder)?.into_iter().map(|target| (folder, target)));
    }
    let chosen: Vec<_> = targets.iter().filter(|(_, target)| name.is_none_or(|name| name == target)).collect();
    ensure!(
        !chosen.is_empty(),
        "there is no target `{}`; there are: {}",
        name.unwrap_or_default(),
        targets.iter().map(|(_, target)| target.as_str()).collect::<Vec<_>>().join(", ")
    );
    let folder = target().join("fuzz").display().to_string();
    let limit = format!("-max_total_time={seconds}");
    let mut broken = Vec::new();
    for (of, target) in &chosen {
        let fuzz = ["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", of, "--target-dir", &folder, target];
        let arguments = [&fuzz[..], &["--", "-jobs=1", "-workers=1", MEMORY, &limit, "-print_final_stats=1"]].concat();
        if run("rustup", &arguments, &[]).is_err() {
            broken.push(format!("{target} of `{of}`"));
        }
    }
    ensure!(broken.is_empty(), "inputs were found that break {}: see `artifacts` there", broken.join(", "));
    say(&format!("{} targets, {seconds} s each: nothing found", chosen.len()));
    Ok(())
}

/// Tells whether a program is there.
fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Reads the names of the targets from a crate.
fn targets(folder: &str) -> anyhow::Result<Vec<String>> {
    let manifest = root().join(folder).join("Cargo.toml");
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .context("cannot run cargo")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).with_context(|| format!("cannot read `{}`", manifest.display()))?;
    let all = metadata["packages"][0]["targets"].as_array().into_iter().flatten();
    let mut names: Vec<String> = all
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
