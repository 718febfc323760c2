//! Whole worlds, played: what a seed shows once it shows always.

use bowline_simulator::{Script, Settings, play};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 4, 5] {
        let script = Script::of_seed(seed);
        let settings = Settings { keeps_trace: true, is_brief: true, ..Settings::default() };
        let one = play(&script, settings).expect("the machine has room for a world");
        let other = play(&script, settings).expect("the machine has room for a world");
        let difference = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
}
