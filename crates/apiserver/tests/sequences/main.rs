//! Random sequences of applies, updates and patches by several managers, told apart from the real server by nothing.
//!
//! Every day the sequences in `recorded.jsonl.gz` are replayed, whose answers the real server gave. With
//! `BOWLINE_JUDGE` (the program, or the file it writes when it is ready) new ones are made and played on both:
//! `BOWLINE_SEQUENCES` (or `SEQUENCES`) says how many (default 200), `SEED` where they start, `KIND` the plural they are
//! about, `WORKERS` how many are played at once, `SHOW` how many differences are told, and `DUMP` the seed of one whose
//! answers are all printed; `UPDATE=1` records a sample of them.
//!
//! Our clock is set to what the real server's showed, so times are compared as they are. A step that was carried out
//! while one second ended may belong to either, or to both: the answer tells if it shows a time, and where the servers
//! come to differ nevertheless, the sequence is played again on another object.

mod generate;
mod play;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use generate::{Generator, definitions};
use jiff::{Timestamp, Unit};
use play::{Answer, Normal, Server, differences};
use serde_json::{Value, json};

/// Sequences that take turns, so that their steps fall into different seconds.
const BATCH: u64 = 40;

/// How many of the sequences asked are recorded.
const RECORDED: usize = 160;

/// How often a sequence is played again because a second ended in it.
const ATTEMPTS: usize = 8;

/// How often a run tells how far it is.
const PROGRESS: Duration = Duration::from_secs(4);

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
struct Tally {
    count: u64,
    next: AtomicU64,
    steps: AtomicU64,
    ended: AtomicU64,
    wrong: AtomicU64,
    retried: AtomicU64,
    undecided: AtomicU64,
    begun: Instant,
    told: Mutex<Instant>,
}

impl Tally {
    fn new(count: u64) -> Self {
        let zero = || AtomicU64::new(0);
        let now = Instant::now();
        Self {
            count,
            next: zero(),
            steps: zero(),
            ended: zero(),
            wrong: zero(),
            retried: zero(),
            undecided: zero(),
            begun: now,
            told: Mutex::new(now),
        }
    }

    /// Tells how far the run is, every few seconds.
    fn progress(&self) {
        let mut told = self.told.lock().expect("holds because no holder panics");
        if told.elapsed() < PROGRESS {
            return;
        }
        *told = Instant::now();
        drop(told);
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (ended, steps, secs) = (get(&self.ended), get(&self.steps), self.begun.elapsed().as_secs().max(1));
        say(&format!(
            "sequences: {ended} of {} played in {secs} s, {} steps a second, {} differ, {} played again",
            self.count,
            steps / secs,
            get(&self.wrong),
            get(&self.retried),
        ));
    }
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is there");
}

