//! Real clients, unmodified, on `bowline apiserver`: kubectl, Helm 3 and 4, client-go, controller-runtime, Flux's applier.
//!
//! `commands.txt` is what they are asked to do, on one cluster from top to bottom, and what they must print.
//! `BOWLINE_CLIENTS` names the folder of the programs (`cargo xtask test` builds them and sets it); without it nothing is
//! asked, and `cargo xtask test` says so by name. Where `BOWLINE_CONTROL_PLANE` names the real control plane, the same
//! commands must do the same there, so that the expectations are its own. `docs/clients.md` is the table of the outcome;
//! `UPDATE=1` writes it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Longest time one command may take, in seconds; they wait for roll-outs.
const PATIENCE_SECS: &str = "120";

/// One command, and what must come of it.
struct Expectation {
    line: usize,
    command: String,
    says: Vec<String>,
    exit: i32,
    is_embedded_only: bool,
}

#[test]
fn clients_do_on_the_embedded_server_what_they_do_on_the_real_one() {
    let Some(programs) = std::env::var_os("BOWLINE_CLIENTS").map(PathBuf::from) else {
        let _ = writeln!(std::io::stderr(), "skipped: real clients on `bowline apiserver`: BOWLINE_CLIENTS is not set");
        return;
    };
    let expectations = read(include_str!("commands.txt"));
    let mut wrong = Vec::new();
    let embedded = embedded();
    wrong.extend(play("bowline apiserver", &programs, &embedded.kubeconfig, &expectations, false));
    drop(embedded);
    if let Some(plane) = std::env::var_os("BOWLINE_CONTROL_PLANE") {
        let real = real(Path::new(&plane));
        wrong.extend(play("kube-apiserver", &programs, &real.kubeconfig, &expectations, true));
    }
    assert!(wrong.is_empty(), "{} commands went wrong\n{}", wrong.len(), wrong.join("\n"));
    check_table(&expectations);
}

fn read(text: &str) -> Vec<Expectation> {
    let mut all: Vec<Expectation> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(detail) = line.strip_prefix("  ") else {
            all.push(Expectation {
                line: index + 1,
                command: line.to_owned(),
                says: Vec::new(),
                exit: 0,
                is_embedded_only: false,
            });
            continue;
        };
        let last = all.last_mut().expect("a detail follows a command");
        if detail == "embedded" {
            last.is_embedded_only = true;
        } else if let Some(code) = detail.strip_prefix("exit ") {
            last.exit = code.parse().expect("an exit code is a number");
        } else {
            last.says.push(detail.to_owned());
        }
    }
    all
}

/// Runs all commands, and returns what went wrong.
fn play(server: &str, programs: &Path, kubeconfig: &Path, expectations: &[Expectation], is_real: bool) -> Vec<String> {
    let home = tempfile::tempdir().expect("a directory can be made");
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/files");
    copy(&files, home.path());
    let own_kubeconfig = home.path().join("kubeconfig");
    std::fs::copy(kubeconfig, &own_kubeconfig).expect("the kubeconfig can be copied");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut wrong = Vec::new();
    for expected in expectations.iter().filter(|expected| !(is_real && expected.is_embedded_only)) {
        let output = Command::new("timeout")
            .args([PATIENCE_SECS, "bash", "-c", &expected.command])
            .current_dir(home.path())
            .env("PATH", &path)
            .env("HOME", home.path())
            .env("KUBECONFIG", &own_kubeconfig)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .output()
            .expect("a shell can be run");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().unwrap_or(-1);
        let missing: Vec<&String> = expected.says.iter().filter(|said| !text.contains(said.as_str())).collect();
        if code != expected.exit || !missing.is_empty() {
            let shown: String = text.chars().take(1500).collect();
            wrong.push(format!(
                "{server}, line {}: $ {}\n  exit {code}, want {}; does not say {missing:?}\n{shown}",
                expected.line, expected.command, expected.exit
            ));
        }
    }
    wrong
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the files are there") {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a directory can be made");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file can be copied");
        }
    }
}

/// A server that ends with this value.
struct Running {
    child: Child,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The control plane ends with its standard input, and removes its folder; `bowline apiserver` by a signal.
        drop(self.child.stdin.take());
        if !self.kubeconfig.starts_with(self.folder.path()) {
            let _ = self.child.wait();
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn embedded() -> Running {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let kubeconfig = folder.path().join("kubeconfig");
    let mut child = Command::new(env!("CARGO_BIN_EXE_bowline"))
        .args(["apiserver", "--listen", "127.0.0.1:0", "--nodes", "2", "--output", "json", "--kubeconfig"])
        .arg(&kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bowline can be started");
    let line = first_line(&mut child);
    assert!(kubeconfig.exists(), "`bowline apiserver` wrote no kubeconfig: {line}");
    Running { child, kubeconfig, folder }
}

fn real(program: &Path) -> Running {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let mut child = Command::new(program)
        .args(["-nodes", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the control plane can be started");
    let ready: Value = serde_json::from_str(&first_line(&mut child)).expect("it says in JSON that it is ready");
    let kubeconfig = PathBuf::from(ready["kubeconfig"].as_str().unwrap_or_default());
    Running { child, kubeconfig, folder }
}

fn first_line(child: &mut Child) -> String {
    let output = child.stdout.take().expect("holds because it is piped");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("its output can be read");
    line
}

/// Compares `docs/clients.md` with the commands that just went well, or writes it.
fn check_table(expectations: &[Expectation]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/clients.md");
    let mut text = String::from(
        "# Clients that run unmodified on `bowline apiserver`\n\n\
         Written by the test `clients` of the crate `bowline`, which runs every command below on one cluster of `bowline apiserver`, and\n\
         on a real control plane (etcd, kube-apiserver and kube-controller-manager 1.35.4), and compares what they print with what is\n\
         expected. The clients are built from their authors' Go modules (`conformance/clients/go.mod` tells the versions).\n\n\
         kube-rs is a client of every story; its watcher and reflector, by list and by streaming list, are asked in the tests `watchers`\n\
         and `clients` of the crate `apiserver`.\n\n\
         | client | command | `bowline apiserver` | kube-apiserver |\n|---|---|---|---|\n",
    );
    for expected in expectations {
        let command = expected.command.replace('|', "\\|");
        let client = ["kubectl", "helm3", "helm4", "clients"]
            .into_iter()
            .find(|client| expected.command.split([' ', '|']).any(|word| word == *client))
            .unwrap_or_default();
        let real = if expected.is_embedded_only { "not asked: its nodes run no containers" } else { "the same" };
        let result = if expected.exit == 0 {
            "as expected".to_owned()
        } else {
            format!("refused as expected, exit {}", expected.exit)
        };
        let _ = writeln!(text, "| {client} | `{command}` | {result} | {real} |");
    }
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        assert!(
            std::env::var_os("BOWLINE_CONTROL_PLANE").is_some(),
            "the table tells of the real one, which was not asked"
        );
        std::fs::write(&path, text).expect("the table can be written");
    } else {
        let have = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(have == text, "docs/clients.md is not the table of commands.txt; UPDATE=1 writes it");
    }
}
