//! Random objects of every built-in kind, created by this server and by a real one: what comes back must be the same.
//!
//! With `BOWLINE_JUDGE` naming the program that runs a real control plane (`conformance/control-plane`), or the
//! JSON line of one that runs, `BOWLINE_OBJECTS=5000` objects from `SEED=0` on are asked about, of the kinds in `KINDS`; with
//! `UPDATE=1` the answers are recorded. Without it the recorded sample is replayed.

mod generate;
mod mend;
mod plane;
mod rng;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bowline_apiserver::{Cluster, Options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use generate::{Generator, NAMESPACE, Sample};
use plane::{Answer, Plane};

/// One recorded question with the real server's answer.
#[derive(Serialize, Deserialize)]
struct Record {
    path: String,
    body: Value,
    answer: Answer,
}

/// How many answers are kept for the everyday run: the first that are alike. What differs, the run against a real server
/// tells.
const RECORDED: usize = 400;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects/recorded.jsonl.zst")
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn ours() -> Cluster {
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let namespace = json!({ "metadata": { "name": NAMESPACE } });
    let made = plane::ask_ours(&cluster, "/api/v1/namespaces", &namespace).await;
    assert_eq!(made.status, 201, "{}", made.body);
    cluster
}

#[tokio::test]
async fn random_objects_become_what_a_real_server_makes_of_them() {
    let cluster = ours().await;
    let mut differences = Vec::new();
    let mut count = 0;
    let mut accepted = 0;
    if let Some(plane) = Plane::from_environment() {
        let namespace = json!({ "metadata": { "name": NAMESPACE } });
        plane.ask("/api/v1/namespaces", &namespace).await;
        plane.wait_for_service_account(NAMESPACE).await;
        let generator = Generator::new(std::env::var("KINDS").ok().as_deref());
        let (first, total) = (number("SEED", 0), number("BOWLINE_OBJECTS", 5000));
        let mut records = Vec::new();
        for seed in first..first + total {
            let Sample { path, body } = generator.sample(seed);
            let want = plane.ask(&path, &body).await.steady();
            let have = plane::ask_ours(&cluster, &path, &body).await.steady();
            count += 1;
            if total == 1 {
                eprintln!("{path}\n{body}\nwant {want:?}\nhave {have:?}");
            }
            accepted += u64::from(want.status == 201);
            let before = differences.len();
            note(seed, &path, &want, &have, &mut differences);
            if differences.len() == before && records.len() < RECORDED {
                records.push(Record { path, body, answer: want });
            }
        }
        if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
            record(&records);
        }
    } else {
        for (seed, Record { path, body, answer }) in replayed().into_iter().enumerate() {
            let have = plane::ask_ours(&cluster, &path, &body).await.steady();
            count += 1;
            accepted += u64::from(answer.status == 201);
            note(seed as u64, &path, &answer, &have, &mut differences);
        }
    }
    let mut groups = BTreeMap::<String, (usize, String)>::new();
    for (key, told) in &differences {
        let group = groups.entry(key.clone()).or_insert_with(|| (0, told.clone()));
        group.0 += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
    let told: Vec<String> =
        groups.iter().map(|(key, (count, example))| format!("{count} × {key}\n{example}")).collect();
    eprintln!("objects: {} of {count} random objects answered alike ({accepted} accepted)", count - differences.len());
    assert!(differences.is_empty(), "{} of {count} objects differ:\n{}", differences.len(), told.join("\n"));
}

fn note(seed: u64, path: &str, want: &Answer, have: &Answer, differences: &mut Vec<(String, String)>) {
    let mut found = Vec::new();
    if want.status != have.status {
        found.push(format!("status: want {}, have {}", want.status, have.status));
        for answer in [want, have].into_iter().filter(|answer| answer.status != 201) {
            found.push(format!("    {}", answer.body["message"]));
        }
    } else if want.status != 201 {
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
    let kind = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let first: String = found[0].split(": want").next().unwrap_or_default().lines().take(1).collect();
    let first: String = first.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    differences.push((format!("{kind} {first}"), format!("  seed {seed} {path}\n  {}", found.join("\n  "))));
}

fn record(records: &[Record]) {
    let lines: Vec<String> =
        records.iter().map(|record| serde_json::to_string(record).expect("records are plain JSON")).collect();
    let packed = zstd::stream::encode_all(lines.join("\n").as_bytes(), 19).expect("zstd can allocate a context");
    std::fs::write(recorded(), packed).expect("the tests' folder can be written");
}

fn replayed() -> Vec<Record> {
    let packed = std::fs::read(recorded()).expect("the recorded sample is there");
    let text = zstd::stream::decode_all(packed.as_slice()).expect("the sample is zstd");
    let text = String::from_utf8(text).expect("the sample is text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect()
}