async fn ask() {
    let (real, _process) = real_server();
    let count = number("BOWLINE_SEQUENCES", number("SEQUENCES", 200));
    let tally = Arc::new(Tally::new(count));
    // Names of its own, also beside a run that began with it.
    let run = format!("{:x}x{:x}", Timestamp::now().as_second(), std::process::id());
    let workers = number("WORKERS", 4);
    let tasks: Vec<_> =
        (0..workers).map(|_| tokio::spawn(work(real.clone(), Arc::clone(&tally), run.clone()))).collect();
    let (mut wrong, mut played) = (Vec::new(), Vec::new());
    for task in tasks {
        let (told, good) = task.await.expect("a worker ends");
        wrong.extend(told);
        played.extend(good);
    }
    let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let decided = count.saturating_sub(get(&tally.undecided));
    let summary = format!(
        "sequences: {} of {decided} random sequences answered alike ({} steps, seeds from {}, {} played again, {} \
         undecided, {} s)",
        decided.saturating_sub(wrong.len() as u64),
        get(&tally.steps),
        number("SEED", 1),
        get(&tally.retried),
        get(&tally.undecided),
        tally.begun.elapsed().as_secs(),
    );
    say(&summary);
    if variable("UPDATE").is_some() {
        record(played);
    }
    wrong.sort();
    let shown = number("SHOW", 40) as usize;
    assert!(wrong.is_empty(), "{summary}:\n{}", wrong[..wrong.len().min(shown)].join("\n"));
    assert!(get(&tally.undecided) * 100 <= count, "{summary}: too many are undecided");
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

async fn work(real: Server, tally: Arc<Tally>, run: String) -> (Vec<String>, Vec<Played>) {
    let generator = Generator::new();
    let only = variable("KIND");
    let (mut wrong, mut played) = (Vec::new(), Vec::new());
    let ours = Server::ours();
    let pair = Pair { real: &real, ours: &ours, tally: &tally };
    loop {
        let first = tally.next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= tally.count {
            return (wrong, played);
        }
        let seeds = (first..tally.count.min(first + BATCH)).map(|at| number("SEED", 1) + at);
        let mut batch: Vec<(u64, Vec<Value>)> =
            seeds.map(|seed| (seed, generator.sequence(seed, only.as_deref()))).collect();
        let ns = format!("seq-{run}-{first}");
        real.prepare(&ns, &definitions()).await;
        ours.prepare(&ns, &definitions()).await;
        settle(&real, &ns).await;
        for attempt in 1..=ATTEMPTS {
            // Objects of another name: what the first attempt left is in nobody's way.
            let run = if attempt == 1 { run.clone() } else { format!("{run}n{attempt}") };
            let names = [("${ns}", ns.as_str()), ("${run}", run.as_str())];
            let mut again = Vec::new();
            for play in play_batch(&pair, &names, &batch).await {
                match play.verdict {
                    Verdict::Alike => played.push(Played { seed: play.seed, steps: play.done }),
                    Verdict::Differs(told) => wrong.push(told),
                    Verdict::Undecided => again.push(play.seed),
                }
            }
            played.truncate(RECORDED);
            batch.retain(|(seed, _)| again.contains(seed));
            if batch.is_empty() {
                break;
            }
            let tell = if attempt == ATTEMPTS { &tally.undecided } else { &tally.retried };
            tell.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Waits until the real server serves the definitions and has filled the namespace.
async fn settle(real: &Server, ns: &str) {
    for path in [
        "/apis/seq.bowline.test/v1beta1/widgets".to_owned(),
        "/apis/seq.bowline.test/v1/bags".to_owned(),
        "/apis/seq.bowline.test/v1alpha1/gadgets".to_owned(),
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
    tally: &'a Tally,
}

/// What became of a sequence.
enum Verdict {
    Alike,
    Differs(String),
    /// The servers differ, perhaps because nobody knows in which second a step was carried out.
    Undecided,
}

/// A sequence while it is played.
struct Play {
    seed: u64,
    normal: Normal,
    own_normal: Normal,
    done: Vec<Value>,
    /// A step was carried out while a second ended: in one of two, or in both.
    is_unsure: bool,
    verdict: Verdict,
}

async fn play_batch(pair: &Pair<'_>, names: &[(&str, &str)], batch: &[(u64, Vec<Value>)]) -> Vec<Play> {
    let begin = |seed: u64| Play {
        seed,
        normal: Normal::new(names),
        own_normal: Normal::new(names),
        done: Vec::new(),
        is_unsure: false,
        verdict: Verdict::Alike,
    };
    let mut plays: Vec<Play> = batch.iter().map(|(seed, _)| begin(*seed)).collect();
    let longest = batch.iter().map(|(_, steps)| steps.len()).max().unwrap_or(0);
    for round in 0..longest {
        for ((_, steps), play) in batch.iter().zip(&mut plays) {
            if let (Some(step), Verdict::Alike) = (steps.get(round), &play.verdict) {
                play_step(pair, names, step, play).await;
            }
            pair.tally.progress();
        }
    }
    for play in &plays {
        match play.verdict {
            Verdict::Alike => pair.tally.ended.fetch_add(1, Ordering::Relaxed),
            Verdict::Differs(_) => {
                pair.tally.ended.fetch_add(1, Ordering::Relaxed);
                pair.tally.wrong.fetch_add(1, Ordering::Relaxed)
            }
            Verdict::Undecided => 0,
        };
    }
    plays
}

/// Waits until the real server's garbage collector has seen a deletion, which ours does at once.
async fn wait_for_collector(real: &Server, step: &Value, names: &[(&str, &str)]) {
    const ITS_OWN: [&str; 2] = ["orphan", "foregroundDeletion"];
    let Some(path) = step["do"].as_str().and_then(|words| words.strip_prefix("DELETE ")) else { return };
    let get = json!({"do": format!("GET {path}")});
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let answers = real.play(&get, names).await;
        let finalizers = answers[0].body["metadata"]["finalizers"].as_array().into_iter().flatten();
        if !finalizers.into_iter().any(|name| ITS_OWN.iter().any(|own| name == own)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn play_step(pair: &Pair<'_>, names: &[(&str, &str)], step: &Value, play: &mut Play) {
    let (seconds, answers) = on_real(pair.real, step, names).await;
    wait_for_collector(pair.real, step, names).await;
    pair.tally.steps.fetch_add(1, Ordering::Relaxed);
    let want: Value = answers.iter().map(|answer| play.normal.answer(answer)).collect();
    let now = seconds.iter().rev().copied().find(|second| want.to_string().contains(&second.to_string()));
    play.is_unsure |= seconds.len() > 1;
    let now = now.unwrap_or(seconds[0]);
    pair.ours.set_time(now);
    let have: Value = pair.ours.play(step, names).await.iter().map(|answer| play.own_normal.answer(answer)).collect();
    let mut told = Vec::new();
    differences("", &want, &have, &mut told);
    if number("DUMP", u64::MAX) == play.seed {
        say(&format!("at {now} {step}\n  WANT {want}\n  HAVE {have}"));
    }
    play.done.push(json!({"step": step, "now": now.to_string(), "answers": want}));
    if told.is_empty() {
        return;
    }
    if play.is_unsure {
        play.verdict = Verdict::Undecided;
        return;
    }
    let told = told.join("\n    ");
    let plural = step["do"].as_str().unwrap_or_default().rsplit('/').nth(1).unwrap_or_default();
    let round = play.done.len() - 1;
    let told = format!("{plural} seed {} step {round}: {step}\n    {told}", play.seed);
    // At once, for who waits for a long run.
    say(&told);
    play.verdict = Verdict::Differs(told);
}

/// Plays a step on the real server and tells in which seconds that may have been.
async fn on_real(real: &Server, step: &Value, names: &[(&str, &str)]) -> (Vec<Timestamp>, Vec<Answer>) {
    let second = || {
        let round = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor);
        Timestamp::now().round(round).expect("the time is not at its end")
    };
    let before = second();
    let answers = real.play(step, names).await;
    let after = second();
    (if before == after { vec![before] } else { vec![before, after] }, answers)
}
