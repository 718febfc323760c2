//! Parity: the same scripted requests to this server and to the real kube-apiserver, and the answers compared.
//!
//! `cases/AREA/CASE.jsonl` is the script, one step a line; `CASE.answers.jsonl` beside it is what kube-apiserver answered,
//! normalised (see [`normal`]). README.md in this folder tells the format. Without a real server the recorded answers judge;
//! with `BOWLINE_JUDGE` naming one it is asked again and must answer as recorded, and `UPDATE=1` records anew.
//! `PARITY=text` runs the cases whose `AREA/CASE` contains the text.

#[path = "../certified/mod.rs"]
mod certified;
mod compare;
mod histories;
mod hooks;
mod normal;
mod player;
mod script;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::Value;

use script::{Case, Plane};
use server::{Planes, Server};

/// Most cases at one time.
const AT_ONCE: usize = 6;

/// How often a case is played again to which the real server answered otherwise than recorded.
const AGAIN: usize = 3;

/// What became of one case.
struct Outcome {
    case: Arc<Case>,
    area: String,
    steps: usize,
    waived: usize,
    /// Steps that differ and are not waived, each with what differs.
    ours: Vec<String>,
    /// Steps to which the real server answered otherwise than recorded.
    real: Vec<String>,
}

// More threads than cases at once: one that computes for long must not keep another from the answer of its webhook.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn answers_are_those_of_kube_apiserver() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/cases");
    let wanted = std::env::var("PARITY").unwrap_or_default();
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let cases: Vec<Arc<Case>> = find(&folder)
        .into_iter()
        .filter(|(name, _)| name.contains(&wanted))
        .map(|(name, path)| Case::read(&name, &path).unwrap_or_else(|error| panic!("{name}: {error}")))
        .map(Arc::new)
        .collect();
    assert!(!cases.is_empty(), "no case is named like `{wanted}`");
    let program = std::env::var_os("BOWLINE_JUDGE").map(PathBuf::from);
    let planes = match &program {
        Some(program) => Some(Arc::new(start(program, cases.iter().map(|case| case.plane)).await)),
        None => None,
    };
    assert!(!update || planes.is_some(), "UPDATE=1 needs BOWLINE_JUDGE");
    let mut outcomes: Vec<Outcome> = futures::stream::iter(cases)
        .map(|case| {
            let planes = planes.clone();
            tokio::spawn(async move { run(case, planes.as_deref(), update).await })
        })
        .buffer_unordered(AT_ONCE)
        .map(|done| done.expect("a case does not panic"))
        .collect()
        .await;
    drop(planes);
    for _ in 0..AGAIN {
        if let Some(program) = &program {
            ask_again(program, &mut outcomes).await;
        }
    }
    report(outcomes);
}

async fn start(program: &Path, planes: impl Iterator<Item = Plane>) -> Planes {
    let planes: Vec<Plane> = planes.collect();
    Planes::start(program, planes.contains(&Plane::Quiet), planes.contains(&Plane::Busy)).await
}

/// Plays the cases to which the real server answered otherwise than recorded once more, one after the other, on a new one.
///
/// Its controllers act in their own time, which on a busy machine is not the one a script waits, and what it takes from
/// maps comes in any order.
async fn ask_again(program: &Path, outcomes: &mut [Outcome]) {
    let mut odd: Vec<&mut Outcome> = outcomes.iter_mut().filter(|outcome| !outcome.real.is_empty()).collect();
    if odd.is_empty() {
        return;
    }
    let planes = start(program, odd.iter().map(|outcome| outcome.case.plane)).await;
    for outcome in &mut odd {
        let case = &outcome.case;
        let answers = player::play(case, planes.of(case.plane)).await;
        outcome.real = compare_all(case, &case.recorded(), &answers, true).0;
    }
}

