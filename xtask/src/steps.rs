//! Running commands, and telling how they went.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// Prints a line for the person who runs the chore.
#[expect(clippy::print_stdout, reason = "a chore's words are its output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Returns the top of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Returns the target directory, which may be anywhere.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Returns the folder of public charts, kustomizations and cases, where there is one: it is no part of the project.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || root().join("../shared/corpus");
    let folder = std::env::var_os("BOWLINE_CORPUS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Tells whether a missing tool is an error rather than a reason to skip.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs a command at the top of the workspace, and fails when it does.
pub(crate) fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let begin = Instant::now();
    say(&format!("\n$ {program} {}", arguments.join(" ")));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).envs(variables.iter().copied());
    let status = command.status().with_context(|| format!("cannot run `{program}`"))?;
    say(&format!(
        "  {} after {:.1} s",
        if status.success() { "done" } else { "failed" },
        begin.elapsed().as_secs_f64()
    ));
    if !status.success() {
        bail!("`{program} {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// Returns the cargo that runs this chore.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Builds and runs a program of the workspace.
pub(crate) fn cargo_run(package: &str, first: &[String], more: &[String]) -> anyhow::Result<()> {
    let mut arguments = vec!["run", "--quiet", "--locked", "--package", package, "--"];
    // `cargo xtask demo -- --check` and `cargo xtask demo --check` mean the same.
    let more = more.iter().skip_while(|argument| *argument == "--");
    arguments.extend(first.iter().chain(more).map(String::as_str));
    let status = Command::new(cargo()).args(&arguments).current_dir(root()).status().context("cannot run cargo")?;
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}

/// Builds the program as it is released, and runs benches on it, one after the other.
pub(crate) fn bench(
    package: &str,
    benches: &[&str],
    more: &[String],
    referees: &[(&str, PathBuf)],
) -> anyhow::Result<()> {
    // All in one command: what is built beside each other is built with the same features, and so once.
    let mut arguments = vec!["build", "--release", "--locked", "--package", "bowline", "--bin", "bowline"];
    if package != "bowline" {
        arguments.extend(["--package", package]);
    }
    for bench in benches {
        arguments.extend(["--example", bench]);
    }
    run(&cargo(), &arguments, &[])?;
    let built = target().join("release");
    let program = built.join("bowline").display().to_string();
    let referees: Vec<(&str, String)> =
        referees.iter().map(|(name, path)| (*name, path.display().to_string())).collect();
    let mut variables = vec![("BOWLINE_PROGRAM", program.as_str())];
    variables.extend(referees.iter().map(|(name, path)| (*name, path.as_str())));
    let more: Vec<&str> = more.iter().skip_while(|argument| *argument == "--").map(String::as_str).collect();
    for bench in benches {
        let bench = built.join("examples").join(bench);
        run(&bench.display().to_string(), &more, &variables)?;
    }
    Ok(())
}
