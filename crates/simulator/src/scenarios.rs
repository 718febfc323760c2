//! Small written scripts, and the sweep that takes the power away at each of their requests.

use std::time::Duration;

use crate::model::Dialect;
use crate::play::{Settings, play};
use crate::promises::Broken;
use crate::script::{Act, AppSpec, Script, Step};
use crate::wire::{Cut, Moment};

/// One small story for the sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub name: String,
    pub script: Script,
}

/// What a sweep of one scenario showed.
#[derive(Debug, Clone)]
pub struct Swept {
    /// Requests that the engine made in the scenario.
    pub requests: u64,
    /// How often it was played with a power cut.
    pub runs: u64,
    /// Where the power went, and which promise was broken then.
    pub broken: Vec<(Option<Cut>, Broken)>,
}

/// A name, and what happens.
type Story = (&'static str, &'static [(u64, Act, u64)]);

/// What happens in each scenario, once a dialect: pauses in milliseconds, acts, and which app or item.
const STORIES: [Story; 16] = [
    ("install", &[(0, Act::NewApp, 0)]),
    ("upgrade", &[(0, Act::Change, 0)]),
    ("one more", &[(0, Act::Add, 0)]),
    ("prune", &[(0, Act::Remove, 0)]),
    ("hand over", &[(0, Act::HandOver, 0)]),
    ("hand over and back", &[(0, Act::HandOver, 0), (1_500, Act::HandOver, 1)]),
    ("rename", &[(0, Act::Rename, 0)]),
    ("app deletion", &[(0, Act::DeleteApp, 0)]),
    ("edited by hand", &[(0, Act::Edit, 0)]),
    ("deleted by hand", &[(0, Act::Delete, 0)]),
    ("rollback", &[(0, Act::Change, 0), (90_000, Act::Revert, 0)]),
    ("suspended", &[(0, Act::Suspend, 0), (100, Act::Change, 0), (90_000, Act::Resume, 0)]),
    ("broken and mended", &[(0, Act::Break, 0), (90_000, Act::Mend, 0)]),
    ("hook", &[(0, Act::Hook, 0), (90_000, Act::Change, 0)]),
    ("definition and resource", &[(0, Act::Define, 0)]),
    ("namespace deletion", &[(0, Act::LoseNamespace, 0), (20_000, Act::MakeNamespace, 0)]),
];

/// Returns the scenarios.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for dialect in [Dialect::Argo, Dialect::Flux] {
        for (at, (name, acts)) in STORIES.iter().enumerate() {
            let app = |waves| AppSpec { cluster: 0, dialect, items: 2, finalizer: true, waves };
            let steps = acts.iter().map(|(pause, act, which)| Step {
                pause: Duration::from_millis(*pause),
                act: *act,
                // The new app of an install speaks the dialect that the number says.
                which: if *act == Act::NewApp { u64::from(dialect == Dialect::Flux) } else { *which },
            });
            let script = Script {
                seed: 1000 + at as u64,
                clusters: 1,
                apps: vec![app(at % 2 == 1), app(false)],
                steps: steps.collect(),
                troubles: Vec::new(),
            };
            all.push(Scenario { name: format!("{name} ({dialect:?})"), script });
        }
    }
    all
}

/// Plays a scenario without a cut and with one at each request: before it, in it and after it.
///
/// # Errors
///
/// When the machine cannot give a runtime, or a directory to put state in.
pub fn sweep(scenario: &Scenario) -> std::io::Result<Swept> {
    let whole = play(&scenario.script, Settings { is_brief: true, ..Settings::default() })?;
    let mut swept = Swept { requests: whole.requests, runs: 0, broken: Vec::new() };
    swept.broken.extend(whole.broken.first().cloned().map(|broken| (None, broken)));
    for request in 0..whole.requests {
        for moment in [Moment::Before, Moment::During, Moment::After] {
            let cut = Cut { request, moment };
            let outcome = play(&scenario.script, Settings { cut: Some(cut), is_brief: true, ..Settings::default() })?;
            swept.runs += 1;
            swept.broken.extend(outcome.broken.first().cloned().map(|broken| (Some(cut), broken)));
        }
    }
    Ok(swept)
}
