//! What sprig's and Helm's functions answer in Go, they answer here too.
//!
//! Recorded answers are compared always. With `BOWLINE_GOTEMPLATE` naming the built `conformance/gotemplate`, Go is asked
//! again: `UPDATE=1` records its answers anew, and `BOWLINE_CASES` says how many random calls both are asked.

#[path = "support/calls.rs"]
mod calls;
#[path = "../../gotmpl/tests/support/cases.rs"]
mod cases;
#[path = "../../gotmpl/tests/support/chance.rs"]
mod chance;
#[path = "../../gotmpl/tests/support/host.rs"]
#[expect(dead_code, reason = "the functions that only the engine's own tests call")]
mod host;
#[path = "../../gotmpl/tests/support/protocol.rs"]
mod protocol;
#[path = "support/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bowline_helm::functions::{Host, table};
use protocol::Referee;
use serde_json::{Value as Json, json};

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/functions")
}

fn ask(case: &Json) -> Json {
    let mut state = Host::new((1_700_000_000, 0), Box::new(|bytes: &mut [u8]| bytes.fill(7)));
    protocol::answer(case, table(), &mut state)
}

/// A case of a recorded line: the template and the names of its data.
fn case(data: &Json, template: &Json) -> Json {
    json!({"helm": true, "templates": [["main", template]], "run": "main", "data": ["map", data]})
}

fn shared_data() -> Json {
    let text = std::fs::read_to_string(cases_folder().join("data.json")).expect("there is data");
    serde_json::from_str(&text).expect("data is JSON")
}

/// Tells whether two answers agree; addresses differ from run to run.
fn agree(have: &Json, want: &Json) -> bool {
    have == want || without_addresses(have) == without_addresses(want)
}

fn without_addresses(answer: &Json) -> String {
    let mut answer = answer.clone();
    if answer["out"].is_object() {
        // In base64 addresses do not show.
        answer["out"] = json!(String::from_utf8_lossy(&protocol::raw(&answer["out"])));
    }
    let text = answer.to_string();
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        out += "0x";
        out += if digits >= 6 { &part[digits..] } else { part };
    }
    out
}

#[test]
fn recorded_answers_are_ours_too() {
    let mut referee = Referee::start();
    let update = std::env::var_os("UPDATE").is_some();
    let data = shared_data();
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in cases::case_files(&cases_folder()) {
        let text = std::fs::read_to_string(&file).expect("a case file is text");
        let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect();
        let cases: Vec<Json> = lines.iter().map(|line| case(&data, &line["t"])).collect();
        let mut wants: Vec<Json> = lines.iter().map(|line| line["want"].clone()).collect();
        if let Some(referee) = &mut referee {
            let answers: Vec<Json> = cases.chunks(200).flat_map(|some| referee.ask(some)).collect();
            if update {
                let answered = lines.iter().zip(&answers).map(|(line, want)| json!({"t": line["t"], "want": want}));
                let text = answered.map(|line| line.to_string()).collect::<Vec<_>>().join("\n") + "\n";
                std::fs::write(&file, text).expect("a case file can be written");
            } else {
                for (have, want) in answers.iter().zip(&wants) {
                    assert!(agree(have, want), "{}: the referee answers otherwise now: {have}", file.display());
                }
            }
            wants = answers;
        }
        for ((case, line), want) in cases.iter().zip(&lines).zip(wants) {
            count += 1;
            let have = ask(case);
            if !agree(&have, &want) {
                wrong.push(format!("{}\n  want {want}\n  have {have}", line["t"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number is asked for"))
}

#[test]
fn random_calls_are_answered_alike() {
    let Some(mut referee) = Referee::start() else {
        eprintln!("skipped: BOWLINE_GOTEMPLATE does not name the referee");
        return;
    };
    let (count, seed, from) = (number("BOWLINE_CASES", 5_000), number("BOWLINE_SEED", 1), number("BOWLINE_FROM", 0));
    let most = number("BOWLINE_MOST", 30) as usize;
    let (functions, data) = (table(), shared_data());
    let (mut failing, mut refused) = (0, 0);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut asked = 0;
    for start in (from..from + count).step_by(200) {
        let cases: Vec<calls::Case> = (start..(start + 200).min(from + count))
            .map(|at| calls::case(seed.wrapping_mul(1 << 32) + at, &functions, &data))
            .collect();
        let wants = referee.ask(&cases.iter().map(|one| one.case.clone()).collect::<Vec<_>>());
        for (at, (one, want)) in cases.iter().zip(wants).enumerate() {
            failing += u64::from(want.get("error").is_some());
            refused += u64::from(want.get("parse").is_some());
            let have = ask(&one.case);
            if !agree(&have, &want) {
                let (name, story) = smallest(one, &data, &mut referee, (&have, &want));
                let story = format!("{}: {story}", start + at as u64);
                eprintln!("{name}\n  {story}");
                wrong.entry(name).or_default().push(story);
            }
        }
        asked = start + 200 - from;
        if wrong.values().map(Vec::len).sum::<usize>() >= most {
            break;
        }
        if (start + 200) % 20_000 == 0 {
            eprintln!("{} random calls from seed {seed}: {} differ so far", start + 200, wrong.len());
        }
    }
    let differ: usize = wrong.values().map(Vec::len).sum();
    eprintln!(
        "{} random calls from seed {seed}: {differ} differ; {failing} failed in both, {refused} were refused by both",
        asked.min(count)
    );
    let groups: Vec<String> = wrong.iter().map(|(name, stories)| format!("{name}: {}", stories.len())).collect();
    assert!(differ == 0, "by function: {}", groups.join(", "));
}

/// Finds the smallest call of a case that is answered otherwise, and the function it calls.
fn smallest(one: &calls::Case, data: &Json, referee: &mut Referee, whole: (&Json, &Json)) -> (String, String) {
    for (call, name) in &one.calls {
        let case = calls::whole(&format!("{{{{ printf \"%T %v\" ({call}) ({call}) }}}}"), data);
        let want = referee.ask(std::slice::from_ref(&case)).remove(0);
        let have = ask(&case);
        if !agree(&have, &want) {
            return ((*name).to_owned(), format!("{call}\n  want {want}\n  have {have}"));
        }
    }
    let (have, want) = whole;
    ("the whole".to_owned(), format!("{}\n  want {want}\n  have {have}", one.case["templates"][1][1]))
}
