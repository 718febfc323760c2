//! Random trees of overlays, built by Kustomize's library and by ours.
//!
//! `BOWLINE_KUSTOMIZE` names the referee (`conformance/kustomize`); without it there is nothing to compare.
//! `BOWLINE_CASES` is how many trees, `BOWLINE_SEED` where they start; `cargo xtask conformance kustomize` sets all three.
//! Kustomize is the slow side: `BOWLINE_REFEREES` says how many processes of it are asked, and `BOWLINE_MOST` after how
//! many differences to end. `BOWLINE_SHOW=SEED` prints a tree, `BOWLINE_WORDS=1` errors that are told in other words,
//! `BOWLINE_WHY=1` all that both tell.

mod generator;
#[path = "support/referee.rs"]
mod referee;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bowline_kustomize::Order;
use generator::tree;
use referee::{Answer, Question, Referee, ours};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// How many trees a referee is given at once.
const BATCH: u64 = 50;

/// After how many trees a line tells how far it came.
const STRETCH: u64 = 10_000;

#[derive(Debug, Default)]
struct Score {
    equal: u64,
    failed: u64,
    same_words: u64,
    crashed: u64,
    different: Vec<(u64, String)>,
}

impl Score {
    fn asked(&self) -> u64 {
        self.equal + self.failed + self.crashed + self.different.len() as u64
    }

    fn told(&self) -> String {
        let Self { equal, failed, same_words, crashed, different } = self;
        let count = different.len();
        format!(
            "{equal} equal, {failed} failed in both ({same_words} in the same words), {crashed} that Kustomize falls over, {count} different"
        )
    }

    fn add(&mut self, seed: u64, have: &Answer, want: &Answer) {
        match (have, want) {
            // Kustomize falls over some trees; what they are is for nobody to say.
            (_, Err(why)) if why == "panic" => self.crashed += 1,
            (Ok(have), Ok(want)) if have == want => self.equal += 1,
            (Err(have), Err(want)) => {
                self.failed += 1;
                let is_same = without_address(have) == without_address(want);
                self.same_words += u64::from(is_same);
                if !is_same && std::env::var_os("BOWLINE_WORDS").is_some() {
                    eprintln!("seed {seed}: other words\n  have {have}\n  want {want}");
                }
                if std::env::var_os("BOWLINE_WHY").is_some() {
                    eprintln!("seed {seed}: {want}");
                }
            }
            _ => {
                let story = format!("seed {seed}:\n--- have\n{}\n--- want\n{}", shown(have), shown(want));
                if self.different.len() < 20 {
                    eprintln!("{story}");
                }
                self.different.push((seed, story));
            }
        }
        if self.asked().is_multiple_of(STRETCH) {
            eprintln!("random overlays: {}", self.told());
        }
    }
}

#[test]
fn random_overlays_are_built_as_by_kustomize() {
    if let Ok(wanted) = std::env::var("BOWLINE_SHOW") {
        for (path, content) in &tree(wanted.parse().expect("is a seed")) {
            eprintln!("##### {path}\n{content}");
        }
    }
    if Referee::start().is_none() {
        eprintln!("skipped: BOWLINE_KUSTOMIZE names no referee");
        return;
    }
    let (cases, first) = (number("BOWLINE_CASES", 1000), number("BOWLINE_SEED", 1));
    let most = number("BOWLINE_MOST", 20) as usize;
    let (next, score) = (AtomicU64::new(first), Mutex::new(Score::default()));
    std::thread::scope(|scope| {
        for _ in 0..number("BOWLINE_REFEREES", 1) {
            scope.spawn(|| {
                let mut referee = Referee::start().expect("it did start");
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    let to = (from + BATCH).min(first + cases);
                    if from >= to || score.lock().expect("nobody panics with it").different.len() >= most {
                        break;
                    }
                    let questions: Vec<Question> = (from..to)
                        .map(|seed| Question {
                            files: tree(seed),
                            order: if seed.is_multiple_of(2) { Order::Legacy } else { Order::None },
                        })
                        .collect();
                    let wants = referee.ask(&questions);
                    for (seed, (question, want)) in (from..).zip(questions.iter().zip(wants)) {
                        let have = ours(question);
                        score.lock().expect("nobody panics with it").add(seed, &have, &want);
                    }
                }
            });
        }
    });
    let score = score.into_inner().expect("nobody panics with it");
    eprintln!("{} random overlays from seed {first}: {}", score.asked(), score.told());
    let seeds: Vec<String> = score.different.iter().map(|(seed, _)| seed.to_string()).collect();
    assert!(seeds.is_empty(), "{} trees differ, of seeds {}", seeds.len(), seeds.join(", "));
}

/// Leaves out what generator is told of: Kustomize tells where it lies in memory.
fn without_address(why: &str) -> String {
    const WORDS: &str = "merging from generator ";
    match why.split_once(WORDS) {
        Some((before, after)) => format!("{before}{WORDS}{}", after.split_once(": ").map_or(after, |(_, rest)| rest)),
        None => why.to_owned(),
    }
}

fn shown(answer: &Answer) -> String {
    match answer {
        Ok(text) => text.clone(),
        Err(why) => format!("fails: {why}"),
    }
}
