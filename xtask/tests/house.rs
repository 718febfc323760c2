//! The house keeps its plan: arrows between crates, and the licences of what comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which rooms each room may use: the table of the design. `bowline` and `xtask` may use all.
const ARROWS: [(&str, &[&str]); 18] = [
    ("apiserver", &["smd", "yaml"]),
    ("argo", &["engine", "model", "health"]),
    ("cluster", &["tree", "smd", "model"]),
    (
        "engine",
        &["source", "cluster", "manifest", "helm", "kustomize", "plan", "health", "model", "smd", "tree", "yaml"],
    ),
    ("flux", &["engine", "model", "health"]),
    ("gotmpl", &[]),
    ("health", &["smd", "model"]),
    ("helm", &["gotmpl", "tree", "yaml", "model"]),
    ("kustomize", &["helm", "tree", "yaml", "model"]),
    ("manifest", &["tree", "yaml", "model"]),
    ("model", &["tree", "yaml", "smd"]),
    ("plan", &["smd", "model"]),
    (
        "simulator",
        &["apiserver", "argo", "cluster", "engine", "flux", "helm", "model", "plan", "source", "tree", "yaml"],
    ),
    ("smd", &["yaml", "tree"]),
    ("source", &["tree", "smd", "model", "yaml"]),
    ("tree", &[]),
    ("web", &["engine", "model"]),
    ("yaml", &["tree"]),
];

fn metadata() -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    // Only what this machine builds: the crates of other systems are not downloaded.
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let host = String::from_utf8_lossy(&host.stdout);
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

#[test]
fn arrows_point_down() {
    let metadata = metadata();
    let allowed: BTreeMap<_, BTreeSet<&str>> =
        ARROWS.iter().map(|(room, uses)| (*room, uses.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("a list") {
        let name = package["name"].as_str().expect("a name");
        let Some(room) = name.strip_prefix("bowline-") else { continue };
        let Some(uses) = allowed.get(room) else {
            wrong.push(format!("`{room}` is not in the table of rooms"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a list") {
            // What a test uses as a referee or a fixture is no arrow of the house.
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let used = dependency["name"].as_str().expect("a name");
            if let Some(used) = used.strip_prefix("bowline-")
                && !uses.contains(used)
            {
                wrong.push(format!("`{room}` uses `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the design does not have: {wrong:#?}");
}

#[test]
fn licences_are_allowed() {
    let deny =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml")).expect("deny.toml is there");
    let list = deny.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("has a list of licences");
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let mut wrong = Vec::new();
    for package in metadata()["packages"].as_array().expect("a list") {
        let name = package["name"].as_str().expect("a name");
        if deny.contains(&format!("crate = \"{name}\"\n")) {
            continue;
        }
        let Some(licence) = package["license"].as_str() else {
            wrong.push(format!("{name}: no licence is named"));
            continue;
        };
        if !is_allowed(licence, &allowed) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "licences that deny.toml does not allow: {wrong:#?}");
}

#[test]
fn what_is_banned_does_not_come_in() {
    let deny =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml")).expect("deny.toml is there");
    let banned: BTreeSet<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ name = \"")?.split('"').next()).collect();
    assert!(!banned.is_empty(), "deny.toml has a list");
    // What is built: the lock file also holds what other features or systems would need.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| banned.contains(name)).collect();
    assert!(found.is_empty(), "crates that deny.toml bans: {found:?}");
}

/// Reads an SPDX expression: of alternatives one must do, of a conjunction all.
fn is_allowed(licence: &str, allowed: &BTreeSet<&str>) -> bool {
    let text = licence.replace(['(', ')'], "").replace('/', " OR ");
    text.split(" AND ").all(|part| part.split(" OR ").any(|one| allowed.contains(one.trim())))
}
