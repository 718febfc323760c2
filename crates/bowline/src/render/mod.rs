//! `bowline render`: what a source means, printed.

mod chart;
mod disk;
mod kustomization;
mod locate;
mod network;
mod output;
mod without_effect;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Prints what `helm template NAME CHART` prints
    Chart(Box<chart::Options>),
    /// Prints what `kustomize build DIR` prints
    Kustomization(Box<kustomization::Options>),
}

pub(crate) fn render(options: Options) -> anyhow::Result<()> {
    match options.what {
        What::Chart(options) => chart::chart(*options),
        What::Kustomization(options) => kustomization::kustomization(*options),
    }
}