/// Plays a case on this server, and on the real one when there is one.
async fn run(case: Arc<Case>, planes: Option<&Planes>, update: bool) -> Outcome {
    let mut real_differs = Vec::new();
    if let Some(planes) = planes {
        let answers = player::play(&case, planes.of(case.plane)).await;
        if update {
            case.record(&answers);
        } else {
            real_differs = compare_all(&case, &case.recorded(), &answers, true).0;
        }
    }
    let want = case.recorded();
    let server = Server::ours(case.plane);
    let have = player::play(&case, &server).await;
    let (ours, waived) = compare_all(&case, &want, &have, false);
    Outcome {
        area: case.name.split('/').next().unwrap_or_default().to_owned(),
        steps: case.steps.len(),
        waived,
        ours,
        real: real_differs,
        case,
    }
}

/// Returns what differs, and how many of the differing steps are waived.
fn compare_all(case: &Case, want: &[Value], have: &[Value], is_real: bool) -> (Vec<String>, usize) {
    let (mut wrong, mut waived) = (Vec::new(), 0);
    for (index, step) in case.steps.iter().enumerate() {
        let (want, have) = (want.get(index).unwrap_or(&Value::Null), have.get(index).unwrap_or(&Value::Null));
        let differences = compare::differences(want, have);
        if differences.is_empty() {
            if step.waive.is_some() && !is_real {
                wrong.push(format!("{}:{}: the waiver is not needed: the answers are the same", case.name, step.line));
            }
        } else if step.waive.is_some() {
            waived += 1;
        } else {
            let mut text = format!("{}:{}: {}", case.name, step.line, step.title);
            for difference in differences.iter().take(10) {
                let _ = write!(text, "\n    {difference}");
            }
            if differences.len() > 10 {
                let _ = write!(text, "\n    … and {} more", differences.len() - 10);
            }
            wrong.push(text);
        }
    }
    (wrong, waived)
}

fn report(outcomes: Vec<Outcome>) {
    let mut areas: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    let (mut ours, mut real) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        let area = areas.entry(outcome.area).or_default();
        area.0 += outcome.steps;
        area.1 += outcome.ours.len();
        area.2 += outcome.waived;
        ours.extend(outcome.ours);
        real.extend(outcome.real);
    }
    ours.sort();
    real.sort();
    let mut text = format!("{:<18} {:>6} {:>10} {:>7}\n", "area", "steps", "identical", "waived");
    let (mut steps, mut waived) = (0, 0);
    for (area, (count, wrong, spared)) in &areas {
        let _ = writeln!(text, "{area:<18} {count:>6} {:>10} {spared:>7}", count - wrong - spared);
        steps += count;
        waived += spared;
    }
    let identical = steps - ours.len() - waived;
    let share = 100.0 * identical as f64 / steps as f64;
    let _ = writeln!(text, "parity: {identical} of {steps} steps identical ({share:.2} %), {waived} waived");
    // Printed past the test harness's capture, so that every run of the suite shows the figure.
    use std::io::Write as _;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    let real_count = real.len();
    assert!(
        real.is_empty(),
        "{real_count} steps: the real server answers otherwise than recorded\n{}",
        real.join("\n")
    );
    let count = ours.len();
    assert!(ours.is_empty(), "{count} of {steps} steps differ from the real server\n{}", ours.join("\n"));
    assert!(waived * 100 <= steps, "{waived} of {steps} steps are waived, which is more than one in a hundred");
}

/// Returns `AREA/CASE` and path of every script, sorted.
fn find(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for area in std::fs::read_dir(folder).expect("the folder of cases is there") {
        let area = area.expect("the folder can be read");
        for file in std::fs::read_dir(area.path()).expect("an area is a folder") {
            let path = file.expect("the area can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(case) = name.strip_suffix(".jsonl").filter(|case| !case.ends_with(".answers")) {
                found.push((format!("{}/{case}", area.file_name().to_string_lossy()), path));
            }
        }
    }
    found.sort();
    found
}
