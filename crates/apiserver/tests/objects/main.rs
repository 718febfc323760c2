//! Random objects of every built-in kind, created by this server and by a real one: what comes back must be the same. A
//! third of them is stored, read, replaced, patched, given a status and deleted, too; an eighth is sent as protobuf.
//!
//! With `BOWLINE_JUDGE` naming the program that runs a real control plane (`conformance/control-plane`), or the
//! JSON line of one that runs, `BOWLINE_OBJECTS=5000` objects from `SEED=0` on are asked about, of the kinds in `KINDS`; with
//! `UPDATE=1` the answers are recorded. Without it the recorded sample is replayed.
//!
//! What differs is asked of the real server again: where it differs from itself, as where Go takes causes out of a map, it
//! cannot be compared, and is counted apart.

mod generate;
mod life;
mod mend;
mod plane;
mod rng;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bowline_apiserver::{Cluster, Options};
use serde::{Deserialize, Serialize};
use serde_json::json;

use generate::{Generator, Life, NAMESPACE, Sample};
use plane::{Answer, JSON, PROTOBUF, Plane, Question};

/// One recorded object with the real server's answers.
#[derive(Serialize, Deserialize)]
struct Record {
    create: Question,
    answer: Answer,
    life: Option<(Life, Vec<Answer>)>,
}

/// How many objects are kept for the everyday run: the first of each kind that are alike. What differs, the run against a
/// real server tells.
const RECORDED_OF_A_KIND: usize = 12;

/// Kinds whose objects change what becomes of others: they come last, and live one after the other.
const LATE: [&str; 8] = [
    "apiservices",
    "limitranges",
    "mutatingwebhookconfigurations",
    "priorityclasses",
    "resourcequotas",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
];

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects/recorded.jsonl.zst")
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn namespace() -> Question {
    Question::new("POST", "/api/v1/namespaces", JSON, json!({ "metadata": { "name": NAMESPACE } }))
}

