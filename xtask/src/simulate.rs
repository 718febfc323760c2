//! `cargo xtask simulate`: whole worlds with faults by seed, as released.

use std::process::Command;

use anyhow::Context as _;

use crate::steps::{cargo, root};

/// Builds the simulator as the product is released, and runs it with these arguments.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let more = arguments.iter().skip_while(|argument| *argument == "--");
    let status = Command::new(cargo())
        .args(["run", "--quiet", "--locked", "--release", "--package", "bowline-simulator", "--"])
        .args(more)
        .current_dir(root())
        .status()
        .context("cannot run cargo")?;
    anyhow::ensure!(status.success(), "a promise was broken; the lines above say how to see it again");
    Ok(())
}
