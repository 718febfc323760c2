//! The program behind `cargo xtask simulate`.

use std::time::Instant;

use bowline_simulator::{Outcome, Script, Settings, Summary, play, scenarios, shrink, sweep};
use clap::Parser as _;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, clap::Parser)]
#[command(name = "simulate", about = "Plays whole worlds with faults by seed, and judges them by the six promises")]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many seeds, from the first on
    #[arg(long, default_value_t = 1)]
    seeds: u64,

    /// Prints everything that happens, one line each
    #[arg(long)]
    trace: bool,

    /// Prints failures as they are, without making their scripts shorter
    #[arg(long)]
    whole: bool,

    /// Plays each scenario with the power going at each of its requests
    #[arg(long)]
    sweep: bool,

    /// Plants each bug in turn, and finds the first seed that shows it; needs the feature `planted`
    #[cfg(feature = "planted")]
    #[arg(long)]
    planted: bool,

    /// Only the scenarios, or bugs, whose names contain this
    #[arg(long, default_value = "")]
    only: String,

    /// Plays each seed twice and compares the traces
    #[arg(long)]
    twice: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .try_init();
    }
    #[cfg(feature = "planted")]
    if arguments.planted {
        return find_planted(&arguments);
    }
    if arguments.sweep {
        return sweep_all(&arguments.only);
    }
    let begin = Instant::now();
    let mut summary = Summary::default();
    let mut failures = 0;
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        let script = Script::of_seed(seed);
        let settings = Settings { keeps_trace: arguments.trace, ..Settings::default() };
        let outcome = play(&script, settings)?;
        if arguments.trace {
            for line in &outcome.trace {
                anstream::println!("{line}");
            }
            anstream::println!("hash {}", outcome.hash);
        }
        if arguments.twice {
            let again = play(&script, settings)?;
            if again.hash != outcome.hash {
                failures += 1;
                anstream::println!("seed {seed} is not the same twice: {}", first_difference(&outcome, &again));
            }
        }
        summary.add(&outcome.summary);
        if !outcome.broken.is_empty() {
            failures += 1;
            tell(seed, &script, &outcome, !arguments.whole)?;
        }
    }
    let took = begin.elapsed();
    let ratio = summary.simulated.as_secs_f64() / took.as_secs_f64().max(0.001);
    anstream::println!("{summary}");
    anstream::println!("{} seeds in {took:.1?}, simulated to real {ratio:.0} : 1, {failures} failed", arguments.seeds);
    anyhow::ensure!(failures == 0, "{failures} seeds failed");
    Ok(())
}

fn first_difference(one: &Outcome, other: &Outcome) -> String {
    let pair = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
    pair.map_or_else(|| "one is longer".to_owned(), |(one, other)| format!("\n  {one}\n  {other}"))
}

/// Tells of a failure: what broke, what can be left out, and how to see it again.
fn tell(seed: u64, script: &Script, outcome: &Outcome, shrinks: bool) -> anyhow::Result<()> {
    let first = &outcome.broken[0];
    anstream::println!("seed {seed} broke a promise: {first}");
    if !shrinks {
        return Ok(());
    }
    let mut fails = |script: &Script| {
        let again = play(script, Settings::default());
        again.is_ok_and(|again| again.broken.first().is_some_and(|broken| broken.promise == first.promise))
    };
    let shrunk = shrink(script, 150, &mut fails);
    let last = play(&shrunk, Settings::default())?;
    anstream::println!("  it is enough that there are {} clusters and these apps:", shrunk.clusters);
    for app in &shrunk.apps {
        anstream::println!("    {app:?}");
    }
    for step in &shrunk.steps {
        anstream::println!("    {step}");
    }
    for trouble in &shrunk.troubles {
        anstream::println!("    {trouble:?}");
    }
    for line in last.trace.iter().rev().take(25).collect::<Vec<_>>().into_iter().rev() {
        anstream::println!("    | {line}");
    }
    anstream::println!("  again, with everything that happens: cargo xtask simulate --seed {seed} --trace");
    Ok(())
}

/// Sweeps the scenarios, and prints what each came to.
fn sweep_all(only: &str) -> anyhow::Result<()> {
    let (mut requests, mut runs, mut failures) = (0, 0, 0);
    let begin = Instant::now();
    for scenario in scenarios().into_iter().filter(|scenario| scenario.name.contains(only)) {
        let start = Instant::now();
        let swept = sweep(&scenario)?;
        requests += swept.requests;
        runs += swept.runs;
        failures += swept.broken.len();
        let (count, took) = (swept.requests, start.elapsed());
        anstream::println!("{:<36} {count:>4} requests, {:>4} runs, {took:.1?}", scenario.name, swept.runs);
        for (cut, broken) in swept.broken.iter().take(3) {
            anstream::println!("    {cut:?}: {broken}");
        }
    }
    anstream::println!("{requests} requests, {runs} crashes, {failures} broken promises, {:.1?}", begin.elapsed());
    anyhow::ensure!(failures == 0, "{failures} promises were broken");
    Ok(())
}

/// Prints for each planted bug the first seed that shows it, and the promise that breaks.
#[cfg(feature = "planted")]
fn find_planted(arguments: &Arguments) -> anyhow::Result<()> {
    let mut missed = 0;
    for bug in bowline_model::Planted::ALL {
        let name = format!("{bug:?}");
        if !name.contains(&arguments.only) {
            continue;
        }
        let settings = Settings { planted: Some(bug), is_brief: true, ..Settings::default() };
        let mut found = None;
        for seed in arguments.seed..arguments.seed + arguments.seeds {
            let outcome = play(&Script::of_seed(seed), settings)?;
            if let Some(broken) = outcome.broken.first() {
                found = Some((seed, broken.clone()));
                break;
            }
        }
        if let Some((seed, broken)) = found {
            anstream::println!("{name:<28} seed {seed:>4}  {broken}");
        } else {
            missed += 1;
            anstream::println!("{name:<28} not found in {} seeds", arguments.seeds);
        }
    }
    anyhow::ensure!(missed == 0, "{missed} bugs were not found");
    Ok(())
}
