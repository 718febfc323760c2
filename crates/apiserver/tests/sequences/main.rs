//! Random sequences of applies, updates and patches by several managers, told apart from the real server by nothing.
//!
//! Every day the sequences in `recorded.jsonl.gz` are replayed, whose answers the real server gave. With
//! `BOWLINE_JUDGE` (the program, or the file it writes when it is ready) new ones are made and played on both:
//! `BOWLINE_SEQUENCES` (or `SEQUENCES`) says how many (default 200), `SEED` where they start, `KIND` the plural they are about; `UPDATE=1` records
//! a sample of them. Our clock is set to what the real server's showed, so times are compared as they are.

mod generate;
mod play;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use generate::{Generator, definitions};
use jiff::{Timestamp, Unit};
use play::{Answer, Normal, Server, differences};
use serde_json::{Value, json};

/// Sequences that take turns, so that their steps fall into different seconds.
const BATCH: u64 = 40;

/// How many of the sequences asked are recorded.
const RECORDED: usize = 160;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str, default: u64) -> u64 {
    variable(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sequences/recorded.jsonl.gz")
}

/// One sequence as it was played: each step with the second it was carried out in and the answers it got.
struct Played {
    seed: u64,
    steps: Vec<Value>,
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_end_as_on_the_real_server() {
    match variable("BOWLINE_JUDGE") {
        Some(_) => ask().await,
        None => replay().await,
    }
}

async fn replay() {
    let mut text = String::new();
    let file = std::fs::File::open(recording()).expect("the recording is there");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("the recording can be read");
    let names = [("${ns}", "replayed"), ("${run}", "r0r")];
    let (mut count, mut steps, mut wrong) = (0, 0, Vec::new());
    let server = Server::ours();
    server.prepare(names[0].1, &definitions()).await;
    for line in text.lines() {
        let recorded: Value = serde_json::from_str(line).expect("a sequence");
        count += 1;
        let mut normal = Normal::new(&names);
        for step in recorded["steps"].as_array().into_iter().flatten() {
            steps += 1;
            let now: Timestamp = step["now"].as_str().and_then(|text| text.parse().ok()).expect("a time");
            server.set_time(now);
            let have: Value =
                server.play(&step["step"], &names).await.iter().map(|answer| normal.answer(answer)).collect();
            let mut told = Vec::new();
            differences("", &step["answers"], &have, &mut told);
            if !told.is_empty() {
                wrong.push(format!("seed {}: {}\n    {}", recorded["seed"], step["step"], told.join("\n    ")));
                break;
            }
        }
    }
    assert!(count >= 20, "only {count} sequences are recorded");
    assert!(wrong.is_empty(), "{} of {count} sequences ({steps} steps) differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tally of a run.
#[derive(Default)]
struct Tally {
    next: AtomicU64,
    steps: AtomicU64,
    undecided: AtomicU64,
}

async fn ask() {
    let (real, _process) = real_server();
    let count = number("BOWLINE_SEQUENCES", number("SEQUENCES", 200));
    let tally = Arc::new(Tally::default());
    let run = format!("{:x}", Timestamp::now().as_second());
    let workers = number("WORKERS", 4);
    let tasks: Vec<_> =
        (0..workers).map(|_| tokio::spawn(work(real.clone(), Arc::clone(&tally), run.clone(), count))).collect();
    let (mut wrong, mut played) = (Vec::new(), Vec::new());
    for task in tasks {
        let (told, good) = task.await.expect("a worker ends");
        wrong.extend(told);
        played.extend(good);
    }
    let steps = tally.steps.load(Ordering::Relaxed);
    let undecided = tally.undecided.load(Ordering::Relaxed);
    let decided = count.saturating_sub(undecided);
    let alike = decided.saturating_sub(wrong.len() as u64);
    let summary = format!("sequences: {alike} of {decided} random sequences answered alike ({steps} steps)");
    writeln!(std::io::stderr(), "{summary}").expect("stderr is there");
    if variable("UPDATE").is_some() {
        record(played);
    }
    wrong.sort();
    let shown = number("SHOW", 40) as usize;
    assert!(wrong.is_empty(), "{summary}:\n{}", wrong[..wrong.len().min(shown)].join("\n"));
}

fn record(mut played: Vec<Played>) {
    played.sort_by_key(|played| played.seed);
    let file = std::fs::File::create(recording()).expect("the recording can be written");
    let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    for played in played.into_iter().take(RECORDED) {
        writeln!(out, "{}", json!({"seed": played.seed, "steps": played.steps})).expect("the recording can be written");
    }
    out.finish().expect("the recording can be written");
}

/// Starts the control plane, or reads where it is; ends when what is returned is dropped.
fn real_server() -> (Server, Option<std::process::Child>) {
    let named = variable("BOWLINE_JUDGE").expect("holds because the caller looked");
    let (ready, process) = if Path::new(&named).extension().is_some_and(|ending| ending == "json") {
        (std::fs::read_to_string(&named).expect("the ready file can be read"), None)
    } else {
        let mut process = std::process::Command::new(&named)
            .args(["-housekeeping", "-service-accounts", "-nodes", "0"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the control plane starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("holds because it is piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("the control plane is ready");
        (line, Some(process))
    };
    let ready: Value = serde_json::from_str(&ready).expect("the control plane says where it is");
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().expect("a client");
    let server = Server::Real { client, address: text("server"), token: text("token") };
    (server, process)
}

async fn work(real: Server, tally: Arc<Tally>, run: String, count: u64) -> (Vec<String>, Vec<Played>) {
    let generator = Generator::new();
    let only = variable("KIND");
    let (mut wrong, mut played) = (Vec::new(), Vec::new());
    loop {
        let first = tally.next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= count {
            return (wrong, played);
        }
        let seeds = (first..count.min(first + BATCH)).map(|at| number("SEED", 1) + at);
        let batch: Vec<(u64, Vec<Value>)> =
            seeds.map(|seed| (seed, generator.sequence(seed, only.as_deref()))).collect();
        let ns = format!("seq-{run}-{first}");
        let names = [("${ns}", ns.as_str()), ("${run}", run.as_str())];
        let ours = Server::ours();
        real.prepare(&ns, &definitions()).await;
        ours.prepare(&ns, &definitions()).await;
        settle(&real, &ns).await;
        play_batch(&Pair { real: &real, ours: &ours }, &names, batch, &tally, &mut wrong, &mut played).await;
    }
}

/// Waits until the real server serves the definitions and has filled the namespace.
async fn settle(real: &Server, ns: &str) {
    for path in [
        "/apis/seq.bowline.test/v1beta1/widgets".to_owned(),
        "/apis/seq.bowline.test/v1/bags".to_owned(),
        format!("/api/v1/namespaces/{ns}/serviceaccounts/default"),
    ] {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while real.get_status(&path).await != 200 {
            assert!(std::time::Instant::now() < deadline, "{path} does not come");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

struct Pair<'a> {
    real: &'a Server,
    ours: &'a Server,
}

async fn play_batch(
    pair: &Pair<'_>,
    names: &[(&str, &str)],
    batch: Vec<(u64, Vec<Value>)>,
    tally: &Tally,
    wrong: &mut Vec<String>,
    played: &mut Vec<Played>,
) {
    let mut states: BTreeMap<u64, (Normal, Normal, Vec<Value>)> =
        batch.iter().map(|(seed, _)| (*seed, (Normal::new(names), Normal::new(names), Vec::new()))).collect();
    let longest = batch.iter().map(|(_, steps)| steps.len()).max().unwrap_or(0);
    for round in 0..longest {
        for (seed, steps) in &batch {
            let Some(step) = steps.get(round) else { continue };
            let Some((normal, own_normal, done)) = states.get_mut(seed) else { continue };
            let Some((now, answers)) = on_real(pair.real, step, names).await else {
                tally.undecided.fetch_add(1, Ordering::Relaxed);
                states.remove(seed);
                continue;
            };
            tally.steps.fetch_add(1, Ordering::Relaxed);
            let want: Value = answers.iter().map(|answer| normal.answer(answer)).collect();
            pair.ours.set_time(now);
            let have: Value =
                pair.ours.play(step, names).await.iter().map(|answer| own_normal.answer(answer)).collect();
            let mut told = Vec::new();
            differences("", &want, &have, &mut told);
            done.push(json!({"step": step, "now": now.to_string(), "answers": want}));
            if variable("DUMP").is_some() {
                told.push(format!("dump {step}\n  WANT {want}\n  HAVE {have}"));
                writeln!(std::io::stderr(), "{}", told.join("\n")).expect("stderr is there");
                told.pop();
            }
            if !told.is_empty() {
                let told = told.join("\n    ");
                let plural = step["do"].as_str().unwrap_or_default().rsplit('/').nth(1).unwrap_or_default().to_owned();
                wrong.push(format!("{plural} seed {seed} step {round}: {step}\n    {told}"));
                states.remove(seed);
            }
        }
    }
    played.extend(states.into_iter().map(|(seed, (_, _, steps))| Played { seed, steps }));
}

/// Plays a step on the real server and tells in which second that was; `None` when it may have been either of two.
async fn on_real(real: &Server, step: &Value, names: &[(&str, &str)]) -> Option<(Timestamp, Vec<Answer>)> {
    let second = || {
        let round = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor);
        Timestamp::now().round(round).expect("the time is not at its end")
    };
    let before = second();
    let answers = real.play(step, names).await;
    let after = second();
    (before == after).then_some((after, answers))
}
