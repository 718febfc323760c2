//! `cargo xtask test`: everything that can run here.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::referee;
use crate::steps::{self, cargo, is_ci, say};

/// Runs it all; stops at the first failure, so that its words are the last on the screen.
fn all(skipped: &mut Vec<String>) -> anyhow::Result<()> {
    let cargo = cargo();
    steps::run(&cargo, &["fmt", "--all", "--check"], &[])?;
    steps::run(&cargo, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    let control_plane = referee::control_plane()?;
    let mut variables = vec![("RUST_BACKTRACE", "1".to_owned())];
    match &control_plane {
        Some(path) => variables.push(("BOWLINE_CONTROL_PLANE", path.display().to_string())),
        None if is_ci() => bail!("Go is not installed, and with CI=true the real control plane must take part"),
        None => skipped.push("every story on the real control plane: Go is not installed".to_owned()),
    }
    match referee::clients()? {
        Some(folder) => {
            // Its kubectl is the one the stories ask, too.
            let path = std::env::var("PATH").unwrap_or_default();
            variables.push(("PATH", format!("{}:{path}", folder.display())));
            variables.push(("BOWLINE_CLIENTS", folder.display().to_string()));
        }
        None => {
            skipped.push("real clients on `bowline apiserver`, and what kubectl shows: Go is not installed".to_owned());
        }
    }
    match referee::gotemplate()? {
        Some(path) => variables.push(("BOWLINE_GOTEMPLATE", path.display().to_string())),
        None => skipped.push("random templates, by Go and by us: Go is not installed".to_owned()),
    }
    match referee::health()? {
        Some(path) => variables.push(("BOWLINE_HEALTH", path.display().to_string())),
        None => skipped.push("health of random objects, by both peers and by us: Go is not installed".to_owned()),
    }
    match referee::registry()? {
        Some(path) => variables.push(("BOWLINE_REGISTRY", path.display().to_string())),
        None => skipped.push("charts that Helm pushes to a real registry: Go is not installed".to_owned()),
    }
    match steps::corpus() {
        Some(folder) => variables.push(("BOWLINE_CORPUS", folder.display().to_string())),
        None => skipped.push(
            "public charts, kustomizations and health cases: there is no corpus at $BOWLINE_CORPUS or beside the project"
                .to_owned(),
        ),
    }
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    steps::run(&cargo, &["test", "--locked", "--workspace", "--no-fail-fast"], &variables)?;
    say(&format!("start: {:.0} ms, of the embedded API server as tests build it", start_millis()?));
    steps::run(&cargo, &["run", "--quiet", "--locked", "--package", "bowline", "--", "demo", "--check"], &[])
}

/// Returns how long it takes from the start of `bowline apiserver` until it says that it is ready: the median of nine.
fn start_millis() -> anyhow::Result<f64> {
    let program = steps::target().join("debug/bowline");
    let mut millis = Vec::new();
    for _ in 0..9 {
        let begin = Instant::now();
        let mut child = Command::new(&program)
            .args(["apiserver", "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `{}`", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it was piped")?).read_line(&mut line)?;
        millis.push(begin.elapsed().as_secs_f64() * 1000.0);
        child.kill()?;
        child.wait()?;
        anyhow::ensure!(line.starts_with('{'), "`bowline apiserver` did not start: {line}");
    }
    millis.sort_by(f64::total_cmp);
    Ok(millis[millis.len() / 2])
}

pub(crate) fn run() -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut skipped = Vec::new();
    let done = all(&mut skipped);
    for what in &skipped {
        say(&format!("skipped: {what}"));
    }
    say(&format!(
        "\n{} after {:.0} s",
        if done.is_ok() { "All passed" } else { "Failed" },
        begin.elapsed().as_secs_f64()
    ));
    done
}
