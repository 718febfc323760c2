//! Whole worlds, played: what a seed shows once it shows always, and no promise is broken.

use bowline_simulator::{Outcome, Script, Settings, play};

/// Plays a seed; in this thread, so that tests of one process do not meet.
fn played(seed: u64) -> Outcome {
    let settings = Settings { keeps_trace: true, is_brief: true, ..Settings::default() };
    play(&Script::of_seed(seed), settings).expect("the machine has room for a world")
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2] {
        let (one, other) = (played(seed), played(seed));
        let difference = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
}

/// The first three broke a promise before prunes waited for all who might desire what would go.
#[test]
fn the_first_seeds_keep_the_promises() {
    for seed in 1..=5 {
        let outcome = played(seed);
        assert_eq!(outcome.broken, [], "cargo xtask simulate --seed {seed} --trace");
        assert!(outcome.summary.writes > 0, "seed {seed} writes something");
    }
}
