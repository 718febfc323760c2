//! What Go's `text/template` answers, this crate answers too.
//!
//! Recorded answers are compared always. With `BOWLINE_GOTEMPLATE` naming the built `conformance/gotemplate`, Go is asked
//! again: `UPDATE=1` records its answers anew, and `BOWLINE_CASES` says how many random cases both are asked.
#![expect(clippy::disallowed_methods, reason = "a test is told by its environment what to ask whom")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use support::cases;
use support::protocol::{self, Referee};

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

#[test]
fn recorded_answers_are_ours_too() {
    let mut referee = Referee::start();
    let update = std::env::var_os("UPDATE").is_some();
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in cases::case_files(&cases_folder()) {
        let text = std::fs::read_to_string(&file).expect("a case file is text");
        let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect();
        // Data that many cases use stands in the first line.
        let (shared, lines): (Vec<Json>, Vec<Json>) = lines.into_iter().partition(|line| line.get("shared").is_some());
        let whole = |line: &Json| {
            let mut case = line["case"].clone();
            if let (Some(name), Some(shared)) = (case["data"]["shared"].as_str(), shared.first()) {
                case["data"] = shared["shared"][name].clone();
            }
            case
        };
        let cases: Vec<Json> = lines.iter().map(whole).collect();
        let mut wants: Vec<Json> = lines.iter().map(|line| line["want"].clone()).collect();
        if let Some(referee) = &mut referee {
            let answers: Vec<Json> = cases.chunks(200).flat_map(|some| referee.ask(some)).collect();
            if update {
                let answered =
                    lines.iter().zip(&answers).map(|(line, want)| json!({"case": line["case"], "want": want}));
                let lines: Vec<String> = shared.iter().cloned().chain(answered).map(|line| line.to_string()).collect();
                let text = lines.join("\n") + "\n";
                std::fs::write(&file, text).expect("a case file can be written");
            } else {
                let plain = |answers: &[Json]| answers.iter().map(without_addresses).collect::<Vec<_>>();
                assert_eq!(plain(&answers), plain(&wants), "{}: the referee answers otherwise now", file.display());
            }
            wants = answers;
        }
        for (case, want) in cases.iter().zip(wants) {
            count += 1;
            let have = support::ask(case);
            if have != want && without_addresses(&have) != without_addresses(&want) {
                wrong.push(format!("{case}\n  want {want}\n  have {have}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns an answer without addresses, which differ from run to run.
fn without_addresses(answer: &Json) -> String {
    let text = without_binary_addresses(&support::with_text(answer).to_string());
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits >= 6 {
            // One of a width of its own is padded by a number of its own.
            out.truncate(out.trim_end_matches(' ').len());
        }
        out += "0x";
        out += if digits >= 6 { part[digits..].trim_start_matches(' ') } else { part };
    }
    out
}

/// Leaves out binary and octal digits that are as many as an address has.
fn without_binary_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| matches!(c, '0'..='7')) {
        let count = rest[at..].bytes().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let digits = &rest[at..at + count];
        let is_binary = digits.bytes().all(|digit| digit < b'2');
        let is_address = (13..=17).contains(&count) || is_binary && (40..=48).contains(&count);
        out.push_str(&rest[..at]);
        out.push_str(if is_address { "ADDRESS" } else { digits });
        rest = &rest[at + count..];
    }
    out + rest
}

#[test]
fn random_cases_are_answered_alike() {
    let Some(mut referee) = Referee::start() else {
        eprintln!("skipped: BOWLINE_GOTEMPLATE does not name the referee");
        return;
    };
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number is asked for"))
    };
    let (count, seed) = (number("BOWLINE_CASES", 20_000), number("BOWLINE_SEED", 1));
    let most = number("BOWLINE_MOST", 10) as usize;
    let mut wrong = Vec::new();
    let (mut failing, mut refused) = (0, 0);
    // To come back to what a longer run told.
    let from = number("BOWLINE_FROM", 0);
    for start in (from..from + count).step_by(200) {
        let cases: Vec<Json> = (start..(start + 200).min(from + count))
            .map(|at| support::random::case(seed.wrapping_mul(1 << 32) + at))
            .collect();
        let wants = referee.ask(&cases);
        for (at, (case, want)) in cases.iter().zip(wants).enumerate() {
            failing += u64::from(want.get("error").is_some());
            refused += u64::from(want.get("parse").is_some());
            let have = support::ask(case);
            if have != want && without_addresses(&have) != without_addresses(&want) {
                wrong.push(format!("{}: {case}\n  want {want}\n  have {have}", start + at as u64));
                eprintln!("{}", wrong[wrong.len() - 1]);
            }
        }
        if wrong.len() >= most {
            break;
        }
        // A million takes minutes: whoever waits, or ends it, knows how far it came.
        if (start + 200) % 50_000 == 0 {
            eprintln!("{} random cases from seed {seed}: {} differ so far", start + 200, wrong.len());
        }
    }
    eprintln!(
        "{count} random cases from seed {seed}: {} differ; {failing} failed in both, {refused} were refused by both",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns all files below a folder that `templates` folders hold, sorted.
fn templates_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.iter().any(|part| part == "templates") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn templates_of_public_charts_parse_as_in_go() {
    let corpus = std::env::var_os("BOWLINE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from);
    let charts = corpus.join("helm/charts");
    if !charts.is_dir() {
        eprintln!("skipped: there is no corpus of charts at `{}`", charts.display());
        return;
    }
    let names = std::fs::read_to_string(cases_folder().join("helm-functions.txt")).expect("the names are there");
    let names: Vec<&str> = names.lines().collect();
    let cases: Vec<Json> = templates_below(&charts)
        .iter()
        .map(|path| {
            let text = protocol::encoded(&std::fs::read(path).expect("a template can be read"));
            json!({"templates": [["main", text]], "functions": names, "print": true})
        })
        .collect();
    assert!(cases.len() > 1000, "the corpus holds only {} templates", cases.len());
    let haves: Vec<Json> = cases.iter().map(support::ask).collect();
    let refused: Vec<&Json> = haves.iter().filter(|answer| answer.get("parse").is_some()).collect();
    eprintln!("{} templates of public charts, {} of them refused", cases.len(), refused.len());
    if let Some(mut referee) = Referee::start() {
        let wants: Vec<Json> = cases.chunks(200).flat_map(|some| referee.ask(some)).collect();
        let differ = haves.iter().zip(&wants).filter(|(have, want)| have != want).count();
        assert_eq!(differ, 0, "templates are printed otherwise");
    } else {
        // What Go refuses too, as it was asked once: files with bytes that are no template.
        assert!(refused.len() * 100 < cases.len(), "{refused:?}");
    }
}
