//! The stories: what Bowline does for a person, and what it does when something is wrong. Each runs on the embedded
//! API server and on a real control plane, through the same client, and must end the same on both.
//!
//! `BOWLINE_CONTROL_PLANE` names the program that runs the real one (`cargo xtask test` sets it). Without it the
//! real half says that it was skipped; with `CI=true` that is a failure.

mod bystander;
mod faults;
mod git;
mod pair;
mod remotes;
mod stage;

mod basics;
mod charts;
mod cluster_faults;
mod crash;
mod dialects;
mod drift;
mod kustomizations;
mod manifests;
mod process;
mod public_charts;
mod releases;
mod renders;
mod repositories;
mod several;
mod sources;
mod sync;

/// Makes of each story two tests, one a cluster.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let stage = crate::stage::Stage::embedded(stringify!($story)).await;
                    super::$story(&stage).await;
                    stage.close().await;
                }
            )*
        }
        mod real {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let Some(stage) = crate::stage::Stage::real(stringify!($story)).await else { return };
                    super::$story(&stage).await;
                    stage.close().await;
                }
            )*
        }
    };
}
pub(crate) use stories;
