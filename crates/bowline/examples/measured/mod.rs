//! What programs use: for the benches that run ours beside another.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::sys::resource::{UsageWho, getrusage};

/// What a process used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) cpu_ms: f64,
    pub(crate) mib: f64,
}

impl Used {
    /// The middle of several.
    pub(crate) fn middle(used: &[Self]) -> Self {
        let of = |part: &dyn Fn(&Self) -> f64| median(&mut used.iter().map(part).collect::<Vec<_>>());
        Self { cpu_ms: of(&|used| used.cpu_ms), mib: of(&|used| used.mib) }
    }
}

/// Returns the path that a variable of the environment holds.
pub(crate) fn named(variable: &str) -> anyhow::Result<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).with_context(|| format!("{variable} is not set"))
}

pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Called as `measure PROGRAM ARGUMENTS…` a bench runs one program and tells what it used: a process knows that of its
/// children only all together. Tells whether it was called so.
pub(crate) fn is_asked() -> anyhow::Result<bool> {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_none_or(|first| first != "measure") {
        return Ok(false);
    }
    let program = words.next().context("a program is named")?;
    let status = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    say(&format!("{} {} {}", status.success(), micros[0] + micros[1], usage.max_rss()));
    Ok(true)
}

/// Runs a program, which must do well, and returns what it used.
pub(crate) fn measure(program: &Path, call: &[&str]) -> anyhow::Result<Used> {
    let me = std::env::current_exe()?;
    let output = Command::new(me).arg("measure").arg(program).args(call).output()?;
    let text = String::from_utf8(output.stdout)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [done, micros, kib] = words[..] else { anyhow::bail!("`{}` was not measured", program.display()) };
    ensure!(done == "true", "`{} {}` failed", program.display(), call.join(" "));
    Ok(Used { cpu_ms: micros.parse::<f64>()? / 1000.0, mib: kib.parse::<f64>()? / 1024.0 })
}

/// The CPU that this process used until now.
pub(crate) fn cpu_secs() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return f64::NAN };
    let times = [usage.user_time(), usage.system_time()];
    times.map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).iter().sum()
}
