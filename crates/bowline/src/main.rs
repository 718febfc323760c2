//! The `bowline` program: arguments, wiring, exit codes. One file a verb.

mod apiserver;
mod demo;
mod drift;
mod install;
mod logging;
mod render;
mod run;
mod trouble;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use trouble::Trouble;

/// Small objects by the thousand come and go here: measured at half of the system allocator's resident memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for what blocks: reading trees, unpacking, files. More would wait for the same disk.
const BLOCKING_THREADS: usize = 6;

/// Keeps clusters equal to Git: for Argo CD's Applications and Flux's Kustomizations, side by side.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

// The flags of one verb are made when it is called: a rendering is short, and there are many.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Verb {
    /// Runs the engine on a cluster, until it is told to stop
    Run(run::Options),
    /// Shows what others changed in the cluster: which field, by whom, and how it ended
    Drift(drift::Options),
    /// Prints what to apply to a cluster so that Bowline runs in it
    Install(install::Options),
    /// Prints what a source means: a chart as `helm template` does, a kustomization as `kustomize build` does
    Render(render::Options),
    /// Runs Kubernetes-compatible clusters in memory, for tests and for trying things out
    Apiserver(apiserver::Options),
    /// Shows all of it on this machine: a cluster in memory, a Git repository, and both dialects
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let began = Instant::now();
    let arguments = Arguments::parse();
    // Huge pages make a small heap large: measured at 20 MiB for nothing. Where it cannot be said, it stays.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
    let done = match arguments.verb {
        Verb::Drift(options) => drift::drift(&options),
        Verb::Install(options) => install::install(&options),
        Verb::Render(options) => render::render(options),
        Verb::Run(options) => wait_for(run::run(options)),
        Verb::Apiserver(options) => wait_for(apiserver::apiserver(options, began)),
        Verb::Demo(options) => wait_for(demo::demo(options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            explain(&error);
            let is_usage = error.downcast_ref::<Trouble>().is_some_and(Trouble::is_usage);
            if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Runs what waits for others; what only computes needs no threads.
fn wait_for(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // Each thread keeps memory of its own: a burst of renders on tokio's 512 would stay resident for good.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    runtime.block_on(work)
}

/// What went wrong, then why, cause after cause.
fn explain(error: &anyhow::Error) {
    if let Some(trouble) = error.downcast_ref::<Trouble>() {
        anstream::eprintln!("{}", trouble.told());
        return;
    }
    anstream::eprintln!("error: {}", trouble::harmless(&error.to_string()));
    for cause in error.chain().skip(1) {
        anstream::eprintln!("  why: {}", trouble::harmless(&cause.to_string()));
    }
}