async fn ours() -> Cluster {
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let made = plane::ask_ours(&cluster, &namespace()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    cluster
}

/// What is known so far.
#[derive(Default)]
struct Tally {
    count: usize,
    accepted: usize,
    lives: usize,
    unsteady: usize,
    differing: usize,
    differences: Vec<(String, String)>,
}

impl Tally {
    /// Notes one object; says whether all answers about it are alike.
    fn object(&mut self, found: Vec<(String, String)>, is_accepted: bool) -> bool {
        self.count += 1;
        self.accepted += usize::from(is_accepted);
        self.differing += usize::from(!found.is_empty());
        let is_alike = found.is_empty();
        self.differences.extend(found);
        is_alike
    }
}

#[tokio::test]
async fn random_objects_become_what_a_real_server_makes_of_them() {
    let cluster = ours().await;
    let mut tally = Tally::default();
    match Plane::from_environment() {
        Some(plane) => ask_both(&plane, &cluster, &mut tally).await,
        None => replay(&cluster, &mut tally).await,
    }
    let mut groups = BTreeMap::<String, (usize, String)>::new();
    for (key, told) in &tally.differences {
        let group = groups.entry(key.clone()).or_insert_with(|| (0, told.clone()));
        group.0 += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
    let told: Vec<String> =
        groups.iter().map(|(key, (count, example))| format!("{count} × {key}\n{example}")).collect();
    let Tally { count, accepted, lives, unsteady, differing, .. } = tally;
    eprintln!(
        "objects: {} of {count} random objects answered alike ({accepted} accepted, {lives} lived through, {unsteady} answers \
         that the real server itself gives differently)",
        count - differing
    );
    assert!(differing == 0, "{differing} of {count} objects differ:\n{}", told.join("\n"));
}

async fn ask_both(plane: &Plane, cluster: &Cluster, tally: &mut Tally) {
    plane.ask(&namespace()).await;
    plane.wait_for_service_account(NAMESPACE).await;
    let generator = Generator::new(std::env::var("KINDS").ok().as_deref());
    eprintln!("objects of {} kinds: {}", generator.kinds().len(), generator.kinds().join(", "));
    let (first, total) = (number("SEED", 0), number("BOWLINE_OBJECTS", 5000));
    let mut records = BTreeMap::<String, Vec<Record>>::new();
    let is_late = |sample: &Sample| LATE.contains(&plural(&sample.path)) && sample.life.is_some();
    let mut late = Vec::new();
    for seed in first..first + total {
        let sample = generator.sample(seed);
        if is_late(&sample) {
            late.push((seed, sample));
        } else {
            one(plane, cluster, (seed, sample), total == 1, tally, &mut records).await;
        }
    }
    for late in late {
        one(plane, cluster, late, total == 1, tally, &mut records).await;
    }
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        record(records.into_values().flatten());
    }
}

/// Asks both servers about one object.
async fn one(
    plane: &Plane,
    cluster: &Cluster,
    (seed, sample): (u64, Sample),
    is_shown: bool,
    tally: &mut Tally,
    records: &mut BTreeMap<String, Vec<Record>>,
) {
    let Sample { path, body, is_protobuf, life } = sample;
    let create = Question::new("POST", &path, if is_protobuf { PROTOBUF } else { JSON }, body);
    let want = plane.ask(&create).await.steady();
    let have = plane::ask_ours(cluster, &create).await.steady();
    if is_shown {
        eprintln!("{}\n{}", create.path, create.body);
    }
    let mut found = Vec::new();
    note(seed, &create, &want, &have, &mut found);
    if !found.is_empty() && life::is_unsteady(plane, &create, &want).await {
        tally.unsteady += 1;
        found.clear();
    }
    let both_accept = want.status == 201 && have.status == 201;
    let mut lived = None;
    if let Some(life) = life.filter(|_| both_accept && found.is_empty()) {
        tally.lives += 1;
        let mut answers = Vec::new();
        life::live(plane, cluster, &create, &life, &mut |question, want, have| {
            if is_shown {
                eprintln!("{} {}\n{}", question.method, question.path, question.body);
            }
            note(seed, question, &want, &have, &mut found);
            answers.push(want);
        })
        .await;
        lived = Some((life, answers));
    }
    let is_whole = want.status != 0 && lived.iter().all(|(_, answers)| answers.iter().all(|answer| answer.status != 0));
    tally.unsteady += usize::from(!is_whole);
    if tally.object(found, want.status == 201) && is_whole {
        let known = records.entry(plural(&path).to_owned()).or_default();
        // What the real server tells in another order the next time is no sample.
        if known.len() < RECORDED_OF_A_KIND && !life::is_unsteady(plane, &create, &want).await {
            known.push(Record { create, answer: want, life: lived });
        }
    }
}

async fn replay(cluster: &Cluster, tally: &mut Tally) {
    for (seed, Record { create, answer, life }) in replayed().into_iter().enumerate() {
        let have = plane::ask_ours(cluster, &create).await.steady();
        let mut found = Vec::new();
        note(seed as u64, &create, &answer, &have, &mut found);
        if let Some((life, answers)) = life {
            tally.lives += 1;
            let mut answers = answers.into_iter();
            life::live_again(cluster, &create, &life, &mut |question, have| {
                let want = answers.next();
                if let Some(want) = &want {
                    note(seed as u64, question, want, &have, &mut found);
                }
                want.is_some()
            })
            .await;
        }
        tally.object(found, answer.status == 201);
    }
}

fn plural(path: &str) -> &str {
    path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
}

fn note(seed: u64, question: &Question, want: &Answer, have: &Answer, differences: &mut Vec<(String, String)>) {
    let mut found = Vec::new();
    if want.status == 0 || is_of_controllers(want) {
        return;
    }
    if want.status != have.status {
        found.push(format!("status: want {}, have {}", want.status, have.status));
        for answer in [want, have].into_iter().filter(|answer| answer.status > 201) {
            found.push(format!("    {}", answer.body["message"]));
        }
    } else if want.status > 201 {
        if want.status == 422 && have.status == 422 && plane::same_causes(&want.body, &have.body) {
            // Only what Go takes from maps, in any order, is told in another order.
        } else if want.body["message"] != have.body["message"] {
            found.push(format!("message\n    want {}\n    have {}", want.body["message"], have.body["message"]));
        } else {
            plane::differences("", &want.body, &have.body, &mut found);
        }
    } else {
        plane::differences("", &want.body, &have.body, &mut found);
    }
    if want.warnings != have.warnings {
        found.push(format!("warnings: want {:?}, have {:?}", want.warnings, have.warnings));
    }
    if found.is_empty() {
        return;
    }
    let Question { method, path, .. } = question;
    let short = path.split('?').next().unwrap_or_default();
    let kind = short.split('/').rev().find(|part| !part.contains('-') && *part != "status").unwrap_or_default();
    let first: String = found[0].split(": want").next().unwrap_or_default().lines().take(1).collect();
    let first: String = first.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let step = if short.ends_with("/status") { "status" } else { method.as_str() };
    differences
        .push((format!("{kind} {step} {first}"), format!("  seed {seed} {method} {path}\n  {}", found.join("\n  "))));
}

/// Returns whether a refusal quotes what the real server's own controllers wrote.
fn is_of_controllers(answer: &Answer) -> bool {
    let message = answer.body["message"].as_str().unwrap_or_default();
    answer.status > 201 && message.contains("api-priority-and-fairness-config-consumer-v1")
}

fn record(records: impl Iterator<Item = Record>) {
    let lines: Vec<String> =
        records.map(|record| serde_json::to_string(&record).expect("records are plain JSON")).collect();
    let packed = zstd::stream::encode_all(lines.join("\n").as_bytes(), 19).expect("zstd can allocate a context");
    std::fs::write(recorded(), packed).expect("the tests' folder can be written");
}

fn replayed() -> Vec<Record> {
    let packed = std::fs::read(recorded()).expect("the recorded sample is there");
    let text = zstd::stream::decode_all(packed.as_slice()).expect("the sample is zstd");
    let text = String::from_utf8(text).expect("the sample is text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect()
}
