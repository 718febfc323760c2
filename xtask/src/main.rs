//! Chores: `cargo xtask test`, `simulate`, `demo`, `bench`, `conformance`, `fuzz`, `referee`, `api-data`.

mod apidata;
mod conformance;
mod fuzz;
mod referee;
mod simulate;
mod steps;
mod test;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Bowline's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs everything that can run here, and names what cannot
    Test,
    /// Plays whole worlds with faults by seed (`--seed N --seeds M --trace`), and judges them by the six promises
    Simulate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Shows Bowline on this machine; arguments go to `bowline demo`
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures, beside the limit of the machine; arguments go to the bench
    Bench {
        /// Which: `api`, `reconcile` or `render`
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Asks the programs that judge ours again, and prints how much is the same
    Conformance {
        /// Which: `api`, `gotemplate`, `health`, `helm`, `kustomize`, `sprig` or `yaml`
        name: String,
        /// How many random cases, of each sort
        #[arg(long)]
        cases: Option<u64>,
        /// Where the random cases start
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Mangles what the embedded API server decodes, and templates, by libFuzzer (cargo-fuzz and a nightly compiler)
    Fuzz {
        /// One of the targets of `crates/apiserver/fuzz` and `crates/gotmpl/fuzz`; all of them, one after the other, when left out
        target: Option<String>,
        /// For how long, each
        #[arg(long, default_value_t = 180)]
        seconds: u32,
    },
    /// Builds the programs that judge ours, and prints where they are
    Referee,
    /// Makes the data of the built-in kinds anew from the Kubernetes Go modules
    ApiData,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Test => test::run(),
        Chore::Simulate { arguments } => simulate::run(&arguments),
        Chore::Demo { arguments } => steps::cargo_run("bowline", &["demo".to_owned()], &arguments),
        Chore::Bench { name, arguments } => {
            let plane = || anyhow::Ok(referee::control_plane()?.map(|path| ("BOWLINE_CONTROL_PLANE", path)));
            let mut arguments = arguments;
            let (package, benches, referees) = match name.as_str() {
                "api" => ("bowline-apiserver", &["bench-api", "bench-apply"][..], plane()?.into_iter().collect()),
                "reconcile" => {
                    let plane = plane()?.context("the bench runs on a real control plane, which needs Go to build")?;
                    ("bowline", &["bench-reconcile"][..], vec![plane])
                }
                "monorepo" => {
                    let plane = plane()?.context("the bench runs on a real control plane, which needs Go to build")?;
                    let shape = ["--apps", "5000", "--objects", "1", "--one-commit", "--rest-secs", "1"];
                    // What is said after it counts.
                    arguments.retain(|argument| argument != "--");
                    arguments.splice(0..0, shape.map(str::to_owned));
                    ("bowline", &["bench-reconcile"][..], vec![plane])
                }
                "render" => {
                    let clients = referee::clients()?.context("the bench runs Helm, which needs Go to build")?;
                    let library = referee::helm()?.context("the bench runs Helm's library, which needs Go to build")?;
                    let kustomize = referee::kustomize_program()?.context("it was built like the others")?;
                    let referees = vec![
                        ("BOWLINE_CLIENTS", clients),
                        ("BOWLINE_HELM_SDK", library),
                        ("BOWLINE_KUSTOMIZE", kustomize),
                    ];
                    ("bowline", &["bench-render", "bench-kustomize"][..], referees)
                }
                _ => anyhow::bail!("there is no bench `{name}`; there are: api, monorepo, reconcile, render"),
            };
            steps::bench(package, benches, &arguments, &referees)
        }
        Chore::Conformance { name, cases, seed } => match name.as_str() {
            "api" => conformance::api(cases, seed),
            "gotemplate" => conformance::gotemplate(cases, seed),
            "health" => conformance::health(cases, seed),
            "helm" => conformance::helm(),
            "kustomize" => conformance::kustomize(cases, seed),
            "sprig" => conformance::sprig(cases, seed),
            "yaml" => conformance::yaml(cases, seed),
            _ => {
                anyhow::bail!(
                    "there is no conformance `{name}`; there are: api, gotemplate, health, helm, kustomize, sprig, yaml"
                )
            }
        },
        Chore::Fuzz { target, seconds } => fuzz::fuzz(target.as_deref(), seconds),
        Chore::Referee => {
            type Build = fn() -> anyhow::Result<Option<std::path::PathBuf>>;
            let all: [Build; 9] = [
                referee::control_plane,
                referee::clients,
                referee::patches,
                referee::cel,
                referee::gotemplate,
                referee::health,
                referee::helm,
                referee::kustomize,
                referee::yaml,
            ];
            for build in all {
                let Some(program) = build()? else {
                    steps::say("Go is not installed: no referee");
                    break;
                };
                steps::say(&program.display().to_string());
            }
            Ok(())
        }
        Chore::ApiData => apidata::run(),
    }
}
