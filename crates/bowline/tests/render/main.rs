//! `bowline render chart` beside Helm: the same calls, the same bytes, the same mistakes told.
//!
//! `answers.json` holds what Helm 4.3.1 answered to `calls.txt`. Where `BOWLINE_CLIENTS` names the folder of the real Helm, it
//! is asked again, and must still answer so; with `UPDATE=1` its answers are written down.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

mod remote;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/render");

pub(crate) fn bowline(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.args(["render", "chart"]).args(arguments).current_dir(HERE);
    command.output().expect("the program runs")
}

fn helm(program: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(program);
    let output =
        command.args(["template", "rel", "web"]).args(arguments).current_dir(HERE).output().expect("helm runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // What Helm logs is no part of its error.
    let error: String = text.split_inclusive('\n').filter(|line| !line.starts_with("level=")).collect();
    json!({
        "call": arguments.join(" "),
        "prints": String::from_utf8_lossy(&output.stdout),
        "error": if output.status.success() { "" } else { error.trim_start_matches("Error: ").trim_end() },
    })
}

#[test]
fn charts_are_printed_as_by_helm() {
    let calls: Vec<Vec<&str>> = include_str!("calls.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
        .collect();
    let real = std::env::var_os("BOWLINE_CLIENTS").map(|folder| PathBuf::from(folder).join("helm4"));
    let recorded = Path::new(HERE).join("answers.json");
    let mut answers: Vec<Value> =
        std::fs::read(&recorded).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if let Some(real) = &real {
        let now: Vec<Value> = calls.iter().map(|call| helm(real, call)).collect();
        if std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&now).expect("answers are values");
            std::fs::write(&recorded, text + "\n").expect("answers can be written");
            answers = now;
        } else {
            assert_eq!(answers, now, "Helm answers otherwise than is recorded");
        }
    }
    assert_eq!(answers.len(), calls.len(), "every call has an answer");
    let mut wrong = Vec::new();
    for (call, answer) in calls.iter().zip(&answers) {
        let output = bowline(&[&["web", "--name", "rel"], call.as_slice()].concat());
        let (prints, says) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let want = answer["error"].as_str().unwrap_or_default();
        // What only Helm's own flags help with is not repeated.
        let want = want.trim_end_matches("\n\nUse --debug flag to render out invalid YAML").trim_end();
        let same = if want.is_empty() {
            output.status.code() == Some(0) && answer["prints"] == *prints
        } else {
            output.status.code() == Some(1) && prints.is_empty() && says.contains(&format!("\n  why: {want}"))
        };
        if !same {
            wrong.push(format!("{}\n got  {prints}{says}\n want {answer:#}", call.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

/// What is wrong, where, and what to do: in this order.
#[test]
fn failures_are_told_in_full() {
    let says = |call: &str| {
        let call: Vec<&str> = ["web"].into_iter().chain(call.split(' ')).collect();
        let output = bowline(&call);
        assert_eq!(output.status.code(), Some(1), "{call:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(
        says("--set public=true"),
        "error: cannot render the chart `web`\n  \
         why: execution error at (web/templates/ingress.yaml:8:15): a host is needed\n   \
         at: web/templates/ingress.yaml:8:15, at <required \"a host is needed\" .Values.host>\n \
         help: set `host` in the values, for example with `--set host=…`, or give it a default in the template\n"
    );
    let nested = says("--set cache.enabled=true --set cache.disk.size=1");
    assert!(
        nested.contains("\n   at: web/charts/cache/templates/cache.yaml:8:18, at <.Values.disk.size.large>\n"),
        "{nested}"
    );
    assert!(nested.contains("\n help: set `cache.disk.size.large` in the values"), "{nested}");
    let schema = says("--set replicas=many");
    assert!(schema.contains("\n help: set `replicas` in the values of chart `web`"), "{schema}");
}

#[test]
fn names_are_templates_and_checked() {
    let prints = |call: &[&str]| {
        let output = bowline(&[&["web", "-s", "templates/service.yaml"], call].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(prints(&["--name-template", "{{ upper \"a\" | lower }}-1"]).1.contains("name: a-1\n"));
    assert!(prints(&[]).1.contains("name: release-name\n"));
    assert_eq!(prints(&["--name", "Not_a_name"]).0, Some(1));
    assert_eq!(prints(&["--name", "a", "--name-template", "b"]).0, Some(2));
}

#[test]
fn what_needs_a_cluster_or_a_network_is_refused() {
    for flag in ["--validate", "--dry-run=server", "--enable-dns", "--verify"] {
        let output = bowline(&["web", flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(says.contains(" is refused\n") && says.contains("\n help: "), "{says}");
    }
    assert_eq!(bowline(&["web", "--dry-run=client"]).status.code(), Some(0));
    assert_eq!(bowline(&["web", "--dry-run"]).status.code(), Some(0));
}

#[test]
fn an_archive_is_a_chart_too() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let archive = folder.path().join("web-1.2.3.tgz");
    let packed = Command::new("tar").args(["-czf"]).arg(&archive).arg("web").current_dir(HERE).status();
    assert!(packed.expect("tar runs").success());
    let archive = archive.display().to_string();
    let from_archive = bowline(&[&archive, "--include-crds"]);
    assert_eq!(from_archive.status.code(), Some(0), "{}", String::from_utf8_lossy(&from_archive.stderr));
    assert_eq!(from_archive.stdout, bowline(&["web", "--include-crds"]).stdout);
}

/// As Helm 4.3.1 writes the same chart, compared file by file.
#[test]
fn files_are_written_where_they_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out").display().to_string();
    let printed = bowline(&["web", "--name", "rel"]);
    let told = bowline(&["web", "--name", "rel", "--output-dir", &out]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).expect("is text");
    let names: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("wrote ")).collect();
    let read = |name: &str| std::fs::read_to_string(name).expect("was written");
    let printed = String::from_utf8(printed.stdout).expect("is text");
    let documents = |text: &str| -> Vec<String> {
        let mut all: Vec<String> = text.split("---\n").map(|part| part.trim_end().to_owned()).collect();
        all.retain(|part| !part.is_empty());
        all.sort();
        all
    };
    let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    let written: String = distinct.iter().map(|name| read(name)).collect();
    assert_eq!(documents(&written), documents(&printed), "the same documents, each in the file of its template");

    // Once more changes nothing, and another release has a folder of its own.
    assert!(bowline(&["web", "--name", "rel", "--output-dir", &out]).status.success());
    assert_eq!(distinct.iter().map(|name| read(name)).collect::<String>(), written);
    assert!(bowline(&["web", "--name", "rel", "--output-dir", &out, "--release-name"]).status.success());
    let moved = names[0].replacen(&out, &format!("{out}/rel"), 1);
    assert_eq!(read(&moved), read(names[0]));

    // Nothing is written through a link that somebody left there.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "mine").expect("written");
    std::fs::remove_file(names[0]).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, names[0]).expect("linked");
    let refused = bowline(&["web", "--name", "rel", "--output-dir", &out]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing is written through links"));
    assert_eq!(std::fs::read_to_string(&elsewhere).expect("is there"), "mine");
}
